import os
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from everfit.scoring import Piece, job, open_output
from everfit.settings import Settings

PIECE = Piece("digest", Path("staged.parquet"), group=0, start=0, rows=2)


def test_parts_are_gone_on_with_whatever_happened_to_their_note_and_never_by_another_champion(tmp_path):
    settings = Settings(workspace=tmp_path)

    def resumed(version):
        return job.resumed(settings, "out", {"champion": version})

    first = resumed("v1")
    assert first.todo([PIECE]) == [PIECE]
    pq.write_table(pa.table({"prediction": [1.0, 2.0]}), first.part(PIECE))
    (first.folder / job.NOTE).write_text("")  # a machine went down
    again = resumed("v1")
    assert (again.todo([PIECE]), again.begun_anew) == ([], "")
    (first.folder / job.NOTE).unlink()
    other = resumed("v2")
    assert (other.todo([PIECE]), bool(other.begun_anew)) == ([PIECE], True)
    assert not first.folder.exists()


def test_what_is_abandoned_or_done_leaves_no_folder_and_no_lock(tmp_path):
    settings = Settings(workspace=tmp_path)
    with job.alone(settings, "done", "done"):
        job.resumed(settings, "done", {}).forget()
    file, table = str(tmp_path / "left.csv"), tmp_path / "table"
    for address in (file, str(table)):
        with job.alone(settings, address, address):
            left = job.resumed(settings, address, {})
        if address == file:
            (tmp_path / f".left.csv.{left.id}.half").touch()
        os.utime(left.folder, (0, 0))
        assert job.unfinished(settings, address)
    output = open_output("table", tmp_path, datetime.now(UTC))
    table.mkdir()
    for name in (f"{left.id}-00000000.parquet", f"{left.id}-00000001.parquet#1"):
        (table / name).touch()
    output.prove()
    output.write(pa.table({"n": [1]}).to_reader(), left.id, then=lambda: (table / f"{left.id}-00000002").touch())
    with job.alone(settings, "new", "new"):
        new = job.resumed(settings, "new", {})
        there = {path.name for path in new.folder.parent.iterdir()}
    assert there == {".lock", new.folder.name, f"{new.folder.stem}.lock"}
    assert not list(tmp_path.glob("*.half"))
    assert len(list(table.glob("*"))) == 2, "the log and what it names"
    assert output.is_there()


def test_runs_of_two_homes_that_write_one_file_at_once_leave_it_whole_each_time(tmp_path):
    output = open_output("said.csv", tmp_path, datetime.now(UTC))
    rows = [pa.record_batch([[n] * 3], pa.schema([("n", pa.int64())])) for n in (1, 2)]
    seen = []

    def meanwhile():
        yield rows[0]
        write("b", [rows[1]])
        yield rows[0]

    def write(job_id, batches):
        reader = pa.RecordBatchReader.from_batches(rows[0].schema, batches)
        output.write(reader, job_id, then=lambda: None)
        seen.append(output.path.read_text().split())

    write("a", meanwhile())
    assert seen == [['"n"', *"222"], ['"n"', *"111111"]]
    assert list(tmp_path.iterdir()) == [output.path]
