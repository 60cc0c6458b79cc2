"""An answer that was given is on disk, whatever happens to the process."""

import asyncio
import fcntl
import os
import resource
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from threading import Event

import pytest

from everfit.ledger import Ledger
from everfit.serving import journal as journals
from everfit.serving.closed import closed
from everfit.serving.journal import Journal
from everfit.serving.unkept import Unkept
from everfit.settings import Settings

WRITER = """
import asyncio, sys
from pathlib import Path
from everfit.serving.journal import Journal

async def answer(journal, client):
    for at in range(10_000):
        await journal.write([{"id": f"{client}-{at}", "at": "", "version": 1, "fields": {}}])
        print(f"{client}-{at}", flush=True)

async def main():
    journal = Journal(Path(sys.argv[1]))
    await asyncio.gather(*(answer(journal, client) for client in range(8)))

asyncio.run(main())
"""


def entry(id_):
    return {"id": str(id_), "at": "", "version": 1, "fields": {}}


def held(folder):
    return [entry["id"] for file in closed(folder) for entry in file.entries]


def test_a_killed_process_loses_no_answer_that_it_gave(tmp_path):
    with subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path)], stdout=subprocess.PIPE, text=True) as writer:
        given = [writer.stdout.readline().strip() for _ in range(200)]
        os.kill(writer.pid, signal.SIGKILL)
        given += [line.strip() for line in writer.stdout if line.endswith("\n")]
    kept = held(tmp_path)
    assert len(given) >= 200
    assert set(given) <= set(kept)
    assert len(kept) == len(set(kept))


def test_those_that_wait_share_one_sync_and_nobody_waits_for_whoever_is_gone_or_hangs(tmp_path, monkeypatch):
    syncs, over = [], Event()
    real = os.fdatasync
    monkeypatch.setattr(os, "fdatasync", lambda handle: (syncs.append(handle), real(handle)))

    async def many():
        journal = Journal(tmp_path)
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(1))
        hangs = asyncio.create_task(asyncio.to_thread(over.wait, 30))  # as a ledger that does not answer does
        writes = [asyncio.create_task(journal.write([entry(at)])) for at in range(100)]
        await asyncio.sleep(0)
        writes[7].cancel()  # its client has gone
        told = await asyncio.gather(*writes, return_exceptions=True)
        assert [at for at, each in enumerate(told) if each is not None] == [7]
        assert not hangs.done()
        over.set()
        await journal.settle()
        assert journal.waiting == 0

    asyncio.run(many())
    assert sorted(held(tmp_path), key=int) == [str(at) for at in range(100)]
    assert len(syncs) < 10


def test_a_file_in_use_is_never_seen_as_free_and_one_that_was_removed_is_begun_anew(tmp_path, monkeypatch):
    seen = []
    real = fcntl.flock

    def lock(file, how):  # the moment in which another service might look for files to hand over
        seen.append(list(tmp_path.glob("*.jsonl")))
        return real(file, how)

    async def write():
        journal = Journal(tmp_path)
        monkeypatch.setattr(journals.fcntl, "flock", lock)
        await journal.write([entry(1)])
        monkeypatch.undo()
        assert (seen, held(tmp_path)) == ([[]], [])
        for path in tmp_path.iterdir():
            path.unlink()
        await journal.write([entry(2)])
        await journal.settle()
        assert held(tmp_path) == ["2"]
        await journal.write([entry(3)])
        await journal.settle()
        files = list(closed(tmp_path))
        assert [(file.number, len({each.writer for each in files})) for file in files] == [(1, 1), (2, 1)]

    asyncio.run(write())


def test_a_full_disk_is_told_to_everybody_who_waits_and_leaves_no_half_line(tmp_path):
    """Beyond the limit a file takes the part that fits without an error, as a disk that is nearly full does."""
    usual = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)

    async def write():
        journal = Journal(tmp_path)
        await journal.write([entry(1)])
        resource.setrlimit(resource.RLIMIT_FSIZE, (120, usual[1]))
        writes = (journal.write([entry(f"x{at}" * 9)]) for at in range(3))
        told = await asyncio.gather(*writes, return_exceptions=True)
        assert all(isinstance(each, OSError) for each in told)
        assert "too large" in journal.failure
        await journal.write([entry(2)])  # in a file of its own
        resource.setrlimit(resource.RLIMIT_FSIZE, usual)
        await journal.settle()

    try:
        asyncio.run(write())
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, usual)
        signal.signal(signal.SIGXFSZ, ignored)
    assert sorted(held(tmp_path)) == ["1", "2"]
    assert not any(file.broken for file in closed(tmp_path))


def test_with_a_bound_an_answer_waits_for_the_disk_only_beyond_it_or_when_the_disk_fails(tmp_path, monkeypatch):
    real, settings = Journal._append, Settings(workspace=tmp_path)

    async def write():
        journal, gate = Journal(tmp_path), asyncio.Event()
        loop = asyncio.get_running_loop()

        def slowly(self, lines):
            asyncio.run_coroutine_threadsafe(gate.wait(), loop).result()
            real(self, lines)

        monkeypatch.setattr(Journal, "_append", slowly)
        for at in range(3):
            await journal.write([entry(at)], may_lose=3)
        beyond = asyncio.create_task(journal.write([entry(3)], may_lose=3))
        await asyncio.sleep(0.05)
        assert (journal.waiting, beyond.done()) == (4, False)
        gate.set()
        await beyond
        monkeypatch.setattr(Journal, "_append", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left")))
        await journal.write([entry("lost")], may_lose=3)
        await journal.settle()
        with pytest.raises(OSError, match="No space"):  # by now it is known: nothing more is given unkept
            await journal.write([entry("refused")], may_lose=3)
        assert journal.lost == 1
        monkeypatch.setattr(Journal, "_append", real)
        await journal.write([entry(4)], may_lose=3)
        await journal.settle()
        assert (journal.failing, journal.failure) == (False, "[Errno 28] No space left")
        Unkept(journal).tell(settings, "bike")

    asyncio.run(write())
    assert held(tmp_path) == ["0", "1", "2", "3", "4"]
    (alert,) = Ledger.of(settings).entries("bike", kinds=["answers_not_kept"])
    assert (alert.facts["lost"], alert.reason) == (1, "[Errno 28] No space left")


@pytest.mark.parametrize("cut", [1, 5])
def test_a_line_that_was_cut_off_was_never_told(tmp_path, cut):
    line = b'{"id":"%d","at":"","version":1,"fields":{}}\n'
    (tmp_path / "a.jsonl").write_bytes((line % 1 + line % 2)[:-cut])
    assert held(tmp_path) == ["1"]
