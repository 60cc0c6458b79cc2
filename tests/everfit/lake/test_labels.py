"""Labels that come alone find their rows by id, the later word wins, and snapshots name those that they saw."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from everfit import sources
from everfit.errors import DataError, InputError
from everfit.lake import Lake, labels
from everfit.lake.keys import canonical, keys_of
from everfit.settings import Settings
from everfit.spec import Data

DATA = Data(source="x", target="y", ids=("id",), time="t")


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(Settings(workspace=tmp_path))


def say(lake: Lake, said: dict, origin: str = "a.csv", kind: str = "string", data: Data = DATA) -> int:
    """Take in labels and return how many changed."""
    return lake.record_labels("m", labels.read(pd.DataFrame(said), data, kind, origin), origin)


def known(lake: Lake) -> dict:
    return lake.labels("m").set_index("_key")["y"].to_dict()


@pytest.mark.parametrize(
    ("values", "written"),
    [
        ([7, 8], ["7", "8"]),
        ([7.0, np.nan, 0.5], ["7", None, "0.5"]),
        ([" 7", "8.0", "007", "1.50"], ["7", "8", "007", "1.50"]),
        ([True, None], ["true", None]),
        (pd.to_datetime(["2026-03-01", None]), ["2026-03-01T00:00:00.000000", None]),
        (["2026-03-01 02:00+02:00", "2026-13-41"], ["2026-03-01T00:00:00.000000", "2026-13-41"]),
    ],
)
def test_ids_have_one_form_however_they_are_written(values, written):
    assert [None if pd.isna(v) else v for v in canonical(pd.Series(values))] == written


def test_large_ids_beside_a_missing_one_stay_what_they_are(lake, tmp_path):
    rows = pa.table({"id": pa.array([2**53 + 1, 2**53 + 2, None], pa.int64()), "t": [1, 2, 3], "y": [None, None, "c"]})
    pq.write_table(rows, tmp_path / "d.parquet")
    [source] = sources.open_source("d.parquet", base=tmp_path)
    batch = lake.stage("m", source)
    lake.land(batch, {})
    assert say(lake, {"id": [2**53 + 1, 2**53 + 2], "y": ["a", "b"]}) == 2
    for frame in (lake.read(batch), lake.read(lake.snapshot("m"))):
        assert labels.complete(frame, lake.labels("m"), DATA)["y"].tolist() == ["a", "b", "c"]


def test_an_id_of_several_parts_is_null_where_one_is():
    assert keys_of(pd.DataFrame({"a": [1, 2], "b": ["x", None]}), ["a", "b"]).isna().tolist() == [False, True]


def test_a_later_label_wins_and_the_earlier_one_stays_readable(lake):
    assert say(lake, {"id": [1, 2, 3], "y": ["a", "b", None]}) == 2
    assert say(lake, {"id": ["2", "4"], "y": ["B", "d"]}, "b.csv") == 2
    assert known(lake) == {"1": "a", "2": "B", "4": "d"}
    assert lake.labels("m", history=True)["y"].tolist() == ["a", "b", "B", "d"]


def test_the_same_labels_again_change_nothing_and_do_not_undo_a_correction(lake):
    first = {"id": [1, 2], "y": ["a", "b"]}
    assert say(lake, first) == 2
    version = lake.labels("m")["_order"].max()
    assert say(lake, first) == say(lake, {"id": [2.0, 1.0], "y": ["b", "a"]}) == 0
    assert say(lake, {"id": [2], "y": ["B"]}, "b.csv") == 1
    assert say(lake, first) == 0
    assert say(lake, {"id": [1, 2, 3], "y": ["a", "b", "c"]}) == 1  # the file has grown, its old mistake still in it
    assert known(lake) == {"1": "a", "2": "B", "3": "c"}
    assert (lake.labels("m")["_order"] > version).sum() == 2


def test_a_place_may_take_back_what_it_said(lake):
    for label, news in (("a", 1), ("b", 1), ("a", 1), ("a", 0)):
        assert say(lake, {"id": [1], "y": [label]}) == news


def test_ids_may_repeat_within_a_file_and_rows_without_one_are_left_out(lake):
    data = Data(source="x", target="y", ids=("shop", "day"))
    came = {"shop": ["x", "x", "y", "x", None], "day": [1, 2, 1, 1, 1], "y": [1, 2, 3, 4, 5]}
    assert say(lake, came, kind="number", data=data) == 3
    assert known(lake) == {"x\x1f1": 4, "x\x1f2": 2, "y\x1f1": 3}


def test_labels_find_what_a_service_answered_by_the_id_of_the_answer_or_else_by_the_ids_of_the_row(lake):
    came = {"prediction_id": ["p1", None, None], "id": [9, 2, None], "y": ["a", "b", "c"]}
    assert say(lake, came) == say(lake, {"prediction_id": ["p4"], "y": ["d"]}, "b.csv") + 1 == 2
    rows = pd.DataFrame({"_prediction_id": ["p1", "p2", None, "p4"], "id": [1, 2, 1, 4]})
    assert labels.complete(rows, lake.labels("m"), DATA)["y"].fillna("").tolist() == ["a", "b", "", "d"]
    assert labels.complete(rows[["_prediction_id"]], lake.labels("m"), Data(source="x", target="y"))["y"].count() == 2


def test_a_row_that_was_asked_about_and_came_in_or_was_asked_about_again_is_one_row():
    rows = pd.DataFrame({"_prediction_id": ["p1", "p2", "p3", "p4", None], "id": [1, 2, 2, None, 1]})
    assert labels.first_words(rows, DATA).tolist() == [False, False, True, True, True]
    assert labels.first_words(rows.drop(columns="_prediction_id"), DATA).all()


@pytest.mark.parametrize(
    ("came", "kind", "read"),
    [
        (["1", "2.5"], "number", [1.0, 2.5]),
        ([True, False], "number", [1, 0]),
        ([1, 2], "string", ["1", "2"]),
        (["True", "0"], "boolean", [True, False]),
    ],
)
def test_labels_are_read_as_what_the_target_is(came, kind, read):
    assert labels.read(pd.DataFrame({"id": [1, 2], "y": came}), DATA, kind, "a.csv")["y"].tolist() == read


@pytest.mark.parametrize(
    ("came", "kind", "error", "says"),
    [
        ({"ID": [1], "y": [1]}, "number", InputError, "no column 'id', which data.ids .* Did you mean 'ID'"),
        ({"id": [1], "Y": [1]}, "number", InputError, "no column 'y', which data.target"),
        ({"id": [1, 2], "y": ["1", "many"]}, "number", DataError, "1 label.* in 'y' are no number, such as 'many'"),
        ({"id": [1], "y": [np.inf]}, "number", DataError, "no number"),
        ({"id": [1], "y": [2]}, "boolean", DataError, "no boolean, such as '2'"),
    ],
)
def test_labels_that_cannot_be_used_say_why(came, kind, error, says):
    with pytest.raises(error, match=says):
        labels.read(pd.DataFrame(came), DATA, kind, "a.csv")


def complete(lake: Lake, data: Data = DATA, **columns: object) -> pd.DataFrame:
    return labels.complete(pd.DataFrame(columns), lake.labels("m"), data)


def test_every_row_of_an_id_is_completed_and_corrected(lake):
    say(lake, {"id": ["1", "2", "9"], "y": [10, 20.5, 90]}, kind="number")
    assert complete(lake, id=[1, 2, 2, 3], y=[np.nan, 1, np.nan, 3])["y"].tolist() == [10, 20.5, 20.5, 3]
    assert complete(lake, id=["1", None])["y"].tolist()[0] == 10
    assert complete(lake, other=[1]).columns.tolist() == ["other"]
    assert complete(lake, id=[5], y=[7])["y"].tolist() == [7]


@pytest.mark.parametrize(("kind", "said", "own"), [("string", "yes", "no"), ("boolean", True, False)])
def test_a_completed_target_keeps_its_type(lake, kind, said, own):
    say(lake, {"id": [1], "y": [said]}, kind=kind)
    whole = complete(lake, id=[1, 2], y=[None, own])
    assert whole["y"].dtype == pd.Series([said, own]).dtype
    assert whole["y"].tolist() == [said, own]


def test_a_label_with_a_time_is_about_that_time_only_and_the_later_word_still_wins(lake):
    days = pd.to_datetime(["2026-03-01", "2026-03-02"])
    say(lake, {"id": [1], "t": ["2026-03-02"], "y": ["second"]})
    assert complete(lake, id=[1, 1], t=days)["y"].fillna("-").tolist() == ["-", "second"]
    say(lake, {"id": [1], "y": ["both"]}, "b.csv")
    assert complete(lake, id=[1, 1], t=days)["y"].tolist() == ["both", "both"]


def land(lake: Lake, base: Path, frame: pd.DataFrame, name: str) -> None:
    frame.to_parquet(base / name)
    [source] = sources.open_source(name, base=base)
    lake.land(lake.stage("m", source), {})


def test_a_snapshot_names_the_labels_that_it_saw(lake, tmp_path):
    land(lake, tmp_path, pd.DataFrame({"id": [1, 2], "y": [1.0, None]}), "d.parquet")
    before = lake.snapshot("m")
    say(lake, {"id": [2], "y": [2]}, kind="number")
    after = lake.snapshot("m")
    say(lake, {"id": [2], "y": [3]}, kind="number")
    assert (before.labels_version, before.labels_digest) == (None, "")
    assert lake.labels(before).empty
    assert lake.labels(after)["y"].tolist() == [2]
    assert lake.snapshot("m").labels_digest not in ("", after.labels_digest)
    with pytest.raises(DataError, match="is not what was recorded"):
        lake.labels(replace(after, labels_digest="0" * 32))


def test_what_nobody_could_learn_from_are_later_rows_and_those_that_had_no_target(lake, tmp_path):
    land(lake, tmp_path, pd.DataFrame({"id": [1, 2], "y": [1.0, None]}), "d.parquet")
    learnt = lake.snapshot("m")
    assert lake.since(learnt, target="y")["id"].tolist() == [2]
    land(lake, tmp_path, pd.DataFrame({"id": [3, 4]}), "e.parquet")
    assert sorted(lake.since(learnt, target="y")["id"]) == [2, 3, 4]
    newest = next(batch.digest for batch in lake.batches("m") if batch.origin.endswith("e.parquet"))
    assert lake.since(learnt, target="y", but=newest)["id"].tolist() == [2]
    assert lake.known_rows("m", ["id", "never"])["id"].tolist() == lake.read(lake.snapshot("m"))["id"].tolist()
