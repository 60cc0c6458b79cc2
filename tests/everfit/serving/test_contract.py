"""What a record may hold, and the one clear answer to what it may not."""

import pytest

from everfit.serving.contract import BadRecords, Contract, Field

CONTRACT = Contract(
    (Field("size", "number"), Field("colour", "string", levels=("red", "blue")), Field("open", "boolean"),
     Field("when", "timestamp"), Field("day", "timestamp", "%d.%m.%Y")), frozenset({"cost"}),
)  # fmt: skip


def problems(*records):
    with pytest.raises(BadRecords) as told:
        CONTRACT.columns(records)
    return [(each.record, each.field, each.value, each.expected) for each in told.value.problems]


@pytest.mark.parametrize("record", [
    {},
    {"size": None, "colour": None, "open": None, "when": None},
    {"size": 3},
    {"size": "3.5"},
    {"size": float("nan")},
    {"size": float("inf")},
    {"colour": 5},
    {"colour": "never seen"},
    {"open": 1},
    {"open": "yes"},
    {"when": "2026-03-01"},
    {"when": "2026-03-01T12:00:00Z"},
    {"day": "31.12.2026"},
    {"cost": 7, "size": 1},
])  # fmt: skip
def test_what_training_would_have_read_is_read(record):
    assert CONTRACT.columns([record])["size"] == [record.get("size")]


def test_a_bad_value_is_named_with_its_record_its_field_and_what_was_expected():
    assert problems({"size": 1}, {"size": "large"}) == [(1, "size", "'large'", "a number, or null")]
    assert problems({"open": "perhaps"}) == [(0, "open", "'perhaps'", "true, false, or null")]
    assert problems({"when": "tomorrow"})[0][1:3] == ("when", "'tomorrow'")
    assert problems({"size": [1]}, {"colour": {"a": 1}})[1][:2] == (1, "colour")
    assert len(problems({"size": "x" * 1000})[0][2]) <= 80


def test_a_misspelt_field_is_no_missing_value():
    ((record, field, _, expected),) = problems({"colour": "red", "sise": 3})
    assert (record, field) == (0, "sise")
    assert "Did you mean 'size'?" in expected


def test_what_is_no_record_is_a_problem_like_any_other():
    assert problems(3, {"size": 1})[0][:2] == (0, "")


def test_a_million_mistakes_are_a_hundred_problems():
    assert len(problems(*[{"size": "x"}] * 500)) == 100


def test_values_are_kept_as_what_they_are():
    size, colour, open_, when, _ = CONTRACT.fields
    assert (size.kept("3"), size.kept(3), size.kept(True)) == (3.0, 3, 1.0)
    assert (colour.kept(5), open_.kept("no"), when.kept("2026-03-01")) == ("5", 0.0, "2026-03-01")
