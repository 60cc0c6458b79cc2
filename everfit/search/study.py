"""What to try next. The only door to Optuna."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import optuna
from optuna.trial import Trial, TrialState

from everfit.search.estimators import scales
from everfit.search.estimators.base import Family, Job, Params
from everfit.search.portfolio import portfolio
from everfit.search.tasks import Outcome, Task

BATCH = 4  # trials asked for together when the search must be repeatable, whatever the number of workers
SHARES = (4, 3, 2, 1)  # how the best four families share the time after the portfolio: a blend wants unlike models


class _Named:
    """An Optuna trial whose parameters carry the family's name, so that families share one space."""

    def __init__(self, trial: Trial, family: str) -> None:
        self.trial, self.family = trial, family

    def suggest_float(self, name: str, *args: Any, **kwargs: Any) -> float:
        return self.trial.suggest_float(f"{self.family}.{name}", *args, **kwargs)

    def suggest_int(self, name: str, *args: Any, **kwargs: Any) -> int:
        return self.trial.suggest_int(f"{self.family}.{name}", *args, **kwargs)

    def suggest_categorical(self, name: str, *args: Any, **kwargs: Any) -> Any:
        return self.trial.suggest_categorical(f"{self.family}.{name}", *args, **kwargs)


class Study:
    """Asks TPE for parameters, the portfolio first, and tells it what became of them.

    After the portfolio the four best families take turns, so that each has its share of the time (of the trials, if
    the search must be repeatable); TPE decides about everything but the family.

    With `repeatable`, trials are asked for in batches of four and told in the order of their numbers when the whole
    batch is done, so the outcome depends on neither the number nor the speed of the workers. Otherwise each is
    told as it comes, and trials that are still running count as bad ones nearby.

    What is `known` of a search that was killed is asked for again under its number: if the search must be repeatable,
    the same seed leads to the same parameters; otherwise those of the record are taken.
    """

    def __init__(
        self, families: Sequence[Family], job: Job, folds: tuple[int, ...], *, greater: bool, most: int | None,
        known: Mapping[int, Outcome] | None = None,
    ) -> None:  # fmt: skip
        self.families = {family.name: family for family in families}
        self.job = job
        self.folds = folds
        self.most = most
        self.known = known or {}
        self.asked = 0
        self.waiting: list[Task] = []
        self.open: dict[int, Trial] = {}
        self.told: dict[int, Outcome] = {}
        self.greater = greater
        self.reached: dict[str, float] = {}  # the best score of each family
        self.spent = dict.fromkeys(self.families, 0.0)
        self.study = self._open(job.seed)
        self.first = 0
        for family, params in portfolio(families, job):
            self._offer(family.name, params)
            self.first += 1

    def _open(self, seed: int) -> optuna.Study:
        return optuna.create_study(direction="maximize" if self.greater else "minimize", sampler=tpe(seed))

    def next(self, bar: tuple[float, ...]) -> Task | None:
        """Return what to try next; None when all were asked for, or a batch has to be finished first."""
        if self.waiting:
            return self.waiting.pop(0)
        if self.most is None:
            return self._ask(bar)
        if not self.open and self.asked < self.most:
            self.waiting = [self._ask(bar) for _ in range(min(BATCH, self.most - self.asked))]
            return self.waiting.pop(0)
        return None

    @property
    def exhausted(self) -> bool:
        """Whether all trials that may be asked for are finished."""
        return self.most is not None and self.asked >= self.most and not self.open and not self.waiting

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

    def _offer(self, family: str, params: Params) -> None:
        """Let something of the portfolio be tried, in its turn."""
        self._enqueue(family, params)

    def _enqueue(self, family: str, params: Params) -> None:
        self.study.enqueue_trial({"family": family, **{f"{family}.{name}": value for name, value in params.items()}})

    def _ask(self, bar: tuple[float, ...]) -> Task:
        if self.asked >= self.first:
            known = self.known.get(self.asked) if self.most is None else None
            if known:
                self._enqueue(known.family, known.params)
            elif self.reached:
                self._enqueue(self._turn(), {})
        trial = self.study.ask()
        name = trial.suggest_categorical("family", list(self.families))
        params = scales.space(self.families[name], _Named(trial, name), self.job)  # type: ignore[arg-type]
        self.open[trial.number] = trial
        self.asked += 1
        return Task(trial.number, "score", name, params, self.folds, () if trial.number < self.first else bar)

    def _turn(self) -> str:
        """Return which of the best families has had least, for its share."""
        best = sorted(self.reached, key=lambda name: self.reached[name], reverse=self.greater)
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


def tpe(seed: int) -> optuna.samplers.TPESampler:
    """Return the sampler of all parameters but the family."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        return optuna.samplers.TPESampler(seed=seed, multivariate=True, group=True, constant_liar=True)
