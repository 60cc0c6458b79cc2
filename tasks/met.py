"""What the champion has met since it was made, and how wrong it was where that is known by now."""

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd

from everfit import evaluation, registry
from everfit.lake import Lake, labels
from everfit.lake.keys import keys_of
from everfit.reserved import AT, BATCH, ID, NEW
from everfit.settings import Settings
from everfit.spec import ModelSpec
from tasks.build_features import in_time
from tasks.evaluate import unseen

NEVER = 2**62


@dataclass(frozen=True)
class Met:
    """Rows that landed and that it has not learnt from, and rows that it was only asked about, with its answers.

    Both have the target where it is known by now, and `_new` where that is what is to be judged. Of those that landed
    so many are `corrected`: it has learnt from them, with another label.
    """

    landed: pd.DataFrame = field(repr=False)
    asked: pd.DataFrame = field(repr=False)
    corrected: int = 0

    def without(self, corrected: pd.DataFrame) -> "Met":
        """Return the same without rows that a correction takes back."""
        if not len(corrected) or not len(self.landed):
            return self
        return replace(self, landed=self.landed[evaluation.is_beyond(self.landed.drop(columns=NEW), corrected)])

    def judged(self) -> "Met":
        """Return the same with nothing that is new: its labels were judged when they came."""
        return replace(self, landed=self.landed.assign(**{NEW: False}))

    def with_batch(self, loaded: registry.Loaded, frame: pd.DataFrame) -> "Met":
        """Return the same with the rows of a batch that the champion has not learnt from, the newest."""
        new = unseen(frame, loaded).assign(**{NEW: True})
        return replace(self, landed=pd.concat([self.landed, new], ignore_index=True) if len(self.landed) else new)


def meet(
    spec: ModelSpec, loaded: registry.Loaded, *, frame: pd.DataFrame | None = None, but: str = "", after: int = NEVER
) -> Met:
    """Read what the champion has met, less one batch, whose rows are `frame`; new are labels that came `after`."""
    lake, made, form = Lake(Settings()), loaded.card["snapshot"], loaded.format_of(spec.data.time)
    known = lake.labels(spec.name)
    learnt = replace(
        lake.snapshot(spec.name, made["version"]),
        labels_version=made.get("labels_version"),
        labels_digest=made.get("labels_digest", ""),
    )
    rows, had = lake.since(learnt, target=spec.data.target, but=but), lake.labels(learnt)
    rows = _whole(rows[labels.first_words(rows, spec.data)], unknown_of(spec, loaded))
    gone = lake.replaced(learnt)
    gone = gone[_taught(spec, gone, had, known)]
    if len(rows) and len(gone):
        rows = rows[evaluation.is_beyond(rows, gone)]
    corrected = 0
    if len(rows):
        taught = _taught(spec, rows, had, known)
        corrected = int(((labels.matches(rows, had, spec.data) >= 0) & ~taught).sum())
        rows = rows[~(taught & rows[BATCH].isin(learnt.batches))]
    told = None if spec.data.label_delay else known  # without a label they count where it may be overdue
    asked = _asked(spec, lake, loaded, frame, told)
    fresh = known.iloc[:0] if after == NEVER else lake.news(spec.name, spec.data, after=after)
    landed, asked = (
        labels.complete(part, known, spec.data).assign(**{NEW: labels.matches(part, fresh, spec.data) >= 0})
        for part in (rows, asked)
    )
    return Met(unseen(in_time(spec, landed, form), loaded) if len(landed) else landed, asked, corrected)


def _taught(spec: ModelSpec, rows: pd.DataFrame, had: pd.DataFrame, known: pd.DataFrame) -> pd.Series:
    """Say which rows had the label already that they have now: one that was corrected was learnt as another row."""
    before, now = (labels.complete(rows, said, spec.data) for said in (had, known))
    if spec.data.target not in before:
        return _has_label(spec, before)
    return _has_label(spec, before) & (before[spec.data.target].astype(object) == now[spec.data.target].astype(object))


def unknown_of(spec: ModelSpec, loaded: registry.Loaded) -> set[str]:
    """Return the inputs about people: of what a service was asked nobody knows them, and its answers stand for it."""
    return set(loaded.card["inputs"]).intersection(spec.data.personal)


def _whole(rows: pd.DataFrame, unknown: set[str]) -> pd.DataFrame:
    return rows[rows[ID].isna()] if unknown and ID in rows else rows


def _asked(
    spec: ModelSpec,
    lake: Lake,
    loaded: registry.Loaded,
    frame: pd.DataFrame | None,
    told: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Return what the champion said about rows that never landed and were not refused, the latest word on each.

    With `told`, only of those that labels have told.
    """
    said = lake.answers(spec.name, spec.data, version=loaded.version, known=told)
    ways = labels.key_columns(said, spec.data)
    if said.empty or not ways:
        return said.iloc[:0]
    if ID in said:
        said = said[~said[ID].isin(lake.quarantined(spec.name))]
    said = said.sort_values(AT, kind="stable")
    keyed, stays = np.zeros(len(said), dtype=bool), np.ones(len(said), dtype=bool)
    for names in ways[-2:] if ID in said else ways[-1:]:  # as exactly as they are named, and as they were answered
        here = _whole(lake.known_rows(spec.name, {*names, ID}), unknown_of(spec, loaded))
        key, known = keys_of(said, names), [here] + ([] if frame is None else [frame])
        landed = [keys_of(rows, names) for rows in known if all(name in rows for name in names)]
        keyed |= key.notna().to_numpy()
        again = key.duplicated(keep="last") | key.isin(pd.concat(landed) if landed else [])
        stays &= ~(key.notna() & again).to_numpy()
    return in_time(spec, said[keyed & stays], loaded.format_of(spec.data.time))


def losses(spec: ModelSpec, loaded: registry.Loaded, met: Met) -> pd.DataFrame:
    """Return `loss` and `new` of every row whose label is known: the new ones last, each part in the order of time."""
    parts = []
    for frame, predict in ((met.landed, _asks), (met.asked, _said)):
        known = labelled(spec, frame)
        if len(known):
            loss = evaluation.row_losses(loaded.task, known[spec.data.target], predict(loaded, known))
            when = times(spec, loaded, known) if spec.data.time in known else np.arange(len(known), dtype="float64")
            parts.append(pd.DataFrame({"loss": loss, "new": known[NEW].to_numpy(dtype=bool), "when": when}))
    if not parts:
        return pd.DataFrame({"loss": np.empty(0), "new": np.empty(0, dtype=bool)})
    return pd.concat(parts).sort_values(["new", "when"], kind="stable", ignore_index=True)[["loss", "new"]]


def _said(loaded: registry.Loaded, kept: pd.DataFrame) -> evaluation.Predicted:
    return evaluation.of_columns(kept, loaded.task, loaded.pipeline)


def count_labelled(spec: ModelSpec, frame: pd.DataFrame) -> int:
    """Return how many rows have their label."""
    return len(labelled(spec, frame))


def times(spec: ModelSpec, loaded: registry.Loaded, frame: pd.DataFrame) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Return the times of rows, in microseconds or in the column's own unit, read as the champion learnt them."""
    return evaluation.times_of(frame[spec.data.time], loaded.format_of(spec.data.time))


def labelled(spec: ModelSpec, frame: pd.DataFrame) -> pd.DataFrame:
    """Return the rows that have their label."""
    return frame[_has_label(spec, frame)]


def _has_label(spec: ModelSpec, frame: pd.DataFrame) -> pd.Series:
    return frame[spec.data.target].notna() if spec.data.target in frame else pd.Series(False, index=frame.index)


def _asks(loaded: registry.Loaded, frame: pd.DataFrame) -> evaluation.Predicted:
    return evaluation.predict(loaded.pipeline, frame, loaded.task, loaded.card["positive"])
