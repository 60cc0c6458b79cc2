"""What every step shares: only failures that time may heal are tried again."""

import pytest
from prefect.states import Failed

from everfit.errors import DataError, Unavailable
from tasks.steps import if_transient


@pytest.mark.parametrize(
    ("error", "again"),
    [(Unavailable("The lake is down."), True), (DataError("No rows."), False), (ValueError("a bug of ours"), False)],
)
def test_only_a_failure_that_time_may_heal_is_tried_again(error, again):
    assert if_transient(None, None, Failed(data=error)) is again
