"""Policies as they live through a history: those that only follow a calendar, and the one of a model file."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from copy import copy
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Protocol

import numpy as np
import pandas as pd

from everfit.backtest.asked import Asked
from everfit.backtest.history import History
from everfit.backtest.searching import Model, Winners, challenge
from everfit.backtest.session import Session
from everfit.evaluation import Predicted, row_losses
from everfit.models.classes import spread
from everfit.models.lighter import merged
from everfit.models.portfolio import refitted, said
from everfit.monitor import performance
from everfit.monitor.decision import Action, Decision
from everfit.monitor.findings import Finding
from everfit.monitor.means import BLOCKS
from everfit.record import Record
from everfit.search.predicted import of_array
from everfit.spec import ModelSpec
from everfit.upkeep.keeper import Keeper
from everfit.upkeep.losses import SQUARES, Floats
from everfit.upkeep.measuring import Answers
from everfit.upkeep.taken import inherited
from everfit.upkeep.windows import windows_of


@dataclass(frozen=True)
class Deed(Record):
    """What was done once the labels of a batch (its number) were known, and why.

    `fits` are those of pipelines, `searched` the seconds of one core that went to a search's trials, whose challenger
    was `promoted` or not; how it, or a refit that was refused, was `judged`.
    `weights` are the windows' shares in what answers from then on.
    """

    batch: int
    action: Action
    verdict: str = ""
    reasons: tuple[str, ...] = ()
    blockers: tuple[str, ...] = ()
    windows: tuple[str, ...] = ()
    weights: dict[str, float] | None = None
    fits: int = 0
    searched: float = 0.0
    promoted: bool | None = None
    judged: str = ""


@dataclass(frozen=True)
class Said:
    """What was said of a batch: numbers, or probabilities of `classes`, whose labels follow `factors`."""

    values: Floats
    classes: np.ndarray | None = None
    factors: Any = None


class Life(Protocol):
    """A policy at some point of a history. It pickles without rows and answers, which `resume` gives back."""

    def answer(self, number: int) -> Said:
        """Answer a batch."""

    def learn(self, number: int, now: datetime) -> Deed:
        """Take in the labels of a batch that was answered."""

    def resume(self, history: History, said: Sequence[Said]) -> None:
        """Go on where it was, given what was `said` of each batch so far."""


class Fixed:
    """The same pipeline, refitted after the batches `at`, from the last so many `rows` (None: all), whatever comes."""

    def __init__(self, history: History, model: Model, at: Collection[int], rows: int | None = None) -> None:
        self.history: History | None = history
        self.model, self.factors = model.pipeline, model.factors
        self.at, self.rows = frozenset(at), rows

    def answer(self, number: int) -> Said:
        """Answer a batch with the latest model."""
        history = _given(self.history)
        classes = None if history.task == "regression" else self.model.classes_
        return Said(said(self.model, history.frame.iloc[history.batches[number].rows], classes), classes, self.factors)

    def learn(self, number: int, now: datetime) -> Deed:
        """Refit when the calendar says so."""
        del now  # a calendar of batches needs no clock
        if number not in self.at:
            return Deed(number, "none")
        history = _given(self.history)
        known = history.known(range(number + 1))
        self.model = refitted(merged(self.model), history.frame.iloc[known], history.y[known], self.rows)
        return Deed(number, "refit", fits=1)

    def resume(self, history: History, said: Sequence[Said]) -> None:
        """Go on where it was."""
        del said  # it learns from labels alone
        self.history = history

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"history": None}


class Performance:
    """The signal of performance: losses since the champion last learnt, against those that it was promoted with."""

    def __init__(self, reference: Floats) -> None:
        self.reference, self.since = reference, list[Floats]()
        self.beyond = 0  # rows that the champion's refits learnt from

    def refitted(self) -> None:
        """Begin anew; labels that were met count on, so that the few since a refit may judge it."""
        self.beyond += sum(map(len, self.since))
        self.since.clear()

    def __call__(self, session: Session, frame: pd.DataFrame, y: np.ndarray, answers: Answers) -> tuple[Finding, ...]:
        """Compare, this batch included."""
        del frame
        keeper, monitor = session.keeper, session.spec.monitor
        said = of_array(keeper.serve(answers), keeper.classes)
        self.since.append(row_losses(keeper.task, y, said))
        known, fewest = np.concatenate(self.since), monitor.min_labels
        enough = self.beyond and self.beyond + len(known) >= fewest
        found = performance.compare(
            self.reference, known, level=monitor.significance, min_increase=monitor.loss_increase,
            min_labels=min(2 * BLOCKS, fewest) if enough else fewest, recent=len(y),
        )  # fmt: skip
        return (found,)


class Kept:
    """A champion under the policy of a model file, with the faults, decisions, refits and gates of production."""

    def __init__(
        self, spec: ModelSpec, history: History, model: Model, asked: Asked, personal: Collection[str] = ()
    ) -> None:
        self.spec, self.asked, self.factors = spec, asked, model.factors
        self.history: History | None = history
        self.winners: Winners = model.winners
        self.performance = Performance(model.losses)
        self.session = Session(
            spec, self._keeper(model, *self._rows(())), model.inputs, (self.performance,), frozenset(personal),
            since=history.batches[0].began,
        )  # fmt: skip
        self.fits = 0
        self.session.keeper.fits = 0
        self.accepted: list[int] = []  # batches that it has learnt from
        self.said: list[Said] = []  # of these
        self.crowned = 0  # of these, how many the present champion was made from
        self.answered: dict[int, Said] = {}
        self.fresh: dict[int, Answers] = {}  # of the last batch, until anything is learnt

    def answer(self, number: int) -> Said:
        """Answer a batch; what everybody said of it is kept until the next one, or until the models change."""
        history = _given(self.history)
        values, answers = self.session.answer(history.frame.iloc[history.batches[number].rows])
        self.answered[number], self.fresh = Said(values, self.session.keeper.classes, self.factors), {number: answers}
        return self.answered[number]

    def learn(self, number: int, now: datetime) -> Deed:
        """Judge a batch by its labels, decide, and do what was decided.

        Where labels come late, the models of now are asked: they have not learnt from these rows.
        """
        history = _given(self.history)
        rows, batch = history.sound(number), history.batches[number]
        frame, y, before = history.frame.iloc[rows], history.y[rows], self.session.keeper.fits
        given, answers = self.answered.pop(number), self.fresh.pop(number, None)
        self.fresh.clear()
        answers = answers.take(rows - batch.start) if answers else self.session.keeper.answers(frame)
        refused = tuple(Finding("validation", why, severity="repair") for why in history.refused.get(number, ()))
        version = self.session.version
        decision = self.session.learn(frame, y, answers, now, refused)
        if decision.action != "repair":
            self.accepted.append(number)
            self.said.append(self._sound(number, given))
        if decision.action == "refit" and self.session.version > version:
            self.performance.refitted()
        deed = self._deed(number, decision, self.session.keeper.fits - before)
        return self._search(deed, decision, now) if decision.action == "search" else deed

    def resume(self, history: History, said: Sequence[Said]) -> None:
        """Go on where it was: its rows are those of the warm-up and of the batches that it learnt from."""
        self.history = history
        self.said = [self._sound(number, said[number]) for number in self.accepted]
        self.session.keeper.knows(*self._rows(self.accepted))
        later = (history.sound(number) for number in self.accepted[self.crowned :])
        self.session.knows(self._rows(self.accepted[: self.crowned])[0], (history.frame.iloc[rows] for rows in later))

    def __getstate__(self) -> dict[str, Any]:
        session = copy(self.session)
        session.keeper = self.session.keeper.bare()
        del session._past, session._met  # no larger than its models, as the keeper is
        return self.__dict__ | {"history": None, "session": session, "said": []}

    def _sound(self, number: int, given: Said) -> Said:
        history = _given(self.history)
        return replace(given, values=given.values[history.sound(number) - history.batches[number].start])

    def _keeper(self, model: Model, frame: pd.DataFrame, y: np.ndarray) -> Keeper:
        history = _given(self.history)
        squared = history.metric.name in SQUARES
        return Keeper(model.pipeline, frame, y, self.spec.refit, history.task, history.usual, squared)

    def _rows(self, numbers: Collection[int]) -> tuple[pd.DataFrame, np.ndarray]:
        history = _given(self.history)
        rows = history.known(numbers)
        return history.frame.iloc[rows].reset_index(drop=True), history.y[rows]

    def _deed(self, number: int, decision: Decision, fits: int) -> Deed:
        weights = self.session.keeper.state.served.weights
        refused = [f"{name}: {proof.reason}" for name, proof in self.session.proofs.items() if not proof.ok]
        return Deed(
            number, decision.action, decision.verdict, decision.reasons, decision.blockers, decision.refit,
            {name: round(share, 4) for name, share in weights.items()}, fits, judged="; ".join(refused),
        )  # fmt: skip

    def _search(self, deed: Deed, decision: Decision, now: datetime) -> Deed:
        """Let a challenger be found and judged; whoever answers then learns again from the newest rows as well."""
        history = _given(self.history)
        champion, before = together(self.said, history), self.session.keeper.fits
        found = challenge(
            self.spec, history, self.asked, self._rows(self.accepted)[0], champion, name=f"v{self.session.version}",
            winners=self.winners,
        )  # fmt: skip
        verdict = found.verdict
        if verdict.promote:
            self._crown(found.model, now)
            before = 0
        elif decision.instead:
            self._refit(decision.instead)
        return replace(
            deed, fits=deed.fits + self.session.keeper.fits - before, searched=found.model.seconds,
            promoted=verdict.promote, judged="; ".join(verdict.reasons if verdict.promote else verdict.blockers),
        )  # fmt: skip

    def _crown(self, model: Model, now: datetime) -> None:
        """Let a challenger take over, with the windows of the champion."""
        past, newest = self.accepted[:-1], self.accepted[-1]
        keeper = self._keeper(model, *self._rows(past))
        keeper.state = inherited(self.session.keeper.state)
        self.winners, self.factors = model.winners, model.factors
        self.performance, self.crowned = Performance(model.losses), len(past)
        self.session.crown(keeper, model.inputs, now)
        self.session.signals = (self.performance,)
        rows = _given(self.history).sound(newest)
        self.session.meet(_given(self.history).frame.iloc[rows], _given(self.history).y[rows])
        if self.spec.refit.auto:
            self._refit([window.name for window in windows_of(self.spec.refit)])

    def _refit(self, windows: Collection[str]) -> None:
        version = self.session.version
        self.session.refit(windows)
        if self.session.version > version:
            self.performance.refitted()


def together(parts: Sequence[Said], history: History) -> Predicted:
    """Put what was said of batches below each other, over all classes that any knew, each with its own labels."""
    each = [history.predicted(part.values, part.classes, part.factors) for part in parts]
    values = np.concatenate([predicted.values for predicted in each])
    if parts[0].classes is None:
        return Predicted(values)
    classes = np.unique(np.concatenate([part.classes for part in parts if part.classes is not None]))
    wide = np.vstack([spread(part.values, part.classes, classes) for part in parts])
    return replace(history.predicted(wide, classes), values=values)


def _given(history: History | None) -> History:
    assert history is not None, "resume() gives the history back"
    return history
