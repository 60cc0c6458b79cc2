"""Predictions are kept once per batch and version."""

from pathlib import Path

import pandas as pd
import pytest

from everfit.errors import InputError
from everfit.lake import Lake, labels
from everfit.settings import Settings
from everfit.spec import Data
from tests.keeping import keep


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(Settings(workspace=tmp_path))


def test_predictions_are_kept_once_per_batch_and_version(lake):
    said = pd.DataFrame({"prediction": ["yes", "no"], "probability": [0.9, 0.2]}, index=[7, 9])
    assert keep(lake, "m", said, version=1, batch_digest="a")
    assert not keep(lake, "m", said, version=1, batch_digest="a")
    assert keep(lake, "m", said.assign(probability=[1, 0]), version=2, batch_digest="a")
    assert keep(lake, "m", said, version=2, batch_digest="b")
    kept = lake.predictions("m", version=2)
    assert kept["probability"].tolist() == [1.0, 0.0, 0.9, 0.2]
    assert kept["_row"].tolist() == [0, 1, 0, 1]
    assert len(lake.predictions("m")) == 6
    assert len(lake.predictions("m", batch_digest="a", version=1)) == 2


def test_predictions_may_bring_their_row_numbers_and_change_their_type(lake):
    keep(lake, "m", pd.DataFrame({"prediction": [1, 2], "_row": [5, 6]}), version=1, batch_digest="a")
    keep(lake, "m", pd.DataFrame({"prediction": [1.5]}), version=1, batch_digest="b")
    assert lake.predictions("m")["prediction"].tolist() == [1.0, 2.0, 1.5]
    assert lake.predictions("m")["_row"].tolist() == [5, 6, 0]


def test_of_all_that_was_said_only_what_labels_are_about_is_read(lake):
    data = Data(source="x", target="y", ids=("id",), time="at")
    at = pd.Timestamp("2026-03-01") + pd.to_timedelta([0, 1, 2, 3], "h")
    first = pd.DataFrame({"id": [1, 2, 3, 4], "at": at, "prediction_id": [None, None, "p3", "p4"], "prediction": 1.5})
    second = pd.DataFrame({"id": ["4", "1", None, "0"], "at": at[0], "prediction": 2.5})
    for version, said in ((1, first), (2, second)):
        keep(lake, "m", said, version=version, batch_digest=f"b{version}")
    assert len(lake.answers("m", data, known=lake.labels("m"))) == 0
    for told in ({"id": [1, 2], "at": [at[0], at[3]]}, {"id": [4]}, {"prediction_id": ["p3", "p9"]}):
        lake.record_labels("m", labels.read(pd.DataFrame(told).assign(y=1.0), data, "number", "f"), "f")
    known = lake.labels("m")
    every, found = lake.answers("m", data), lake.answers("m", data, known=known)
    assert sorted(found["id"]) == ["1", "1", "3", "4", "4"]
    pd.testing.assert_frame_equal(found, every[labels.matches(every, known, data) >= 0].reset_index(drop=True))
    assert len(lake.answers("m", data, known=known, version=2)) == 2


def test_what_delta_refuses_without_a_name_is_an_error_of_the_lake(lake):
    said = pd.DataFrame({"prediction": ["A"], "probability_A": [0.9], "probability_a": [0.1]})
    with pytest.raises(InputError, match=r"cannot be written: .*[Dd]uplicate field name"):
        keep(lake, "m", said, version=1, batch_digest="a")
