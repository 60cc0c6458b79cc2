"""Whatever ends a search, the ledger says what it took."""

import os
from contextlib import suppress
from datetime import UTC, datetime
from multiprocessing import get_context
from time import process_time

import pandas as pd
import pytest

from everfit import spending
from everfit.features import Plan
from everfit.ledger import Ledger
from everfit.search import Searched
from everfit.settings import Settings
from everfit.spec import ModelSpec
from tasks.spending import charged, month_spent

CORES = len(os.sched_getaffinity(0))


def spec(**limits):
    return ModelSpec.model_validate(
        {"name": "m", "data": {"source": "x", "target": "y"}, "search": {"budget": "10m"}, "spending": limits}
    )


@pytest.fixture
def ledger(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return Ledger.of(Settings())


def test_a_search_that_is_given_less_says_so_and_is_charged_by_family(ledger):
    with charged(spec(cpu_hours_per_month=CORES / 60)) as bill:
        found = Searched(None, "linear", {}, 1.0, (), pd.DataFrame(), 30.0, "budget", "", Plan(()), note="small",
                         own={"linear": 12.0})  # fmt: skip
        assert bill.settle(found).note.startswith("small; 60 s instead of 10m, which is what the month has left")
    started, ended = ledger.entries("m")
    assert started.facts["cpu_seconds"] == 60 * CORES
    assert bill.took(30.0) == {"cpu_seconds": 30.0, "families": {"linear": 12.0}, "rest": 18.0}
    assert bill.took(9.0) == {"cpu_seconds": 9.0, "families": {"linear": 9.0}, "rest": 0.0}
    assert ended.facts["families"].keys() == {"linear"}
    assert ended.summary.startswith("search took")


def worker(code):
    """Let a process do something that is forked as those of a search are, and wait for its end."""
    process = get_context("forkserver").Process(target=exec, args=(code,))
    process.start()
    process.join()


def test_a_search_that_fails_is_charged_for_what_its_processes_used_however_long_it_waited(ledger):
    worker("")
    with suppress(OSError), charged(spec()) as bill:
        assert (bill.seconds, bill.cut) == (600, "")
        before = process_time()
        worker("import time\nwhile time.process_time() < 1: pass")
        own = process_time() - before
        raise OSError("no room")
    (ended,) = ledger.entries("m")
    assert ended.facts["cpu_seconds"] == pytest.approx(1 + own, abs=0.4)


def test_a_month_that_is_spent_is_told_with_what_it_was_spent_on(ledger):
    facts = {"search": "a", "cpu_seconds": 3600.0, "price": 0.0}
    ledger.record("searched", "m", actor="ann", facts=facts)
    assert month_spent(spec(cpu_hours_per_month=1)).startswith("m: what its searches may cost in a month is spent")
    assert month_spent(spec(cpu_hours_per_month=2)) == ""
    assert spending.month(ledger, "m", datetime.now(UTC)).seconds == 3600
