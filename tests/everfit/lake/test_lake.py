"""The lake: batches land once, versions stay readable, and no row is ever lost."""

import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable, write_deltalake

from everfit import sources
from everfit.errors import DataError, EverfitError, InputError, SourceError, Unavailable
from everfit.lake import Batch, Lake, staging
from everfit.reserved import RESERVED
from everfit.settings import Settings

MODEL = "bike"


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(Settings(workspace=tmp_path))


def stage(lake: Lake, base: Path, frame: pd.DataFrame, name: str = "d.parquet", model: str = MODEL) -> Batch:
    """Write a frame to a file and stage it."""
    path = base / name
    if path.suffix == ".csv":
        frame.to_csv(path, index=False)
    else:
        frame.to_parquet(path)
    [source] = sources.open_source(name, base=base)
    return lake.stage(model, source)


def rows(start: int = 0, count: int = 5, **columns: object) -> pd.DataFrame:
    """Some rows with every type, and nulls in them."""
    n = np.arange(start, start + count)
    frame = pd.DataFrame(
        {
            "n": n,
            "x": np.where(n % 3 == 0, np.nan, n / 2),
            "s": [None if i % 4 == 0 else f"text {i}" for i in n],
            "flag": n % 2 == 0,
            "t": pd.Timestamp("2024-01-01") + pd.to_timedelta(n, "h"),
        }
    )
    return frame.assign(**columns)


def counts(lake: Lake) -> tuple[int, int]:
    """How many rows the two tables really hold."""
    uris = [f"{lake._settings.lake_uri}/{MODEL}/{name}" for name in ("batches", "quarantine")]
    held = [DeltaTable(uri).to_pyarrow_table().num_rows if DeltaTable.is_deltatable(uri) else 0 for uri in uris]
    return held[0], held[1]


def test_what_comes_in_is_what_is_read(lake, tmp_path):
    frame = rows(count=1000)
    batch = stage(lake, tmp_path, frame)
    landed = lake.land(batch, {})
    assert (landed.good, landed.quarantined, landed.new) == (1000, 0, True)
    snapshot = lake.snapshot(MODEL)
    read = lake.read(snapshot)
    pd.testing.assert_frame_equal(read.drop(columns=["_batch", "_row"]), frame, check_dtype=False)
    assert read.dtypes.astype(str).to_dict() == {
        "n": "int64",
        "x": "float64",
        "s": "str",
        "flag": "bool",
        "t": "datetime64[us]",
        "_batch": "str",
        "_row": "int64",
    }
    assert snapshot.batches == (batch.digest,)
    assert (snapshot.rows, len(batch.digest), len(snapshot.digest)) == (1000, 32, 32)


def test_broken_rows_go_to_quarantine_with_their_reasons(lake, tmp_path):
    batch = stage(lake, tmp_path, rows())
    landed = lake.land(batch, {1: "x is negative", 3: "s is unknown"})
    assert (landed.good, landed.quarantined) == (3, 2)
    assert counts(lake) == (3, 2)
    quarantine = lake.quarantine(MODEL)
    assert quarantine[["_row", "_reason"]].to_numpy().tolist() == [[1, "x is negative"], [3, "s is unknown"]]
    assert lake.read(lake.snapshot(MODEL))["n"].tolist() == [0, 2, 4]


def test_reasons_may_come_as_a_frame(lake, tmp_path):
    batch = stage(lake, tmp_path, rows())
    landed = lake.land(batch, pd.DataFrame({"_row": [0], "_reason": ["bad"]}))
    assert (landed.good, landed.quarantined) == (4, 1)


def test_the_same_content_is_one_batch_whatever_its_file_is(lake, tmp_path):
    first = stage(lake, tmp_path, rows())
    lake.land(first, {2: "bad"})
    again = stage(lake, tmp_path, rows(), "copy.parquet")
    assert again.digest == first.digest
    assert lake.known(MODEL, again.digest)
    landed = lake.land(again, {})
    assert (landed.new, landed.good, landed.quarantined) == (False, 4, 1)
    assert counts(lake) == (4, 1)


def test_the_same_columns_in_another_order_are_the_same_batch(lake, tmp_path):
    first = stage(lake, tmp_path, rows())
    lake.land(first, {})
    assert lake.known(MODEL, stage(lake, tmp_path, rows()[[*rows()][::-1]]).digest)
    one, other = pd.DataFrame({"a": [1], "b": [2]}), pd.DataFrame({"a": [2], "b": [1]})
    assert stage(lake, tmp_path, one).digest != stage(lake, tmp_path, other).digest


def test_csv_and_parquet_of_the_same_rows_are_one_batch(lake, tmp_path):
    frame = rows(1).drop(columns="flag").assign(t=lambda f: f["t"].astype("datetime64[s]"))
    assert stage(lake, tmp_path, frame).digest == stage(lake, tmp_path, frame, "d.csv").digest


def test_the_digest_does_not_depend_on_how_rows_are_cut(lake, tmp_path, monkeypatch):
    frame = rows(count=5000)
    frame.to_csv(tmp_path / "d.csv", index=False)
    whole = stage(lake, tmp_path, frame, "d.csv")
    monkeypatch.setattr(sources.csv, "BLOCK", 2000)
    assert stage(lake, tmp_path, frame, "d.csv").digest == whole.digest


@pytest.mark.parametrize(
    "other",
    [
        {"n": [0, 1, 2, 3, 5]},
        {"x": [0.5] * 5},
        {"s": ["a"] * 5},
        {"s": [None] * 5},
        {"extra": [1] * 5},
        {"flag": [False] * 5},
    ],
)
def test_any_other_value_is_another_batch(lake, tmp_path, other):
    assert stage(lake, tmp_path, rows(**other)).digest != stage(lake, tmp_path, rows()).digest


def test_values_that_run_together_are_told_apart(lake, tmp_path):
    one = stage(lake, tmp_path, pd.DataFrame({"a": ["ab", "c"]}))
    assert stage(lake, tmp_path, pd.DataFrame({"a": ["a", "bc"]})).digest != one.digest
    assert stage(lake, tmp_path, pd.DataFrame({"a": ["abc", ""]})).digest != one.digest
    empty = stage(lake, tmp_path, pd.DataFrame({"a": ["", "x"]}))
    assert stage(lake, tmp_path, pd.DataFrame({"a": [None, "x"]})).digest != empty.digest


def test_a_snapshot_reads_the_same_rows_after_more_came(lake, tmp_path):
    lake.land(stage(lake, tmp_path, rows(0)), {1: "bad"})
    before = lake.snapshot(MODEL)
    seen = lake.read(before)
    lake.land(stage(lake, tmp_path, rows(100)), {})
    lake.land(stage(lake, tmp_path, rows(200, extra=1.5)), {})
    lake.land(stage(lake, tmp_path, rows(300, n=[0.5] * 5)), {})
    assert lake.snapshot(MODEL).rows == 19
    assert lake.snapshot(MODEL).digest != before.digest
    pd.testing.assert_frame_equal(lake.read(before), seen)
    assert lake.snapshot(MODEL, version=before.version) == before


def test_rows_come_in_the_order_of_batch_and_row(lake, tmp_path):
    for start in (0, 100, 200):
        lake.land(stage(lake, tmp_path, rows(start)), {0: "bad"})
    read = lake.read(lake.snapshot(MODEL))
    assert read.index.tolist() == read.sort_values(["_batch", "_row"]).index.tolist()


def test_a_snapshot_that_is_not_what_it_was_is_refused(lake, tmp_path):
    lake.land(stage(lake, tmp_path, rows()), {})
    snapshot = lake.snapshot(MODEL)
    for altered in (replace(snapshot, digest="0" * 32), replace(snapshot, rows=4)):
        with pytest.raises(DataError, match="is not what was recorded"):
            lake.read(altered)


def test_columns_can_be_chosen(lake, tmp_path):
    batch = stage(lake, tmp_path, rows())
    assert list(lake.read(batch, ["s", "n"])) == ["s", "n", "_row"]
    landed = lake.land(batch, {0: "bad"})
    assert list(lake.read(lake.snapshot(MODEL), ["x"])) == ["x", "_batch", "_row"]
    assert list(lake.read(landed, ["x"])) == ["x", "_row"]
    assert list(lake.read(batch, ["s", "n"])) == ["s", "n", "_row"]


def test_a_batch_reads_the_same_before_and_after_it_landed(lake, tmp_path):
    batch = stage(lake, tmp_path, rows(count=50))
    before = lake.read(batch)
    landed = lake.land(batch, {7: "bad", 8: "bad"})
    assert not batch.path.exists()
    pd.testing.assert_frame_equal(lake.read(batch), before)
    assert lake.read(landed)["_row"].tolist() == [n for n in range(50) if n not in (7, 8)]


def test_a_refused_batch_is_in_quarantine_whole_and_may_come_again(lake, tmp_path):
    batch = stage(lake, tmp_path, rows())
    received = lake.read(batch)
    landed = lake.land(batch, {2: "bad"}, refused="a critical rule failed")
    assert (landed.good, landed.quarantined, landed.refused, landed.new) == (0, 5, "a critical rule failed", True)
    assert counts(lake) == (0, 5)
    assert not lake.known(MODEL, batch.digest)
    pd.testing.assert_frame_equal(lake.read(batch), received)
    assert lake.quarantine(MODEL)["_reason"].tolist()[2] == "bad"
    with pytest.raises(DataError, match="Nothing has landed"):
        lake.snapshot(MODEL)

    again = stage(lake, tmp_path, rows())
    assert not lake.land(again, {}, refused="a critical rule failed").new
    assert counts(lake) == (0, 5)
    passed = lake.land(stage(lake, tmp_path, rows()), {2: "bad"})
    assert (passed.good, passed.quarantined, passed.new) == (4, 1, True)
    assert counts(lake) == (4, 1)


def test_a_batch_that_has_landed_can_not_be_refused_any_more(lake, tmp_path):
    lake.land(stage(lake, tmp_path, rows()), {})
    landed = lake.land(stage(lake, tmp_path, rows()), {}, refused="too late")
    assert (landed.new, landed.good, landed.refused) == (False, 5, "")
    assert counts(lake) == (5, 0)


def test_a_batch_with_only_broken_rows_has_landed(lake, tmp_path):
    batch = stage(lake, tmp_path, rows())
    landed = lake.land(batch, dict.fromkeys(range(5), "bad"))
    assert (landed.good, landed.quarantined) == (0, 5)
    assert lake.known(MODEL, batch.digest)


def test_a_correction_replaces_what_came_from_the_same_place(lake, tmp_path):
    lake.land(stage(lake, tmp_path, rows(500), "other.parquet"), {}, replace_origin=True)
    lake.land(stage(lake, tmp_path, rows(0)), {1: "bad"}, replace_origin=True)
    before = lake.snapshot(MODEL)
    seen = lake.read(before)
    landed = lake.land(stage(lake, tmp_path, rows(100)), {}, replace_origin=True)
    after = lake.snapshot(MODEL)
    assert sorted(lake.read(after)["n"]) == [*range(100, 105), *range(500, 505)]
    assert after.version == landed.version == before.version + 1
    pd.testing.assert_frame_equal(lake.read(before), seen)
    assert [batch.live for batch in lake.batches(MODEL)] == [True, False, True]


def test_a_folder_that_is_one_table_replaces_what_came_from_its_files(lake, tmp_path):
    for start in (0, 100):
        write_deltalake(tmp_path / "table", rows(start), mode="append")
    for source in sources.open_source("table/*.parquet", base=tmp_path):
        lake.land(lake.stage(MODEL, source), {}, replace_origin=True)
    lake.land(stage(lake, tmp_path, rows(200), "table.parquet"), {}, replace_origin=True)
    [table] = sources.open_source("table", base=tmp_path)
    batch = lake.stage(MODEL, table)
    former = lake.former(batch)
    lake.land(batch, {}, replace_origin=True)
    assert sorted(lake.former(batch)["n"]) == sorted(former["n"]) == [*range(5), *range(100, 105)]
    assert sorted(lake.read(lake.snapshot(MODEL))["n"]) == [*range(5), *range(100, 105), *range(200, 205)]


def test_a_correction_may_be_taken_back(lake, tmp_path):
    for start in (0, 100, 0):
        batch = stage(lake, tmp_path, rows(start))
        assert not lake.known(MODEL, batch.digest)
        assert lake.land(batch, {start // 50: "bad"}, replace_origin=True).new
    assert lake.read(lake.snapshot(MODEL))["n"].tolist() == [1, 2, 3, 4]
    assert [batch.live for batch in lake.batches(MODEL)] == [False, False, True]


def test_a_refused_correction_leaves_what_was_there(lake, tmp_path):
    lake.land(stage(lake, tmp_path, rows(0)), {}, replace_origin=True)
    lake.land(stage(lake, tmp_path, rows(100)), {}, replace_origin=True, refused="no")
    assert lake.read(lake.snapshot(MODEL))["n"].tolist() == [0, 1, 2, 3, 4]


def test_batches_that_are_given_by_hand_are_only_appended(lake, tmp_path):
    for start in (0, 100):
        lake.land(stage(lake, tmp_path, rows(start)), {})
    assert lake.snapshot(MODEL).rows == 10


def test_the_log_names_every_batch(lake, tmp_path):
    batch = stage(lake, tmp_path, rows())
    lake.land(batch, {1: "bad"})
    [line] = lake.batches(MODEL)
    assert (line.digest, line.origin, line.rows, line.good, line.quarantined, line.live) == (
        *(batch.digest, "d.parquet", 5, 4, 1, True),
    )


def test_infinite_values_come_in_and_are_counted(lake, tmp_path):
    batch = stage(lake, tmp_path, rows(x=[1.0, np.inf, -np.inf, np.nan, 0.5]))
    assert batch.infinite == {"x": 2}
    assert np.isinf(lake.read(batch)["x"]).sum() == 2


def test_ints_that_become_doubles_rewrite_the_table_and_the_old_version_stays(lake, tmp_path):
    lake.land(stage(lake, tmp_path, rows(0)), {})
    old = lake.snapshot(MODEL)
    lake.land(stage(lake, tmp_path, rows(100, n=np.arange(5) + 0.5)), {0: "bad"})
    assert sorted(lake.read(lake.snapshot(MODEL))["n"]) == [0, 1, 1.5, 2, 2.5, 3, 3.5, 4, 4.5]
    assert lake.read(old)["n"].dtype == "int64"
    lake.land(stage(lake, tmp_path, rows(200)), {})
    assert lake.snapshot(MODEL).rows == 14
    assert lake.read(lake.snapshot(MODEL))["n"].dtype == "float64"


def test_large_ints_survive(lake, tmp_path):
    big = [2**62 + n for n in range(5)]
    lake.land(stage(lake, tmp_path, rows(n=big)), {})
    assert lake.read(lake.snapshot(MODEL))["n"].tolist() == big


@pytest.mark.parametrize(
    ("later", "holds"),
    [
        ({"x": ["a"] * 5}, {"a", "0.5", "1", "2"}),
        ({"flag": [1.5] * 5}, {"true", "false", "1.5"}),
        ({"t": ["soon"] * 5}, {"soon", "2024-01-01 00:00:00.000000"}),
    ],
)
def test_a_retyped_column_that_is_allowed_becomes_text(lake, tmp_path, later, holds):
    lake.land(stage(lake, tmp_path, rows(0)), {0: "bad"} if "t" not in later else {})
    lake.land(stage(lake, tmp_path, rows(100, **later)), {})
    [name] = later
    assert holds <= set(lake.read(lake.snapshot(MODEL))[name].dropna())


@pytest.mark.parametrize("later", [[1.5] * 5, ["a"] * 5, [True] * 5, pd.to_datetime(["2024-01-01"] * 5)])
def test_a_column_without_any_value_takes_the_type_of_the_first_one(lake, tmp_path, later):
    lake.land(stage(lake, tmp_path, rows(0, e=[None] * 5)), {})
    assert lake.read(lake.snapshot(MODEL))["e"].isna().all()
    lake.land(stage(lake, tmp_path, rows(100, e=later)), {})
    assert lake.snapshot(MODEL).rows == 10
    nothing = stage(lake, tmp_path, rows(200, e=[None] * 5))
    lake.land(nothing, {})
    assert lake.read(lake.snapshot(MODEL))["e"].notna().sum() == 5


def test_a_column_without_any_value_is_no_change_of_type(lake, tmp_path):
    first = stage(lake, tmp_path, rows(0))
    lake.land(first, {})
    later = stage(lake, tmp_path, rows(100, x=[None] * 5, s=[None] * 5, t=[None] * 5))
    assert first.schema.changes(later.schema) == ()
    new = stage(lake, tmp_path, rows(200, empty=[None] * 5))
    assert first.schema.changes(new.schema) == ()


def test_codes_that_all_look_like_numbers_stay_text_where_the_table_has_text(lake, tmp_path):
    lake.land(stage(lake, tmp_path, pd.DataFrame({"code": ["A1", "7"]}), "d.csv"), {})
    numbers = stage(lake, tmp_path, pd.DataFrame({"code": ["12", "13"]}), "e.csv")
    assert numbers.schema.to_dict() == {"code": "string"}
    lake.land(numbers, {})
    assert sorted(lake.read(lake.snapshot(MODEL))["code"]) == ["12", "13", "7", "A1"]
    assert lake.known(MODEL, stage(lake, tmp_path, pd.DataFrame({"code": ["12", "13"]}), "e.csv").digest)


@pytest.mark.parametrize("later", [["2024-05-01", "2023-01-31"], ["2024-05-01 10:00", "2023-01-31 11:30"]])
def test_dates_stay_as_they_are_written_where_the_table_has_text(lake, tmp_path, later):
    written = pd.DataFrame({"day": later, "x": [1.5, 2.5]})
    digest = stage(lake, tmp_path, written, "e.csv").digest
    lake.land(stage(lake, tmp_path, pd.DataFrame({"day": ["2024-01-01", "soon"], "x": [0.5, 1.5]})), {})
    dates = stage(lake, tmp_path, written, "e.csv")
    assert (dates.schema.to_dict(), dates.digest) == ({"day": "string", "x": "number"}, digest)
    assert lake.read(dates)["day"].tolist() == later


def test_what_the_table_has_become_does_not_change_what_a_batch_is(lake, tmp_path):
    numbers = pd.DataFrame({"code": ["12", "13"], "e": [None, None]})
    first = stage(lake, tmp_path, numbers, "d.csv")
    lake.land(first, {})
    lake.land(stage(lake, tmp_path, pd.DataFrame({"code": ["A1"], "e": ["x"]}), "e.csv"), {})
    assert lake.known(MODEL, stage(lake, tmp_path, numbers, "d.csv").digest)


def test_columns_may_come_and_go_and_move(lake, tmp_path):
    lake.land(stage(lake, tmp_path, rows(0)), {})
    lake.land(stage(lake, tmp_path, rows(100, extra="e").drop(columns="s")[["t", "extra", "n", "x", "flag"]]), {1: "b"})
    read = lake.read(lake.snapshot(MODEL))
    assert list(read) == ["n", "x", "s", "flag", "t", "extra", "_batch", "_row"]
    assert read["extra"].notna().sum() == 4
    assert read["s"].isna().sum() == 2 + 4


def test_odd_column_names_are_just_names(lake, tmp_path):
    names = ["Temp (°C)", "a,b;c", "sp ace", "tab\tend", "{x}=`y`", "Case", "dot.ted"]
    frame = pd.DataFrame({name: [1.5, 2.5] for name in names})
    lake.land(stage(lake, tmp_path, frame), {1: "bad"})
    lake.land(stage(lake, tmp_path, frame.assign(new=1), "e.parquet"), {})
    assert list(lake.read(lake.snapshot(MODEL)))[: len(names)] == names


def test_the_first_spelling_of_a_column_stays(lake, tmp_path):
    lake.land(stage(lake, tmp_path, pd.DataFrame({"Price": [1, 2]})), {})
    batch = stage(lake, tmp_path, pd.DataFrame({"price": [3.5, 4.5]}))
    assert batch.schema.names == ("price",)
    lake.land(batch, {0: "bad"})
    assert sorted(lake.read(lake.snapshot(MODEL))["Price"]) == [1.0, 2.0, 4.5]
    assert lake.read(batch)["price"].tolist() == [3.5, 4.5]


def test_wide_tables_and_long_texts_land(lake, tmp_path):
    frame = pd.DataFrame(np.zeros((3, 1500)), columns=[f"c{n}" for n in range(1500)]).assign(s="ä" * 100_000)
    lake.land(stage(lake, tmp_path, frame), {0: "bad"})
    read = lake.read(lake.snapshot(MODEL))
    assert read.shape == (2, 1503)
    assert read["s"][0] == "ä" * 100_000


@pytest.mark.parametrize("name", [*RESERVED, "_Score"])
def test_a_column_that_everfit_needs_itself_is_refused(lake, tmp_path, name):
    with pytest.raises(SourceError, match=f"a column named {name}"):
        stage(lake, tmp_path, pd.DataFrame({name: [1]}))


def test_a_source_without_rows_is_a_batch_to_refuse_or_nothing_to_read(lake, tmp_path):
    empty = stage(lake, tmp_path, rows(count=0))
    assert (empty.rows, lake.land(empty, {}, refused="no rows").quarantined) == (0, 0)
    [source] = sources.open_source("d.parquet", base=tmp_path)
    with pytest.raises(SourceError, match=r"d\.parquet holds no rows"):
        lake.stage(MODEL, source, apart=True)
    assert list((tmp_path / ".everfit/incoming" / MODEL).iterdir()) == []


def test_a_source_that_breaks_half_way_leaves_nothing(lake, tmp_path):
    (tmp_path / "d.csv").write_text("a,b\n" + "1,2\n" * 700_000 + "1,2,3\n")
    [source] = sources.open_source("d.csv", base=tmp_path)
    with pytest.raises(SourceError, match="is not a table of values"):
        lake.stage(MODEL, source)
    assert list((tmp_path / ".everfit/incoming" / MODEL).iterdir()) == []


def test_what_a_killed_run_left_is_removed_a_day_later(lake, tmp_path):
    batch = stage(lake, tmp_path, rows(0))
    os.utime(batch.path, (time.time() - 90_000, time.time() - 90_000))
    stage(lake, tmp_path, rows(100))
    assert not batch.path.exists()


def test_a_staged_file_that_is_gone_while_others_are_swept_is_no_fault(lake, tmp_path):
    folder = stage(lake, tmp_path, rows(0)).path.parent
    (folder / ".gone.part").symlink_to(folder / "nowhere")
    assert stage(lake, tmp_path, rows(100)).path.exists()


def test_a_table_that_cannot_be_read_is_not_said_to_be_unwritable(lake, tmp_path):
    lake.land(stage(lake, tmp_path, rows()), {})
    for entry in (tmp_path / ".everfit/lake" / MODEL / "batches/_delta_log").glob("*.json"):
        entry.write_text("no log")
    with pytest.raises(InputError, match="cannot be read") as error:
        lake.snapshot(MODEL)
    assert "landed" not in str(error.value)


def test_a_row_that_is_not_in_the_batch_cannot_be_broken(lake, tmp_path):
    with pytest.raises(EverfitError, match="there is no row 5"):
        lake.land(stage(lake, tmp_path, rows()), {5: "bad"})


def test_a_batch_that_is_gone_says_to_ingest_it_again(lake, tmp_path):
    batch = stage(lake, tmp_path, rows())
    batch.path.unlink()
    for call in (lambda: lake.land(batch, {}), lambda: lake.read(batch)):
        with pytest.raises(InputError, match="neither staged nor landed"):
            call()


def test_nothing_landed_is_said_and_lists_are_empty(lake):
    with pytest.raises(DataError, match="Nothing has landed for 'bike'"):
        lake.snapshot(MODEL)
    assert not lake.known(MODEL, "x")
    assert lake.batches(MODEL) == []
    assert lake.quarantine(MODEL).empty
    assert lake.predictions(MODEL).empty
    assert lake.labels(MODEL).empty


def test_models_do_not_share_tables(lake, tmp_path):
    batch = stage(lake, tmp_path, rows())
    lake.land(batch, {})
    assert not lake.known("other", batch.digest)


def test_a_lake_at_a_uri_works_the_same(tmp_path):
    lake = Lake(Settings(workspace=tmp_path, lake_uri=f"file://{tmp_path}/store"))
    lake.land(stage(lake, tmp_path, rows(0)), {1: "bad"})
    lake.land(stage(lake, tmp_path, rows(100, n=[0.5] * 5)), {}, replace_origin=True)
    assert lake.read(lake.snapshot(MODEL))["n"].tolist() == [0.5] * 5
    assert (tmp_path / "store" / MODEL / "batches/_delta_log").is_dir()


def test_a_store_that_does_not_answer_is_unavailable(tmp_path, monkeypatch):
    for name, value in {
        "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
        "AWS_ALLOW_HTTP": "true",
        "AWS_ACCESS_KEY_ID": "a",
        "AWS_SECRET_ACCESS_KEY": "b",
        "AWS_REGION": "x",
        "AWS_MAX_ATTEMPTS": "1",
        "MAX_RETRIES": "0",
    }.items():
        monkeypatch.setenv(name, value)
    lake = Lake(Settings(workspace=tmp_path, lake_uri="s3://bucket/lake"))
    with pytest.raises(Unavailable, match="The lake at s3://bucket/lake/bike/batches cannot be reached"):
        lake.known(MODEL, "x")


def test_staged_files_hold_the_lakes_types(lake, tmp_path):
    batch = stage(lake, tmp_path, rows())
    assert [str(t) for t in pq.read_schema(batch.path).types] == [
        *("int64", "double", "string", "bool", "timestamp[us]", "int64")
    ]
    assert batch.path.name == f"{batch.digest}.parquet"


def test_what_landed_since_a_snapshot_can_be_read_alone(lake, tmp_path):
    lake.land(stage(lake, tmp_path, rows(0)), {})
    learnt = lake.snapshot(MODEL)
    assert lake.since(learnt, target="n").empty
    lake.land(stage(lake, tmp_path, rows(100)), {0: "bad"})
    newest = stage(lake, tmp_path, rows(200))
    lake.land(newest, {})
    assert sorted(lake.since(learnt, target="n", but=newest.digest)["n"]) == [101, 102, 103, 104]


def test_a_correction_of_several_batches_from_one_place_replaces_them_all(lake, tmp_path):
    for start in (0, 100, 200):
        lake.land(stage(lake, tmp_path, rows(start)), {})
    lake.land(stage(lake, tmp_path, rows(300)), {}, replace_origin=True)
    assert lake.read(lake.snapshot(MODEL))["n"].tolist() == [*range(300, 305)]


def test_a_snapshot_knows_which_of_its_rows_were_replaced_since(lake, tmp_path):
    lake.land(stage(lake, tmp_path, rows(0)), {1: "bad"})
    lake.land(stage(lake, tmp_path, rows(500), "other.parquet"), {})
    learnt = lake.snapshot(MODEL)
    assert lake.replaced(learnt).empty
    lake.land(stage(lake, tmp_path, rows(0, 8)), {}, replace_origin=True)
    assert lake.replaced(learnt)["n"].tolist() == [0, 2, 3, 4]


def test_a_batch_knows_the_rows_that_came_from_its_place_before(lake, tmp_path):
    lake.land(stage(lake, tmp_path, rows(0)), {1: "bad"})
    lake.land(stage(lake, tmp_path, rows(500), "other.parquet"), {})
    grown = stage(lake, tmp_path, rows(0, 8))
    assert lake.former(grown)["n"].tolist() == [0, 2, 3, 4]
    lake.land(grown, {}, replace_origin=True)
    assert lake.former(grown)["n"].tolist() == [0, 2, 3, 4]  # what it has replaced
    assert lake.former(stage(lake, tmp_path, rows(0, 9)))["n"].tolist() == [*range(8)]
    assert lake.former(stage(lake, tmp_path, rows(0), "third.parquet")).empty


def test_a_batch_that_was_added_by_hand_knows_what_its_place_gave_before_and_not_since(lake, tmp_path):
    lake.land(stage(lake, tmp_path, rows(0)), {})
    second = stage(lake, tmp_path, rows(100))
    lake.land(second, {})
    lake.land(stage(lake, tmp_path, rows(200, more=1.5)), {})
    assert lake.former(second)["n"].tolist() == [*range(5)]


FULL = "Unable to copy data to file", "No space left on device (os error 28)"


@pytest.mark.parametrize(
    "said",
    [
        f"Generic LocalFileSystem error: {FULL[0]}: {FULL[1]}",
        f"Generic LocalFileSystem error\n   \x1b[31m↳\x1b[0m {FULL[0]}\n  \x1b[31m↳\x1b[0m {FULL[1]}\n",
    ],
)
def test_a_full_disk_is_something_that_may_heal(lake, tmp_path, monkeypatch, said):
    batch = stage(lake, tmp_path, rows())

    def full(*_: object, **__: object) -> None:
        raise OSError(said)

    monkeypatch.setattr("everfit.lake.table.DeltaTable.create", full)
    with pytest.raises(
        Unavailable, match=r"cannot be written: .*No space left on device \(os error 28\)\.\n"
    ) as caught:
        lake.land(batch, {})
    assert "\x1b" not in str(caught.value)
    assert "Make room" in caught.value.do
    monkeypatch.undo()
    assert lake.land(batch, {}).new


def test_a_batch_that_was_replaced_and_came_back_has_landed_twice(lake, tmp_path):
    first = stage(lake, tmp_path, rows(0))
    assert lake.landing_of(first) == first.digest
    for start, name in ((0, first.digest), (100, None), (0, f"{first.digest}-2")):
        batch = stage(lake, tmp_path, rows(start))
        lake.land(batch, {2: "odd"}, replace_origin=True)
        assert lake.landing_of(batch) == (name or batch.digest)
        assert lake.broken(batch) == {2: "odd"}


def test_who_stages_apart_leaves_the_file_of_others_alone(lake, tmp_path):
    pd.DataFrame({"x": [1, 2]}).to_parquet(tmp_path / "same.parquet")
    [source] = sources.open_source("same.parquet", base=tmp_path)
    shared, mine = lake.stage("m", source), lake.stage("m", source, apart=True)
    lake.discard(mine)
    assert lake.land(shared, {}).good == 2
    assert list(shared.path.parent.iterdir()) == []


KILLED = """
import os, sys
from pathlib import Path
from everfit import sources
from everfit.lake import Lake
from everfit.settings import Settings
[source] = sources.open_source("same.parquet", base=Path(sys.argv[1]))
Lake(Settings(workspace=sys.argv[1])).stage("m", source, apart=True)
os._exit(9)
"""


def test_what_a_killed_process_staged_apart_is_removed_by_the_next_staging_and_nothing_of_the_living(lake, tmp_path):
    pd.DataFrame({"x": [1, 2]}).to_parquet(tmp_path / "same.parquet")
    [source] = sources.open_source("same.parquet", base=tmp_path)
    mine = lake.stage("m", source, apart=True)
    assert subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], check=False).returncode == 9
    assert len(list(mine.path.parent.iterdir())) == 2
    os.utime(mine.path, (0, 0))  # a run may take days
    shared = lake.stage("m", source)
    assert set(mine.path.parent.iterdir()) == {mine.path, shared.path}


@pytest.mark.parametrize(("refused", "left"), [(["r+b"], False), (["r+b", "rb"], True)])
def test_a_file_of_another_user_stops_no_staging(lake, tmp_path, monkeypatch, refused, left):
    foreign = stage(lake, tmp_path, rows()).path.with_name("of-another.parquet")
    foreign.touch()
    opened = Path.open

    def guarded(path: Path, mode: str = "r", *args: object, **kwargs: object) -> object:
        if path == foreign and mode in refused:
            raise PermissionError(13, "Permission denied")
        return opened(path, mode, *args, **kwargs)

    monkeypatch.setattr(Path, "open", guarded)
    assert stage(lake, tmp_path, rows()).path.exists()
    assert foreign.exists() == left


def test_a_file_that_could_not_be_put_apart_is_held_no_longer(lake, tmp_path, monkeypatch):
    stage(lake, tmp_path, rows())
    [source] = sources.open_source("d.parquet", base=tmp_path)
    before = dict(staging._OURS), len(list(Path("/proc/self/fd").iterdir()))

    def refuse(*_: object) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(Path, "replace", refuse)
    with pytest.raises(InputError, match="Input/output error"):
        lake.stage("m", source, apart=True)
    assert (dict(staging._OURS), len(list(Path("/proc/self/fd").iterdir()))) == before


LAND = """
import sys
from pathlib import Path
import numpy as np
import pandas as pd
from everfit.errors import Unavailable
from everfit.lake import Lake
from everfit.settings import Settings
from everfit.sources import open_source
here = Path(sys.argv[1])
pd.DataFrame({"x": np.random.default_rng(0).random(60_000)}).to_parquet(here / "d.parquet")
lake = Lake(Settings(workspace=here, lake_uri=str(here / "lake")))
[source] = open_source("d.parquet", base=here)
try:
    lake.land(lake.stage("m", source), {})
except Unavailable as full:
    print(full)
"""


def test_a_lake_without_room_may_have_some_later(tmp_path):
    (tmp_path / "lake").mkdir()
    mount = f"mount -t tmpfs -o size=300k none {tmp_path / 'lake'}"
    if subprocess.run(["unshare", "-m", "sh", "-c", mount], capture_output=True, check=False).returncode:
        pytest.skip("nothing can be mounted here")
    command = ["unshare", "-m", "sh", "-c", f'{mount} && exec "$@"', "sh", sys.executable, "-c", LAND, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "No space left on device" in done.stdout, done.stderr
    assert "Make room" in done.stdout
