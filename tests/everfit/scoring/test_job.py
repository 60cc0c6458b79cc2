import os
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from everfit.errors import InputError
from everfit.scoring import Piece, job
from everfit.settings import Settings

PIECE = Piece("digest", Path("staged.parquet"), group=0, start=0, rows=2)


def test_parts_are_gone_on_with_whatever_happened_to_their_note_and_never_by_another_champion(tmp_path):
    settings = Settings(workspace=tmp_path)

    def opened(version, address="out"):
        return job.opened(settings, "m", address, {"champion": version})

    with opened("v1") as first:
        assert first.todo([PIECE]) == [PIECE]
        pq.write_table(pa.table({"prediction": [1.0, 2.0]}), first.part(PIECE))
        with pytest.raises(InputError, match="Another run"), opened("v1"):
            pass
    (first.folder / job.NOTE).write_text("")  # a machine went down
    with opened("v1") as again:
        assert (again.todo([PIECE]), again.begun_anew) == ([], "")
    (first.folder / job.NOTE).unlink()
    with opened("v2") as other:
        assert (other.todo([PIECE]), bool(other.begun_anew)) == ([PIECE], True)
    assert not first.folder.exists()


def test_what_is_abandoned_or_done_leaves_no_folder_and_no_lock(tmp_path):
    settings = Settings(workspace=tmp_path)
    with job.opened(settings, "m", "done", {}) as done:
        done.forget()
    with job.opened(settings, "m", "left", {}) as left:
        pass
    os.utime(left.folder, (0, 0))
    assert job.unfinished(settings, "m", "left")
    with job.opened(settings, "m", "new", {}) as new:
        there = {path.name for path in new.folder.parent.iterdir()}
    assert there == {".lock", new.folder.name, f"{new.folder.stem}.lock"}
