"""What the catalogue says must be what Great Expectations does."""

import pandas as pd
import pytest

from everfit.validation import worker
from everfit.validation.catalogue import core

FRAME = pd.DataFrame({"x": [1, 2, 3], "y": [3, 2, 1], "s": ["a", "b", "c"], "j": ["{}", "{}", "{}"]})
GIVEN = {
    "column": "x",
    "column_A": "x",
    "column_B": "y",
    "column_list": ["x", "y"],
    "column_set": ["x", "y", "s", "j"],
    "value_set": [1, 2, 3],
    "value_pairs_set": [[1, 3]],
    "min_value": 0,
    "value": 3,
    "threshold": 5,
    "double_sided": True,
    "sum_total": 4,
    "type_": "int64",
    "type_list": ["int64"],
    "regex": "a",
    "regex_list": ["a"],
    "strftime_format": "%Y",
    "json_schema": {"type": "object"},
    "quantile_ranges": {"quantiles": [0.5], "value_ranges": [[0, 9]]},
    "partition_object": {"values": [1, 2, 3], "weights": [0.3, 0.3, 0.4]},
}
NOT_NUMBERS = {"regex": "s", "strftime": "s", "json": "j", "dateutil": "s", "lengths": "s"}
USABLE = [form for form in core().values() if form.on_pandas]


def kwargs_of(form) -> dict:
    named = {key: value for key, value in GIVEN.items() if key in form.kwargs["properties"]}
    column = next((column for word, column in NOT_NUMBERS.items() if word in form.type), "x")
    return {**named, "column": column} if "column" in named else named


def test_every_type_that_is_called_usable_can_be_judged():
    answers = worker.ask("judge", frame=FRAME, calls=[(form.type, kwargs_of(form)) for form in USABLE])
    errors = {
        form.type: answer["why"] for form, answer in zip(USABLE, answers, strict=True) if answer["state"] == "error"
    }
    assert errors == {}


def test_exactly_the_row_level_types_name_rows():
    answers = worker.ask("judge", frame=FRAME, calls=[(form.type, kwargs_of(form)) for form in USABLE])
    named = {
        form.type for form, answer in zip(USABLE, answers, strict=True) if "judged" in answer and "unexpected" in answer
    }
    assert {form.type for form in USABLE if form.row_level} <= named


@pytest.mark.parametrize(
    "name", ["expect_column_values_to_match_like_pattern", "expect_table_row_count_to_equal_other_table"]
)
def test_what_needs_a_database_is_known(name):
    assert not core()[name].on_pandas


def test_a_column_and_a_table_are_told_apart():
    levels = {name: core()[name].level for name in ("expect_column_median_to_be_between", "expect_column_to_exist")}
    assert levels == {"expect_column_median_to_be_between": "column", "expect_column_to_exist": "table"}
