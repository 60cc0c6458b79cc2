"""What a record may hold, and the one clear answer to what it may not."""

import math

import pandas as pd
import pytest

from everfit.features import casts
from everfit.serving.contract import BadRecords, Contract, Field
from everfit.serving.values import FEW, read_all

BAD, NAN, INFINITE = object(), math.nan, math.inf
OTHERS = {"size": [1.5, 7] * FEW, "colour": ["red"] * 2 * FEW, "open": [False, True] * FEW,
          "when": ["2026-01-05T07:00"] * 2 * FEW, "day": ["05.01.2026"] * 2 * FEW}  # fmt: skip
CONTRACT = Contract(
    (Field("size", "number"), Field("colour", "string", levels=("red", "blue")), Field("open", "boolean"),
     Field("when", "timestamp"), Field("day", "timestamp", "%d.%m.%Y")), frozenset({"cost"}),
)  # fmt: skip


def problems(*records):
    with pytest.raises(BadRecords) as told:
        CONTRACT.columns(records)
    return [(each.record, each.field, each.value, each.expected) for each in told.value.problems]


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
    assert problems({"zzz": 1})[0][3] == "no field of this model. Known: colour, day, open, size, when.", "no target"


def test_what_is_no_record_is_a_problem_like_any_other():
    assert problems(3, {"size": 1})[0][:2] == (0, "")


def test_a_million_mistakes_are_a_hundred_problems():
    assert len(problems(*[{"size": "x"}] * 500)) == 100


@pytest.mark.parametrize(("name", "value", "kept"), [
    ("size", None, None), ("size", 3, 3), ("size", 3.0, 3.0), ("size", True, 1.0), ("size", "3.5", 3.5),
    ("size", 2**70, float(2**70)), ("size", 10**400, INFINITE), ("size", 1e400, INFINITE), ("size", "inf", INFINITE),
    ("size", "nan", BAD), ("size", "", BAD), ("size", "1,5", BAD), ("size", "3\0", BAD), ("size", [1], BAD),
    ("colour", None, None), ("colour", NAN, None), ("colour", "never seen", "never seen"), ("colour", "", ""),
    ("colour", 5, "5"), ("colour", 5.0, "5"), ("colour", 5.5, "5.5"), ("colour", True, "True"), ("colour", {}, BAD),
    ("colour", "a\0b", "a\0b"), ("colour", 12345678901234567890123, "12345678901234567890123"),
    ("open", None, None), ("open", True, True), ("open", 1, True), ("open", 0.0, False), ("open", "yes", True),
    ("open", 2, BAD), ("open", 0.5, BAD), ("open", "", BAD), ("open", NAN, None), ("open", 10**400, BAD),
    *[("when", text, text) for text in (
        "2026-03-01", "2026-03-01T12:00", "2026-03-01 12:00:00", "2026-03-01T12:00:00Z", "2026-03-01T12:00:00.123Z",
        "2026-03-01T12:00:00.123456789Z", "2026-03-01T12:00:00+02:00", "2026-03-01T12:00:00-0230", "20260301T120000",
        "2026-03", "2026-3-1", "0001-01-01", "9999-12-31T23:59:59.999999")],
    *[("when", text, BAD) for text in (
        "2026-02-30", "2026-13-01", "2026-03-01T25:00", "0000-01-01", "9999-12-31T23:59:59-12:00", "now", "today",
        "tomorrow", "01.03.2026", "\uff12\uff10\uff12\uff16-03-01", "2026-03-01\0", "", 1.5, True, 10**400)],
    ("when", None, None), ("when", NAN, None), ("when", 20260301, "20260301"),
    ("day", "31.12.2026", "31.12.2026"), ("day", "2026-12-31", "2026-12-31"), ("day", "12/31/2026", BAD),
])  # fmt: skip
def test_each_value_has_one_outcome_alone_and_in_a_crowd(name, value, kept):
    crowd = [None, value, *OTHERS[name]]
    for values in ([value], crowd):
        if kept is BAD:
            with pytest.raises(BadRecords) as told:
                CONTRACT.columns([{name: each} for each in values])
            assert [each.field for each in told.value.problems] == [name]
            continue
        columns = CONTRACT.columns([{name: each} for each in values])
        assert columns == CONTRACT.columns({name: values}), "by columns as by records"
        found = columns[name][-1 if len(values) == 1 else 1]
        assert (found, type(found)) == (kept, type(kept))
        assert_read_as_one_by_one(name, columns[name])


def assert_read_as_one_by_one(name, values):
    """What each value says alone is what a frame of them says, which is what training read."""
    (field,) = (each for each in CONTRACT.fields if each.name == name)
    frame = casts.cast(pd.Series(values, dtype=object), field.kind, field.format)
    if field.kind == "timestamp":
        frame = pd.Series(frame.to_numpy("datetime64[us]").astype("int64") / 86_400e6).where(frame.notna())
    for alone, cast in zip(map(field.read, values), frame, strict=True):
        assert alone == (pytest.approx(cast, abs=1e-9, nan_ok=True) if field.kind != "string" else cast) or cast != cast


@pytest.mark.parametrize("field", CONTRACT.fields, ids=lambda field: field.name)
def test_many_values_at_once_read_as_one_by_one(field):
    values = [None, True, 0, 2.5, 7, 20260301, 1e300, "yes", "2026-01-05", "31.12.2026", "2026-01-05T07:00:00.1234567Z",
              "0001-01-01", "9999-12-31T23:59:59.999999+00:00", "12", "", "x"] * 2  # fmt: skip
    alone, many = [field.read(value) for value in values], read_all(values, field.kind, field.format)
    pd.testing.assert_series_equal(pd.Series(many, dtype=object), pd.Series(alone, dtype=object), rtol=1e-12)


def test_a_bad_value_is_shown_in_short_however_large_or_deep_it_is():
    deep = []
    for _ in range(900):
        deep = [deep]
    assert all(len(told[2]) <= 80 for told in problems({"size": deep}, {"size": "x" * 10**6}, {"size": [0] * 10**6}))
    assert len(problems({"x" * 10**6: 1})[0][1]) <= 200
