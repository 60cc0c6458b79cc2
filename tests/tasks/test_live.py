"""What a service was asked is brought in once, whatever dies in between, and waits until it is enough."""

from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest

from everfit.errors import SourceError
from everfit.lake import Lake, labels
from everfit.lake.answers import Part
from everfit.ledger import Ledger
from everfit.serving.drain import rows_of
from everfit.settings import Settings
from everfit.sources import open_source
from everfit.spec import ModelSpec
from tasks.ingest import ingest
from tasks.land import land
from tasks.live import ingest_live
from tasks.met import _asked
from tasks.validate import Checked

DATA = {"source": "d.csv", "target": "y", "time": "at"}
SPEC = ModelSpec.model_validate({"name": "m", "data": DATA, "monitor": {"min_rows": 30}})


@pytest.fixture
def lake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lake:
    """A lake with ten rows from a file."""
    monkeypatch.chdir(tmp_path)
    made, at = Lake(Settings()), pd.date_range("2026-01-01", periods=10)
    pd.DataFrame({"at": at, "x": range(10), "y": 1.5}).to_parquet("d.parquet")
    [source] = open_source("d.parquet", base=tmp_path)
    made.land(made.stage("m", source), {})
    return made


def answer(lake: Lake, first: int, count: int, *, day: str = "2999-03-01", x: float = 1) -> None:
    """Let a service have answered so many records, each without a time of its own."""
    said = {"version": 1, "prediction": 1.0, "fields": {"x": x, "at": None}}
    entries = [{**said, "id": f"p{at}", "at": f"{day}T00:00:00.{at:06}"} for at in range(first, first + count)]
    lake.record_answers("m", [Part(f"w{first}", 0, rows_of(entries, lake.types("m")))])


def bring(lake: Lake) -> Sequence[str]:
    """Bring in what there is, and land it; return where it came from."""
    batches = ingest_live.fn(SPEC, {})
    land.fn(SPEC, [Checked(batch) for batch in batches])
    return [batch.origin for batch in batches]


def test_answers_wait_until_they_are_enough_or_a_day_old(lake):
    answer(lake, 0, 20)
    assert bring(lake) == []
    answer(lake, 20, 20)
    assert bring(lake) == ["live traffic 1"]
    answer(lake, 40, 1, day="2026-01-01")
    assert bring(lake) == ["live traffic 1", "live traffic 2"]
    rows = lake.read(lake.snapshot("m"))
    assert sorted(rows["_prediction_id"].dropna()) == sorted(f"p{at}" for at in range(41))
    assert rows["at"].notna().all()
    assert len(rows) == 51


def test_a_period_that_is_staged_anew_with_wider_types_replaces_itself(lake, monkeypatch):
    answer(lake, 0, 30)
    monkeypatch.setattr(Lake, "remember", lambda *_: None)  # as if each run died before it had noted the landing
    bring(lake)
    pd.DataFrame({"at": pd.date_range("2026-02-01", periods=1), "x": [0.5], "y": 1.5}).to_parquet("d.parquet")
    [source] = open_source("d.parquet", base=Path.cwd())
    lake.land(lake.stage("m", source), {})
    bring(lake)
    assert len({batch.digest for batch in lake.batches("m") if batch.origin == "live traffic 1"}) == 2
    ids = lake.read(lake.snapshot("m"))["_prediction_id"].dropna()
    assert (len(ids), ids.is_unique) == (30, True)


def test_a_refused_period_is_known_and_not_brought_in_again(lake, monkeypatch):
    answer(lake, 0, 30)
    (batch,) = ingest_live.fn(SPEC, {})
    facts = {"evidence": {"batch": batch.digest, "champion": 1}, "decision": {"action": "repair"}}
    ledger = Ledger.of(Settings())
    entry = ledger.record("drift_judged", "m", subject="d1", actor="ann", reason="broken", facts=facts)
    assert ingest_live.fn(SPEC, {(batch.digest, 1): entry}) == ()
    assert set(lake.quarantine("m")["_reason"]) == {"broken"}, "also where a run died before it put the rows away"
    monkeypatch.setattr(Lake, "stage", None)
    assert ingest_live.fn(SPEC, {(batch.digest, 1): entry}) == ()
    assert not list(Path(".everfit/incoming/m").glob("*.parquet"))


def test_answers_are_met_as_they_were_given_until_their_rows_land(lake):
    champion: Any = SimpleNamespace(version=1, card={"inputs": ["x"]}, format_of=lambda _: "")
    answer(lake, 0, 20)
    said = labels.read(pd.DataFrame({"prediction_id": ["p3"], "y": [2.0]}), SPEC.data, "number", "labels.csv")
    lake.record_labels("m", said, "labels.csv")
    asked = _asked(SPEC, lake, champion, None)
    known = labels.complete(asked, lake.labels("m"), SPEC.data)
    assert (len(asked), known["y"].dropna().tolist(), known["prediction"].eq(1).all()) == (20, [2.0], True)
    assert _asked(SPEC, lake, champion, None, lake.labels("m"))["_prediction_id"].tolist() == ["p3"]
    answer(lake, 20, 20)
    bring(lake)
    assert _asked(SPEC, lake, champion, None).empty
    people = SPEC.model_copy(update={"data": SPEC.data.model_copy(update={"personal": ("x",)})})
    assert len(_asked(people, lake, champion, None)) == 40, "rows with holes where people were are not asked about anew"
    answer(lake, 40, 30)
    (batch,) = [each for each in ingest_live.fn(SPEC, {}) if each.origin == "live traffic 2"]
    land.fn(SPEC, [Checked(batch, refused=("it is broken",))])
    assert _asked(SPEC, lake, champion, None).empty, "what was refused judges nobody"


def test_a_model_that_is_served_does_without_its_source(lake):
    answer(lake, 0, 1)
    Path("d.parquet").unlink()
    for gone in ("d.parquet", "*.parquet"):
        assert ingest.fn(_reading(gone)) == ()
    for never in ("e.parquet", "memory:/d.csv", "sqlite:///d"):
        with pytest.raises(SourceError):
            ingest.fn(_reading(never))
    assert ingest.fn(_reading(str(Path.cwd()))) == ()


def _reading(source: str) -> ModelSpec:
    return ModelSpec.model_validate({"name": "m", "data": DATA | {"source": source}})
