"""What became of the labels of a file: each row of it has one of a few outcomes, which are counted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from everfit.lake.labels import keys_in
from everfit.record import Record
from everfit.spec import Data


@dataclass(frozen=True)
class Said:
    """The labels of one place, by `_key`, and the rows that gave none: without an id, without a label, or repeated.

    Where a place says two things of one id, the later one counts; `disputed` are such ids.
    """

    origin: str
    labels: pd.DataFrame = field(repr=False)
    rows: int
    unnamed: int
    empty: int
    repeated: int
    disputed: int

    @classmethod
    def of(cls, frame: pd.DataFrame, labels: pd.DataFrame, data: Data, origin: str) -> Said:
        """Count what a file holds, of which `labels` were read."""
        keys, known = keys_in(frame, data), frame[data.target].notna()
        whole = keys.notna() & known
        values = frame[data.target][whole].groupby(keys[whole]).nunique()
        return cls(
            origin,
            labels,
            rows=len(frame),
            unnamed=int(keys.isna().sum()),
            empty=int((keys.notna() & ~known).sum()),
            repeated=int(whole.sum()) - len(labels),
            disputed=int((values > 1).sum()),
        )


@dataclass(frozen=True)
class Kept(Record):
    """What became of all rows: they are new, corrected or same, or gave no label; a row may have come with its label.

    Of the labels some are of `unknown` rows, which are kept until these come, and some are `late`: of answers that the
    present champion did not give. It is judged by its own on such rows, if they came in since it was made.
    """

    rows: int = 0
    new: int = 0
    corrected: int = 0
    same: int = 0
    unnamed: int = 0
    empty: int = 0
    repeated: int = 0
    disputed: int = 0
    unknown: int = 0
    late: int = 0

    @property
    def lines(self) -> list[str]:
        """Say it to a person; what did not happen is left out."""
        told = [
            (self.new, "are new"),
            (self.corrected, "correct an earlier label"),
            (self.same, "say what was known"),
            (self.repeated, "repeat an id of the same file, whose last word counts"),
            (self.unnamed, "name no row, and are left out"),
            (self.empty, "have no label yet, and are left out"),
        ]
        beside = [
            (self.disputed, "id(s) had several labels in one file"),
            (self.unknown, "label(s) are of rows that have not come yet, and are kept until they do"),
            (self.late, "label(s) are of answers that earlier champions gave"),
        ]
        return [
            f"{self.rows:,} rows read",
            *(f"  {count:,} {what}" for count, what in told if count),
            *(f"{count:,} {what}" for count, what in beside if count),
        ]


def kept(said: Sequence[Said], known: pd.DataFrame, had: np.ndarray, *, unknown: int, late: int) -> Kept:
    """Count what `said` has changed: `known` are its labels as they are now, `had` what was known of each before."""
    there, now = pd.notna(had), known[said[0].labels.columns[1]].to_numpy(dtype=object)
    changed = int((had[there] != now[there]).sum())
    new, labels = int((~there).sum()), sum(len(one.labels) for one in said)
    return Kept(
        rows=sum(one.rows for one in said),
        new=new,
        corrected=changed,
        same=labels - new - changed,
        unnamed=sum(one.unnamed for one in said),
        empty=sum(one.empty for one in said),
        repeated=sum(one.repeated for one in said),
        disputed=sum(one.disputed for one in said),
        unknown=unknown,
        late=late,
    )
