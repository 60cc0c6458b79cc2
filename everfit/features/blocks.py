"""Which transformer reads which columns of a plan."""

from __future__ import annotations

from typing import Any

from sklearn.pipeline import Pipeline

from everfit.features.arithmetic import Arithmetic
from everfit.features.assemble import Assemble, Step
from everfit.features.averages import Averages
from everfit.features.calendar import Calendar
from everfit.features.crosses import Crosses
from everfit.features.levels import Levels, OneHot
from everfit.features.lineage import Derived
from everfit.features.numbers import Numbers
from everfit.features.roles import Plan
from everfit.features.squash import Squash
from everfit.features.text import Text

MANY = 10_000  # levels that a model which knows categories is told apart
ALL_CODED = ("native", "network")  # styles of models that find out by themselves what many levels mean


def encoder(plan: Plan, style: str, task: str, part: str = "all") -> Assemble:
    """Return the unfitted transformer of a style, or of those of its columns that do or do not look at the target.

    `tree` keeps scales and gaps, `linear` scales and fills, `native` codes every category for a model that averages
    over the target by itself, and `network` does so beside numbers that are scaled and filled. The codes of categorical
    columns come first, so that an estimator that wants to know which columns are categories needs only their number;
    columns `learnt` from the target come last.
    """
    steps = {"plain": _plain(plan, style), "learnt": _learnt(plan, style, task)}
    steps["all"] = [*steps["plain"], *steps["learnt"]]
    return Assemble(steps[part])


def codes(plan: Plan, style: str) -> int:
    """Return how many columns of a style are codes of categories."""
    return 0 if style == "linear" else len(_coded(plan, style)) + len(_coded_crosses(plan, style))


def _plain(plan: Plan, style: str) -> list[Step]:
    scaled = style in ("linear", "network")
    steps: list[Step] = [
        ("levels", _levels(style), _coded(plan, style)),
        _crossed("crosses", _coded_crosses(plan, style), _levels(style)),
        ("numbers", Squash() if scaled else Numbers(), plan.of("numeric", "boolean")),
        ("calendar", Calendar(cyclic=scaled, trend=False), plan.of("date", order=True)),
        ("dates", Calendar(cyclic=scaled, trend=True), plan.of("date")),
        ("text", _scaled(Text(), scaled), plan.of("text")),
        _computed(plan.made_by("ratio", "difference", "product"), Squash() if scaled else Numbers()),
    ]
    return [step for step in steps if step[2]]


def _coded(plan: Plan, style: str) -> list[str]:
    return plan.of("categorical", "high_cardinality") if style in ALL_CODED else plan.of("categorical")


def _levels(style: str) -> Levels:
    known = {"linear": OneHot(max_levels=60), "native": Levels(2, MANY), "network": Levels(5, MANY)}
    return known.get(style, Levels())


def _coded_crosses(plan: Plan, style: str) -> list[Derived]:
    return plan.made_by("cross") if style in ALL_CODED else []


def _learnt(plan: Plan, style: str, task: str) -> list[Step]:
    if style in ALL_CODED:
        return []
    averages = _scaled(Averages(task), style == "linear")
    columns = [*plan.of("high_cardinality"), *(each.columns[0] for each in plan.made_by("mean"))]
    steps = [("averages", averages, columns), _crossed("crossed averages", plan.made_by("cross"), averages)]
    return [step for step in steps if step[2]]


def _computed(derived: list[Derived], encode: Any) -> Step:
    """Return the step that computes numbers, which then are numbers like any other."""
    columns = _parents(derived)
    pairs = [(each.operation, *_places(each, columns)) for each in derived]
    return "computed", Pipeline([("compute", Arithmetic(pairs)), ("encode", encode)]), columns


def _crossed(name: str, derived: list[Derived], encode: Any) -> Step:
    """Return the step that joins levels, which then are levels like any other."""
    columns = _parents(derived)
    pairs = [_places(each, columns) for each in derived]
    return name, Pipeline([("cross", Crosses(pairs)), ("encode", encode)]), columns


def _parents(derived: list[Derived]) -> list[str]:
    return list(dict.fromkeys(name for each in derived for name in each.columns))


def _places(derived: Derived, columns: list[str]) -> tuple[int, int]:
    one, two = derived.columns
    return columns.index(one), columns.index(two)


def _scaled(step: Any, linear: bool) -> Any:
    return Pipeline([("encode", step), ("scale", Squash())]) if linear else step
