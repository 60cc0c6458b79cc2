"""What every step shares: only failures that time may heal are tried again, and what is for people ends nothing."""

import logging
from uuid import uuid4

import pytest
from prefect.settings import PREFECT_API_URL, temporary_settings
from prefect.states import Failed

from everfit.errors import DataError, Unavailable
from tasks.steps import if_transient, rename_run


@pytest.mark.parametrize(
    ("error", "again"),
    [(Unavailable("The lake is down."), True), (DataError("No rows."), False), (ValueError("a bug of ours"), False)],
)
def test_only_a_failure_that_time_may_heal_is_tried_again(error, again):
    assert if_transient(None, None, Failed(data=error)) is again


def test_a_run_that_cannot_be_renamed_goes_on(monkeypatch, caplog):
    monkeypatch.setenv("PREFECT__RUNTIME__FLOW_RUN__ID", str(uuid4()))
    monkeypatch.setattr(logging.getLogger("prefect"), "propagate", True)
    with temporary_settings({PREFECT_API_URL: "http://127.0.0.1:9/api"}):
        rename_run("train bike", "the loss rose")
    assert "the run could not be renamed" in caplog.text
