import json
from pathlib import Path

import pytest

from everfit.errors import SuiteError
from everfit.schema import Schema
from everfit.validation import load_suite, load_suites, suite_names

RULE = "expectations:\n- type: expect_column_values_to_be_between\n  kwargs: {column: age, min_value: 0}\n"
KNOWN = Schema.from_dict({"age": "number", "country": "string", "plan": "string", "born": "timestamp"})


def problems(folder, schema=None) -> str:
    with pytest.raises(SuiteError) as caught:
        load_suite("s", folder, schema)
    return "\n".join([caught.value.what, *caught.value.details])


def one(kwargs: str, type_: str = "expect_column_values_to_be_between", more: str = "") -> str:
    return f"expectations:\n- type: {type_}\n  kwargs: {kwargs}\n{more}"


def test_all_mistakes_of_a_file_are_told_at_once_with_their_lines(suites):
    folder = suites(
        """name: s
expectations:
- type: expect_column_values_to_be_betwen
  kwargs: {column: age, min_value: 0}
- type: expect_column_values_to_be_in_set
  kwargs: {column: plan, values: [a]}
- type: expect_column_values_to_be_between
  kwargs: {column: agge, min_value: 10, max_value: 1}
  severity: kritical
  on_fial: quarantine
""",
    )
    said = problems(folder, KNOWN)
    assert "s.yaml:3: there is no expectation 'expect_column_values_to_be_betwen'. Did you mean" in said
    assert "s.yaml:6: expect_column_values_to_be_in_set has no 'values'. Did you mean 'value_set'?" in said
    assert "needs value_set" in said
    assert "s.yaml:8: min 10 is above max 1" in said
    assert "s.yaml:8: there is no column 'agge'. Did you mean 'age'?" in said
    assert "s.yaml:9: severity cannot be 'kritical'. Did you mean 'critical'?" in said
    assert "s.yaml:10: there is no key 'on_fial' here. Did you mean 'on_fail'?" in said
    assert said.startswith(str(folder / "s.yaml") + " has 7 mistake(s)")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("expectations: []", "an empty suite would pass any data"),
        ("name: s", "an empty suite would pass any data"),
        ("- a", "this is no suite"),
        ("expectations: [5]", "an expectation is a mapping"),
        ("expectations:\n- kwargs: {column: age}", "type is needed"),
        (one("[age]"), "kwargs must be a mapping"),
        (one("{column: age}"), "needs min_value, max_value or both"),
        (one("{column: age, min_value: abc}"), "min_value cannot be 'abc'; it is a number or a date"),
        (one("{column: age, min_value: .nan}"), "compares with nothing"),
        (one("{column: age, min_value: 1, mostly: 95}"), "mostly cannot be 95; it is a number, at least 0, at most 1"),
        (one("{column: age, min_value: 3, max_value: 3, strict_max: true}"), "no value is strictly between 3 and 3"),
        (one("{column: age, min_value: 2024-02-01, max_value: 2024-01-01}"), "is above max 2024-01-01"),
        (one("{column: age, min_value: 1, max_value: 2024-01-01}"), "one bound is a number and the other a date"),
        (one("{column: age, min_value: {$PARAMETER: os.getcwd()}}"), "min_value cannot be"),
        (one("{column: age, value_set: []}", "expect_column_values_to_be_in_set"), "a list, not empty"),
        (one("{column: age, regex: '(a+)+$'}", "expect_column_values_to_match_regex"), "can take for ever"),
        (
            one("{column: age, regex_list: ['(', 'a']}", "expect_column_values_to_match_regex_list"),
            "not a regular expression",
        ),
        (
            one("{column: age, like_pattern: 'a%'}", "expect_column_values_to_match_like_pattern"),
            "only inside a SQL database",
        ),
        (one("{unexpected_rows_query: 'select 1'}", "unexpected_rows_expectation"), "only inside a SQL database"),
        (
            one("{column: age, min_value: 1}", "expect_column_median_to_be_between", "  on_fail: quarantine"),
            "can name no rows",
        ),
        (one("{column: age, min_value: 1}", more="  on_fail: delete"), "on_fail can only be quarantine"),
        (
            one("{column: age, json_schema: {pattern: '(a+)+'}}", "expect_column_values_to_match_json_schema"),
            "can take for ever",
        ),
        (RULE + "max_quarantined: 20", "a share between 0 and 1"),
        (RULE + "personal: email", "a list of column names"),
        (RULE + "name: other", "its file name says s"),
        (RULE.replace("expectations:", "expectation:"), "Did you mean 'expectations'?"),
        (RULE + RULE.removeprefix("expectations:\n"), "says the same as expectations/s.yaml:2"),
        (
            one(
                "{column: age, quantile_ranges: {quantiles: [.5], value_ranges: [[3, 1]]}}",
                "expect_column_quantile_values_to_be_between",
            ),
            "min 3 is above max 1",
        ),
    ],
)
def test_each_mistake_has_its_own_words(suites, text, said):
    assert said in problems(suites(text))


@pytest.mark.parametrize(
    ("condition", "said"),
    [
        ('"__import__(\'os\').system(\'true\')"', "a suite is data"),
        ("{type: pass_through, pass_through_filter: 'age > 1'}", "cannot be of type 'pass_through'"),
        ('{type: comparison, column: {name: "a` + @x + `"}, operator: "==", parameter: 1}', "backtick"),
        ('{type: comparison, column: {name: age}, operator: "==", parameter: "`x`"}', "without backticks"),
        ('{type: comparison, column: {name: age}, operator: "=", parameter: 1}', "operator cannot be"),
        ('{type: comparison, column: {name: age}, operator: IN, parameter: 1}', "take a list"),
        ('{type: nullity, column: age, is_null: true}', "names its column as"),
        ('{type: and, conditions: [{type: nullity, column: {name: "`"}, is_null: true}]}', "backtick"),
    ],
)  # fmt: skip
def test_a_row_condition_can_carry_no_code(suites, condition, said):
    assert said in problems(suites(one(f"{{column: age, min_value: 0, row_condition: {condition}}}")))


def test_a_condition_on_an_unknown_column_is_a_mistake(suites):
    condition = '{type: comparison, column: {name: contry}, operator: "==", parameter: x}'
    folder = suites(one(f"{{column: age, min_value: 0, row_condition: {condition}}}"))
    assert "there is no column 'contry'. Did you mean 'country'?" in problems(folder, KNOWN)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            one("{column: plan, min_value: 1}", "expect_column_mean_to_be_between"),
            "needs numbers, and 'plan' holds text",
        ),
        (one("{column: plan, min_value: 1}"), "the bounds are numbers, and 'plan' holds text"),
        (one("{column: born, max_value: 1}", "expect_column_max_to_be_between"), "'born' holds times"),
        (one("{column: age, min_value: 2024-01-01}"), "the bounds are dates, and 'age' holds numbers"),
    ],
)
def test_a_rule_that_no_value_of_its_column_could_meet_is_a_mistake_once_the_data_are_known(suites, text, said):
    folder = suites(text)
    assert load_suite("s", folder).rules
    assert said in problems(folder, KNOWN)
    assert "s.yaml:2: " in problems(folder, KNOWN)


def test_an_unknown_type_of_values_names_the_nearest_and_those_of_a_database_are_known(suites):
    in_list, of_type = "expect_column_values_to_be_in_type_list", "expect_column_values_to_be_of_type"
    said = problems(suites(one("{column: age, type_list: [int, flot]}", in_list)))
    assert said.endswith("s.yaml:3: there is no type 'flot'. Did you mean 'float'?")
    said = problems(suites(one("{column: age, type_: strng}", of_type)))
    assert said.endswith("there is no type 'strng'. Did you mean 'string'?")
    load_suite("s", suites(one("{column: age, type_list: [BIGINT, int64, Int64, LongType, bigint]}", in_list)))


def test_words_of_yaml_1_1_stay_words_and_dates_stay_dates(suites):
    folder = suites(
        one("{column: t, min_value: 2024-01-01}").rstrip()
        + "\n- type: expect_column_values_to_be_in_set\n  kwargs: {column: country, value_set: [NO, on, yes]}\n"
    )
    first, second = load_suite("s", folder).rules
    assert first.kwargs["min_value"] == "2024-01-01"
    assert second.kwargs["value_set"] == ["NO", "on", "yes"]


def test_a_suite_that_great_expectations_exported_loads_as_it_is(suites):
    exported = {
        "name": "s",
        "id": "0c2f",
        "meta": {"great_expectations_version": "1.24.1"},
        "notes": None,
        "expectations": [
            {
                "type": "expect_column_values_to_be_between",
                "kwargs": {"column": "age", "min_value": 0.0, "max_value": 120.0, "mostly": 0.999},
                "meta": {},
                "id": "aa",
                "severity": "warning",
            }
        ],
    }
    suite = load_suite("s", suites(json.dumps(exported), "s.json"))
    assert suite.rules[0].severity == "warning"
    assert suite.rules[0].kwargs["mostly"] == 0.999


def test_an_unknown_suite_names_the_nearest(suites):
    with pytest.raises(SuiteError, match="Did you mean 'customers'"):
        load_suite("custmers", suites(RULE, "customers.yaml"))


def test_several_broken_suites_are_told_together(suites):
    suites("expectations: []", "a.yaml")
    folder = suites(one("{column: age}"), "b.yaml")
    with pytest.raises(SuiteError, match="2 suites have mistakes") as caught:
        load_suites(["a", "b"], folder)
    assert len(caught.value.details) == 2


def test_a_missing_column_is_the_datas_fault_where_a_rule_is_about_its_existence(suites):
    folder = suites(one("{column: gone}", "expect_column_to_exist"))
    assert load_suite("s", folder, KNOWN).rules[0].column == "gone"


def test_every_suite_of_the_repository_loads():
    folder = Path(__file__).parents[3] / "expectations"
    assert all(load_suite(name, folder).rules for name in suite_names(folder))
