"""The data that a suite is drafted from, and the form of what is proposed."""

from dataclasses import dataclass, field
from typing import Any

import pandas as pd

WIDE = 60  # columns; each rule costs Great Expectations 6 ms, so of more columns only what may stop a run is asked


@dataclass(frozen=True)
class Proposal:
    """One rule to be written, with the reason for its numbers."""

    type: str
    kwargs: dict[str, Any]
    notes: str
    severity: str = "critical"
    on_fail: str = ""


@dataclass(frozen=True)
class Sample:
    """The data that a suite is drafted from, in the order of time."""

    frame: pd.DataFrame
    time: str | None = None
    ids: tuple[str, ...] = ()
    now: pd.Timestamp = field(default_factory=lambda: pd.Timestamp.now("UTC").tz_localize(None))
    labels: tuple[str, ...] = ()

    @property
    def wide(self) -> bool:
        """Whether there are so many columns that mere warnings would cost more than they tell."""
        return len(self.frame.columns) > WIDE

    def halves(self, column: str) -> tuple[pd.Series, pd.Series]:
        """The earlier and the later half of the values that are there."""
        values = self.frame[column].dropna()
        return values.iloc[: len(values) // 2], values.iloc[len(values) // 2 :]
