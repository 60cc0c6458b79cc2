"""What a comparison of two samples found: one record a column, one for the batch, and what they say as findings."""

from __future__ import annotations

from dataclasses import dataclass

from everfit.monitor.findings import Finding, finite, listed
from everfit.record import Record
from everfit.schema import Kind


@dataclass(frozen=True)
class ColumnDrift(Record):
    """What one column did. `moved` and the histograms (largest 30 bins) are shares of rows; `p_value` is Holm's."""

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

    @property
    def effect(self) -> float:
        """The larger of both changes: of the distribution and of the null share."""
        return max(self.moved, abs(self.nulls_after - self.nulls_before))


@dataclass(frozen=True)
class Drift(Record):
    """All columns of one batch against the reference, and the predictions and the target where they are known."""

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

    @property
    def drifted(self) -> tuple[ColumnDrift, ...]:
        """The columns that have drifted, those that moved most first."""
        return tuple(sorted((c for c in self.columns if c.drifted), key=lambda c: -c.effect))

    @property
    def share(self) -> float:
        """The share of the judged columns that have drifted: a description, never a trigger."""
        judged = sum(column.judged for column in self.columns)
        return len(self.drifted) / judged if judged else 0.0

    def findings(self) -> tuple[Finding, ...]:
        """Return what the inputs, the predictions and the target say."""
        others = (("prediction drift", self.prediction), ("target drift", self.target))
        return self._inputs(), *(_finding(signal, column) for signal, column in others if column)

    def _inputs(self) -> Finding:
        if not self.judged:
            return Finding.cannot_judge("input drift", self.why)
        moved = self.drifted
        names = tuple(column.column for column in moved)
        text = f"none of {len(self.columns)} columns moved"
        if moved:
            text = f"{len(moved)} of {len(self.columns)} columns moved: {listed(names)}; of {names[0]}, {moved[0].why}"
        return Finding(
            "input drift",
            text,
            severity="watch" if moved else "fine",
            columns=names,
            statistic=moved[0].statistic if moved else None,
            p_value=min((c.p_value for c in self.columns if c.p_value is not None), default=None),
            effect=finite(max((c.effect for c in self.columns), default=0.0)),
        )


def _finding(signal: str, column: ColumnDrift) -> Finding:
    return Finding(
        signal,
        f"the {signal.removesuffix(' drift')}: {column.why}",
        severity="watch" if column.drifted else "fine",
        judged=column.judged,
        columns=(column.column,),
        statistic=column.statistic,
        p_value=column.p_value,
        effect=finite(column.effect),
    )
