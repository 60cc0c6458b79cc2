"""What a decision rests on: a record of facts, from which the same decision can be made again years later."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from everfit.monitor.findings import Finding
from everfit.monitor.performance import SIGNAL
from everfit.record import Record
from everfit.upkeep.measuring import Measured
from everfit.upkeep.state import State

Action = Literal["none", "recalibrate", "refit", "search", "repair"]


@dataclass(frozen=True)
class Evidence(Record):
    """Everything that a decision rests on; kept in the ledger.

    `now` is the clock. `champion_since` is when the champion, or the version that it was refitted from, came out of a
    search and took over; `learnt` the rows which that search had, `new_rows` the labelled rows that landed since, and
    `labels` also counts those that were only predicted. `retrained` are the times at which searches by drift ended,
    well or not. `waiting` is a challenger that waits for approval, `running` a retraining that is wanted or under way,
    and `queued` a search that waits for a month that has something left for it. What it says of retrainings is as the
    ledger had it with its row `as_of`. `upkeep` is the state that the last decision about this champion left, and
    `measured` what new labels say of its windows; nothing when they were weighed before, `again`, or when they are too
    few to count as a batch: each `waits` for more. `spent` says that the month has nothing left for a search, and
    `costs` how many seconds an action takes, by what the last ones took.
    """

    model: str
    batch: str
    data_version: int
    now: datetime
    rows: int
    champion: int | None = None
    champion_since: datetime | None = None
    learnt: int = 0
    new_rows: int = 0
    labels: int = 0
    target_present: bool = True
    retrained: tuple[datetime, ...] = ()
    running: str = ""
    queued: str = ""
    waiting: int | None = None
    as_of: int = 0
    findings: tuple[Finding, ...] = ()
    upkeep: State | None = None
    measured: Measured | None = None
    again: bool = False
    waits: bool = False
    spent: str = ""
    costs: dict[Action, float] = field(default_factory=dict)

    @property
    def spoken(self) -> tuple[Finding, ...]:
        """The findings that ask for anything."""
        return tuple(finding for finding in self.findings if finding.speaks)

    @property
    def faults(self) -> tuple[str, ...]:
        """What says that the batch is broken, whatever else is said of it."""
        return tuple(finding.text for finding in self.spoken if finding.severity == "repair")

    @property
    def risen(self) -> bool:
        """Whether labelled rows say that the loss has risen above what the champion was promoted with."""
        return any(finding.severity == "retrain" for finding in self.spoken)

    @property
    def performance(self) -> Finding | None:
        """What labelled rows say about the loss, where they could be judged."""
        return next((finding for finding in self.findings if finding.signal == SIGNAL and finding.judged), None)
