import os
import signal
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from everfit.validation import worker


def test_nothing_here_imports_great_expectations():
    code = "import sys, everfit.validation; sys.exit('great_expectations' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_process_that_was_killed_is_replaced():
    worker.ask("custom_forms")
    process = worker._current._process
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert worker.ask("judge", frame=pd.DataFrame({"a": [1]}), calls=[]) == []


def test_what_the_process_raises_is_raised_here():
    with pytest.raises(TypeError, match="nonsense"):
        worker.ask("judge", nonsense=1)


def test_it_ends_when_its_parent_is_killed():
    code = (
        "import os, time; from everfit.validation import worker; worker.warm_up();"
        "print(worker._current._process.pid, flush=True); time.sleep(60)"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    child = int(parent.stdout.readline())
    parent.kill()
    parent.wait()
    parent.stdout.close()
    for _ in range(600):
        if not _alive(child):
            return
        signal.sigtimedwait([], 0.1)
    pytest.fail("the process outlived its parent")


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False
