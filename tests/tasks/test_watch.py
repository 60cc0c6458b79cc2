"""What is watched, when it was, what is kept of it, and what nobody may see of it."""

import os
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LinearRegression
from sklearn.neighbors import KNeighborsRegressor
from sklearn.pipeline import make_pipeline

from everfit.evaluation import row_hashes
from everfit.ledger.lineages import Made
from everfit.monitor.reference import make_reference
from everfit.registry import Loaded
from everfit.reserved import PREDICTION
from everfit.schema import Schema
from everfit.spec import ModelSpec
from everfit.upkeep.advance import begin
from tasks.build_features import in_time
from tasks.faults import faults_of, past_of, wrong_labels
from tasks.met import Met
from tasks.reports import KEPT, _keep_latest
from tasks.view import view_of
from tasks.watch import _overdue, _personal

SUITE = "expectations:\n  - {{type: expect_column_to_exist, kwargs: {{column: x}}}}\npersonal: [{}]\n"


def test_what_one_suite_calls_personal_is_personal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("expectations").mkdir()
    for name, columns in (("one", "email, name"), ("two", "name, phone"), ("none", "")):
        Path(f"expectations/{name}.yaml").write_text(SUITE.format(columns))
    said = {"name": "m", "data": {"source": "d.csv", "target": "y"}}
    assert _personal(ModelSpec.model_validate({**said, "suites": ["one", "two", "none"]})) == {"email", "name", "phone"}
    assert _personal(ModelSpec.model_validate(said)) == frozenset()


def test_the_text_dates_of_a_batch_are_read_in_the_champions_format_and_not_in_that_which_fits_the_batch() -> None:
    card = {"plan": {"columns": [{"name": "day", "format": "%d/%m/%Y"}, {"name": "x", "format": ""}]}}
    loaded = Loaded("m", 1, Path(), None, card, pd.DataFrame(), np.array([], dtype="uint64"))
    said = {"source": "d.csv", "target": "y", "time": "day", "ids": ["x"], "label_delay": "30d"}
    spec = ModelSpec.model_validate({"name": "m", "data": said})
    days = pd.DataFrame({"day": ["02/04/2024", "01/05/2024", "03/04/2024"]})
    assert in_time(spec, days, loaded.format_of("day"))["day"].tolist() == ["02/04/2024", "03/04/2024", "01/05/2024"]
    [finding] = _overdue(spec, loaded, Met(days.assign(y=np.nan), days[:0]))
    assert "from 2024-05-02 00:00 to 2024-05-31 00:00" in finding.text


def test_of_evidentlys_pages_the_latest_are_kept_and_of_ours_all(tmp_path: Path) -> None:
    for age in range(KEPT + 2):
        for name in (f"evidently-{age}.html", f"evidently-{age}.json", f"drift-{age}.html"):
            (tmp_path / name).touch()
            os.utime(tmp_path / name, (1e9 - age, 1e9 - age))
    _keep_latest(tmp_path)
    assert {path.stem for path in tmp_path.glob("evidently-*.*")} == {f"evidently-{age}" for age in range(KEPT)}
    assert len(list(tmp_path.glob("drift-*.html"))) == KEPT + 2


def test_after_a_refit_the_held_out_rows_of_its_search_are_answered_by_the_model_of_the_search(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    draw = np.random.default_rng(0)
    rows = pd.DataFrame({"x": draw.normal(size=300)}).assign(y=lambda frame: 3 * frame["x"] + draw.normal(size=300))
    held, spec = rows[200:], ModelSpec.model_validate({"name": "m", "data": {"source": "d.csv", "target": "y"}})
    card = {"task": "regression", "positive": None, "inputs": ["x"], "schema": {"x": "number", "y": "number"}}
    card["split"] = {}
    reads = ColumnTransformer([("x", "passthrough", ["x"])])
    searched = make_pipeline(reads, LinearRegression()).fit(rows[:200], rows["y"][:200])
    learnt = make_pipeline(reads, KNeighborsRegressor(1)).fit(rows, rows["y"])
    said = searched.predict(held)
    losses = abs(held["y"] - said)
    reference = make_reference(held, said, losses, learnt=rows[:200])
    root = Loaded("m", 1, Path(), searched, card, reference, row_hashes(rows[:200]))
    refit = Loaded("m", 2, Path(), learnt, card, reference, row_hashes(rows))
    lineage = SimpleNamespace(root=root, line=[Made(2, 1, {"all": 1})], judged=list)
    lineage.state = lambda: begin(spec.refit, "regression")
    champion = SimpleNamespace(loaded=refit, lineage=lineage)
    view = view_of(spec, champion, Met(rows[:0], rows[:0]))  # type: ignore[arg-type]
    assert np.allclose(view.heldout.losses, losses)
    assert np.allclose(view.ask(held).values, said)
    came = held.assign(x=held["x"] + 0.5)
    seen = view_of(spec, champion, Met(rows[:0], rows[:0]), came, rows[:0])  # type: ignore[arg-type]
    assert np.allclose(seen.current[PREDICTION], searched.predict(came)), "or another model would pass for drift"
    assert np.allclose(seen.batch.said.values, learnt.predict(came)), "what is served is what is judged"
    assert np.allclose(seen.likewise.said.values, searched.predict(came))
    wrong = held.assign(y=draw.permutation(held["y"]))
    view = view_of(spec, champion, Met(rows[:0], rows[:0]), wrong, rows[:0])  # type: ignore[arg-type]
    batch = SimpleNamespace(digest="b")
    (finding,) = wrong_labels(spec, champion, view, reference, wrong, batch)  # type: ignore[arg-type]
    assert "joined by a wrong key?" in finding.text
    met = Met(rows[:0], rows[:0]).with_batch(refit, came)
    views = [view_of(spec, champion, each) for each in (met, met.judged())]  # type: ignore[arg-type]
    assert [(view.recent, len(view.losses)) for view in views] == [(100, 100), (0, 100)]


@pytest.mark.parametrize(
    ("live", "taken_back", "found"), [(False, 0, ["copied rows"]), (True, 0, []), (False, 100, [])]
)
def test_known_rows_under_other_ids_are_a_fault_unless_they_are_asked_about_again_or_corrected(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, live: bool, taken_back: int, found: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    said = {"source": "d.csv", "target": "y", "time": "day", "ids": ["order"]}
    spec = ModelSpec.model_validate({"name": "m", "data": said})
    draw = np.random.default_rng(0)
    rows = pd.DataFrame({"day": pd.date_range("2024-01-01", periods=600), "order": range(600)})
    rows = rows.assign(x=draw.normal(size=600), y=draw.normal(size=600))
    card = {"inputs": ["x"], "schema": Schema.of(rows).to_dict()}
    loaded = Loaded("m", 1, Path(), None, card, rows[:500], row_hashes(rows[:500]))
    champion = SimpleNamespace(loaded=loaded, lineage=SimpleNamespace(judged=list))
    days = pd.date_range("2025-09-01", periods=100)
    came = rows[500:].assign(day=days, order=range(600, 700), y=np.nan)
    batch = SimpleNamespace(live=live, digest="b")
    past = past_of(loaded, rows[500:], rows[500 : 500 + taken_back])
    judged = faults_of(spec, champion, past, came, batch, frozenset(), ())  # type: ignore[arg-type]
    assert [finding.signal for finding in judged] == found
