"""Rows are scored whole, in order and once, whatever they come from and whatever ends a run before it is done."""

import errno
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable

from everfit import registry
from everfit.errors import EverfitError, InputError, Unavailable, ValidationStopped
from everfit.lake import Lake, columns
from everfit.ledger import Ledger
from everfit.personal import Personal
from everfit.scoring import outputs
from everfit.search.processes import children
from everfit.serving.contract import BadRecords
from everfit.serving.served import make_ready
from everfit.settings import Settings
from everfit.spec import Data, ModelSpec, SqlSource
from everfit.threads import ONE_THREAD
from tasks import predict as step
from tests.everfit.registry.conftest import candidate_of, frame

__all__ = ["frame"]

DUE = datetime(2026, 3, 1, 4, 30, tzinfo=UTC)
SPEC = ModelSpec(name="bike", data=Data(source="x", target="cost", time="when", ids=("ride",)))
SCRIPT = """
from everfit.lake import columns
from tests.tasks import test_predict

columns.GROUP_ROWS = 50
test_predict.run("long.parquet", "long", workers=2)
"""


def plain(rows):
    """Return rows as JSON would bring them to the service."""
    return json.loads(rows.to_json(orient="records", date_format="iso", double_precision=15))


def run(source, output, spec=SPEC, **how):
    return step.predict.fn(spec, step.Wanted(source, output, DUE, **how))


@pytest.fixture(scope="module")
def shop(tmp_path_factory, migrated, frame):
    """A workspace with a champion, in pieces of fifty rows: rides without their cost, and what they will be told."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("predict"))
        patch.setattr(columns, "GROUP_ROWS", 50)
        settings = Settings(actor="ann")
        settings.folder()
        shutil.copy(migrated, settings.home / "mlflow.db")
        ledger = Ledger.of(settings)
        champion = registry.register(settings, candidate_of(frame.assign(ride=0))).number
        registry.promote(settings, ledger, "bike", champion, expected=None, reason="a test", facts={})
        rides = pd.concat([frame.drop(columns="cost")] * 3, ignore_index=True)
        rides["ride"] = np.arange(len(rides))
        loaded = registry.load(settings, "bike", champion)
        rides.to_parquet("rides.parquet", row_group_size=50)
        yield SimpleNamespace(settings=settings, ledger=ledger, loaded=loaded, rides=rides, lake=Lake(settings),
                              told=loaded.pipeline.predict(rides))  # fmt: skip


def sources(shop):
    """Write the same rides in every way in which they can come, one of them in two files."""
    Path("in").mkdir()
    shop.rides.head(70).to_parquet("in/a.parquet")
    shop.rides.iloc[70:, ::-1].to_json(
        "in/b.jsonl", orient="records", lines=True, date_format="iso", double_precision=15
    )
    shop.rides.to_csv("rides.csv", index=False)
    with closing(sqlite3.connect("rides.db")) as database:
        shop.rides.to_sql("rides", database, index=False)
    query = "SELECT amount, count, colour, ride, iif(weekend, 'yes', 'no') AS weekend, \"when\" FROM rides"
    return ["rides.parquet", "in", "rides.csv", SqlSource(url="sqlite:///rides.db", query=query)]


def test_rows_of_any_source_go_in_their_order_to_any_output_and_are_kept_once(shop, monkeypatch):
    monkeypatch.setenv("HERE", str(Path.cwd()))
    outputs = ["out/1.parquet", "2.csv", "3", "file://${HERE}/{date}_{time}.parquet"]
    for source, output in zip(sources(shop), outputs, strict=True):
        told = run(source, output)
        assert told.rows == len(shop.rides)
    assert told.sentence.endswith("in 2026-03-01_0430.parquet")
    table = DeltaTable("3").to_pyarrow_dataset().to_table().to_pandas()
    written = [
        pd.read_parquet("out/1.parquet"),
        pd.read_csv("2.csv"),
        table,
        pd.read_parquet("2026-03-01_0430.parquet"),
    ]
    for said in written:
        assert said["ride"].tolist() == shop.rides["ride"].tolist()
        assert np.abs(said["prediction"] - shop.told).max() < 1e-6  # single precision, in blocks of another size
        assert said["unanswered"].isna().all()
    kept = shop.lake.predictions("bike")
    assert len(kept) == sum(len(part) for _, part in kept.groupby("_batch")) >= len(shop.rides)
    assert not kept.duplicated(["_batch", "_row"]).any()
    first = kept[kept["_batch"] == kept["_batch"].iloc[0]]
    assert np.allclose(first.sort_values("_row")["prediction"], shop.told[first["ride"].min() :][: len(first)])
    few = [plain(shop.rides.drop(columns="ride"))[at] for at in (0, 4, 70)]
    served = make_ready(SPEC, shop.loaded)
    assert np.allclose(served.predict(served.contract.columns(few)).values, shop.told[[0, 4, 70]])
    run("rides.parquet", "2.csv", overwrite=True)
    assert len(shop.lake.predictions("bike")) == len(kept), "the same was said before"
    shop.rides.assign(extra="x").to_parquet("wider.parquet")
    run("wider.parquet", "3", overwrite=True)
    assert DeltaTable("3").to_pyarrow_dataset().to_table().column_names[-3:] == ["extra", "prediction", "unanswered"]
    assert not list(Path().rglob("*.half")) + list(shop.settings.folder("scoring").glob("*/*"))


def test_a_row_that_the_service_refuses_has_its_reason_instead_of_a_prediction_until_there_are_too_many(shop, caplog):
    broken = shop.rides.astype({"amount": object, "when": str})
    broken.loc[[3, 160], "amount"] = "many"
    broken.loc[160, "when"] = "noon"
    broken.to_csv("broken.csv", index=False)
    data = SPEC.data.model_copy(update={"personal": ("amount",)})
    with pytest.raises(ValidationStopped) as stopped:
        run("broken.csv", "answered.csv", SPEC.model_copy(update={"data": data}))
    amount, when = stopped.value.details[-1].split("; ")
    assert amount == "row 160: amount: (personal) instead of a number, or null"
    assert when.startswith("when: 'noon' instead of a date such as ")
    with pytest.raises(ValidationStopped, match="2 of 180 rows have values that cannot be read") as stopped:
        run("broken.csv", "answered.csv")
    amount, when = "'many' instead of a number, or null", "'noon' instead of a date such as 2026-03-01T12:00, or null"
    assert stopped.value.details[-1] == f"row 160: amount: {amount}; when: {when}"
    assert not Path("answered.csv").exists()
    caplog.clear()
    patient = SPEC.model_copy(update={"predict": SPEC.predict.model_copy(update={"max_unread": 0.02})})
    with caplog.at_level("INFO"):
        assert run("broken.csv", "answered.csv", patient).unread == 2
    assert "goes on where an earlier run was ended: 1 of 1 parts are done" in caplog.text
    line = "180 rows predicted by v1, in answered.csv, but 2 that cannot be read"
    assert shop.ledger.entries("bike", kinds=["predicted"])[-1].summary == line
    said = pd.read_csv("answered.csv")
    good = said["unanswered"].isna()
    assert said.index[~good].tolist() == said.index[said["prediction"].isna()].tolist() == [3, 160]
    assert np.allclose(said["prediction"][good], shop.told[good])
    assert 3 not in set(shop.lake.predictions("bike").groupby("_batch").get_group(_digest(shop))["_row"])
    with pytest.raises(BadRecords) as refused:
        make_ready(SPEC, shop.loaded).contract.columns(plain(broken.drop(columns="ride")))
    assert sorted({problem.record for problem in refused.value.problems}) == [3, 160]


def _digest(shop):
    return shop.lake.predictions("bike").sort_values("_at", kind="stable")["_batch"].iloc[-1]


def test_a_run_that_was_killed_leaves_nothing_that_looks_finished_and_is_gone_on_with(shop, caplog):
    long = pd.concat([shop.rides] * 40, ignore_index=True)
    long["ride"] = np.arange(len(long))
    long.to_parquet("long.parquet", row_group_size=50)
    root = Path(__file__).parents[2]
    environment = {**os.environ, **ONE_THREAD, "PYTHONPATH": str(root)}
    folder = shop.settings.folder("scoring")
    killed = subprocess.Popen([sys.executable, "-c", SCRIPT], env=environment, start_new_session=True)
    while not (parts := list(folder.glob("*/*.parquet"))) and killed.poll() is None:
        time.sleep(0.002)
    below = children().get(killed.pid, [])
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    assert parts
    assert list(Path("long").iterdir()), "what it wrote so far"
    assert not outputs.DeltaTable("long", "long").is_there()
    until = time.monotonic() + 20
    while any(Path(f"/proc/{process}").exists() for process in below) and time.monotonic() < until:
        time.sleep(0.05)
    assert not [process for process in below if Path(f"/proc/{process}").exists()], "a worker outlives its run"
    done = {part: part.stat().st_mtime_ns for part in folder.glob("*/*.parquet")}
    assert 0 < len(done) < 144
    again = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("everfit.scoring.job.Job.forget", lambda job: again.extend(job.folder.glob("*.parquet")))
        with caplog.at_level("INFO"):
            run("long.parquet", "long")
    assert f"goes on where an earlier run was ended: {len(done)} of 144 parts are done" in caplog.text
    assert len(again) == 144
    assert {part: part.stat().st_mtime_ns for part in done} == done
    said = DeltaTable("long").to_pyarrow_dataset().to_table().to_pandas()
    assert said["ride"].tolist() == long["ride"].tolist()
    assert np.allclose(said["prediction"], np.tile(shop.told, 40))
    assert len(list(Path("long").iterdir())) == 2, "the log and what it names"


@pytest.mark.parametrize("when", ["as it reads", "as it writes"])
def test_a_run_into_an_output_that_another_one_is_about_is_refused_and_harms_nothing(shop, monkeypatch, when):
    output, refused = f"{when}.parquet", []
    other = SPEC.model_copy(update={"name": "other"})

    def second():
        for spec, overwrite in ((SPEC, False), (SPEC, True), (other, True)):
            with pytest.raises(InputError, match=f"Another run writes to {output}"):
                run("rides.parquet", output, spec, overwrite=overwrite)
            refused.append(spec.name)

    def staged(spec, source, stage=step.staged):
        second()
        return stage(spec, source)

    class Teller(step._Teller):
        def __call__(self, seen):
            second()

    with monkeypatch.context() as patch:
        patch.setattr(step, *(("staged", staged) if when == "as it reads" else ("_Teller", Teller)))
        run("rides.parquet", output)
    assert refused[:3] == ["bike", "bike", "other"]
    assert np.allclose(pd.read_parquet(output)["prediction"], shop.told)


def test_a_full_disk_ends_a_run_that_kept_nothing_and_other_rows_begin_anew(shop, monkeypatch, caplog):
    class Full(pq.ParquetWriter):
        def write_batch(self, batch):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    kept = len(shop.lake.predictions("bike"))
    shop.rides.assign(count=1).to_parquet("some.parquet")
    monkeypatch.setitem(outputs.WRITERS, ".parquet", Full)
    with pytest.raises(Unavailable, match="No space left on device"):
        run("some.parquet", "full.parquet")
    monkeypatch.undo()
    assert (len(shop.lake.predictions("bike")), list(Path().glob("*full*"))) == (kept, [])
    shop.rides.assign(count=2).to_parquet("some.parquet")
    with caplog.at_level("INFO"):
        run("some.parquet", "full.parquet")
    assert "cannot be gone on with: the input is another one" in caplog.text
    assert np.allclose(pd.read_parquet("full.parquet")["prediction"],
                       shop.loaded.pipeline.predict(shop.rides.assign(count=2)))  # fmt: skip


@pytest.mark.parametrize(
    ("source", "output", "said"),
    [
        ("rides.parquet", "taken.csv", "taken.csv is there already"),
        ("rides.parquet", "rides.parquet", "lies in the input rides.parquet"),
        ("rides.parquet", "folder/../rides.parquet", "lies in the input"),
        ("link/rides.parquet", "rides.parquet", "lies in the input"),
        ("file://{here}/rides.parquet", "rides.parquet", "lies in the input"),
        ("rides.parquet", "file://{here}/rides.parquet", "lies in the input"),
        ("s3://bucket/table", "s3://bucket/table/", "lies in the input"),
        ("s3://bucket/table", "s3://${BUCKET}/table", r"The output s3://\$\{BUCKET\}/table lies in the input"),
        ("rides.parquet", "s3://${NO_BUCKET}/table", "The environment has no NO_BUCKET"),
        ("rides.parquet", "x/new.parquet", "lies in data.source x"),
        ("*.parquet", "new.parquet", "lies in the input"),
        (".", "new.parquet", "lies in the input"),
        ("rides.parquet", "folder", "is no Delta table"),
        ("rides.parquet", "taken.csv/new.parquet", "cannot be written"),
        ("rides.parquet", "rides.parquet/new.parquet", "cannot be written"),
        ("rides.parquet", "s3://bucket/new.parquet", "Name a .parquet or a .csv file"),
        ("empty.csv", "new.parquet", "holds no rows"),
        ("cut.parquet", "new.parquet", "is not a whole Parquet file"),
    ],
)
def test_what_cannot_be_done_is_said_before_anything_is_written(shop, monkeypatch, source, output, said):
    monkeypatch.setenv("BUCKET", "bucket")
    Path("folder").mkdir(exist_ok=True)
    if not Path("link").exists():
        Path("link").symlink_to(".")
    for name, text in {"taken.csv": "x\n1", "empty.csv": "x\n", "cut.parquet": "PAR1", "folder/x": ""}.items():
        Path(name).write_text(text)
    here = Path.cwd()
    with pytest.raises(InputError, match=said):
        run(source.replace("{here}", str(here)), output.replace("{here}", str(here)), overwrite="in" in said)
    assert not Path("new.parquet").exists()
    assert Path("taken.csv").read_text() == "x\n1"


def test_what_the_model_file_says_is_done_once_for_the_same_rows_and_champion(shop, frame, monkeypatch, caplog):
    said = {"input": "daily.parquet", "output": "said/{date}.parquet", "schedule": "30 4 * * *"}
    spec = ModelSpec(**SPEC.model_dump() | {"predict": said})
    shop.rides.assign(count=3).to_parquet("daily.parquet")
    asked = [step.wanted(spec, "", "", due, False, 0) for due in (DUE, DUE, DUE + timedelta(days=1))]
    assert [step.predict.fn(spec, each).done_before for each in asked[:2]] == [False, True]
    assert step.predict.fn(spec, asked[2]).rows == len(shop.rides), "its output of that day is not there yet"
    again = registry.register(shop.settings, candidate_of(frame.assign(ride=0), run_key="again")).number

    class Meanwhile(step._Teller):
        def __call__(self, seen):
            registry.promote(shop.settings, shop.ledger, "bike", again, expected=1, reason="a test", facts={})

    with monkeypatch.context() as patch:
        patch.setattr(step, "_Teller", Meanwhile)
        assert run("rides.parquet", "before.parquet").version == 1
    assert f"v1 was champion when this began, and answered all rows; v{again} is by now" in caplog.text
    assert (told := step.predict.fn(spec, asked[0])).version == again
    assert not told.done_before
    with pytest.raises(EverfitError, match="nothing says which rows are to be scored"):
        step.wanted(SPEC, "", "", DUE, False, 0)


def test_what_was_done_before_is_what_the_output_holds(shop, monkeypatch):
    spec = ModelSpec(**SPEC.model_dump() | {"predict": {"input": "now.parquet", "output": "now.said.parquet"}})

    def go(count):
        shop.rides.assign(count=count).to_parquet("now.parquet")
        told = step.predict.fn(spec, step.wanted(spec, "", "", DUE, False, 0))
        return told.done_before, pd.read_parquet(told.output)["count"].iloc[0]

    def full(half, there, replace=Path.replace):
        if there.name == "now.said.parquet":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return replace(half, there)

    assert [go(count) for count in (3, 9, 3, 3)] == [(False, 3), (False, 9), (False, 3), (True, 3)]
    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", full)
        with pytest.raises(Unavailable, match="No space left"):
            go(8)
    assert [go(count) for count in (8, 8)] == [(False, 8), (True, 8)]


def test_an_output_that_the_ledger_was_not_told_of_is_not_there_and_the_same_run_makes_it_good(shop, monkeypatch):
    def away(ledger, kind, *args, **kwargs):
        raise Unavailable(f"The ledger cannot be told of '{kind}'.")

    with monkeypatch.context() as patch:
        patch.setattr(Ledger, "once", away)
        with pytest.raises(Unavailable, match="told of 'predicted'"):
            run("rides.parquet", "told.parquet")
    assert not list(Path().glob("*told.parquet*"))
    run("rides.parquet", "told.parquet")
    told = shop.ledger.entries("bike", kinds=["predicted"])
    assert [entry.facts["rows"] for entry in told if entry.facts["output"] == "told.parquet"] == [len(shop.rides)]


def test_a_field_that_is_named_like_an_answer_gives_way_to_it_in_the_output(shop, frame):
    spec = SPEC.model_copy(update={"name": "calls"})
    calls = candidate_of(frame.assign(ride=0).rename(columns={"count": "unanswered"}), model="calls", run_key="calls")
    version = registry.register(shop.settings, calls).number
    registry.promote(shop.settings, shop.ledger, "calls", version, expected=None, reason="a test", facts={})
    shop.rides.rename(columns={"count": "unanswered"}).to_parquet("calls.parquet")
    run("calls.parquet", "calls", spec)
    said = DeltaTable("calls").to_pyarrow_dataset().to_table().to_pandas()
    assert said["unanswered_"].tolist() == shop.rides["count"].tolist()
    assert said["unanswered"].isna().all()
    assert np.allclose(said["prediction"], shop.told)


def test_people_are_kept_as_hashes_or_not_at_all(shop, monkeypatch):
    monkeypatch.setenv("EVERFIT_HASH_KEY", "k" * 32)
    data = SPEC.data.model_copy(update={"personal": ("ride",)})
    for at, how in enumerate(("drop", "hash")):
        spec = ModelSpec(**SPEC.model_dump() | {"data": data.model_dump(), "serve": {"personal": how}})
        shop.rides.head(5).assign(count=20 + at).to_parquet("people.parquet")
        run("people.parquet", f"{how}.parquet", spec)
        kept = shop.lake.predictions("bike").groupby("_batch").get_group(_digest(shop))["ride"]
        hashed = [Personal.of(spec, Settings()).kept("ride", ride) for ride in range(5)]
        assert kept.tolist() == hashed if how == "hash" else kept.isna().all()
        assert pd.read_parquet(f"{how}.parquet")["ride"].tolist() == list(range(5)), "the output is the user's"
