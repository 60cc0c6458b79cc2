"""One study for several hosts, in a database that all of them reach: who tries what, and what became of it.

A trial belongs to the host that asked for it, and is done when its record is there. Each host shows that it lives by a
word in the study that changes; a trial of one whose word has not changed for a while is offered again by the leader,
who makes the final model. Clocks are never compared.
"""

from __future__ import annotations

import time as clock
import zlib
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import chain, islice
from pathlib import Path
from typing import Any

import optuna
from optuna.trial import FrozenTrial, Trial, TrialState

from everfit.errors import Unavailable, first_line
from everfit.search import shelf
from everfit.search.estimators.base import Params
from everfit.search.hosts import LEADER, Shared
from everfit.search.matrices import names
from everfit.search.studies import BEGUN, ENDED, reaching, storage_at
from everfit.search.study import Study, sampler
from everfit.search.tasks import Outcome, Problem, Task
from everfit.spec import Search

EVERY = 1.0  # seconds between two looks at what the others did
AHEAD = 50  # planned trials that wait in the database
STALE = 30.0  # seconds of silence after which a host is taken for dead
HOST, RECORD = "host", "record"  # of a trial
OFFERED = "offered"  # of a trial that was planned: whether for the first time
BEAT = "beat "  # of the study, followed by the host


class SharedStudy(Study):
    """A study that other hosts ask and tell as well; `most` trials are divided among them.

    What is asked for depends on who is how fast, so it is never repeatable.
    """

    def __init__(
        self, shared: Shared, problem: Problem, folder: Path, spec: Search, start: Sequence[tuple[str, Params]] = ()
    ) -> None:
        self.shared, self.problem, self.folder = shared, problem, folder
        self.begun = shared.leads  # whether the portfolio waits to be tried; nothing else comes before it
        self.taken: set[int] = set()  # whose outcome is known here
        self.beats: dict[str, tuple[Any, float]] = {}  # each host's last word, and when it was first heard
        self.full = self.over = False
        self.limit = spec.trials
        self.again = 0.0
        with reaching(shared.storage):
            greater = problem.metric.greater
            free = spec.model_copy(update={"trials": None})
            super().__init__(problem.families, problem.job, problem.first, greater=greater, spec=free, start=start)
            ahead = [self.upcoming] if self.upcoming else []
            self.upcoming, self.planned = None, islice(chain(ahead, self.planned), self.offered, None)
            if shared.leads:
                self._offer(0)
                self.study.set_user_attr(BEGUN, True)

    def _open(self, seed: int) -> optuna.Study:
        study = optuna.load_study(study_name=self.shared.name, storage=storage_at(self.shared.storage))
        study.sampler = sampler(seed + zlib.crc32(self.shared.host.encode()), self.method)
        trials = study.get_trials(deepcopy=False)
        self.offered = sum(trial.user_attrs.get(OFFERED, False) for trial in trials)  # also by a leader that was killed
        return study

    def _offer(self, waiting: int) -> None:
        """Let what is planned be tried, some of it ahead of whoever asks; a grid ends with its last point."""
        wanted = max(0, min(AHEAD, AHEAD if self.limit is None else self.limit - self.offered) - waiting)
        points = [*islice(self.planned, wanted)]
        for each in points:
            self._enqueue(*each, {OFFERED: True})
        self.offered += len(points)
        if self.method == "grid" and len(points) < wanted:
            self.limit = self.offered

    def next(self, bar: tuple[float, ...]) -> Task | None:
        """Return what to try next; None when all were asked for, or the leader has not begun."""
        if self.full or self.over or not self.begun:
            return None
        with reaching(self.shared.storage):
            if self.method == "grid" and not self._waiting():
                return None
            task = self._ask(bar)
            trial = self.open[task.number]
            stray = self.method == "grid" and OFFERED not in trial.user_attrs  # another host got the last point
            beyond = self.limit is not None and task.number - self._lost() >= self.limit
            if stray or beyond:
                self.study.tell(self.open.pop(task.number), state=TrialState.FAIL)
                self.full = not stray
                return None
            trial.set_user_attr(HOST, self.shared.host)
        return task

    def _number(self, trial: Trial) -> int:
        return trial.number

    def _choose(self) -> bool:
        return not self._waiting() and super()._choose()

    def _waiting(self) -> int:
        return len(self.study.get_trials(deepcopy=False, states=(TrialState.WAITING,)))

    def _lost(self) -> int:
        """Count the trials that ended without an outcome, each of which somebody does under another number."""
        ended = self.study.get_trials(deepcopy=False, states=(TrialState.FAIL,))
        return sum(RECORD not in trial.user_attrs for trial in ended)

    @property
    def exhausted(self) -> bool:
        """Whether all trials that may be asked for are finished, on whatever host."""
        return self.over or (self.limit is not None and len(self.taken) >= self.limit)

    def tell(self, outcome: Outcome) -> None:
        """Tell everybody, when the files are where they can be read.

        What another host was given meanwhile, because this one seemed dead, is told by that one.
        """
        record = shelf.record_of(self.folder, outcome)
        if record["files"]:
            self.shared.send(self.folder, self._files(outcome, record))
        trial = self.open.pop(outcome.number)
        with reaching(self.shared.storage), suppress(optuna.exceptions.UpdateFinishedTrialError):
            trial.set_user_attr(RECORD, record)
            self.taken.add(outcome.number)
            self._tell(trial, outcome)

    def _files(self, outcome: Outcome, record: dict[str, Any]) -> list[str]:
        """Name the files of a trial, and those of the features that its models read."""
        style = self.problem.family(outcome.family).style
        encoders = {f"{name}.joblib" for at in outcome.folds for name in names(self.problem, style, at)}
        return [*(name for name, _ in record["files"]), *sorted(encoders)]

    def news(self, used: float, wants: Callable[[Outcome], bool]) -> Sequence[tuple[str, Outcome]]:
        """Say that this host lives, and for how long it has worked; return what the others did since the last look.

        Their files come to the leader, of those that it `wants`. Raise Unavailable when another process leads now.
        """
        if clock.monotonic() < self.again:
            return []
        self.again = clock.monotonic() + EVERY
        self._check_lead()
        with reaching(self.shared.storage):
            try:
                said = self.study.user_attrs
            except KeyError:  # the leader has ended, and forgotten it
                self.over = True
                return []
            self.study.set_user_attr(BEAT + self.shared.host, used)
            trials = self.study.get_trials(deepcopy=False)
            if self.shared.leads:
                self._offer(sum(trial.state == TrialState.WAITING for trial in trials))
                self._offer_again([trial for trial in trials if trial.state == TrialState.RUNNING], said)
            else:
                self._listen(said)
        return [self._heard(trial, wants) for trial in trials if self._is_new(trial)]

    def _check_lead(self) -> None:
        if not self.shared.still():
            raise Unavailable(
                f"Another training leads {self.shared.name} now, as this one had lost its connection to the database.",
                do="Wait for that one, or run the same command again: it searches alone.",
            )

    def _listen(self, said: dict[str, Any]) -> None:
        """Hear whether the search has begun and goes on; one that is led again is prepared in silence."""
        self.begun, ended = bool(said.get(BEGUN)), bool(said.get(ENDED))
        if not self.begun:
            self.beats.pop(LEADER, None)
        self.over = ended or (self.begun and self._silent(LEADER, said.get(BEAT + LEADER)))

    def _is_new(self, trial: FrozenTrial) -> bool:
        return trial.number not in self.taken and trial.state.is_finished() and RECORD in trial.user_attrs

    def _heard(self, trial: FrozenTrial, wants: Callable[[Outcome], bool]) -> tuple[str, Outcome]:
        host, record = trial.user_attrs[HOST], trial.user_attrs[RECORD]
        outcome = shelf.outcome_of(record)
        self.taken.add(trial.number)
        self._learn(outcome)
        wanted = self.shared.leads and record["files"] and wants(outcome)
        if wanted and (wrong := self._bring(host, outcome, record)):
            outcome = replace(outcome, status="failed", reason=f"its files cannot be read: {wrong}")
        return host, outcome

    def _bring(self, host: str, outcome: Outcome, record: dict[str, Any]) -> str:
        """Fetch the files of a trial; return what is wrong with them, if anything is."""
        try:
            self.shared.fetch(host, self.folder, self._files(outcome, record))
        except OSError as cause:
            return first_line(cause)
        return "" if shelf.whole(self.folder, record) else "they are not whole"

    def _offer_again(self, running: list[FrozenTrial], said: dict[str, Any]) -> None:
        """Offer what a dead host was at, with the same parameters; also what one asked for and never began."""
        for trial in running:
            host = trial.user_attrs.get(HOST, f"trial {trial.number}")
            killed = host == LEADER and trial.number not in self.open
            if killed or (host != LEADER and self._silent(host, said.get(BEAT + host))):
                self.study.tell(trial.number, state=TrialState.FAIL)
                same = trial.system_attrs.get("fixed_params", {}) | trial.params
                self.study.enqueue_trial(same, user_attrs={OFFERED: False})
                self.full = False

    def _silent(self, who: str, word: Any) -> bool:
        before, since = self.beats.get(who, (None, 0.0))
        if who not in self.beats or before != word:
            since = clock.monotonic()
            self.beats[who] = (word, since)
        return clock.monotonic() - since > STALE

    def used(self) -> float:
        """Return the seconds that the leader has worked so far."""
        with reaching(self.shared.storage):
            return float(self.study.user_attrs.get(BEAT + LEADER, 0.0))

    def end(self) -> None:
        """Let the other hosts stop, unless another leads them now; who cannot be told finds that nobody leads."""
        with suppress(Unavailable), reaching(self.shared.storage):
            self._check_lead()
            self.study.set_user_attr(ENDED, True)

    def trials(self) -> tuple[FrozenTrial, ...]:
        """Return Optuna's records of all trials; none when the database is away, as they only say what mattered."""
        with suppress(Unavailable), reaching(self.shared.storage):
            return super().trials()
        return ()
