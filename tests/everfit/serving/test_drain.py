"""Answers come into the lake once, whatever dies, is away, or cannot be read."""

import asyncio
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest

from everfit.errors import InputError
from everfit.lake import Lake, answers
from everfit.lake.table import Table
from everfit.ledger import Ledger
from everfit.serving import drain as draining
from everfit.serving.drain import drain, rows_of
from everfit.serving.journal import Journal
from everfit.settings import Settings
from tests.everfit.serving.conftest import spec_of
from tests.keeping import keep

SPEC = spec_of()
KNOWN = pa.schema([("count", pa.int64()), ("amount", pa.float64()), ("weekend", pa.bool_()),
                   ("when", pa.timestamp("us")), ("colour", pa.string())])  # fmt: skip


@pytest.fixture
def here(tmp_path):
    return Settings(workspace=tmp_path)


def answer(at, **changes):
    facts = {"id": f"a{at}", "at": f"2026-03-01T12:00:{at:02}", "version": 1, "ms": 0.5, "source": "predict"}
    return {**facts, "prediction": float(at), "fields": {"colour": "red", "count": at}, **changes}


def write(settings, *parts):
    """Write each part into a file of its own, and let go of it."""

    async def all_of_them():
        journal = Journal(settings.folder("answers", "bike"))
        for entries in parts:
            await journal.write(entries)
            await journal.settle()
        return journal.folder

    return asyncio.run(all_of_them())


def kept(settings):
    return Lake(settings).predictions("bike")


def test_whatever_dies_and_whoever_does_it_as_well_each_answer_is_there_once(here, monkeypatch):
    folder, synced = write(here, [answer(1), answer(2)], [answer(3)]), []
    with monkeypatch.context() as dying:
        dying.setattr(os, "sync", lambda: synced.append((len(kept(here)), len(list(folder.glob("*.jsonl"))))))
        dying.setattr(Path, "unlink", lambda *_, **__: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):  # the answers are in the lake, and their files are still there
            drain(here, SPEC, folder)
    assert synced == [(3, 2)], "the lake's copy is on disk before the journal's goes"
    assert len(list(folder.glob("*.jsonl"))) == 2
    write(here, [answer(4)], [answer(5)])
    monkeypatch.setattr(draining, "AT_ONCE", 300)  # two of the files are more than that
    with ThreadPoolExecutor(2) as both:
        list(both.map(lambda _: drain(here, SPEC, folder), range(2)))
    assert sorted(kept(here)["prediction_id"]) == ["a1", "a2", "a3", "a4", "a5"]
    assert not list(folder.glob("*.jsonl"))


def test_a_lake_that_is_away_is_waited_for_and_what_nobody_can_read_is_set_aside(here):
    lake = Path(here.lake_uri)
    lake.parent.mkdir(parents=True, exist_ok=True)
    lake.write_text("no folder")
    folder = write(here, [answer(1)], [answer(2, fields=[3])])
    (folder / "odd.jsonl").write_bytes(b'{"id": 1\n\xff\n' + b'{"id":"a3","at":"x","version":1,"fields":{}}\n')
    with pytest.raises(InputError, match="lake"):
        drain(here, SPEC, folder)
    assert len(list(folder.glob("*.jsonl"))) == 3
    lake.unlink()
    for _ in range(2):
        drain(here, SPEC, folder)
    assert sorted(kept(here)["prediction_id"]) == ["a1", "a3"]
    alerts = Ledger.of(here).entries("bike", kinds=["answers_set_aside"])
    assert len(alerts) == len(list((folder / "aside").iterdir())) == 2
    assert (folder / "aside" / "odd.aside.jsonl").read_bytes() == b'{"id": 1\n\xff'
    assert "set aside in" in alerts[0].summary


def test_what_cannot_be_opened_waits_with_what_its_writer_wrote_after_it(here):
    folder = write(here, [answer(1)], [answer(2)], [answer(3)])
    other = write(here, [answer(4)])
    first, hidden = sorted(folder.glob("*-00000000.jsonl"))[0], folder / "hidden"
    kept_back = len(list(folder.glob(f"{first.stem.partition('-')[0]}-*")))
    first.rename(hidden)
    first.mkdir()
    drain(here, SPEC, other)
    assert len(kept(here)) == 4 - kept_back
    first.rmdir()
    hidden.rename(first)
    drain(here, SPEC, folder)
    assert sorted(kept(here)["prediction_id"]) == ["a1", "a2", "a3", "a4"]


def test_many_appends_become_few_files_and_a_period_that_is_closed_stays(here, monkeypatch):
    monkeypatch.setattr(answers, "MANY", 3)
    lake, later, table = Lake(here), pd.Timestamp("2027-01-01"), Lake(here)._table("bike", "predictions")
    for at in range(5):
        drain(here, SPEC, write(here, [answer(9 - at)]))
    assert len(table.state().counts) == 2, "four together, and one since"
    assert not lake.close_period("bike", fewest=6, before=pd.Timestamp("2026-01-01"))
    assert lake.close_period("bike", fewest=6, before=later)
    drain(here, SPEC, write(here, [answer(20)]))
    assert lake.close_period("bike", fewest=1, before=pd.Timestamp("2026-01-01"))
    assert not lake.close_period("bike", fewest=0, before=later)
    assert table.state().counts == {"live-00000001": 5, "live-00000002": 1}
    assert kept(here)["prediction"].tolist() == [5.0, 6.0, 7.0, 8.0, 9.0, 20.0], "as they were asked"


def test_however_long_nobody_looks_files_stay_few_and_a_period_fits_into_memory(here, monkeypatch):
    for name, rows in (("MANY", 3), ("SMALL", 5), ("MOST", 6)):
        monkeypatch.setattr(answers, name, rows)
    lake, table = Lake(here), Lake(here)._table("bike", "predictions")
    for number in range(16):
        parts = [answers.Part("w", number, rows_of([answer(2 * number), answer(2 * number + 1)], KNOWN))]
        lake.record_answers("bike", parts)
    assert len(table.state().counts) <= 16 * 2 // 6 + 3
    while lake.close_period("bike", fewest=1, before=pd.Timestamp("2026-01-01")):
        pass
    assert max(table.state().counts.values()) == 6
    assert kept(here)["prediction"].tolist() == list(map(float, range(32))), "as they were asked"


@pytest.mark.parametrize("name", ["predictions", "batches"])
def test_only_of_a_table_that_is_read_as_it_is_now_files_are_swept_and_not_under_a_reader(here, monkeypatch, name):
    monkeypatch.setattr(answers, "MANY", 1)
    table, swept = Lake(here)._table("bike", name), name == "predictions"
    top, parts = Path(table.uri), [answers.Part("w", n, rows_of([answer(n)], KNOWN)) for n in range(4)]
    answers.record(Table(table.uri), parts[:1])  # a table of before, of which nothing ever went
    answers.record(table, parts[1:2])
    read = table.state()
    killed = top / "_batch=asked-x/killed.parquet"
    killed.parent.mkdir()
    for path in (killed, *(top / file.path for file in read.files)):
        path.touch()
        os.utime(path, (0, 0))
    answers.tidy(table)
    table.sweep()
    assert killed.exists() != swept
    assert read.dataset().to_table()["prediction"].to_pylist() == [0.0, 1.0]
    with monkeypatch.context() as long_ago:
        long_ago.setattr("everfit.lake.table._now", lambda: 0)
        answers.record(table, parts[2:3])
        long = table.state()
        answers.tidy(table)
    table.sweep()
    assert [(top / file.path).exists() for file in long.files] == [not swept] * 2
    assert table.state().dataset().to_table()["prediction"].to_pylist() == [0.0, 1.0, 2.0]


def test_the_mark_of_a_writer_fades_and_no_other(here, monkeypatch):
    monkeypatch.setattr("everfit.lake.table._now", lambda: 1)
    lake, table = Lake(here), Lake(here)._table("bike", "predictions")
    lake.record_answers("bike", [answers.Part("w", 0, rows_of([answer(1)], KNOWN))])
    lake.close_period("bike", fewest=1, before=pd.Timestamp("2026-01-01"))
    keep(lake, "bike", pd.DataFrame({"prediction": [1.0]}), version=1, batch_digest="d")
    assert [table.state().mark(name) for name in (f"{answers.WRITER}w", answers.CLOSED, "d/v1")] == [0, 1, 1]


def test_fields_have_the_types_of_the_data_and_odd_values_spoil_nothing():
    fields = {"count": 3.0, "amount": 10**30, "weekend": 1.0, "when": "2026-01-03T07:00Z", "colour": "\ud800"}
    odd = {"count": 2.5, "amount": None, "weekend": "x", "when": "soon", "colour": None, "Source": 1}
    rows = rows_of([answer(1, fields=fields), answer(2, fields={}, probabilities={"a": 1.0})], KNOWN)
    assert [rows.schema.field(name).type for name in KNOWN.names] == KNOWN.types
    assert rows["when"][0].as_py() == pd.Timestamp("2026-01-03T07:00")
    assert rows["probability_a"].to_pylist() == [None, 1.0]
    rows = rows_of([answer(1, fields=odd, role="canary")], KNOWN)
    assert rows["count"].to_pylist() == [2.5]
    assert (rows["weekend"].to_pylist(), rows["when"].to_pylist()) == (["x"], [None])
    assert (rows["Source_"].to_pylist(), rows["role"].to_pylist()) == ([1], ["canary"])
