import json

import pytest
from jsonschema import Draft202012Validator

from everfit import documents
from everfit.validation import draft, json_schema
from everfit.validation.catalogue import core

VALIDATOR = Draft202012Validator(json_schema())


def test_the_schema_is_a_schema_and_can_be_written():
    Draft202012Validator.check_schema(json_schema())
    json.dumps(json_schema())


def test_it_knows_every_type_that_works_on_tables_and_no_other():
    rule = json_schema()["properties"]["expectations"]["items"]
    assert set(rule["properties"]["type"]["enum"]) == {form.type for form in core().values() if form.on_pandas}


def test_a_drafted_suite_is_valid(frame, tmp_path):
    path = tmp_path / "s.yaml"
    path.write_text(draft(frame, name="s", time="day", ids=["customer_id"]))
    assert list(VALIDATOR.iter_errors(documents.read(path).data)) == []


@pytest.mark.parametrize(
    "rule",
    [
        {"type": "expect_colum_to_exist", "kwargs": {"column": "a"}},
        {"type": "expect_column_to_exist"},
        {"type": "expect_column_to_exist", "kwargs": {"colum": "a"}},
        {"type": "expect_column_to_exist", "kwargs": {"column": "a"}, "on_fail": "quarantine"},
        {"type": "expect_column_to_exist", "kwargs": {"column": "a"}, "severity": "high"},
        {"type": "expect_column_values_to_not_be_null", "kwargs": {"column": "a", "mostly": 99}},
    ],
)
def test_what_is_wrong_is_underlined(rule):
    assert list(VALIDATOR.iter_errors({"expectations": [rule]}))
