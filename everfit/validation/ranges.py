"""What a starter suite asks of numbers, with so much slack that seasons and trends pass and another unit does not."""

import math
from collections.abc import Iterator

import numpy as np
import pandas as pd
from pandas.api import types

from everfit.validation.sample import Proposal, Sample

SLACK = 0.5  # of the span of the values: a batch whose median is further out has another unit
FAR = 3.0  # of the range of the values: a single value further out is a mistake
VERY_FAR = 30.0  # the same for a column that moves by nature
MOVES = 0.5  # of the span: a column whose median went so far within the sample moves by nature
PARTS = 5  # of the later half, whose medians stand for batches


def of_numbers(sample: Sample, name: str) -> Iterator[Proposal]:
    """Propose nothing for a counter; else what another unit, a single absurd value and an odd batch would break."""
    values = _finite(sample.frame[name])
    if _counts_up(values) or len(values) < 2:
        return
    moved = _moved(sample, name)
    if moved <= MOVES:
        yield _another_unit(name, values, moved)
    yield _far_out(name, values, moves=moved > MOVES)
    yield _unusual(name, values)


def _another_unit(name: str, values: pd.Series, moved: float) -> Proposal:
    """Stop when the middle of a batch is clearly outside of where nearly all values were."""
    low, high, span = _span(values)
    slack = (SLACK + 3 * moved + 5 / math.sqrt(len(values))) * span
    lowest = 0 if _never_negative(values) else _nice(low - slack, -1)
    kwargs = {"column": name, "min_value": lowest, "max_value": _nice(high + slack, 1)}
    said = f"99 % of the sample lie between {_text(low)} and {_text(high)}; a median so far outside is another unit."
    return Proposal("expect_column_median_to_be_between", kwargs, said)


def _far_out(name: str, values: pd.Series, *, moves: bool) -> Proposal:
    """Set single impossible values aside: sentinels such as 9999, and negatives of what cannot be negative."""
    least, most = float(values.min()), float(values.max())
    ranges = VERY_FAR if moves else FAR
    reach = ranges * (most - least)
    low = 0 if _never_negative(values) else _nice(least - reach, -1)
    kwargs = {"column": name, "min_value": low, "max_value": _nice(most + reach, 1)}
    said = f"The sample runs from {_text(least)} to {_text(most)}; this allows {ranges:g} times that range beyond it"
    said += ", and nothing below zero" if low == 0 else ""
    said += ". It is so much because the column moves by nature." if moves else "."
    return Proposal("expect_column_values_to_be_between", kwargs, said, on_fail="quarantine")


def _unusual(name: str, values: pd.Series) -> Proposal:
    """Warn when more than a tenth of a batch is beyond everything seen."""
    least, most = float(values.min()), float(values.max())
    _, _, span = _span(values)
    low = least - 0.1 * span
    low = 0 if least >= 0 > low else _nice(low, -1)
    kwargs = {"column": name, "min_value": low, "max_value": _nice(most + 0.1 * span, 1), "mostly": 0.9}
    said = f"All of the sample lies between {_text(least)} and {_text(most)}."
    return Proposal("expect_column_values_to_be_between", kwargs, said, severity="warning")


def _moved(sample: Sample, name: str) -> float:
    """How far, in spans of the earlier half, medians of the later half lie outside the earlier half."""
    earlier, later = (_finite(half) for half in sample.halves(name))
    if not len(earlier) or not len(later):
        return 0.0
    low, high, span = _span(earlier)
    medians = [float(np.median(part)) for part in np.array_split(later.to_numpy(), PARTS) if len(part)]
    beyond = max(0.0, max(medians) - high, low - min(medians))
    return beyond / span if span else float(beyond > 0)


def _span(values: pd.Series) -> tuple[float, float, float]:
    """Where 99 % of the values lie, and how wide that is; never zero for a column that varies."""
    low, high = (float(values.quantile(q)) for q in (0.005, 0.995))
    return low, high, (high - low) or float(values.max() - values.min())


def _counts_up(values: pd.Series) -> bool:
    """Whether this is a counter: whole numbers that never repeat and only rise."""
    return bool(types.is_integer_dtype(values.dtype) and values.is_monotonic_increasing and values.is_unique)


def _never_negative(values: pd.Series) -> bool:
    """Whether this is an amount rather than a position on a scale: many zeros, or bunched up against zero."""
    if values.min() < 0:
        return False
    low, middle, high = (float(values.quantile(q)) for q in (0.01, 0.5, 0.99))
    return bool((values == 0).mean() >= 0.01 or high - middle > 3 * (middle - low))


def _finite(values: pd.Series) -> pd.Series:
    finite: pd.Series = values[np.isfinite(values)]
    return finite


def _nice(value: float, towards: int) -> float | int:
    """Round outwards to three digits, so that a person can read the number and the rule stays true."""
    if value == 0 or not math.isfinite(value):
        return 0
    unit = 10.0 ** (math.floor(math.log10(abs(value))) - 2)
    rounded = (math.floor if towards < 0 else math.ceil)(value / unit) * unit
    return round(rounded) if unit >= 1 or rounded.is_integer() else float(f"{rounded:.12g}")


def _text(value: float) -> str:
    return f"{value:.4g}" if abs(value) < 1000 else f"{value:,.0f}"
