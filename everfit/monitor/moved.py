"""What a comparison of two samples found: one record a column, and one for the batch."""

from __future__ import annotations

from dataclasses import dataclass

from everfit.record import Record
from everfit.schema import Kind


@dataclass(frozen=True)
class ColumnDrift(Record):
    """What one column did. `moved` and the histograms (largest 30 bins) are shares of rows; `p_value` is Holm's.

    `importance` is by how much the champion's loss rises without the column, relative to it; None where nobody asked.
    """

    column: str
    kind: Kind
    why: str
    judged: bool = True
    drifted: bool = False
    statistic: float | None = None
    p_value: float | None = None
    moved: float = 0.0
    psi: float = 0.0
    nulls_before: float = 0.0
    nulls_after: float = 0.0
    labels: tuple[str, ...] = ()
    before: tuple[float, ...] = ()
    after: tuple[float, ...] = ()
    importance: float | None = None

    @property
    def effect(self) -> float:
        """The larger of both changes: of the distribution and of the null share."""
        return max(self.moved, abs(self.nulls_after - self.nulls_before))

    @property
    def rank(self) -> tuple[bool, float, float]:
        """What to sort by: drifted columns first, of these what matters most (drift times importance), then drift."""
        return self.drifted, self.effect * max(self.importance or 0.0, 0.0), self.effect


@dataclass(frozen=True)
class Drift(Record):
    """All columns of one batch against the reference, and the predictions and the target where they are known.

    `importance` is that of all drifted columns together: two that say the same may matter, and neither does by itself.
    """

    judged: bool
    why: str
    level: float
    rows_before: int
    rows_after: int
    sampled: int = 0
    error: float = 0.0
    columns: tuple[ColumnDrift, ...] = ()
    prediction: ColumnDrift | None = None
    target: ColumnDrift | None = None
    importance: float | None = None

    @property
    def drifted(self) -> tuple[ColumnDrift, ...]:
        """The columns that have drifted, those that matter most first; where nobody knows, those that moved most."""
        return tuple(sorted((c for c in self.columns if c.drifted), key=lambda c: c.rank, reverse=True))

    @property
    def share(self) -> float:
        """The share of the judged columns that have drifted: a description, never a trigger."""
        judged = sum(column.judged for column in self.columns)
        return len(self.drifted) / judged if judged else 0.0
