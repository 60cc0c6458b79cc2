"""What signals look at: a champion's past and what is new, as plain frames and arrays, whoever gathered them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cached_property

import numpy as np
import pandas as pd

from everfit.monitor import drift, importance
from everfit.monitor.answered import Answered, Ask
from everfit.monitor.counts import Floats
from everfit.monitor.moved import Drift
from everfit.schema import Schema
from everfit.spec import Monitor


@dataclass(frozen=True)
class View:
    """A champion, its past, and a sound batch, or only labels that came alone: then there are no `current` rows.

    Rows are in the order of time. `inputs` are the columns that the champion reads, without the time. By `reference`
    and `current` columns are compared, and the predictions that both have, as `everfit.reserved` names them.
    `compared_with` says what the reference is. `heldout` has labelled rows and the answers of a model that never learnt
    from them, the champion or the search's that it is a refit of; `ask` asks that one, which
    made the predictions of `reference` and `current`, too, and is not the champion where that is `refitted`. `batch`
    has current rows, `labelled` the latest since promotion with their label: 5,000 of each are enough. `past_losses`
    are those of all held-out rows, `losses` of all that were labelled since, the last `recent` being new. `arrivals`
    are the times at which batches came, this one not among them.
    """

    policy: Monitor
    task: str
    target: str
    inputs: Schema
    ask: Ask
    reference: pd.DataFrame
    current: pd.DataFrame
    heldout: Answered
    batch: Answered = field(default_factory=Answered.nothing)
    labelled: Answered = field(default_factory=Answered.nothing)
    past_losses: Floats = field(default_factory=lambda: np.empty(0))
    losses: Floats = field(default_factory=lambda: np.empty(0))
    recent: int = 0
    arrivals: tuple[datetime, ...] = ()
    now: datetime = field(default_factory=lambda: datetime.now(UTC))
    personal: frozenset[str] = frozenset()
    compared_with: str = ""
    refitted: bool = False

    @cached_property
    def likewise(self) -> Answered:
        """The batch as the model answers it that answered `heldout`: only then can the two be compared."""
        return Answered.by(self.ask, self.batch.frame, self.task, self.target) if self.refitted else self.batch

    @cached_property
    def drift(self) -> Drift:
        """What the columns, the predictions and the target did, with the importance of columns that moved."""
        found = drift.compare(
            self.reference,
            self.current,
            columns=self.inputs,
            level=self.policy.significance,
            min_rows=self.policy.min_rows,
            target=self.target,
            personal=self.personal,
        )
        if not found.judged:
            return found
        if self.compared_with:
            found = replace(found, why=f"{found.why}, compared with {self.compared_with}")
        return importance.weighed(found, self.heldout, self.ask, task=self.task, target=self.target)
