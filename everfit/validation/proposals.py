"""What a starter suite asks of each column, and where each number comes from.

Nobody is awake when a generated rule stops a run. So it may stop only for what drift does not do: a column that is gone
or retyped, values that are suddenly missing, a whole batch in another unit. Such rules are first tried forward: where
the later half of the data already leaves what the earlier half would have allowed, the column moves by nature, and its
rules only warn.
"""

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from pandas.api import types

SLACK = 0.5  # of the span of the values: a batch whose median is further out has another unit
FAR = 3.0  # of the range of the values: a single value further out is a mistake
VERY_FAR = 30.0  # the same for a column that moves by nature
MOVES = 0.5  # of the span: a column whose median went so far within the sample moves by nature
LOST = 0.4  # of the values that are usually there
SET_SIZE = 50
BLOCKS = 5
WIDE = 60  # columns; each rule costs Great Expectations 6 ms, so of more columns only what may stop a run is asked
PERSONAL = re.compile(r"e[-_]?mail|phone|mobile|ssn|passport|iban|address|(first|last|sur|full)[-_]?name|birth", re.I)


@dataclass(frozen=True)
class Proposal:
    """One rule to be written, with the reason for its numbers."""

    type: str
    kwargs: dict[str, Any]
    notes: str
    severity: str = "critical"
    on_fail: str = ""


@dataclass(frozen=True)
class Sample:
    """The data that a suite is drafted from, in the order of time."""

    frame: pd.DataFrame
    time: str | None = None
    ids: tuple[str, ...] = ()
    now: pd.Timestamp = field(default_factory=lambda: pd.Timestamp.now("UTC").tz_localize(None))

    @property
    def wide(self) -> bool:
        """Whether there are so many columns that mere warnings would cost more than they tell."""
        return len(self.frame.columns) > WIDE

    def halves(self, column: str) -> tuple[pd.Series, pd.Series]:
        """The earlier and the later half of the values that are there."""
        values = self.frame[column].dropna()
        return values.iloc[: len(values) // 2], values.iloc[len(values) // 2 :]


def of_table(sample: Sample) -> Iterator[Proposal]:
    """Propose what must hold for the table: its columns and its rows."""
    names = list(sample.frame.columns)
    said = f"The {len(names)} columns of the sample; more are welcome."
    yield Proposal("expect_table_columns_to_match_set", {"column_set": names, "exact_match": False}, said)
    yield Proposal("expect_table_row_count_to_be_between", {"min_value": 1}, "An empty batch is a broken feed.")


def of_column(sample: Sample, name: str) -> Iterator[Proposal]:
    """Propose what must hold for one column."""
    for proposal in _of_column(sample, name):
        if not sample.wide or proposal.severity == "critical":
            yield proposal


def _of_column(sample: Sample, name: str) -> Iterator[Proposal]:
    column = sample.frame[name]
    if not column.notna().any():
        return
    yield from _type(name, column)
    yield from _missing(sample, name)
    if name in sample.ids:
        yield from _identity(name, column)
    elif types.is_datetime64_any_dtype(column):
        yield from _moments(sample, name)
    elif types.is_bool_dtype(column) or column.nunique() < 2:
        return  # a constant of today says nothing about tomorrow
    elif types.is_integer_dtype(column) and column.nunique() == 2:
        yield from _codes(sample, name)
    elif types.is_numeric_dtype(column):
        yield from _numbers(sample, name)
    elif types.is_string_dtype(column):
        yield from _words(sample, name)


def personal(frame: pd.DataFrame) -> list[str]:
    """Return the columns whose names sound like personal data."""
    return [name for name in frame.columns if PERSONAL.search(name)]


def _type(name: str, column: pd.Series) -> Iterator[Proposal]:
    if types.is_bool_dtype(column):
        allowed, kind = ["bool"], "boolean"
    elif types.is_numeric_dtype(column):
        allowed, kind = ["int64", "float64"], "number"
    elif types.is_datetime64_any_dtype(column):
        allowed, kind = ["datetime64"], "timestamp"
    elif types.is_string_dtype(column):
        allowed, kind = ["str"], "string"
    else:
        return  # true, false and missing mixed: no type of its own
    rule = "expect_column_values_to_be_in_type_list"
    yield Proposal(rule, {"column": name, "type_list": allowed}, f"Every value of the sample is a {kind}.")


def _missing(sample: Sample, name: str) -> Iterator[Proposal]:
    """Stop when a large part of the usual values is lost, warn when clearly more are missing than ever."""
    column, rows = sample.frame[name], len(sample.frame)
    usual = float(column.isna().mean())
    said = f"In the sample {usual:.1%} are missing" if usual else "In the sample none is missing"
    if usual == 0 and (name == sample.time or name in sample.ids):
        rule = "expect_column_values_to_not_be_null"
        yield Proposal(rule, {"column": name}, f"{said}; a row without it cannot be placed.", on_fail="quarantine")
        return
    rule = "expect_column_proportion_of_non_null_values_to_be_between"
    worst = _worst_share(column.isna())
    least = _down((1 - max(usual, worst)) * (1 - LOST - 1 / math.sqrt(rows)))
    if least > 0.05:
        said += f", in its worst part {worst:.1%}" if worst > usual else ""
        yield Proposal(rule, {"column": name, "min_value": least}, f"{said}; far fewer values mean a broken join.")
    normal = _down(1 - max(usual, worst) - 0.03 - 2 / math.sqrt(rows))
    if normal > least:
        kwargs = {"column": name, "mostly": normal}
        yield Proposal("expect_column_values_to_not_be_null", kwargs, f"{said}.", severity="warning")


def _identity(name: str, column: pd.Series) -> Iterator[Proposal]:
    """Expect ids to be unique where they are; where they repeat, nothing."""
    values = column.dropna()
    if values.nunique() < 0.99 * len(values):
        return
    said = f"It names a row; {1 - values.nunique() / len(values):.2%} of the sample repeat one"
    rule = "expect_column_proportion_of_unique_values_to_be_between"
    yield Proposal(rule, {"column": name, "min_value": 0.9}, f"{said}. Many twins are a feed that was sent twice.")
    rule = "expect_column_values_to_be_unique"
    yield Proposal(rule, {"column": name, "mostly": 0.98}, f"{said}.", severity="warning")


def _moments(sample: Sample, name: str) -> Iterator[Proposal]:
    """Expect moments neither long before the sample began nor in the future."""
    values = sample.frame[name].dropna()
    first, last = values.min(), values.max()
    span = max(last - first, pd.Timedelta(days=30))
    future = last > sample.now
    latest: Any = _day(last + 10 * span) if future else {"$PARAMETER": "now + 1d"}
    kwargs = {"column": name, "min_value": _day(first - span), "max_value": latest}
    said = f"The sample runs from {_day(first)} to {_day(last)}; earlier by more than as long is a default such as 1970"
    said += ", and later than its tenfold a typing error." if future else ", and later than tomorrow a wrong clock."
    severity, on_fail = ("critical", "quarantine") if name == sample.time else ("warning", "")
    yield Proposal("expect_column_values_to_be_between", kwargs, said, severity=severity, on_fail=on_fail)


def _numbers(sample: Sample, name: str) -> Iterator[Proposal]:
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


def _words(sample: Sample, name: str) -> Iterator[Proposal]:
    values = sample.frame[name].dropna()
    if (few := values.nunique()) <= SET_SIZE and few <= len(values) / 5 and not PERSONAL.search(name):
        yield from _codes(sample, name)
        return
    lengths = values.str.len()
    kwargs = {"column": name, "min_value": int(lengths.min()) // 2, "max_value": int(lengths.max()) * 3, "mostly": 0.99}
    said = f"Texts of the sample have {int(lengths.min())} to {int(lengths.max())} characters."
    yield Proposal("expect_column_value_lengths_to_be_between", kwargs, said, severity="warning")


def _codes(sample: Sample, name: str) -> Iterator[Proposal]:
    """Stop when most values are new, unless new ones come by nature; warn when some are."""
    known = sorted(sample.frame[name].dropna().unique().tolist())
    rule, said = "expect_column_values_to_be_in_set", f"The {len(known)} values of the sample"
    earlier, later = sample.halves(name)
    if float((~later.isin(earlier.unique())).mean()) < 0.01:
        flood = f"{said}, none new in its later half; a flood of others is a broken code list."
        yield Proposal(rule, {"column": name, "value_set": known, "mostly": 0.5}, flood)
    kwargs = {"column": name, "value_set": known, "mostly": 0.95}
    yield Proposal(rule, kwargs, f"{said}.", severity="warning")


def _worst_share(missing: pd.Series) -> float:
    """The largest share missing in any part of the sample, parts being large enough to tell."""
    parts = np.array_split(missing.to_numpy(), min(2 * BLOCKS, max(len(missing) // 50, 1)))
    return max(float(part.mean()) for part in parts if len(part))


def _moved(sample: Sample, name: str) -> float:
    """How far, in spans of the earlier half, medians of the later half lie outside the earlier half."""
    earlier, later = (_finite(half) for half in sample.halves(name))
    if not len(earlier) or not len(later):
        return 0.0
    low, high, span = _span(earlier)
    medians = [float(np.median(part)) for part in np.array_split(later.to_numpy(), BLOCKS) if len(part)]
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


def _down(share: float) -> float:
    return max(math.floor(share * 100) / 100, 0.0)


def _text(value: float) -> str:
    return f"{value:.4g}" if abs(value) < 1000 else f"{value:,.0f}"


def _day(moment: pd.Timestamp) -> str:
    return str(moment.date())
