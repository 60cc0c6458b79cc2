"""What people read of a search, on real searches of a few trials."""

import json
import re
import struct
from dataclasses import replace

import pytest

from everfit import evaluation, features, report, search
from everfit.report import charts
from everfit.report.words import Scale, duration
from everfit.search import Row
from everfit.search.estimators import Job, family
from everfit.search.study import Study
from everfit.search.tasks import Outcome
from everfit.spec import Data, Search
from tests.everfit.search.conftest import table
from tests.everfit.search.troublemakers import TROUBLE

LINEAR = family("linear")
QUICK = ("linear", "extra_trees", "lightgbm")


def searched(task, metric, folder, **more):
    frame = table(task)
    plan = features.plan(frame, Data(source="x", target="y", time="t", drop=("g", "w")))
    more = {"workers": 2, "budget": 60, "folder": folder} | more
    return search.run(frame, frame["y"], plan=plan, task=task, metric=metric, **more)


@pytest.fixture(scope="module", params=["regression", "binary", "multiclass"])
def one(request, tmp_path_factory):
    """A search of each kind, and the folder of its report; the regression's family was asked for many trials."""
    metric = evaluation.metric(evaluation.default_metric(request.param))
    found = searched(request.param, metric, tmp_path_factory.mktemp("search"), spec=Search(trials=3, estimators=QUICK))
    found = replace(found, asked=planted()) if request.param == "regression" else found
    folder = tmp_path_factory.mktemp("reports") / "search-1"
    return request.param, found, metric, folder, report.save(folder, found, model="bike", metric=metric)


def planted():
    """Return what a study asked for whose scores follow one parameter alone."""
    study = Study([family("lightgbm")], Job("regression", "mae", 300, 3), (0,), greater=False, spec=Search())
    for _ in range(20):
        task = study.next(())
        score = task.params["subsample"]
        study.tell(Outcome(task.number, task.family, task.params, "done", scores=(score,), score=score, folds=(0,)))
    return study.trials()


def size_of(png):
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    return struct.unpack(">II", png[16:24])


def test_the_page_opens_anywhere_and_names_the_winner(one):
    _, found, _, folder, told = one
    text = (folder / "report.html").read_text()
    assert not re.search(r'(src|href)="(?!data:image/png;base64,)|https?:|@import|url\(', text)
    assert told.headline in text
    assert f"won with {one[2].name} {Scale.of(found.leaderboard).score(found.score)} ±" in told.headline
    assert all(line.replace("'", "&#39;") in text for line in told.lines)
    assert text.count('alt="') == text.count("<img ") == len(list((folder / "plots").iterdir()))


def test_its_pictures_are_what_the_task_has_and_fit_a_screen(one):
    task, _, _, folder, _ = one
    pictures = {path.stem: path.read_bytes() for path in (folder / "plots").iterdir()}
    task_s = {"residuals", "importance"} if task == "regression" else {"calibration", "confusion"}
    assert set(pictures) == {"leaderboard", "history", "spent"} | task_s
    for png in pictures.values():
        width, height = size_of(png)
        assert 400 < width < 1400
        assert 150 < height < 900


def test_a_family_with_too_few_trials_has_no_importance_and_the_page_says_so(one):
    task, found, metric, folder, _ = one
    tables = search.importance(found, greater=metric.greater)
    if task == "regression":
        assert tables["lightgbm"].index[0] == "subsample"
        assert tables["lightgbm"]["spread"].sum() == pytest.approx(1.0)
        assert tables["lightgbm"].loc["subsample", "spread"] > 0.5
    else:
        assert all(found.empty for found in tables.values())
        assert charts.too_few(found) in (folder / "report.html").read_text()


def test_what_the_winner_said_is_of_rows_that_judged_it(one):
    _, found, metric, _, _ = one
    judged = found.out_of_fold
    assert len(judged.y) == len(judged.predicted)
    worst = next(row for row in found.leaderboard if row.status == "baseline").score
    assert metric.gain(metric.score(judged.y, judged.predicted)) > metric.gain(worst)


def test_the_frame_has_a_line_for_each_row_and_names_for_people(one):
    _, found, _, _, _ = one
    frame = report.frame(found.leaderboard)
    assert list(frame.columns[:3]) == ["rank", "name", "score"]
    assert str(frame["rank"].dtype) == "Int64"
    assert {"LightGBM", "Constant guess"} <= set(frame["name"])
    assert len(frame) == len(found.leaderboard)


def test_the_latest_search_is_read_back_as_it_was_told(one):
    _, _, _, folder, told = one
    assert report.latest(folder.parent) == report.latest(folder) == json.loads(json.dumps(told.to_dict()))
    assert report.latest(folder.parent / "nothing") is None


def test_when_all_but_one_family_failed_the_report_says_why(tmp_path):
    metric = evaluation.metric("mae")
    found = searched("regression", metric, tmp_path, families=(LINEAR, *TROUBLE), spec=Search(trials=5))
    told = report.save(tmp_path / "r", found, model="bike", metric=metric)
    text = (tmp_path / "r" / "report.html").read_text()
    assert "Linear model won" in text
    assert "4 failed" in "".join(told.lines)
    assert any("nothing to share" in why for why in told.failures)
    assert "nothing to share" in text
    assert "nothing to share" in report.markdown(told)
    assert "| 1 | Linear model |" in report.markdown(told)


def test_a_quick_fit_that_nothing_judged_still_has_a_report(tmp_path, one):
    _, found, metric, _, _ = one
    row = Row(None, "lightgbm", None, None, None, 1.0, None, None, "done", "a quick fit on few rows")
    rest = tuple(row for row in found.leaderboard if row.status == "baseline")
    quick = replace(
        found, leaderboard=(*rest, row), score=None, out_of_fold=None, asked=(), trials=found.trials.head(0), spent={},
        family="lightgbm", params={}, stopped_by="budget", note="a quick fit on few rows",
    )  # fmt: skip
    path = report.write(tmp_path / "page.html", quick, model="bike", metric=metric)
    assert "is all there was time for" in path.read_text()
    assert "A quick fit on few rows." in path.read_text()


@pytest.mark.parametrize(
    ("score", "half", "text"),
    [(0.85341, 0.0123, "0.8534 ± 0.0123"), (0.5, 0.12, "0.500 ± 0.120"), (61041.2, 5268.4, "61,041 ± 5,268")],
)
def test_a_score_has_the_digits_that_its_interval_leaves(score, half, text):
    row = Row(1, "linear", score, score - half, score + half, None, None, None, "done")
    assert Scale.of([row]).interval(row) == text


@pytest.mark.parametrize(
    ("seconds", "text"), [(3.21, "3.2 s"), (38.4, "38 s"), (725, "12 min 5 s"), (3780, "1 h 3 min")]
)
def test_times_read_well(seconds, text):
    assert duration(seconds) == text
