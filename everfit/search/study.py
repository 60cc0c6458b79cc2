"""What to try next, as Optuna sees it."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from itertools import chain, zip_longest
from typing import Any

import optuna
from optuna.trial import FixedTrial, FrozenTrial, Trial, TrialState

from everfit.search.estimators import scales
from everfit.search.estimators.base import Family, Job, Params
from everfit.search.portfolio import portfolio
from everfit.search.spaces import Narrowed, grid
from everfit.search.tasks import Outcome, Task
from everfit.spec import Method, Range, Search

BATCH = 4  # trials asked for together when the search must be repeatable, whatever the number of workers
AGAIN = 8  # configurations in a row that were tried before, after which a family is taken to have no others
SHARES = (4, 3, 2, 1)  # how the best four families share the time after the portfolio: a blend wants unlike models


class Study:
    """Asks TPE for parameters, the portfolio first, and tells it what became of them.

    After the portfolio the four best families take turns, so that each has its share of the time (of the trials, if
    the search must be repeatable); TPE decides about everything but the family. A random search draws families and
    parameters from the first trial on, and a grid ends with its last point. `start` are configurations that TPE is
    to begin with, right after the first of the portfolio; those that lie outside of the space are left out.

    With `repeatable`, trials are asked for in batches of four and told in the order of their numbers when the whole
    batch is done, so the outcome depends on neither the number nor the speed of the workers. Otherwise each is
    told as it comes, and trials that are still running count as bad ones nearby.

    What is `known` of a search that was killed is asked for again under its number: if the search must be repeatable,
    the same seed leads to the same parameters; otherwise those of the record are taken.
    """

    def __init__(
        self, families: Sequence[Family], job: Job, folds: tuple[int, ...], *, greater: bool, spec: Search,
        start: Sequence[tuple[str, Params]] = (), known: Mapping[int, Outcome] | None = None,
    ) -> None:  # fmt: skip
        self.families = {family.name: family for family in families}
        self.job = job
        self.folds = folds
        self.most = spec.trials
        self.method = spec.method
        self.space = spec.space
        self.known = known or {}
        self.asked = 0
        self.waiting: list[Task] = []
        self.open: dict[int, Trial] = {}
        self.seen: set[tuple[Any, ...]] = set()  # configurations
        self.vain: Counter[str] = Counter()  # how often in a row a family's were seen before
        self.told: dict[int, Outcome] = {}
        self.greater = greater
        self.reached: dict[str, float] = {}  # the best score of each family
        self.spent = dict.fromkeys(self.families, 0.0)
        self.study = self._open(job.seed)
        self.start = [found for each in start if (found := self._inside(*each))] if self.method == "tpe" else []
        opening = self._opening() if self.method == "tpe" else []
        self.first = len(opening)
        self.planned = iter(opening) if self.method != "grid" else grid(families, spec.space, job)
        self.upcoming = next(self.planned, None)

    def _open(self, seed: int) -> optuna.Study:
        drawn = sampler(seed, self.method)
        return optuna.create_study(direction="maximize" if self.greater else "minimize", sampler=drawn)

    def next(self, bar: tuple[float, ...]) -> Task | None:
        """Return what to try next; None when all were asked for, or a batch has to be finished first."""
        if self.waiting:
            return self.waiting.pop(0)
        if self._all_asked:
            return None
        if self.most is None:
            return self._ask(bar)
        if not self.open:
            self.waiting = [self._ask(bar) for _ in range(BATCH) if not self._all_asked]
            return self.waiting.pop(0)
        return None

    @property
    def exhausted(self) -> bool:
        """Whether all trials that may be asked for are finished."""
        return self._all_asked and not self.open and not self.waiting

    @property
    def _all_asked(self) -> bool:
        if self.method == "grid" and self.upcoming is None:
            return True
        return self.most is not None and self.asked >= self.most

    def _opening(self) -> list[tuple[Family, Params]]:
        """Return what TPE begins with, each once: the first of the portfolio, then the start and the rest in turn.

        Earlier winners are alike, and a blend wants unlike models.
        """
        first, *others = portfolio(list(self.families.values()), self.job)
        once: list[tuple[Family, Params]] = []
        for each in (first, *chain.from_iterable(zip_longest(self.start, others))):
            once += [each] if each is not None and each not in once else []
        return once

    def _inside(self, name: str, params: Params) -> tuple[Family, Params] | None:
        """Return a configuration without what is not searched, such as what stopping early learnt; None outside."""
        family = self.families.get(name)
        if family is None:
            return None
        fixed = FixedTrial({f"{name}.{key}": value for key, value in params.items()})
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error", UserWarning)  # all that Optuna does about a number out of range
                return family, self._params(fixed, name)
        except (ValueError, UserWarning):
            return None

    def _params(self, trial: Any, name: str) -> Params:
        narrowed: Any = Narrowed(trial, name, self.space.get(name, {}))  # type: ignore[call-overload]
        return scales.space(self.families[name], narrowed, self.job)

    def _enqueue(self, family: Family, params: Params, marks: dict[str, Any] | None = None) -> None:
        """Let the next trial be this one; what the space forbids of it is left to the sampler."""
        said = self.space.get(family.name, {})  # type: ignore[call-overload]
        kept = {name: value for name, value in params.items() if self.method == "grid" or _holds(said.get(name), value)}
        named = {f"{family.name}.{key}": kept[key] for key in kept}
        self.study.enqueue_trial({"family": family.name} | named, user_attrs=marks)

    @property
    def remembers(self) -> bool:
        """Whether there is a record of a trial that has not been asked for again."""
        return self.asked <= max(self.known, default=-1)

    def recall(self, task: Task) -> Outcome | None:
        """Return what became of a task before the search was killed; None when it has to be done."""
        outcome = self.known.get(task.number)
        same = outcome is not None and (outcome.family, outcome.params) == (task.family, task.params)
        return outcome if same else None

    over = False  # whether another process, which leads, has ended the search

    def news(self, used: float, wants: Callable[[Outcome], bool]) -> Sequence[tuple[str, Outcome]]:  # noqa: ARG002
        """Return what other hosts have done, and who; here nobody else has part in it."""
        return ()

    def used(self) -> float:
        """Return the seconds that were worked before this process came."""
        return 0.0

    def end(self) -> None:
        """Let other hosts stop."""

    def _ask(self, bar: tuple[float, ...]) -> Task:
        trial, name, params = self._drawn()
        number = self._number(trial)
        self.open[number] = trial
        self.asked += 1
        return Task(number, "score", name, params, self.folds, () if number < self.first else bar)

    def _number(self, trial: Trial) -> int:  # noqa: ARG002
        """Return the number of the next task, of which what was drawn in vain has none."""
        return self.asked

    def _drawn(self) -> tuple[Trial, str, Params]:
        """Return what Optuna asks for; what was tried before says nothing new, and another is drawn in its place."""
        while True:
            free = self._choose()
            trial = self.study.ask()
            name = trial.suggest_categorical("family", list(self.families))
            params = self._params(trial, name)
            if self._is_first(name, params) or not free or all(map(self._is_through, self.reached or self.families)):
                return trial, name, params
            self.study.tell(trial, state=TrialState.FAIL)

    def _is_first(self, name: str, params: Params) -> bool:
        """Say whether a configuration is asked for the first time, and count how often in a row one was not."""
        told = (
            name,
            *sorted((key, f"{value:.9g}" if isinstance(value, float) else value) for key, value in params.items()),
        )
        new = told not in self.seen
        self.seen.add(told)
        self.vain[name] = 0 if new else self.vain[name] + 1
        return new

    def _is_through(self, name: str) -> bool:
        """Say whether a family, of a small space, has nothing new any more: its turn goes to others."""
        return self.vain[name] >= AGAIN

    def _choose(self) -> bool:
        """Let the next trial be what was planned, what is on record, or one of the family whose turn it is.

        Return whether Optuna is free to choose its parameters.
        """
        known = self.known.get(self.asked) if self.most is None else None
        if self.upcoming is not None:
            self._enqueue(*self.upcoming)
            self.upcoming = next(self.planned, None)
            return False
        if known is not None:
            self._enqueue(self.families[known.family], known.params)
            return False
        if self.method == "tpe" and self.reached:
            self.study.enqueue_trial({"family": self._turn()})
        return True

    def _turn(self) -> str:
        """Return which of the best families has had least, for its share."""
        left = [name for name in self.reached if not self._is_through(name)] or self.reached
        best = sorted(left, key=lambda name: self.reached[name], reverse=self.greater)
        running = [str(trial.params["family"]) for trial in self.open.values()]
        had = {
            name: (self.spent[name] + running.count(name) * self._usual(name)) / share
            for name, share in zip(best, SHARES, strict=False)
        }
        return min(had, key=lambda name: had[name])

    def _usual(self, name: str) -> float:
        """Return what a trial of a family costs on average."""
        done = sum(trial.params.get("family") == name for trial in self.study.get_trials(deepcopy=False))
        return float(self.spent[name] / max(1, done))

    def tell(self, outcome: Outcome) -> None:
        """Learn from an outcome, at once or when its batch is complete."""
        self.told[outcome.number] = outcome
        if self.most is None or set(self.told) >= set(self.open):
            for number in sorted(self.told):
                self._tell(self.open.pop(number), self.told.pop(number))

    def trials(self) -> tuple[FrozenTrial, ...]:
        """Return Optuna's records of all trials so far."""
        return tuple(self.study.get_trials(deepcopy=False))

    def _tell(self, trial: Trial, outcome: Outcome) -> None:
        self._learn(outcome)
        if outcome.score is None:
            self.study.tell(trial, state=TrialState.FAIL)
        elif outcome.status == "pruned":
            trial.report(outcome.score, len(outcome.scores))
            self.study.tell(trial, state=TrialState.PRUNED)
        else:
            self.study.tell(trial, outcome.score)

    def _learn(self, outcome: Outcome) -> None:
        self.spent[outcome.family] += 1.0 if self.most is not None else outcome.seconds
        if outcome.status == "done" and outcome.score is not None:
            better = max if self.greater else min
            self.reached[outcome.family] = better(outcome.score, self.reached.get(outcome.family, outcome.score))


def _holds(said: Sequence[Any] | Range | None, value: Any) -> bool:
    if isinstance(said, Range):
        return bool(said.low <= value <= said.high)
    return said is None or value in said


def sampler(seed: int, method: Method) -> optuna.samplers.BaseSampler:
    """Return what draws the parameters that nobody has planned."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        tpe = optuna.samplers.TPESampler(seed=seed, multivariate=True, group=True, constant_liar=True)
    return tpe if method == "tpe" else optuna.samplers.RandomSampler(seed=seed)
