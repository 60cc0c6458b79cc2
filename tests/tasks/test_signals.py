import signal
import time

import pytest
from prefect.exceptions import TerminationSignal

from tasks.signals import RAISED, heeded


@pytest.fixture
def raising():
    """Let SIGTERM raise, as it does while Prefect runs a flow."""

    def terminate(sign, _frame):
        raise TerminationSignal(signal=sign)

    before = signal.signal(signal.SIGTERM, terminate)
    yield
    signal.signal(signal.SIGTERM, before)


@pytest.mark.parametrize("error", RAISED)
def test_a_signal_in_the_middle_of_a_finalizer_is_raised_again_after_it(raising, error):
    class Signalled:
        def __del__(self):
            signal.raise_signal(RAISED[error])

    with heeded():
        Signalled()
        with pytest.raises(error):
            time.sleep(5)
