import json
import shutil
import subprocess
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest

from everfit.monitor import drift
from everfit.schema import Schema

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")


@pytest.fixture(scope="module")
def evidently_report():
    """Import Evidently late: it takes seconds, and warns about its own future."""
    from everfit.monitor import evidently_report

    return evidently_report


def frame(rows, seed, shift=0.0):
    rng = np.random.default_rng(seed)
    data = pd.DataFrame(
        {
            "number": rng.normal(shift, size=rows),
            "nullable": pd.array(rng.integers(0, 300, rows), dtype="Int64"),
            "small": rng.integers(0, 200, rows).astype("uint8"),
            "decimal": [Decimal(int(n)) for n in rng.integers(0, 100, rows)],
            "infinite": np.where(rng.random(rows) < 0.02, np.inf, rng.normal(size=rows)),
            "flag": rng.random(rows) < 0.5,
            "nullable_flag": pd.array(rng.random(rows) < 0.5, dtype="boolean"),
            "text": pd.Series(rng.choice(["a", "b", "c"], rows), dtype="str"),
            "many": rng.integers(0, 2000, rows).astype(str),
            "level": pd.Categorical(rng.choice(["x", "y"], rows)),
            "when": pd.Timestamp("2026-01-01") + pd.to_timedelta(np.arange(rows), unit="h"),
            "constant": 1.0,
            "empty": pd.Series([None] * rows, dtype="str"),
            "y": rng.normal(size=rows),
            "_prediction": rng.normal(size=rows),
        }
    )
    data.loc[::10, ["number", "text", "nullable", "nullable_flag"]] = None
    return data


COLUMNS = Schema.of(frame(20, 0)).without(["y", "_prediction"])
DRAWN = set(COLUMNS.names) - {"when", "empty"} | {"y", "_prediction"}


@pytest.fixture(scope="module")
def written(evidently_report, tmp_path_factory):
    before, after = frame(1500, 0), frame(800, 1, shift=1.0)
    after["text"] = after["text"].where(np.arange(800) % 2 == 0, None)
    found = drift.compare(before, after, columns=COLUMNS, target="y")
    path = tmp_path_factory.mktemp("evidently") / "report.html"
    assert evidently_report.write_report(before, after, found, path) == "report.html"
    return found, path


def test_evidently_and_our_verdict_agree_on_every_column_that_can_be_drawn(written):
    found, path = written
    report = json.loads(path.with_suffix(".json").read_text())
    said = {
        test["name"].removeprefix("Value Drift for column "): test["status"] == "FAIL"
        for test in report["tests"]
        if test["name"].startswith("Value Drift")
    }
    ours = {c.column: c.drifted for c in (*found.columns, found.prediction, found.target)}
    assert said == {name: ours[name] for name in DRAWN}
    assert {name for name, drifted in said.items() if drifted} == {"number", "text"}


@pytest.mark.browser
@pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")
def test_the_report_opens_in_a_browser_without_a_network(written):
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--host-resolver-rules=MAP * ~NOTFOUND"]
    command = [CHROMIUM, *options, "--virtual-time-budget=8000", "--dump-dom", f"file://{written[1]}"]
    shown = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert "Drifted Columns" in shown.stdout


@pytest.mark.parametrize(
    ("task", "truth"),
    [
        ("regression", lambda rng, n: rng.normal(size=n)),
        ("binary", lambda rng, n: rng.choice(["no", "yes"], n)),
        ("binary", lambda rng, n: rng.random(n) < 0.5),
        ("multiclass", lambda rng, n: rng.integers(0, 4, n)),
    ],
)
def test_with_labels_predictions_are_compared_with_them(evidently_report, tmp_path, task, truth):
    rng = np.random.default_rng(0)
    before, after = (pd.DataFrame({"x": rng.normal(size=n), "y": truth(rng, n)}) for n in (1200, 600))
    before["_prediction"], after["_prediction"] = before["y"].to_numpy()[::-1], after["y"].to_numpy()
    before["_prediction"] = before["_prediction"].astype(object).where(np.arange(1200) >= 100, None)
    path = tmp_path / "performance.html"
    assert evidently_report.write_performance(before, after, "y", task, path) == "performance.html"
    assert path.stat().st_size > 1e6
    assert evidently_report.write_performance(before, after.drop(columns="y"), "y", task, path) == ""
    assert evidently_report.write_performance(before, after.assign(y=None), "y", task, path) == ""


def test_a_large_batch_is_drawn_from_a_bounded_sample(evidently_report, monkeypatch, tmp_path):
    drawn = []
    monkeypatch.setattr(evidently_report, "MAX_ROWS", 300)
    monkeypatch.setattr(evidently_report, "_save", lambda _, sides, *more: drawn.extend(map(len, sides)))
    before, after = frame(1500, 0)[["number"]], frame(900, 1)[["number"]]
    found = drift.compare(before, after, columns=Schema.of(before))
    evidently_report.write_report(before, after, found, tmp_path / "report.html")
    assert drawn == [300, 300]


def test_a_failure_leaves_a_sentence_and_no_exception(evidently_report, tmp_path):
    before, after = frame(1500, 0)[["number"]], frame(800, 1)[["number"]]
    found = drift.compare(before, after, columns=Schema.of(before))
    (tmp_path / "file").write_text("in the way")
    said = evidently_report.write_report(before, after, found, tmp_path / "file" / "report.html")
    assert said.startswith("Evidently failed: ")


def test_a_failure_that_no_disk_explains_is_logged_with_its_trace(evidently_report, tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(evidently_report, "_save", lambda *_: {}["a bug"])
    before, after = frame(1500, 0)[["number"]], frame(800, 1)[["number"]]
    found = drift.compare(before, after, columns=Schema.of(before))
    said = evidently_report.write_report(before, after, found, tmp_path / "report.html")
    assert said == "Evidently failed: KeyError: 'a bug'"
    assert caplog.records[-1].exc_info[0] is KeyError


def test_personal_columns_are_left_out(evidently_report, tmp_path):
    before, after = (frame(rows, 0)[["number", "text"]].replace({"text": {"a": "a secret"}}) for rows in (1500, 800))
    found = drift.compare(before, after, columns=Schema.of(before), personal={"text"})
    evidently_report.write_report(before, after, found, tmp_path / "report.html")
    assert [name for name in ("report.html", "report.json") if "a secret" in (tmp_path / name).read_text()] == []


def test_nothing_to_draw_says_so(evidently_report, tmp_path):
    before = frame(1500, 0)[["when"]]
    found = drift.compare(before, before, columns=Schema.of(before))
    assert "nothing to compare" in evidently_report.write_report(before, before, found, tmp_path / "report.html")
    assert not (tmp_path / "report.html").exists()
