"""One policy that lives through batches, as a champion in production does."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np
import pandas as pd

from everfit.monitor import fault_labels, faults, new_normal
from everfit.monitor.decision import Decision, Evidence, decide
from everfit.monitor.findings import Finding
from everfit.monitor.table import Table
from everfit.schema import Schema
from everfit.spec import ModelSpec
from everfit.upkeep.keeper import Keeper
from everfit.upkeep.losses import Floats
from everfit.upkeep.measuring import Answers
from everfit.upkeep.proof import Proof
from everfit.upkeep.state import State
from everfit.upkeep.taken import done

Signal = Callable[["Session", pd.DataFrame, np.ndarray, Answers], tuple[Finding, ...]]


@dataclass
class Session:
    """A champion and what it has met. Batches come in the order of time: first `answer`, later `learn`.

    `signals` give what else is to be found in a labelled batch, beside faults; no text of faults shows a value of a
    `personal` column. The champion is the `version`-th, and `since`, if anybody knows, one that a search made has
    served; `labelled` rows came after that search, whatever refits have learnt since. `searched` are the times at which
    searches ended, well or not, and `proofs` those of the refits that the last batch led to.
    """

    spec: ModelSpec
    keeper: Keeper
    inputs: list[str]
    signals: tuple[Signal, ...] = ()
    personal: frozenset[str] = frozenset()
    since: datetime | None = None
    version: int = 1
    labelled: int = 0
    searched: tuple[datetime, ...] = ()
    before: list[tuple[Finding, ...]] = field(default_factory=list)
    met: int = 0
    proofs: dict[str, Proof] = field(init=False, default_factory=dict)
    _learnt: int = field(init=False)
    _past: Table = field(init=False, repr=False)
    _met: tuple[pd.DataFrame, Table] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self.knows(self.keeper.frame)

    def knows(self, reference: pd.DataFrame, accepted: Iterable[pd.DataFrame] = ()) -> None:
        """Compare batches with the rows that the champion was made from, and with those that were accepted since."""
        self._learnt = len(reference)
        data = self.spec.data
        marks = [name for name in (*data.ids, data.time, data.target) if name in reference]
        self._past = Table.of(reference, Schema.of(reference[list(dict.fromkeys([*self.inputs, *marks]))]))
        self._met = (reference, self._past)
        for frame in accepted:
            self._accept(frame)

    def answer(self, frame: pd.DataFrame) -> tuple[Floats, Answers]:
        """Return what is said of a batch, and what everybody said of it, to be judged by later."""
        answers = self.keeper.answers(frame)
        return self.keeper.serve(answers), answers

    def learn(
        self, frame: pd.DataFrame, y: np.ndarray, answers: Answers, now: datetime, refused: tuple[Finding, ...] = ()
    ) -> Decision:
        """Judge a batch by its labels, decide, and do what was decided, but for a search; a broken one teaches nothing.

        Where a search was decided on, it is the caller's, who ends it with `crown` if its challenger has won. What
        suites have `refused` is looked at no further.
        """
        found = refused or self._faults(frame, y, answers)
        self.before.insert(0, found)
        self.met += 1
        broken = any(finding.severity == "repair" for finding in found)
        self.labelled += 0 if broken else len(frame)
        more = () if broken else tuple(each for signal in self.signals for each in signal(self, frame, y, answers))
        evidence = Evidence(
            model=self.spec.name, batch=f"{self.met}", data_version=0, now=now, rows=len(frame), champion=self.version,
            champion_since=self.since, learnt=self._learnt, new_rows=self.labelled, labels=self.labelled,
            retrained=self.searched, findings=(*found, *more), upkeep=self.keeper.state,
            measured=None if broken else self.keeper.measure(answers, y),
        )  # fmt: skip
        spec = self.spec
        decision = decide(evidence, spec.monitor, spec.retrain, spec.promotion, spec.refit)
        if not broken:
            self.meet(frame, y, answers)
        before = self.keeper.state
        if decision.upkeep:
            self._act(decision.upkeep, decision.refit)
        if decision.action == "recalibrate" and self.keeper.state.served != before.served:
            self.version += 1
        elif decision.action == "search":
            self.searched = (*self.searched, now)
        return decision

    def meet(self, frame: pd.DataFrame, y: np.ndarray, answers: Answers | None = None) -> None:
        """Take in the rows of a batch as accepted."""
        self._accept(frame)
        self.keeper.learn(frame, y, answers)

    def refit(self, windows: Collection[str]) -> None:
        """Refit windows now, beside what the policy asks for at a batch, which was the last thing that was met."""
        self._act(done(self.keeper.state, windows, self.spec.refit), windows)

    def crown(self, keeper: Keeper, inputs: list[str], now: datetime) -> None:
        """Let another champion take over."""
        self.keeper, self.inputs = keeper, inputs
        self.knows(keeper.frame)
        self.since = now if self.since else None
        self.version, self.labelled = self.version + 1, 0

    def _act(self, state: State, refit: Collection[str]) -> None:
        before = self.keeper.state
        self.proofs = self.keeper.act(state, refit)
        if any(self.keeper.state.track(name).fitted != before.track(name).fitted for name in refit):
            self.version += 1

    def _faults(self, frame: pd.DataFrame, y: np.ndarray, answers: Answers) -> tuple[Finding, ...]:
        past, came, data = self._past, self._read(frame, y), self.spec.data
        found = faults.find(
            past, came, schema=past.schema.only({*self.inputs, data.time}), time=data.time, ids=data.ids,
            target=data.target, before=self.before, personal=self.personal,
        )  # fmt: skip
        if any(finding.severity == "repair" for finding in found):
            return found
        keeper, inputs = self.keeper, past.schema.only(set(self.inputs) - {data.time})
        truth = y if keeper.classes is None else np.asarray(y[:, np.newaxis] == keeper.classes, dtype="float64")
        said, usual = keeper.serve(answers), keeper.state.usual
        wrong = fault_labels.find(past, came, inputs, data.target, said, truth, usual)
        return (*found, *new_normal.let_through((wrong,), self.before)) if wrong else found

    def _accept(self, frame: pd.DataFrame) -> None:
        self._past = self._past.with_more(self._read(frame))

    def _read(self, frame: pd.DataFrame, y: np.ndarray | None = None) -> Table:
        """Return what checks for faults read of a frame; the last one is known: what is checked is then accepted."""
        if frame is not self._met[0]:
            target = self.spec.data.target
            rows = frame if y is None or target in frame else frame.assign(**{target: y})
            self._met = (frame, self._past.read(rows))
        return self._met[1]
