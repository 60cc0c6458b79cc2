"""What a starter suite asks of each column, and where each number comes from.

Nobody is awake when a generated rule stops a run. So it may stop only for what drift does not do: a column that is gone
or retyped, values that are suddenly missing, a whole batch in another unit. Such rules are first tried forward: where
the later half of the data already leaves what the earlier half would have allowed, the column moves by nature, and its
rules only warn.
"""

import math
import re
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
from pandas.api import types

from everfit.validation.ranges import of_numbers
from everfit.validation.sample import Proposal, Sample

LOST = 0.4  # of the values that are usually there
SET_SIZE = 50
PARTS = 10  # of the sample, the worst of which says how much may be missing
PERSONAL = re.compile(r"e[-_]?mail|phone|mobile|ssn|passport|iban|address|(first|last|sur|full)[-_]?name|birth", re.I)


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
        yield from of_numbers(sample, name)
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
    if name in sample.labels:
        return
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
    parts = np.array_split(missing.to_numpy(), min(PARTS, max(len(missing) // 50, 1)))
    return max(float(part.mean()) for part in parts if len(part))


def _down(share: float) -> float:
    return max(math.floor(share * 100) / 100, 0.0)


def _day(moment: pd.Timestamp) -> str:
    return str(moment.date())
