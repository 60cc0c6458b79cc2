"""An answer that was given is on disk, whatever happens to the process."""

import asyncio
import os
import signal
import subprocess
import sys

import pytest

from everfit.serving.journal import Journal, closed

WRITER = """
import asyncio, sys
from pathlib import Path
from everfit.serving.journal import Journal

async def answer(journal, client):
    for at in range(10_000):
        await journal.write([{"id": f"{client}-{at}"}])
        print(f"{client}-{at}", flush=True)

async def main():
    journal = Journal(Path(sys.argv[1]))
    await asyncio.gather(*(answer(journal, client) for client in range(8)))

asyncio.run(main())
"""


def held(folder):
    return [entry["id"] for _, entries in closed(folder) for entry in entries]


def test_a_killed_process_loses_no_answer_that_it_gave(tmp_path):
    with subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path)], stdout=subprocess.PIPE, text=True) as writer:
        given = [writer.stdout.readline().strip() for _ in range(200)]
        os.kill(writer.pid, signal.SIGKILL)
        given += [line.strip() for line in writer.stdout if line.endswith("\n")]
    kept = held(tmp_path)
    assert len(given) >= 200
    assert set(given) <= set(kept)
    assert len(kept) == len(set(kept))


def test_those_that_wait_share_one_sync(tmp_path, monkeypatch):
    syncs = []
    real = os.fdatasync
    monkeypatch.setattr(os, "fdatasync", lambda handle: (syncs.append(handle), real(handle)))

    async def many():
        journal = Journal(tmp_path)
        await asyncio.gather(*(journal.write([{"id": str(at)}]) for at in range(100)))
        journal.rotate()

    asyncio.run(many())
    assert sorted(held(tmp_path), key=int) == [str(at) for at in range(100)]
    assert len(syncs) < 10


def test_a_file_in_use_is_left_alone_until_it_is_let_go(tmp_path):
    async def write():
        journal = Journal(tmp_path)
        await journal.write([{"id": "1"}])
        assert held(tmp_path) == []
        journal.rotate()
        assert held(tmp_path) == ["1"]

    asyncio.run(write())


def test_a_full_disk_is_told_to_everybody_who_waits_and_leaves_no_half_line(tmp_path, monkeypatch):
    real = os.fdatasync

    async def write():
        journal = Journal(tmp_path)
        await journal.write([{"id": "1"}])
        monkeypatch.setattr(os, "fdatasync", lambda handle: (_ for _ in ()).throw(OSError(28, "No space left")))
        for outcome in await asyncio.gather(*(journal.write([{"id": "x"}]) for _ in range(3)), return_exceptions=True):
            assert isinstance(outcome, OSError)
        monkeypatch.setattr(os, "fdatasync", real)
        await journal.write([{"id": "2"}])
        journal.rotate()

    asyncio.run(write())
    assert sorted(held(tmp_path)) == ["1", "2"]


@pytest.mark.parametrize("cut", [1, 5])
def test_a_line_that_was_cut_off_was_never_told(tmp_path, cut):
    (tmp_path / "a.jsonl").write_bytes(b'{"id":"1"}\n{"id":"2"}\n'[:-cut])
    assert held(tmp_path) == ["1"]
