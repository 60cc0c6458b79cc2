"""Run a command that ends when nobody needs it any more, whatever happens to them.

    python -m flows.leash - SECONDS COMMAND...       ends with the process that holds the other end of its input
    python -m flows.leash FILE SECONDS COMMAND...    ends when no process holds a lock on FILE any more

The kernel closes pipes and drops locks even for a process that was killed, so nothing stays behind. The
command gets a session of its own: Ctrl-C in the terminal reaches the holder, who then ends things in order.
"""

import fcntl
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

Process = subprocess.Popen[bytes]
INPUT = "-"
GRACE = 10.0
LOG = 5_000_000
FRAME = re.compile(r"\s|$|.*Traceback \(most recent call last\):$")


def spawn(
    command: Sequence[str],
    *,
    log: Path,
    env: dict[str, str],
    cwd: Path,
    lock: Path | None = None,
    fds: Sequence[int] = (),
    grace: float = GRACE,
) -> Process:
    """Start a command on a leash, its output appended to a log; `fds` are handed down to it.

    It has `grace` seconds to end by itself when it is asked to.
    """
    too_long = log.exists() and log.stat().st_size > LOG
    with log.open("wb" if too_long else "ab") as out:
        return subprocess.Popen(
            [sys.executable, "-P", "-m", "flows.leash", str(lock or INPUT), str(grace), *command],
            stdin=subprocess.DEVNULL if lock else subprocess.PIPE,
            stdout=out,
            stderr=out,
            env=env,
            cwd=cwd,
            pass_fds=tuple(fds),
            start_new_session=True,
        )


def stop(leashed: Process, patience: float) -> None:
    """Ask it to end, wait, and end it for good when it does not."""
    leashed.terminate()
    try:
        leashed.wait(patience)
    except subprocess.TimeoutExpired:
        leashed.kill()
        leashed.wait()
    if leashed.stdin:
        leashed.stdin.close()


def tail(log: Path, lines: int = 5) -> list[str]:
    """Return the last lines of a log that say something, for an error to show: no tracebacks but what they end with."""
    with suppress(OSError):
        said = log.read_text(errors="replace").splitlines()
        return [line for line in said if not FRAME.match(line)][-lines:]
    return []


def main(watched: str, grace: str, *command: str) -> int:
    """Run the command until it ends by itself, we are told to stop, or its holders are gone."""
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL, close_fds=False, start_new_session=True)
    signal.signal(signal.SIGTERM, lambda *_: _in_background(_end, child, float(grace)))
    _in_background(_end_with_holders, watched, child, float(grace))
    code = child.wait()
    _sweep(child)
    return code if code >= 0 else 128 - code


def _in_background(work: Callable[..., None], *args: object) -> None:
    threading.Thread(target=work, args=args, daemon=True).start()


def _end_with_holders(watched: str, child: Process, grace: float) -> None:
    if watched == INPUT:
        while os.read(0, 4096):
            pass
    else:
        kept = os.open(watched, os.O_RDWR)  # until we are gone, so that nobody new counts on what is ending
        fcntl.flock(kept, fcntl.LOCK_EX)
    _end(child, grace)


def _end(child: Process, grace: float) -> None:
    """End the command, then whatever it left behind in its session."""
    child.terminate()
    with suppress(subprocess.TimeoutExpired):
        child.wait(grace)
    _sweep(child)


def _sweep(child: Process) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, signal.SIGKILL)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
