"""A batch that landed stays as it landed, whatever was made stricter since, and one that was refused may come again."""

from pathlib import Path

import pandas as pd
import pytest

from everfit.errors import ValidationStopped
from everfit.lake import Batch, Lake
from everfit.ledger import Ledger
from everfit.settings import Settings
from everfit.sources import open_source
from everfit.spec import ModelSpec
from tasks.ingest import ingest
from tasks.land import land
from tasks.validate import Checked, validate

SPEC = ModelSpec.model_validate({"name": "m", "data": {"source": "d.csv", "target": "y"}, "suites": ["stricter"]})
STRICTER = "expectations:\n  - {type: expect_column_values_to_be_between, kwargs: {column: x, max_value: 1}}\n"


@pytest.fixture
def lake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lake:
    monkeypatch.chdir(tmp_path)
    return Lake(Settings())


def staged(lake: Lake, count: int = 10, start: int = 0) -> Batch:
    """Write some rows to the model's own source and stage them."""
    pd.DataFrame({"x": range(start, start + count), "y": 1.5}).to_csv("d.csv", index=False)
    [source] = open_source("d.csv", base=Path.cwd())
    return lake.stage("m", source)


def subjects(kind: str) -> list[str]:
    return [entry.subject for entry in Ledger.of(Settings()).entries("m") if entry.kind == kind]


def test_a_rule_that_came_since_refuses_nothing_that_has_landed(lake):
    batch = staged(lake)
    lake.land(batch, {3: "odd"})
    Path("expectations").mkdir()
    Path("expectations/stricter.yaml").write_text(STRICTER)
    assert validate.fn(SPEC, [batch], again=True) == (Checked(batch, {3: "odd"}),)
    assert subjects("validated") == subjects("refused_batch") == []


def test_while_nothing_has_landed_a_refused_batch_stops_every_training(lake):
    Path("expectations").mkdir()
    Path("expectations/stricter.yaml").write_text(STRICTER)
    for _ in range(2):
        with pytest.raises(ValidationStopped, match="m: 1 batch") as stop:
            validate.fn(SPEC, [staged(lake)])
        assert Path(stop.value.page).is_file()
    assert len(subjects("refused_batch")) == 1
    lake.land(staged(lake, 2), {})
    assert validate.fn(SPEC, [staged(lake)]) == ()


def test_what_has_landed_is_not_recorded_as_refused(lake):
    batch = staged(lake)
    land.fn(SPEC, [Checked(batch)])
    land.fn(SPEC, [Checked(staged(lake), refused=("a stricter rule",))])
    assert (subjects("ingested"), subjects("refused_batch")) == ([batch.digest], [])


def test_the_models_own_file_that_grew_replaces_what_it_gave_before_also_when_it_is_named(lake):
    land.fn(SPEC, [Checked(staged(lake))])
    staged(lake, 15)
    land.fn(SPEC, [Checked(batch) for batch in ingest.fn(SPEC, str(Path("d.csv").absolute()))])
    assert lake.snapshot("m").rows == 15


def test_two_contents_of_another_file_are_two_batches(lake):
    for count in (10, 15):
        staged(lake, count)
        Path("d.csv").rename("next.csv")
        land.fn(SPEC, [Checked(batch) for batch in ingest.fn(SPEC, "next.csv")])
    assert lake.snapshot("m").rows == 25


@pytest.mark.parametrize("died", [False, True])
def test_a_batch_that_comes_back_after_its_correction_is_recorded_again(lake, died):
    first, other = staged(lake), staged(lake, 8)
    for batch in (first, other):
        land.fn(SPEC, [Checked(batch)])
    again = staged(lake)
    if died:  # after it had landed, before it was recorded
        lake.land(again, {}, replace_origin=True)
        ingest.fn(SPEC)
    else:
        land.fn(SPEC, [Checked(again)])
    ingest.fn(SPEC)
    assert subjects("ingested") == [first.digest, other.digest, f"{first.digest}-2"]
