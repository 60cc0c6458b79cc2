import os
import signal
import sys

import pytest

from everfit.errors import Unavailable
from flows.apart import apart


def forget():
    import wave

    return wave.__name__


def fail():
    raise Unavailable("MLflow is down", do="Start it.", address="x")


def be_killed():
    os.kill(os.getpid(), signal.SIGKILL)


def test_what_it_imports_is_forgotten():
    sys.modules.pop("wave", None)
    assert apart(forget) == "wave"
    assert "wave" not in sys.modules


def test_what_it_raises_arrives_whole():
    with pytest.raises(Unavailable, match="MLflow is down") as raised:
        apart(fail)
    assert (raised.value.do, raised.value.address) == ("Start it.", "x")


def test_a_process_that_is_killed_is_unavailable():
    with pytest.raises(Unavailable, match="ended before it was done"):
        apart(be_killed)
