"""What a change of columns leads to is the model file's to say, kind by kind."""

import pytest

from everfit.schema import Schema, judge_changes
from everfit.spec import SchemaPolicy

LEARNT = Schema.from_dict({"n": "number", "s": "string", "t": "timestamp"})
CAME = {
    "added": Schema.from_dict({"n": "number", "s": "string", "t": "timestamp", "new": "boolean"}),
    "removed": Schema.from_dict({"n": "number", "t": "timestamp"}),
    "retyped": Schema.from_dict({"n": "string", "s": "string", "t": "timestamp"}),
    "reordered": Schema.from_dict({"s": "string", "n": "number", "t": "timestamp"}),
}
SAID = {
    "added": "new added: is boolean",
    "removed": "s removed: was string",
    "retyped": "n retyped: was number, is string",
    "reordered": "s reordered: stands where n was",
}


def said(learnt: Schema, came: Schema, policy: SchemaPolicy) -> tuple[tuple[str, ...], ...]:
    return tuple(tuple(map(str, changes)) for changes in judge_changes(learnt, came, policy))


@pytest.mark.parametrize("kind", CAME)
@pytest.mark.parametrize(("outcome", "warned", "blocked"), [("allow", 0, 0), ("warn", 1, 0), ("block", 0, 1)])
def test_each_kind_of_change_is_allowed_warned_about_or_blocked(kind, outcome, warned, blocked):
    everything_else_blocks = dict.fromkeys(CAME, "block")
    policy = SchemaPolicy(**{**everything_else_blocks, kind: outcome})
    warnings, blockers = said(LEARNT, CAME[kind], policy)
    assert (warnings, blockers) == ((SAID[kind],) * warned, (SAID[kind],) * blocked)


def test_the_defaults_let_columns_come_but_not_go():
    came = Schema.from_dict({"t": "timestamp", "n": "string", "new": "number"})
    warnings, blockers = said(LEARNT, came, SchemaPolicy())
    assert warnings == ("new added: is number",)
    assert blockers == ("s removed: was string", "n retyped: was number, is string")


def test_the_same_columns_are_no_change():
    assert judge_changes(LEARNT, LEARNT, SchemaPolicy()) == ((), ())


def test_what_comes_later_is_not_judged():
    came = Schema.from_dict({"n": "number"})
    assert judge_changes(LEARNT, came, SchemaPolicy(), but=("s", "t", None)) == ((), ())


@pytest.mark.parametrize(
    "came", [{"s": "string"}, {"blank": "string", "s": "string"}, {"s": "string", "blank": "number"}]
)
def test_a_column_that_had_no_value_may_become_anything(came):
    learnt = Schema.from_dict({"s": "string", "blank": "number"}, blank=["blank"])
    policy = SchemaPolicy(**dict.fromkeys(CAME, "block"))
    assert judge_changes(learnt, Schema.from_dict(came), policy) == ((), ())
    assert judge_changes(learnt.only(["s", "blank"]), Schema.from_dict(came), policy) == ((), ())
