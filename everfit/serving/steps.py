"""Each fitted transformer as a function of one row: raw values in, a few numbers out, without a frame in between."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from datetime import date, timedelta
from typing import Any

import numpy as np
from sklearn.pipeline import Pipeline

from everfit.features.arithmetic import Arithmetic
from everfit.features.averages import Averages
from everfit.features.calendar import HARMONICS, Calendar
from everfit.features.crosses import Crosses
from everfit.features.levels import Levels, OneHot
from everfit.features.numbers import LARGEST, Numbers
from everfit.features.squash import BEND, Squash

Values = Sequence[Any]
Step = Callable[[Values], list[Any]]
NAN = float("nan")
CYCLES = {"hour": 24.0, "weekday": 7.0, "day": 31.0, "year_day": 365.25}
FIRST_DAY = date(1970, 1, 1)


class CannotCompile(Exception):
    """A transformer has no way of its own for one row."""


def compiled(step: Any) -> Step:
    """Return a fitted transformer as a function; raise CannotCompile for one that is not known here."""
    if isinstance(step, Pipeline):
        return _chain([compiled(each) for _, each in step.steps])
    for kind, compile_ in COMPILERS:
        if type(step) is kind:
            return compile_(step)
    raise CannotCompile(type(step).__name__)


def _chain(steps: list[Step]) -> Step:
    def run(values: Values) -> list[Any]:
        for step in steps:
            values = step(values)
        return list(values)

    return run


def finite(value: float) -> float:
    """Return a number as trees read it: what is infinite, or would be in single precision, is missing."""
    return value if -LARGEST <= value <= LARGEST else NAN


def _numbers(step: Numbers) -> Step:
    empty = set(step.empty_)
    return lambda values: [0.0 if at in empty else finite(value) for at, value in enumerate(values)]


def _codes(step: Levels) -> Step:
    known = [(codes, float(len(codes)), NAN if codes else 0.0) for codes in step.codes_]

    def run(values: Values) -> list[Any]:
        return [
            float(codes.get(value, other)) if isinstance(value, str) else gap
            for value, (codes, other, gap) in zip(values, known, strict=True)
        ]

    return run


def _one_hot(step: OneHot) -> Step:
    codes, widths = _codes(step), [len(known) + 1 for known in step.codes_]
    starts = np.cumsum([0, *widths[:-1]]).tolist()
    total = sum(widths)

    def run(values: Values) -> list[Any]:
        hot = [0.0] * total
        for start, code in zip(starts, codes(values), strict=True):
            if code == code:
                hot[start + int(code)] = 1.0
        return hot

    return run


def _squash(step: Squash) -> Step:
    scales = list(zip(step.center_, step.scale_, strict=True))

    def run(values: Values) -> list[Any]:
        numbers = [finite(value) for value in values]
        bent = [_bend((value - center) / scale) for value, (center, scale) in zip(numbers, scales, strict=True)]
        return [*bent, *(float(numbers[at] != numbers[at]) for at in step.gaps_)]

    return run


def _bend(scaled: float) -> float:
    return 0.0 if scaled != scaled else scaled / math.sqrt(1.0 + (scaled / BEND) ** 2)


def _calendar(step: Calendar) -> Step:
    columns = list(zip(step.parts_, step.known_, step.center_, step.scale_, strict=True))

    def run(values: Values) -> list[Any]:
        out: list[float] = []
        for days, (parts, known, center, scale) in zip(values, columns, strict=True):
            for name in parts:
                value = _part(name, days)
                out += _waves(value, name) if step.cyclic else [value]
            if step.trend:
                out.append(_trend(days, known, center, scale, step.cyclic))
        return out

    return run


def _part(name: str, days: float) -> float:
    if days != days:
        return NAN
    whole = math.floor(days)
    if name == "hour":
        return (days - whole) * 24
    if name == "weekday":
        return float((whole + 3) % 7)
    day = FIRST_DAY + timedelta(days=whole)
    return float(day.day if name == "day" else day.timetuple().tm_yday)


def _waves(value: float, name: str) -> list[float]:
    if value != value:
        return [0.0] * (2 * HARMONICS[name])
    angles = [2 * math.pi * k * value / CYCLES[name] for k in range(1, HARMONICS[name] + 1)]
    return [wave(angle) for angle in angles for wave in (math.sin, math.cos)]


def _trend(days: float, known: bool, center: float, scale: float, cyclic: bool) -> float:
    if not known:
        return 0.0
    if not cyclic:
        return days
    scaled = (days - center) / scale
    return 0.0 if scaled != scaled else min(3.0, max(-3.0, scaled))


def _averages(step: Averages) -> Step:
    encoder = step.encoder_
    classes = len(encoder.classes_) if step.task == "multiclass" else 1
    overall = np.broadcast_to(np.asarray(encoder.target_mean_, dtype="float64"), (classes,)).tolist()
    means = []
    for at, levels in enumerate(encoder.categories_):
        parts = encoder.encodings_[at * classes : (at + 1) * classes]
        means.append({level: [float(part[k]) for part in parts] for k, level in enumerate(levels)})

    def run(values: Values) -> list[Any]:
        levels = [value if isinstance(value, str) else "[missing]" for value in values]
        said = [number for level, known in zip(levels, means, strict=True) for number in known.get(level, overall)]
        return said + [math.log1p(known.get(level, 0)) for level, known in zip(levels, step.counts_, strict=True)]

    return run


def _arithmetic(step: Arithmetic) -> Step:
    def run(values: Values) -> list[Any]:
        return [_compute(operation, values[one], values[two]) for operation, one, two in step.pairs]

    return run


def _compute(operation: str, one: float, two: float) -> float:
    if operation == "ratio":
        return one / two if two else NAN
    return one - two if operation == "difference" else one * two


def _crosses(step: Crosses) -> Step:
    def run(values: Values) -> list[Any]:
        texts = ["" if value != value else value if isinstance(value, str) else str(value) for value in values]
        return [f"{texts[a]} & {texts[b]}" if texts[a] or texts[b] else NAN for a, b in step.pairs]

    return run


COMPILERS: tuple[tuple[type, Callable[[Any], Step]], ...] = (
    (Numbers, _numbers),
    (OneHot, _one_hot),
    (Levels, _codes),
    (Squash, _squash),
    (Calendar, _calendar),
    (Averages, _averages),
    (Arithmetic, _arithmetic),
    (Crosses, _crosses),
)
