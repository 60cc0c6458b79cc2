"""The answers that a version gave before it was rolled back, and what the restored champion says of the same rows."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from everfit import evaluation, registry
from everfit.errors import InputError
from everfit.files import replacing
from everfit.lake import Lake
from everfit.lake.answers import kept_as
from everfit.ledger import Ledger
from everfit.reserved import ANSWER, ASKED_AT, AT, PREDICTION_ID, VERSION
from everfit.serving.closed import entries_of
from everfit.serving.journal import ENDING
from everfit.serving.served import CLOSE
from everfit.settings import Settings
from everfit.spec import load_spec
from everfit.tables import WRITERS, stream

SHOWN = 3
AFTER = "rescored"


@dataclass(frozen=True)
class Affected:
    """What a version answered: how many, from when to when (UTC), a few of them, and the file that has all.

    `waiting` are answers more that this machine has kept, and not handed over to the lake yet.
    """

    version: int
    count: int
    first: str | None = None
    last: str | None = None
    sample: tuple[dict[str, Any], ...] = ()
    file: str | None = None
    waiting: int = 0

    @property
    def sentence(self) -> str:
        """Say it in one line."""
        more = f"; {self.waiting:,} more are on their way into the lake: ask again in a minute" if self.waiting else ""
        if not self.count:
            return f"v{self.version} has given no predictions that are in the lake{more}"
        return f"v{self.version} has given {self.count:,} predictions, from {self.first} to {self.last} UTC{more}"

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, ready for JSON."""
        return {**asdict(self), "sentence": self.sentence}


@dataclass(frozen=True)
class Rescored:
    """What the restored champion says instead. `changed` are rows of another class, or another number.

    `apart` is the mean difference of numbers, after less before; None for classes. `without_fields` are rows of which
    not every field was kept as it was sent, so that they cannot be asked again.
    """

    version: int
    count: int
    changed: int
    apart: float | None
    without_fields: int
    file: str

    @property
    def sentence(self) -> str:
        """Say it in one line."""
        moved = "" if self.apart is None else f", by {self.apart:+.4g} on average"
        rest = f"; of {self.without_fields:,} more not all fields were kept" if self.without_fields else ""
        return f"v{self.version} says something else of {self.changed:,} of {self.count:,} rows{moved}{rest}"

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, ready for JSON."""
        return {**asdict(self), "sentence": self.sentence}


def bad_version(ledger: Ledger, model: str) -> int | None:
    """Return the version that the last change of the champion rolled back; None when that was a promotion."""
    swaps = ledger.swaps(model)
    return int(swaps[-1].facts["replaced"]) if swaps and swaps[-1].kind == "rolled_back" else None


def affected(settings: Settings, model: str, version: int, file: Path | None = None) -> Affected:
    """Find what a version answered, over HTTP and for files, and write all of it to a file when one is named.

    Answers of the last minute may still be on their way into the lake; those of this machine are counted.
    """
    check(file)
    waiting = _waiting(settings.folder("answers", model), version)
    given = Lake(settings).predictions(model, version=version)
    if file:
        _write(given, file)
    if given.empty:
        return Affected(version, 0, file=str(file) if file else None, waiting=waiting)
    when = (given[ASKED_AT] if ASKED_AT in given else given[AT]).fillna(given[AT])
    names = [name for name in (PREDICTION_ID, ANSWER) if name in given]
    rows = given.assign(at=when.astype("str"))[["at", *names]].sort_values("at").head(SHOWN)
    return Affected(
        version, len(given), f"{when.min():%Y-%m-%d %H:%M:%S}", f"{when.max():%Y-%m-%d %H:%M:%S}",
        tuple(_named(row) for row in rows.to_dict("records")), str(file) if file else None, waiting,
    )  # fmt: skip


def _waiting(folder: Path, version: int) -> int:
    """Count the answers of a version in the journal, also in the file that is being written."""
    count = 0
    for path in folder.glob(f"*{ENDING}"):
        with suppress(FileNotFoundError):  # it is in the lake by now
            held = (entries_of(line) or [] for line in path.read_bytes().splitlines())
            count += sum(entry["version"] == version for entries in held for entry in entries)
    return count


def rescore(settings: Settings, model: str, version: int, champion: int, file: Path) -> Rescored:
    """Ask the champion what a version was asked; write both answers, side by side, to a file of its own.

    What is in the lake stays as it was given. Rows whose fields were not kept are left out and counted: those of files,
    and all where the champion reads a personal field, or one that the version did not.
    """
    check(file)
    given, loaded = Lake(settings).predictions(model, version=version), registry.load(settings, model, champion)
    whole = PREDICTION_ID in given and not _lost(settings, loaded, version)
    asked = given[given[PREDICTION_ID].notna()].reset_index(drop=True) if whole else given.iloc[:0]
    said = np.asarray(_said(loaded, asked).values)
    both = asked.rename(columns={VERSION: "version"})
    both[AFTER], both["rescored_by"] = said, champion
    _write(both, file)
    numbers = loaded.task == "regression"
    before = asked[ANSWER].to_numpy(dtype="float64" if numbers else said.dtype) if len(asked) else said
    changed = ~np.isclose(before, said, atol=CLOSE) if numbers else before != said
    apart = float((said - before).mean()) if numbers and len(asked) else None
    return Rescored(champion, len(asked), int(changed.sum()), apart, len(given) - len(asked), str(file))


def _lost(settings: Settings, loaded: registry.Loaded, version: int) -> set[str]:
    """Return the fields that the champion reads and that nobody has kept of what a version was asked."""
    asked = set(registry.card_of(settings, loaded.model, version)["inputs"])
    return set(loaded.card["inputs"]) - (asked - set(load_spec(loaded.model, settings.models).data.personal))


def _said(loaded: registry.Loaded, asked: pd.DataFrame) -> evaluation.Predicted:
    if asked.empty:
        return evaluation.Predicted(np.zeros(0))
    fields = pd.DataFrame({name: asked.get(kept_as(name)) for name in loaded.card["inputs"]}, asked.index)
    return evaluation.predict(loaded.pipeline, fields, loaded.task, loaded.card["positive"])


def _named(row: Mapping[Hashable, Any]) -> dict[str, Any]:
    return {str(name): value for name, value in row.items() if not pd.isna(value)}


def check(file: Path | None) -> None:
    """Raise InputError for a file that predictions cannot be written to."""
    if file and file.suffix not in WRITERS:
        raise InputError(f"Predictions cannot be written to '{file}'.", do="Name a .parquet or a .csv file.")


def _write(frame: pd.DataFrame, file: Path) -> None:
    with replacing(file) as half, half.open("wb") as out:
        stream(pa.Table.from_pandas(frame, preserve_index=False).to_reader(), out, file.suffix)
