"""One policy that lives through batches, as a champion in production does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np
import pandas as pd

from everfit.monitor import faults
from everfit.monitor.decision import Decision, Evidence, decide
from everfit.monitor.findings import Finding
from everfit.schema import Schema
from everfit.spec import ModelSpec
from everfit.upkeep.keeper import Keeper
from everfit.upkeep.losses import Floats
from everfit.upkeep.measuring import Answers
from everfit.upkeep.proof import Proof

Signal = Callable[["Session", pd.DataFrame, np.ndarray], tuple[Finding, ...]]


@dataclass
class Session:
    """A champion and what it has met. Batches come in the order of time: first `answer`, later `learn`.

    `signals` give what else is to be found in a labelled batch, beside faults. `proofs` are those of the refits that
    the last batch led to.
    """

    spec: ModelSpec
    keeper: Keeper
    inputs: list[str]
    signals: tuple[Signal, ...] = ()
    before: list[tuple[Finding, ...]] = field(default_factory=list)
    met: int = 0
    proofs: dict[str, Proof] = field(init=False, default_factory=dict)
    _reference: pd.DataFrame = field(init=False, repr=False)
    _accepted: list[pd.DataFrame] = field(init=False, default_factory=list, repr=False)

    def __post_init__(self) -> None:
        self._reference = self.keeper.frame
        self._schema = Schema.of(self._reference[self.inputs])

    def answer(self, frame: pd.DataFrame) -> tuple[Floats, Answers]:
        """Return what is said of a batch, and what everybody said of it, to be judged by later."""
        answers = self.keeper.answers(frame)
        return self.keeper.serve(answers), answers

    def learn(self, frame: pd.DataFrame, y: np.ndarray, answers: Answers, now: datetime) -> Decision:
        """Judge a batch by its labels, decide, and do what was decided; a broken one teaches nothing."""
        found = self._faults(frame)
        self.before.insert(0, found)
        self.met += 1
        broken = any(finding.severity == "repair" for finding in found)
        more = () if broken else tuple(each for signal in self.signals for each in signal(self, frame, y))
        evidence = Evidence(
            model=self.spec.name, batch=f"{self.met}", data_version=0, now=now, rows=len(frame), champion=1,
            labels=len(frame), findings=(*found, *more), upkeep=self.keeper.state,
            measured=None if broken else self.keeper.measure(answers, y),
        )  # fmt: skip
        spec = self.spec
        decision = decide(evidence, spec.monitor, spec.retrain, spec.promotion, spec.refit)
        if not broken:
            self._accepted.append(frame[self.inputs])
            self.keeper.learn(frame, y, answers)
        if decision.upkeep:
            self.proofs = self.keeper.act(decision.upkeep, decision.refit)
        return decision

    def _faults(self, frame: pd.DataFrame) -> tuple[Finding, ...]:
        since = pd.concat(self._accepted, ignore_index=True) if self._accepted else self._reference.iloc[:0]
        known = faults.rolling(self._reference[self.inputs], since[self.inputs])
        return faults.find(known, frame, schema=self._schema, before=self.before)
