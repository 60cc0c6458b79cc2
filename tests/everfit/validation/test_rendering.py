import re

from everfit.validation import Report, Result, to_markdown, write_page
from everfit.validation.report import Example
from everfit.validation.wording import rule, share


def result(**facts) -> Result:
    given = {
        "suite": "s",
        "type": "expect_column_values_to_be_between",
        "column": "age",
        "expected": "values to be at least 0",
        "severity": "critical",
        "state": "fail",
        "observed": "1 of 2 (50 %)",
    }
    return Result(**{**given, **facts})


def report(*results: Result, **facts) -> Report:
    return Report(**{"model": "m", "origin": "o.parquet", "rows": 10, "suites": ("s",), "results": results, **facts})


def test_the_page_says_the_verdict_first_and_loads_nothing(tmp_path):
    text = write_page(report(result(), result(state="pass")), tmp_path / "page.html").read_text()
    body = text[text.index("<body>") :]
    assert body.index("Stopped: 1 rule must hold and did not") < body.index("What stopped it") < body.index("All rules")
    assert not re.search(r"(src|href)=|https?:|<script", text)


def test_what_comes_from_the_data_cannot_become_html_or_break_a_table(tmp_path):
    wild = result(column="<script>|`x", examples=(Example(0, "<img onerror=1>\n| a"),), unexpected=1)
    page = write_page(report(wild), tmp_path / "page.html").read_text()
    assert "<img" not in page
    assert "<script>" not in page
    lines = [line for line in to_markdown(report(wild)).splitlines() if "script" in line]
    assert len(lines) == 1
    assert len(re.findall(r"(?<!\\)\|", lines[0])) == 4
    assert "<" not in lines[0].replace("&lt;", "")


def test_markdown_is_bounded():
    many = report(*[result(column=f"c{n}", observed="x" * 5000) for n in range(300)])
    text = to_markdown(many)
    assert "…and 290 more." in text
    assert len(text) < 10_000


def test_good_news_is_short():
    text = to_markdown(report(result(state="pass")))
    assert text == "## Accepted: every rule holds\n\no.parquet: 10 rows; 1 of 1 rules hold.\n"


def test_an_error_says_why(tmp_path):
    broken = report(result(state="error", why="there is no column 'x'", observed=""))
    assert "could not be judged: there is no column 'x'" in to_markdown(broken)
    assert "there is no column" in write_page(broken, tmp_path / "p.html").read_text()


def test_the_terminal_gets_the_worst_first():
    found = report(result(state="pass"), result(severity="warning"), result(state="error", why="w"), result())
    assert [one.outcome for one in found.worst_first] == ["error", "stops", "warns", "passes"]


def test_rules_read_as_phrases():
    quantiles = {"quantiles": [0.5], "value_ranges": [[1, 2]]}
    condition = {"type": "nullity", "column": {"name": "b"}, "is_null": False}
    assert rule("expect_column_values_to_be_in_set", {"column": "a", "value_set": list("abcdefgh")}) == (
        "values to be in set: a, b, c, d, e, f and 2 more"
    )
    assert rule("expect_column_quantile_values_to_be_between", {"column": "a", "quantile_ranges": quantiles}).endswith(
        "50 % between 1 and 2"
    )
    assert rule("expect_column_to_exist", {"column": "a", "row_condition": condition}).endswith("where b is not null")


def test_a_share_never_rounds_to_nothing_or_to_all():
    assert [share(value) for value in (0, 1, 0.5, 0.0004, 0.99999, 0.0527)] == [
        "0 %",
        "100 %",
        "50 %",
        "0.04 %",
        "99.999 %",
        "5.3 %",
    ]
