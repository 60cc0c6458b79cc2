"""Run a command that ends when nobody needs it any more, whatever happens to them.

    python -m flows.leash - COMMAND...       ends with the process that holds the other end of standard input
    python -m flows.leash FILE COMMAND...    ends when no process holds a lock on FILE any more

The kernel closes pipes and drops locks even for a process that was killed, so nothing stays behind. The
command gets a session of its own: Ctrl-C in the terminal reaches the holder, who then ends things in order.
"""

import fcntl
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

GRACE = 20.0
FOREVER = "-"


def spawn(
    command: Sequence[str], *, log: Path, env: dict[str, str], lock: Path | None = None, fds: Sequence[int] = ()
) -> "subprocess.Popen[bytes]":
    """Start a command on a leash, its output appended to a log; `fds` are handed down to it."""
    watched = str(lock) if lock else FOREVER
    with log.open("ab") as out:
        return subprocess.Popen(
            [sys.executable, "-P", "-m", "flows.leash", watched, *command],
            stdin=subprocess.DEVNULL if lock else subprocess.PIPE,
            stdout=out,
            stderr=out,
            env=env,
            pass_fds=tuple(fds),
            start_new_session=True,
        )


def stop(leashed: "subprocess.Popen[bytes]", grace: float = GRACE) -> None:
    """Ask it to end, wait, and end it for good when it does not."""
    leashed.terminate()
    try:
        leashed.wait(grace + 2)
    except subprocess.TimeoutExpired:
        leashed.kill()
        leashed.wait()
    if leashed.stdin:
        leashed.stdin.close()


def tail(log: Path, lines: int = 5) -> list[str]:
    """Return the last lines of a log, for an error to show."""
    with suppress(OSError):
        return log.read_text(errors="replace").splitlines()[-lines:]
    return []


def _until_released(watched: str) -> None:
    if watched == FOREVER:
        while os.read(0, 4096):
            pass
    else:
        kept = os.open(watched, os.O_RDWR)  # until we are gone, so that nobody new counts on what is ending
        fcntl.flock(kept, fcntl.LOCK_EX)


def _end(child: "subprocess.Popen[bytes]") -> None:
    """End the command, then whatever it left behind in its session."""
    child.terminate()
    with suppress(subprocess.TimeoutExpired):
        child.wait(GRACE)
    _sweep(child)


def _sweep(child: "subprocess.Popen[bytes]") -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, signal.SIGKILL)


def _in_background(work: Callable[[], Any]) -> None:
    threading.Thread(target=work, daemon=True).start()


def main(watched: str, *command: str) -> int:
    """Run the command until it ends by itself, we are told to stop, or its holders are gone."""
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL, close_fds=False, start_new_session=True)
    signal.signal(signal.SIGTERM, lambda *_: _in_background(lambda: _end(child)))
    _in_background(lambda: (_until_released(watched), _end(child)))
    code = child.wait()
    _sweep(child)
    return code if code >= 0 else 128 - code


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
