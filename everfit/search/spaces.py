"""What is searched of each family: its own space, or what the model file says of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest
from typing import Any

import numpy as np

from everfit.errors import SpecError, did_you_mean
from everfit.search.estimators import scales
from everfit.search.estimators.base import Family, Job, Params
from everfit.search.estimators.reductions import MANY
from everfit.spec import Range

THIRDS = (1 / 6, 1 / 2, 5 / 6)  # where a grid cuts a range: the middle of each third, as its ends are extremes
MOST = 10_000  # points of a family's grid, of those that are more

Said = Mapping[str, Sequence[Any] | Range]  # of the parameters of one family
Space = Mapping[Any, Said]  # by the families' names


class Narrowed:
    """An Optuna trial whose parameters carry the family's name, and keep to what was said of them.

    Whatever is not said is asked for as the family asks.
    """

    def __init__(self, trial: Any, family: str, said: Said) -> None:
        self.trial, self.family, self.said = trial, family, said

    def suggest_float(self, name: str, low: float, high: float, **how: Any) -> float:
        """Ask for a number."""
        return float(self._number(self.trial.suggest_float, name, low, high, how))

    def suggest_int(self, name: str, low: int, high: int, **how: Any) -> int:
        """Ask for a whole number."""
        return int(self._number(self.trial.suggest_int, name, low, high, how))

    def suggest_categorical(self, name: str, choices: Sequence[Any]) -> Any:
        """Ask for one of some values."""
        return self.trial.suggest_categorical(f"{self.family}.{name}", self.said.get(name, choices))

    def _number(self, suggest: Callable[..., Any], name: str, low: float, high: float, how: Params) -> Any:
        said = self.said.get(name)
        if said is None:
            return suggest(f"{self.family}.{name}", low, high, **how)
        if isinstance(said, Range):
            return suggest(f"{self.family}.{name}", said.low, said.high, log=how.get("log", False))
        return self.trial.suggest_categorical(f"{self.family}.{name}", said)


@dataclass(frozen=True)
class Numbers:
    """The range of a parameter, as its family searches it."""

    low: float
    high: float
    log: bool
    step: float  # 0 where every number may be
    whole: bool

    def levels(self) -> list[float]:
        """Return the levels of a grid, in ascending order."""
        low, high = np.log([self.low, self.high]) if self.log else (self.low, self.high)
        levels = [low + third * (high - low) for third in THIRDS]
        return sorted({self._nearest(float(np.exp(level)) if self.log else float(level)) for level in levels})

    def _nearest(self, level: float) -> float:
        if self.whole:
            return round(level)
        return round(self.low + self.step * round((level - self.low) / self.step), 9) if self.step else level

    def mistake(self, said: Sequence[Any] | Range) -> str:
        """Say what is wrong with what was said; nothing when all is well."""
        values = [said.low, said.high] if isinstance(said, Range) else said
        numbers = all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)
        if not numbers or (self.whole and any(value != round(value) for value in values)):
            return f"it is {'a whole number' if self.whole else 'a number'}"
        return "it is searched on a logarithmic scale, so low is above 0" if self._starts_at_zero(said) else ""

    def _starts_at_zero(self, said: Sequence[Any] | Range) -> bool:
        return isinstance(said, Range) and self.log and said.low <= 0


@dataclass(frozen=True)
class Choices:
    """The values among which a family chooses one."""

    values: Sequence[Any]

    def levels(self) -> list[Any]:
        """Return all of them."""
        return list(self.values)

    def mistake(self, said: Sequence[Any] | Range) -> str:
        """Say what is wrong with what was said; nothing when all is well."""
        known = ", ".join(map(str, self.values))
        within = not isinstance(said, Range) and all(value in self.values for value in said)
        return "" if within else f"it is some of {known}, as a list"


class _Asked(dict[str, Numbers | Choices]):
    """A trial that only notes what it is asked for."""

    def suggest_float(self, name: str, low: float, high: float, *, log: bool = False, step: float = 0.0) -> float:
        self[name] = Numbers(low, high, log, step, whole=False)
        return low

    def suggest_int(self, name: str, low: int, high: int, *, log: bool = False, step: int = 1) -> int:
        self[name] = Numbers(low, high, log, step, whole=True)
        return low

    def suggest_categorical(self, name: str, choices: Sequence[Any]) -> Any:
        self[name] = Choices(choices)
        return choices[0]


def parameters(family: Family, job: Job) -> dict[str, Numbers | Choices]:
    """Return every parameter that is searched of a family, and where."""
    asked = _Asked()
    scales.space(family, asked, job)  # type: ignore[arg-type]
    return asked


def check(families: Sequence[Family], space: Space, job: Job) -> None:
    """Raise SpecError, with every mistake, when a space names unknown parameters or values that cannot be.

    Parameters that only tables of many columns have are known for every table, and left alone where they do not apply.
    """
    job = replace(job, columns=MANY)
    problems = [
        f"search.space.{family.name}.{name}: {mistake}"
        for family in families
        for name, said in space.get(family.name, {}).items()
        if (mistake := _mistake(name, said, parameters(family, job)))
    ]
    if problems:
        raise SpecError(f"search.space has {len(problems)} mistake(s).", details=problems)


def _mistake(name: str, said: Sequence[Any] | Range, known: Mapping[str, Numbers | Choices]) -> str:
    if name not in known:
        return f"there is no such parameter.{did_you_mean(name, list(known))}"
    mistake = known[name].mistake(said)
    shown = f"{said.low:g} to {said.high:g}" if isinstance(said, Range) else ", ".join(map(str, said))
    return mistake and f"{mistake} (it says {shown})."


def grid(families: Sequence[Family], space: Space, job: Job) -> Iterator[tuple[Family, Params]]:
    """Yield the points of each family's grid in an order drawn by the job's seed; the families take turns.

    A grid varies what the space names, and leaves everything else at the defaults; when nothing at all is named, it
    varies every parameter, ranges at three levels.
    """
    points = [_points(family, space.get(family.name, {}) if space else None, job) for family in families]
    for turn in zip_longest(*points):
        yield from (point for point in turn if point is not None)


def _points(family: Family, said: Said | None, job: Job) -> Iterator[tuple[Family, Params]]:
    from sklearn.model_selection import ParameterGrid
    from sklearn.utils.random import sample_without_replacement

    known, defaults = parameters(family, job), scales.defaults(family, job)
    named: Mapping[str, Any] = dict.fromkeys(known) if said is None else said
    points = ParameterGrid({name: _levels(named[name], known[name]) for name in named if name in known})
    chosen = sample_without_replacement(len(points), min(MOST, len(points)), random_state=job.seed)
    for at in np.random.default_rng(job.seed).permutation(chosen):
        yield family, defaults | points[at]


def _levels(said: Sequence[Any] | Range | None, known: Numbers | Choices) -> list[Any]:
    if isinstance(said, Range) and isinstance(known, Numbers):
        return Numbers(said.low, said.high, known.log, 0, known.whole).levels()
    return known.levels() if said is None else list(said)
