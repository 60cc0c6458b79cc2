"""Many answers are one line of the journal, and read back as if each had had its own."""

import base64
import json

import pytest

from everfit.serving.closed import entries_of
from everfit.serving.journal import ENCODE
from everfit.serving.packed import PACKED, answers_in, as_entries, pack

FACTS = {"at": "2026-03-01T12:00:00+00:00", "version": 3, "role": "champion", "ms": 1.5}
OWN = {"id": ["a", "b", "c"], "prediction": [1.0, None, 3.5], "abstained": ["", "gap: colour", ""]}
FIELDS = {
    "number": [1.5, float("inf"), None],
    "whole": [2**62, None, -1],
    "truth": [True, None, False],
    "text": ["Zürich", "", None],
    "nothing": [None, None, None],
    "a/b": ["slash", "in", "name"],
}
SHARES = {"no": [0.25, 0.5, None], "yes": [0.75, 0.5, None]}


def read(entries):
    return [entry for line in entries for entry in entries_of(ENCODE(line).encode())]


@pytest.mark.parametrize("shares", [{}, SHARES])
@pytest.mark.parametrize("fields", [{}, FIELDS])
def test_one_line_holds_many_answers_as_they_were(shares, fields):
    packed = pack(FACTS, OWN, shares, fields)
    assert len(packed) == 1
    assert answers_in(packed) == 3
    assert read(packed) == as_entries(FACTS, OWN, shares, fields)


@pytest.mark.parametrize("mixed", [["one", 2, None], [2**53 + 1, 0.5, None]])
def test_a_column_of_several_kinds_loses_nothing(mixed):
    packed = pack(FACTS, OWN, {}, {"mixed": mixed})
    assert answers_in(packed) == 3
    assert [entry["fields"]["mixed"] for entry in read(packed)] == mixed


@pytest.mark.parametrize("held", ["no base64!", base64.b64encode(b"no Arrow").decode(), "", 7])
def test_a_line_that_holds_something_else_is_none(held):
    (packed,) = pack(FACTS, OWN, SHARES, FIELDS)
    assert entries_of(json.dumps({**packed, PACKED: held}).encode()) is None
