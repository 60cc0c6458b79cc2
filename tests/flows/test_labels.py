"""Labels that come later than their rows, lived through once: joined by id, judged, learnt from, and never twice."""

import logging
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from everfit.errors import DataError, InputError, SourceError
from everfit.lake import Lake, labels
from everfit.ledger import Ledger
from everfit.settings import Settings
from everfit.sources import open_source
from everfit.spec import load_spec
from tasks.champion import Champion
from tasks.labels import take_labels
from tasks.met import meet

MODEL = "sales"
SPEC = """
name: sales
data: {source: in/*.parquet, target: y, time: hour, ids: [sale], label_delay: 2d}
search: {budget: 4m, trials: 1, estimators: [linear]}
monitor: {min_rows: 100, min_labels: 60, reference: recent}
refit: {auto: false}
retrain: {cooldown: 1s}
"""


def sales(first: int, count: int, slope: float) -> pd.DataFrame:
    """Hourly sales whose answer is `slope` times x and a little noise."""
    dice, n = np.random.default_rng(first), np.arange(first, first + count)
    x = dice.normal(0, 3, count)
    hour = pd.Timestamp("2026-03-01") + pd.to_timedelta(n, "h")
    return pd.DataFrame({"sale": n, "hour": hour, "x": x, "y": (slope * x + dice.normal(0, 1, count)).round(3)})


@pytest.fixture(scope="module")
def story(founded: Callable[[str, str], Settings]) -> SimpleNamespace:
    """Train, predict rows whose labels come later, in two files of which the second corrects the first."""
    from flows.monitor import monitor
    from flows.predict import predict
    from flows.train import train

    settings = founded(MODEL, SPEC)
    Path("in").mkdir()
    sales(0, 300, 3).to_parquet("in/history.parquet")
    later = sales(300, 400, 6)
    later.drop(columns="y").to_parquet("later.parquet")
    told: dict[str, Any] = {"train": train(MODEL)}
    told["predict"] = predict(MODEL, "later.parquet", "said.parquet")
    first = later.assign(y=later["y"].where(later.index >= 10, -500), sale=later["sale"].astype(float))
    first[["sale", "y"]].head(50).to_csv("first.csv", index=False)
    stray = pd.DataFrame({"sale": [9_999], "y": [1.0]})
    pd.concat([later[["sale", "y"]].head(350), stray]).to_json("second.jsonl", orient="records", lines=True)
    told["first"] = monitor(MODEL, labels="first.csv")
    told["wrong"] = Lake(settings).labels(MODEL)
    (settings.workspace / "later.parquet").replace("in/later.parquet")  # the rows themselves, still without a label
    told["second"] = monitor(MODEL, labels="second.jsonl")
    told["again"] = [monitor(MODEL, labels=name) for name in ("second.jsonl", "first.csv")]
    return SimpleNamespace(settings=settings, told=told, ledger=Ledger.of(settings), lake=Lake(settings), later=later)


def performance(result: dict[str, Any]) -> dict[str, Any]:
    return next(finding for finding in result["findings"] if finding["signal"] == "performance")


def test_predictions_keep_the_ids_by_which_their_labels_will_come(story):
    said = story.lake.predictions(MODEL, version=1)
    assert said["sale"].tolist() == story.later["sale"].tolist()
    assert said["hour"].tolist() == story.later["hour"].tolist()


def test_few_labels_of_predicted_rows_are_joined_and_cannot_judge_yet(story):
    first = story.told["first"]
    assert (first["labels"]["joined"], first["labels"]["unknown"]) == (50, 0)
    assert "50 since promotion, 60 needed" in performance(first)["text"]
    assert first["retraining"] is None


def test_a_correction_wins_and_a_stray_label_is_kept_for_a_row_that_may_come(story):
    assert (story.told["wrong"]["y"] == -500).sum() == 10
    known = story.lake.labels(MODEL).set_index("_key")["y"]
    assert len(known) == 351
    assert known.min() > -500
    assert story.told["second"]["labels"]["unknown"] == 1


def test_performance_is_judged_on_predicted_rows_and_starts_one_retraining(story):
    second = story.told["second"]
    assert (second["verdict"], second["action"]) == ("retrain", "search")
    assert "on 350 rows" in performance(second)["text"]
    (evidence,) = [e.facts["evidence"] for e in story.ledger.entries(MODEL, kinds=["drift_judged"])
                   if e.subject == second["decision"]]  # fmt: skip
    assert (evidence["rows"], evidence["labels"], evidence["new_rows"]) == (310, 350, 0)
    waits = [e.facts["evidence"]["waits"] for e in story.ledger.entries(MODEL, kinds=["drift_judged"])]
    assert waits[:2] == [True, False], "50 are too few to count as a batch, and do with the next"
    assert second["retraining"]["decision"] == second["decision"]
    assert len(story.ledger.entries(MODEL, kinds=["retrain_started"])) == 1


def test_the_retraining_learns_from_rows_completed_by_id_and_names_the_labels_that_it_saw(story):
    retraining = story.told["second"]["retraining"]
    assert (retraining["promoted"], retraining["champion"]) == (True, 2)
    registered = story.ledger.entries(MODEL, kinds=["registered"])[-1].facts["data"]
    assert registered["rows"] == 700
    assert registered["labels_digest"] == story.lake.snapshot(MODEL).labels_digest
    assert retraining["scores"]["challenger"]["value"] < retraining["scores"]["champion"]["value"]


def test_the_same_labels_again_decide_nothing(story):
    for result in story.told["again"]:
        assert (result["verdict"], result["reasons"]) == ("fine", ["nothing new came in"])
        assert result["retraining"] is None
    assert len(story.ledger.entries(MODEL, kinds=["labelled"])) == 2
    assert story.ledger.verify().ok


def test_the_monitor_says_when_labels_are_expected(story):
    (said,) = [finding for finding in story.told["second"]["findings"] if finding["signal"] == "labels"]
    assert "rows that are older than 2d have their label" in said["text"]


def test_a_batch_without_labels_is_compared_with_the_rows_accepted_lately_and_waits_for_its_labels(story):
    from flows.monitor import monitor

    for name, first in (("more", 700), ("most", 900)):
        sales(first, 200, 6).drop(columns="y").to_parquet(f"{name}.parquet")
        result = monitor(MODEL, f"{name}.parquet")
        assert result["action"] == "none"
    assert "compared with the 250 rows accepted last" in Path(result["report"]).read_text()
    (late,) = [finding for finding in result["findings"] if finding["signal"] == "labels"]
    assert late["text"].startswith("labels are overdue")


def test_labels_that_a_run_kept_before_it_died_are_judged_once_by_the_next_and_each_row_counts_once(story):
    from flows.monitor import monitor
    from flows.predict import predict

    predict(MODEL, "more.parquet", "said-again.parquet")  # rows that have landed meanwhile
    came = sales(700, 200, 6)[["sale", "y"]].head(50)
    came.to_csv("third.csv", index=False)
    spec = load_spec(MODEL, story.settings.models)
    story.lake.record_labels(MODEL, labels.read(came, spec.data, "number", "third.csv"), "third.csv")
    result = monitor(MODEL, labels="third.csv")
    assert result["labels"]["joined"] == 50
    assert "50 since promotion" in performance(result)["text"]
    assert monitor(MODEL, labels="third.csv")["reasons"] == ["nothing new came in"]


def test_rows_that_had_no_label_when_the_champion_was_made_are_met_when_it_comes_also_after_their_file_has_grown(story):
    spec = load_spec(MODEL, story.settings.models)
    loaded = Champion(spec).loaded
    before = len(meet(spec, loaded).landed)
    sales(300, 401, 6).drop(columns="y").to_parquet("in/later.parquet")
    [source] = [one for one in open_source("in/*", base=story.settings.workspace) if "later" in one.origin]
    story.lake.land(story.lake.stage(MODEL, source), {}, replace_origin=True)
    grown = meet(spec, loaded).landed
    assert set(range(650, 701)) <= set(grown["sale"])
    assert len(grown) == before + 1


def test_a_row_that_was_learnt_with_a_label_that_is_corrected_is_to_be_judged_by_the_new_one(story):
    spec = load_spec(MODEL, story.settings.models)
    loaded, learnt = Champion(spec).loaded, story.later[["sale", "y"]].iloc[20:120]
    assert not set(learnt["sale"]) & set(meet(spec, loaded).landed["sale"])
    corrected = learnt.assign(y=learnt["y"].where(learnt["sale"] < 380, learnt["y"] + 30))
    latest = int(story.lake.labels(MODEL)["_order"].max())
    story.lake.record_labels(MODEL, labels.read(corrected, spec.data, "number", "fourth.csv"), "fourth.csv")
    met = meet(spec, loaded, after=latest)
    assert met.corrected == 40, "they count among the rows learnt, too"
    landed = met.landed.set_index("sale")
    assert landed.index.intersection(learnt["sale"]).tolist() == list(range(380, 420))
    assert landed.loc[380:419, "_new"].all()
    assert np.allclose(landed.loc[380:419, "y"], corrected["y"].tail(40))


def test_the_monitor_says_what_became_of_each_label_and_judges_none_that_a_row_came_with(story, caplog):
    spec = load_spec(MODEL, story.settings.models)
    caplog.set_level(logging.INFO)
    before = take_labels.fn(spec)
    own = sales(0, 300, 3)["y"].tolist()
    told = {"sale": [0, 1, 2, 3, 4, 4, 99_999, None, 7], "y": [*own[:4], 0, own[4] + 9, 1, 1, None]}
    pd.DataFrame(told).to_csv("told.csv", index=False)
    arrived = take_labels.fn(spec, "told.csv")
    line = next(text for text in caplog.messages if text.startswith("9 rows read"))
    for part in ("1 are new", "1 correct", "4 say what was known", "1 repeat", "1 name no row", "1 have no label yet",
                 "1 label(s) are of rows that have not come yet"):  # fmt: skip
        assert f"; {part}" in line, line
    assert arrived.joined - (before.joined if before else 0) == 1


@pytest.mark.parametrize(
    ("frame", "error", "says"),
    [
        ({"id": [1], "y": [1.0]}, InputError, "no column 'sale', which data.ids"),
        ({"sale": [1], "label": [1.0]}, InputError, "no column 'y', which data.target"),
        ({"sale": [1], "y": ["many"]}, DataError, "are no number, such as 'many'"),
    ],
)
def test_labels_that_cannot_be_used_are_one_error_and_leave_nothing(story, frame, error, says):
    from flows.monitor import monitor

    before = story.lake.snapshot(MODEL)
    sales(0, 5, 99)[["sale", "y"]].to_csv("a-good.csv", index=False)
    pd.DataFrame(frame).to_csv("b-bad.csv", index=False)
    with pytest.raises(error, match=says):
        monitor(MODEL, labels="[ab]-*.csv")
    assert story.lake.snapshot(MODEL) == before
    assert list((story.settings.home / "incoming" / MODEL).glob("*")) == []


def test_a_folder_of_labels_may_be_empty_at_first_and_a_file_that_is_named_must_be_there(story):
    spec = load_spec(MODEL, story.settings.models)
    Path("returned").mkdir()
    before = story.lake.snapshot(MODEL)
    for where in ("returned", "returned/*.csv"):
        take_labels.fn(spec.model_copy(update={"data": spec.data.model_copy(update={"labels": where})}))
    assert story.lake.snapshot(MODEL) == before
    for where in ("returned/*.csv", "returned.csv"):
        with pytest.raises(SourceError, match=r"returned.*(matches no file|does not exist)"):
            take_labels.fn(spec, where)


def test_labels_need_ids(story):
    from flows.monitor import monitor

    path = story.settings.models / f"{MODEL}.yaml"
    path.write_text(SPEC.replace("ids: [sale], ", ""))
    with pytest.raises(InputError, match="the model file names no ids"):
        monitor(MODEL, labels="first.csv")
    path.write_text(SPEC)
