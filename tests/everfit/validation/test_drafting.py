from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from everfit import documents
from everfit.errors import DataError
from everfit.schema import Schema
from everfit.validation import Report, draft, load_suite, load_suites, run
from tests.everfit.validation.conftest import customers

NOW = pd.Timestamp("2027-01-01")


@pytest.fixture(scope="module")
def drafted(tmp_path_factory: pytest.TempPathFactory) -> Callable[[pd.DataFrame], Report]:
    """A suite drafted from customers, ready to judge another batch of them."""
    frame, folder = customers(), tmp_path_factory.mktemp("drafted")
    text = draft(frame, name="customers", time="day", ids=["customer_id"], now=NOW)
    (folder / "customers.yaml").write_text(text)
    suite = load_suite("customers", folder, Schema.of(frame))
    return lambda batch: run([suite], batch, model="m", origin="o", now=NOW.tz_localize("UTC"))


def test_a_drafted_suite_holds_for_what_it_saw_and_for_a_fresh_draw(drafted, frame, fresh):
    for batch in (frame, fresh(seed=1), fresh(rows=200, seed=2)):
        report = drafted(batch)
        assert report.ok
        assert not report.broken
        assert not report.warnings, report.to_dict()


def nulls(frame):
    return frame.assign(weight=frame.weight.where(frame.index % 10 == 0))


CORRUPTIONS = {
    "a column is missing": lambda f: f.drop(columns="weight"),
    "a column is renamed": lambda f: f.rename(columns={"weight": "Weight"}),
    "a number became text": lambda f: f.assign(weight=f.weight.astype(str) + " kg"),
    "a date became text": lambda f: f.assign(day=f.day.dt.strftime("%d.%m.%Y")),
    "a burst of nulls": nulls,
    "a unit changed a thousandfold": lambda f: f.assign(amount=f.amount * 1000),
    "celsius became fahrenheit": lambda f: f.assign(temp=f.temp * 1.8 + 32),
    "kilograms became pounds": lambda f: f.assign(weight=f.weight * 2.2046),
    "amounts are negative": lambda f: f.assign(amount=-f.amount),
    "a flood of unknown categories": lambda f: f.assign(region=f.region.str.upper()),
    "every id is the same": lambda f: f.assign(customer_id=7),
    "every row comes twice": lambda f: pd.concat([f, f]),
    "two columns are swapped": lambda f: f.rename(columns={"temp": "weight", "weight": "temp"}),
    "the batch is empty": lambda f: f[:0],
    "dates of the epoch": lambda f: f.assign(day=pd.Timestamp(0)),
    "dates of the future": lambda f: f.assign(day=f.day + pd.Timedelta(days=900)),
}


@pytest.mark.parametrize("corruption", CORRUPTIONS, ids=lambda name: name.replace(" ", "-"))
def test_a_broken_batch_is_stopped(drafted, fresh, corruption):
    assert not drafted(CORRUPTIONS[corruption](fresh(seed=1))).ok


MILD = {
    "some amounts are negative": (lambda f: f.assign(amount=f.amount.where(f.index > 9, -1)), 10, []),
    "a sentinel": (lambda f: f.assign(temp=f.temp.where(f.index > 4, 9999.0)), 5, []),
    "a few unknown categories": (lambda f: f.assign(region=f.region.where(f.index > 200, "NW")), 0, ["region"]),
    "rather more nulls": (lambda f: f.assign(weight=f.weight.where(f.index % 5 > 0)), 0, ["weight"]),
    "a small shift": (lambda f: f.assign(weight=f.weight + 4), 0, []),
}


@pytest.mark.parametrize("change", MILD, ids=lambda name: name.replace(" ", "-"))
def test_what_is_only_odd_goes_on(drafted, fresh, change):
    make, broken, warned = MILD[change]
    report = drafted(make(fresh(seed=1)))
    assert report.ok
    assert len(report.broken) == broken
    assert [result.column for result in report.warnings] == warned


def test_a_season_that_the_sample_never_saw_is_not_refused(suites):
    hours = np.arange(24 * 365 * 2)
    day = np.datetime64("2024-01-01", "us") + hours * np.timedelta64(1, "h")
    warmth = 12 - 11 * np.cos(hours / 24 / 365 * 2 * np.pi) + np.random.default_rng(0).normal(0, 4, len(hours))
    month = pd.Series(day).dt.month
    names = month.map(lambda number: f"m{number}")
    trend = hours / 3000 + np.random.default_rng(1).normal(0, 1, len(hours))
    frame = pd.DataFrame({"t": day, "temp": warmth, "month": month, "name": names, "trend": trend, "row": hours})
    sample = frame[: 24 * 100]
    suite = load_suite("s", suites(draft(sample, name="s", time="t", now=NOW)))
    later = [frame[start : start + 24 * 30] for start in range(24 * 100, 24 * 700, 24 * 30)]
    reports = [run([suite], batch, model="m", origin="o", now=NOW.tz_localize("UTC")) for batch in later]
    assert [str(result) for report in reports for result in report.blocking] == []
    assert sum(len(report.broken) for report in reports) == 0


def test_every_number_says_where_it_came_from(frame, tmp_path):
    path = tmp_path / "s.yaml"
    path.write_text(draft(frame, name="s", time="day"))
    data = documents.read(path).data
    assert all(rule["notes"] for rule in data["expectations"])
    assert path.read_text().startswith("# yaml-language-server: $schema=./everfit-suite.schema.json\n")
    assert max(len(line) for line in path.read_text().splitlines() if "kwargs" in line) < 140


def test_odd_names_and_values_survive_the_writing(suites):
    frame = pd.DataFrame(
        {"a: b": ["yes", "no", "1", "#x", "ü'\"", ""] * 20, "true": range(120), "x`y\n": [0.5, 1.5] * 60}
    )
    suite = load_suite("s", suites(draft(frame, name="s")), Schema.of(frame))
    assert run([suite], frame, model="m", origin="o").ok


@pytest.mark.parametrize(
    "frame",
    [
        pd.DataFrame({"x": [1.0]}),
        pd.DataFrame({"x": [1.0, 2.0], "y": [None, None]}),
        pd.DataFrame({"x": [np.inf, 1.0, -np.inf], "y": [np.nan, np.nan, 2]}),
        pd.DataFrame({"x": pd.to_datetime(["2024-01-01"] * 3), "b": [True, None, False]}),
        pd.DataFrame({"x": [2**62, 1, 5], "mixed": ["a", 1, None]}),
        pd.DataFrame({"x": [0.0] * 50 + [1e-12]}),
    ],
)
def test_tiny_and_ugly_data_draft_a_suite_that_holds(suites, frame):
    suite = load_suite("s", suites(draft(frame, name="s", time="x" if "b" in frame else None)))
    report = run([suite], frame, model="m", origin="o")
    assert report.ok, report.to_dict()


def test_names_of_people_are_kept_out_of_suites_and_reports(suites, frame):
    frame = frame.assign(email="a@example.org")
    frame.loc[5, "email"] = "b@example.org"
    text = draft(frame, name="s")
    assert "example.org" not in text
    assert load_suite("s", suites(text)).personal == {"email"}
    assert load_suites(["s"], suites(text), personal=["age"])[0].personal == {"email", "age"}  # a model file's too


def test_nothing_is_drafted_from_nothing(frame):
    with pytest.raises(DataError, match="no rows"):
        draft(frame[:0], name="s")


def test_of_a_wide_table_only_what_may_stop_a_run_is_asked(tmp_path: Path):
    frame = pd.DataFrame(np.random.default_rng(0).normal(size=(500, 80)), columns=[f"c{n}" for n in range(80)])
    path = tmp_path / "s.yaml"
    path.write_text(draft(frame, name="s"))
    assert not any(rule.get("severity") for rule in documents.read(path).data["expectations"])
