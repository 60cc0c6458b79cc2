"""Predictions are kept once per batch and version."""

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


def test_what_delta_refuses_without_a_name_is_an_error_of_the_lake(lake):
    said = pd.DataFrame({"prediction": ["A"], "probability_A": [0.9], "probability_a": [0.1]})
    with pytest.raises(InputError, match=r"cannot be written: .*[Dd]uplicate field name"):
        lake.record_predictions("m", said, version=1, batch_digest="a")
