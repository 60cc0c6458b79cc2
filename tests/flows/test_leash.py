import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from flows import leash

SLEEP = [sys.executable, "-c", "import time; time.sleep(60)"]
PARENT = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
print(child.pid, flush=True)
time.sleep(60)
"""


def spawn(tmp_path: Path, command: list[str], **more: object) -> leash.Process:
    return leash.spawn(command, log=tmp_path / "log", env=dict(os.environ), cwd=tmp_path, **more)  # type: ignore[arg-type]


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except OSError:
        return False
    return state != "Z"


def said(log: Path) -> int:
    for _ in range(100):
        if text := log.read_text() if log.exists() else "":
            return int(text.split()[0])
        time.sleep(0.05)
    raise AssertionError("it said nothing")


def test_a_command_ends_when_its_holder_lets_go(tmp_path):
    with spawn(tmp_path, SLEEP) as leashed:
        assert leashed.poll() is None
        leashed.stdin.close()
        assert leashed.wait(5) != 0


def test_what_a_command_started_ends_with_it(tmp_path):
    leashed = spawn(tmp_path, [sys.executable, "-c", PARENT])
    grandchild = said(tmp_path / "log")
    leash.stop(leashed, 5)
    time.sleep(0.1)
    assert not alive(grandchild)


def test_a_command_that_ignores_the_request_is_ended_after_its_grace(tmp_path):
    stubborn = (
        "import signal, time, os; signal.signal(15, signal.SIG_IGN); print(os.getpid(), flush=True); time.sleep(60)"
    )
    leashed = spawn(tmp_path, [sys.executable, "-c", stubborn], grace=0.3)
    said(tmp_path / "log")
    started = time.monotonic()
    leash.stop(leashed, 10)
    assert 0.2 < time.monotonic() - started < 5


def test_the_exit_code_is_the_commands_own(tmp_path):
    with spawn(tmp_path, [sys.executable, "-c", "raise SystemExit(6)"]) as leashed:
        assert leashed.wait(5) == 6


def test_a_killed_holder_takes_the_command_along(tmp_path):
    holder = subprocess.Popen(
        [sys.executable, "-c", f"""
import os, sys, time
from pathlib import Path
from flows import leash
leash.spawn([sys.executable, "-c", "import os, time; print(os.getpid(), flush=True); time.sleep(60)"],
            log=Path("{tmp_path}/log"), env=dict(os.environ), cwd=Path("{tmp_path}"))
time.sleep(60)
"""]
    )  # fmt: skip
    command = said(tmp_path / "log")
    holder.kill()
    holder.wait()
    deadline = time.monotonic() + 5
    while alive(command) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not alive(command)


def test_a_log_that_grew_too_long_starts_afresh(tmp_path, monkeypatch):
    monkeypatch.setattr(leash, "LOG", 10)
    (tmp_path / "log").write_text("x" * 100)
    with spawn(tmp_path, [sys.executable, "-c", "print('new')"]) as leashed:
        leashed.wait(5)
    assert (tmp_path / "log").read_text() == "new\n"


@pytest.mark.parametrize("lines", [0, 1, 12])
def test_the_tail_of_a_log_is_what_it_said_last(tmp_path, lines):
    (tmp_path / "log").write_text("".join(f"{n}\n" for n in range(lines)))
    assert leash.tail(tmp_path / "log") == [str(n) for n in range(lines)][-5:]


def test_the_tail_of_a_log_leaves_out_tracebacks_but_what_they_end_with(tmp_path):
    frame = '  File "pool.py", line 1, in connect\n    return connect()\n           ^^^^^^^^^\n'
    (tmp_path / "log").write_text(f"12:00 | ERROR | Traceback (most recent call last):\n{frame}OSError: full\n\n")
    assert leash.tail(tmp_path / "log") == ["OSError: full"]
