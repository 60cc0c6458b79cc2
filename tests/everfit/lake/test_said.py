"""Predictions are kept once per batch and version; later labels win, and earlier ones stay readable."""

from pathlib import Path

import pandas as pd
import pytest

from everfit.errors import InputError
from everfit.lake import Lake
from everfit.settings import Settings


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(Settings(workspace=tmp_path))


def test_predictions_are_kept_once_per_batch_and_version(lake):
    said = pd.DataFrame({"prediction": ["yes", "no"], "probability": [0.9, 0.2]}, index=[7, 9])
    assert lake.record_predictions("m", said, version=1, batch_digest="a")
    assert not lake.record_predictions("m", said, version=1, batch_digest="a")
    assert lake.record_predictions("m", said.assign(probability=[1, 0]), version=2, batch_digest="a")
    assert lake.record_predictions("m", said, version=2, batch_digest="b")
    kept = lake.predictions("m", version=2)
    assert kept["probability"].tolist() == [1.0, 0.0, 0.9, 0.2]
    assert kept["_row"].tolist() == [0, 1, 0, 1]
    assert len(lake.predictions("m")) == 6
    assert len(lake.predictions("m", batch_digest="a", version=1)) == 2


def test_predictions_may_bring_their_row_numbers_and_change_their_type(lake):
    lake.record_predictions("m", pd.DataFrame({"prediction": [1, 2], "_row": [5, 6]}), version=1, batch_digest="a")
    lake.record_predictions("m", pd.DataFrame({"prediction": [1.5]}), version=1, batch_digest="b")
    assert lake.predictions("m")["prediction"].tolist() == [1.0, 2.0, 1.5]
    assert lake.predictions("m")["_row"].tolist() == [5, 6, 0]


def test_a_later_label_wins_and_the_earlier_one_stays_readable(lake):
    first = pd.DataFrame({"id": [1, 2, 3], "y": ["a", "b", None]})
    assert lake.record_labels("m", first, ids=["id"]) == 3
    assert lake.record_labels("m", first, ids=["id"]) == 0
    assert lake.record_labels("m", pd.DataFrame({"id": [2, 4], "y": ["B", "d"]}), ids=["id"]) == 2
    latest = lake.labels("m").sort_values("id")
    assert latest["y"].fillna("-").tolist() == ["a", "B", "-", "d"]
    assert len(lake.labels("m", history=True)) == 5
    assert lake.record_labels("m", first, ids=["id"]) == 1
    assert lake.labels("m").set_index("id")["y"][2] == "b"


def test_labels_may_have_several_ids_and_repeat_within_a_file(lake):
    frame = pd.DataFrame({"shop": ["x", "x", "y", "x"], "day": [1, 2, 1, 1], "y": [1, 2, 3, 4]})
    assert lake.record_labels("m", frame, ids=["shop", "day"]) == 3
    assert lake.labels("m").set_index(["shop", "day"])["y"].to_dict() == {("x", 1): 4, ("x", 2): 2, ("y", 1): 3}


def test_labels_without_their_id_are_refused(lake):
    with pytest.raises(InputError, match="need the id"):
        lake.record_labels("m", pd.DataFrame({"y": [1]}), ids=["id"])
