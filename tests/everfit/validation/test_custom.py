import pytest

from everfit.errors import SuiteError
from everfit.validation import json_schema, load_suite

TEXT = "expectations:\n- type: expect_something_of_ours\n  kwargs: {column: age}\n"


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("x = 1\nraise ValueError('half done')\n", "mine.py:2 is broken: ValueError: half done"),
        ("def f(:\n", "mine.py:1 is broken: SyntaxError"),
        ("x = 1\n", "defines no new expectation"),
    ],
)
def test_a_broken_file_of_a_data_team_is_one_clear_error(suites, code, said):
    folder = suites(TEXT)
    (folder / "custom").mkdir()
    (folder / "custom" / "mine.py").write_text(code)
    with pytest.raises(SuiteError, match=said):
        load_suite("s", folder)


def test_suites_without_custom_types_never_run_the_files(suites):
    folder = suites("expectations:\n- type: expect_table_row_count_to_be_between\n  kwargs: {min_value: 1}\n")
    (folder / "custom").mkdir()
    (folder / "custom" / "mine.py").write_text("raise ValueError\n")
    assert load_suite("s", folder)


def test_editors_learn_of_custom_types(suites):
    folder = suites(TEXT)
    (folder / "custom").mkdir()
    (folder / "custom" / "mine.py").write_text(
        "from great_expectations.expectations import ExpectColumnValuesToBeBetween\n\n\n"
        "class ExpectSomethingOfOurs(ExpectColumnValuesToBeBetween):\n    '''Expect something of ours.'''\n"
    )
    rule = json_schema(folder)["properties"]["expectations"]["items"]
    assert "expect_something_of_ours" in rule["properties"]["type"]["enum"]
    assert load_suite("s", folder).rules[0].level == "row"
