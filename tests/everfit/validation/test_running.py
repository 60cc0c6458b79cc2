import json
import threading
from datetime import UTC, datetime
from unittest.mock import Mock

import numpy as np
import pandas as pd
import pytest

from everfit.errors import Unavailable
from everfit.validation import Rule, Suite, load_suite, run, worker
from everfit.validation.report import NOT_EMPTY, TOO_MANY_BROKEN

BETWEEN = "expect_column_values_to_be_between"


def suite(*rules: Rule, **facts) -> Suite:
    return Suite("s", rules, **facts)


def rule(type_: str = BETWEEN, level: str = "row", **facts) -> Rule:
    facts.setdefault("kwargs", {"column": "age", "min_value": 0, "max_value": 120})
    return Rule(type_, level=level, **facts)


def people(*ages: float) -> pd.DataFrame:
    return pd.DataFrame({"age": list(ages), "name": [f"n{n}" for n in range(len(ages))]})


def judge(frame: pd.DataFrame, *rules: Rule, **facts):
    return run([suite(*rules, **facts)], frame, model="m", origin="o")


def test_a_critical_failure_stops_and_a_warning_does_not():
    report = judge(people(1, -1), rule(), rule(severity="warning", kwargs={"column": "age", "min_value": 5}))
    assert [result.outcome for result in report.results] == ["stops", "warns"]
    assert (len(report.blocking), len(report.warnings), report.ok) == (1, 1, False)
    assert report.blocking[0].observed == "1 of 2 (50 %)"
    assert [(example.row, example.value) for example in report.blocking[0].examples] == [(1, "-1")]


def test_info_is_only_noted():
    assert judge(people(-1), rule(severity="info")).results[0].outcome == "noted"


def test_a_rule_that_cannot_be_judged_is_an_error_and_stops_even_as_a_warning():
    report = judge(people(1), rule(severity="warning", kwargs={"column": "name", "min_value": 0}), rule())
    assert [result.state for result in report.results] == ["error", "pass"]
    assert report.blocking[0].why == "the bounds are numbers, and 'name' holds text"


def test_a_missing_column_is_an_error_that_names_the_nearest():
    report = judge(people(1), rule(kwargs={"column": "agee", "min_value": 0}))
    assert report.blocking[0].why == "there is no column 'agee'. Did you mean 'age'?"


def test_wrong_arguments_that_slipped_past_loading_are_errors_of_their_rule_alone():
    report = judge(people(1), rule(kwargs={"column": "age", "nonsense": 1}), rule("expect_nothing"), rule())
    assert [result.state for result in report.results] == ["error", "error", "pass"]


def test_results_come_in_the_order_of_the_suite():
    rules = [rule(kwargs={"column": "age", "min_value": -n}) for n in range(12)]
    assert [result.expected for result in judge(people(1), *rules).results] == [
        f"values to be at least {-n}" for n in range(12)
    ]


def test_broken_rows_are_set_aside_with_every_reason_and_do_not_stop():
    rules = [
        rule(on_fail="quarantine"),
        rule("expect_column_values_to_not_be_null", on_fail="quarantine", kwargs={"column": "name"}),
    ]
    frame = people(*range(20), -1, 500)
    frame.loc[21, "name"] = None
    report = judge(frame, *rules)
    assert report.ok
    assert dict(report.broken) == {
        20: "age: values to be between 0 and 120",
        21: "age: values to be between 0 and 120; name: values to not be null",
    }
    assert [result.outcome for result in report.results] == ["quarantines", "quarantines"]


def test_rows_are_known_by_position_whatever_their_index_was():
    frame = people(*range(9), -1).set_axis(list(range(100, 110)))
    assert list(judge(frame, rule(on_fail="quarantine")).broken) == [9]


def test_the_columns_of_the_lake_are_not_counted():
    frame = people(1, 2).assign(_row=[0, 1], _batch="x")
    assert judge(frame, rule("expect_table_column_count_to_equal", level="table", kwargs={"value": 2})).ok


def test_a_share_that_may_break_still_sends_the_broken_rows_away():
    kwargs = {"column": "age", "min_value": 0, "mostly": 0.5}
    report = judge(people(*range(9), -1), rule(on_fail="quarantine", kwargs=kwargs))
    assert report.results[0].state == "pass"
    assert list(report.broken) == [9]


@pytest.mark.parametrize(("cap", "ok"), [(0.2, False), (0.5, True)])
def test_too_many_broken_rows_refuse_the_batch(cap, ok):
    report = judge(people(1, 2, 3, -1, -2), rule(on_fail="quarantine"), max_quarantined=cap)
    assert report.ok is ok
    assert [result.type for result in report.blocking] == ([] if ok else [TOO_MANY_BROKEN])


def test_other_rules_see_the_broken_rows_too():
    kwargs = {"column": "age", "max_value": 100}
    maximum = rule("expect_column_max_to_be_between", level="column", kwargs=kwargs)
    report = judge(people(*range(9), 500), rule(on_fail="quarantine"), maximum)
    assert [result.observed for result in report.blocking] == ["500"]


def test_no_rows_are_a_failure_and_not_a_pass():
    table = rule(
        "expect_table_columns_to_match_set", level="table", kwargs={"column_set": ["age"], "exact_match": False}
    )
    report = judge(people(1)[:0], rule(), table)
    assert [result.type for result in report.blocking] == [NOT_EMPTY]
    assert report.skipped == 1


def test_a_column_without_values_says_that_nothing_was_judged():
    assert judge(people(np.nan, np.nan), rule()).results[0].observed == "nothing to judge: every value is missing"


def test_rules_about_columns_that_are_not_known_yet_are_left_out():
    table = rule(
        "expect_table_columns_to_match_set", level="table", kwargs={"column_set": ["age", "y"], "exact_match": False}
    )
    rules = suite(rule(), rule(kwargs={"column": "y", "min_value": 0}), table)
    report = run([rules], people(1), model="m", origin="o", without=["y"])
    assert report.ok
    assert (len(report.results), report.skipped) == (2, 1)


def test_further_columns_are_not_held_against_a_set_that_welcomes_them():
    kwargs = {"column_set": ["age", "height"], "exact_match": False}
    report = judge(people(1), rule("expect_table_columns_to_match_set", level="table", kwargs=kwargs))
    assert report.blocking[0].observed == "missing: height"


def test_dates_are_compared_with_moments_and_now_is_the_moment_of_the_run():
    frame = pd.DataFrame({"t": pd.to_datetime(["2024-01-01T00:00", "2024-01-31T23:00"])})
    bounds = [
        {"min_value": "2024-01-01", "max_value": "2024-02-01"},
        {"min_value": "2024-01-01T02:00:00+02:00"},
        {"max_value": {"$PARAMETER": "now"}},
        {"max_value": {"$PARAMETER": "now - 2d"}},
    ]
    rules = suite(*(rule(kwargs={"column": "t", **bound}) for bound in bounds))
    report = run([rules], frame, model="m", origin="o", now=datetime(2024, 2, 1, tzinfo=UTC))
    assert [result.state for result in report.results] == ["pass", "pass", "pass", "fail"]


@pytest.mark.parametrize(
    ("values", "names"),
    [
        (pd.Series(["a", None], dtype="str"), ["str", "object"]),
        (pd.Series(["a", "b"], dtype=object), ["str"]),
        (pd.Categorical(["a", "b"]), ["string"]),
        (pd.array([1, 2], dtype="Int64"), ["int64"]),
        (pd.array([1, None], dtype="Int64"), ["float64"]),
        (pd.array([1.5, 2], dtype="float32"), ["float64"]),
        (pd.array([True, None], dtype="boolean"), ["bool"]),
        (pd.to_datetime(["2024-01-01", None]), ["datetime64"]),
        (pd.to_datetime(["2024-01-01T00:00+02:00", None]), ["Timestamp"]),
    ],
)
def test_a_column_of_every_make_has_the_type_of_the_lake(values, names):
    kwargs = {"column": "x", "type_list": names}
    report = judge(pd.DataFrame({"x": values}), rule("expect_column_values_to_be_in_type_list", kwargs=kwargs))
    assert report.ok, report.results[0]


def test_a_structured_condition_chooses_rows():
    condition = {"type": "comparison", "column": {"name": "name"}, "operator": "==", "parameter": "n1"}
    kwargs = {"column": "age", "min_value": 0, "row_condition": condition}
    report = judge(people(*[-1] * 10), rule(on_fail="quarantine", kwargs=kwargs))
    assert dict(report.broken) == {1: "age, name: values to be at least 0, where name == n1"}


def test_personal_values_are_never_shown():
    kwargs = {"column": "name", "regex": "^x"}
    report = judge(
        people(1, 2), rule("expect_column_values_to_match_regex", kwargs=kwargs), personal=frozenset({"name"})
    )
    text = json.dumps(report.to_dict())
    assert "n0" not in text
    assert "n1" not in text
    assert {example.value for example in report.results[0].examples} == {"(hidden)"}


def test_examples_are_few_and_short_and_json_has_no_infinity():
    frame = people(*[np.inf] * 50)
    frame["name"] = "x" * 1000
    lengths = rule("expect_column_value_lengths_to_be_between", kwargs={"column": "name", "max_value": 5})
    mean = rule("expect_column_mean_to_be_between", level="column", kwargs={"column": "age", "max_value": 5})
    report = judge(frame, rule(), lengths, mean)
    json.dumps(report.to_dict(), allow_nan=False)
    assert all(len(result.examples) <= 5 for result in report.results)
    assert max(len(example.value) for result in report.results for example in result.examples) <= 80
    assert report.results[2].observed == "inf"


def test_threads_share_the_process_and_each_gets_its_own_answer():
    seen = {}

    def ask(n: int) -> None:
        seen[n] = len(judge(people(*range(10), *[-1] * n), rule()).blocking[0].examples)

    threads = [threading.Thread(target=ask, args=(n,)) for n in range(1, 6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == {n: n for n in range(1, 6)}


def test_a_pattern_that_would_run_for_ever_is_stopped_by_the_clock_and_the_next_run_works():
    worker.ask("custom_forms")
    frame = pd.DataFrame({"name": [json.dumps("a" * 60 + "!")]})
    kwargs = {"column": "name", "json_schema": {"pattern": "^(a+)+$"}}  # plain regexes run in Arrow, which cannot hang
    endless = rule("expect_column_values_to_match_json_schema", kwargs=kwargs)
    report = run([suite(endless), Suite("next", (endless,))], frame, model="m", origin="o", limit=2)
    assert [result.state for result in report.results] == ["error", "error"]
    assert "did not answer within 2 s" in report.results[0].why
    assert "Look first at the pattern for name" in report.results[0].why
    assert "before this suite began" in report.results[1].why
    assert report.seconds < 10
    assert judge(people(1), rule()).ok


@pytest.mark.parametrize(
    ("broken", "why"),
    [({"limit": 0}, "before this suite began"), ({}, "it ended unexpectedly")],
)
def test_a_process_that_is_slow_or_dies_says_nothing_about_the_data(monkeypatch, broken, why):
    ended = worker.WorkerLost("it ended unexpectedly", late=False)
    monkeypatch.setattr(worker, "ask", Mock(side_effect=ended))
    with pytest.raises(Unavailable, match=why):
        run([suite(rule())], people(1), model="m", origin="o", **broken)


CUSTOM = '''
from great_expectations.execution_engine import PandasExecutionEngine
from great_expectations.expectations.expectation import ColumnMapExpectation
from great_expectations.expectations.metrics import ColumnMapMetricProvider, column_condition_partial


class ColumnValuesEven(ColumnMapMetricProvider):
    condition_metric_name = "column_values.even"
    condition_value_keys = ()

    @column_condition_partial(engine=PandasExecutionEngine)
    def _pandas(cls, column, **kwargs):
        return column % 2 == 0


class ExpectColumnValuesToBeEven(ColumnMapExpectation):
    """Expect whole numbers that two divides."""

    map_metric = "column_values.even"
'''


def test_an_expectation_in_python_of_a_data_team_loads_and_quarantines(suites):
    folder = suites(
        "expectations:\n- type: expect_column_values_to_be_even\n  kwargs: {column: age}\n  on_fail: quarantine\n"
    )
    (folder / "custom").mkdir()
    (folder / "custom" / "even.py").write_text(CUSTOM)
    loaded = load_suite("s", folder)
    report = run([loaded], people(*[2] * 9, 3), model="m", origin="o")
    assert report.ok
    assert list(report.broken) == [9]
