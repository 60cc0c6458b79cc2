"""Two processes that share nothing but PostgreSQL and a folder search together; one of them is killed half-way."""

import os
import sqlite3
import subprocess
import sys
import threading
import time
from collections import Counter
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import sqlalchemy as sa

from everfit import search
from everfit.errors import InputError, Unavailable
from everfit.search import hosts, shared, studies
from everfit.search.estimators import Job
from everfit.search.estimators.linear import Linear
from everfit.search.hosts import Shared
from everfit.search.shared import SharedStudy
from everfit.spec import Search
from tests import postgres
from tests.everfit.search.conftest import table
from tests.everfit.search.test_resume import fits, look

pytestmark = pytest.mark.postgres
TRIALS = 9


def helper(place, url):
    """Start a process of its own that goes along."""
    script = f"""
from everfit import search
search.warm_up()
from pathlib import Path
from everfit.search.hosts import Shared
from tests.everfit.search.test_hosts import go_along
go_along(Path({str(place)!r}), Shared({url!r}, "toy/1", {str(place.parent / "lake" / "1")!r}))
"""
    env = {**os.environ, "PYTHONPATH": str(Path.cwd())}
    return subprocess.Popen([sys.executable, "-c", script], env=env)


def go_along(folder, meeting):
    return look(folder, Search(trials=TRIALS), shared=meeting, of=search.along, workers=1)


def toy():
    job, metric = Job("regression", "mae", rows=300, columns=5), SimpleNamespace(greater=False)
    return SimpleNamespace(families=[Linear()], job=job, first=(0,), metric=metric)


def number(file):
    return int(file.name.split("-")[1])


@pytest.fixture(scope="module")
def address(postgres_url):
    with postgres.database(postgres_url) as url:
        yield url.replace("postgresql://", "postgresql+psycopg://")


@pytest.fixture(scope="module")
def story(tmp_path_factory, address):
    """Lead a search that another process goes along with until it has done three trials, and lead it again."""
    top = tmp_path_factory.mktemp("hosts")
    url = address
    meeting = Shared(url, "toy/1", str(top / "lake" / "1"), leads=True)
    studies.announce(meeting, {}, budget=300, greater=False)
    patched = pytest.MonkeyPatch()
    patched.setattr(shared, "STALE", 0.5)
    patched.setattr(shared, "EVERY", 0.2)
    with helper(top / "helper", url) as process:

        def watch(_seen):
            while process.poll() is None and len(list((top / "lake").glob("1/*-*/said-*-0.npy"))) < 3:
                time.sleep(0.05)
            process.kill()
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            look(top / "leader", Search(trials=TRIALS), shared=meeting, workers=1, on_progress=watch)
    lost = min((top / "lake").glob("1/*-*/said-*-0.npy"), key=number)
    lost.unlink()
    again = studies.announce(meeting, {}, budget=200, greater=False)  # the month has less left than it had
    assert again.size == 300
    found = look(top / "leader", Search(trials=TRIALS), shared=again, budget=200, workers=1)
    patched.undo()
    return SimpleNamespace(top=top, url=url, meeting=meeting, found=found, lost=number(lost))


def test_both_hosts_have_a_part_in_it_and_the_leader_takes_over_what_the_dead_one_was_at(story):
    found, (theirs,) = story.found, story.found.hosts.values()
    assert 2 <= theirs < TRIALS - found.resumed  # the third may have been killed between its files and its record
    assert found.stopped_by == "trials"
    assert len(found.trials) == TRIALS
    assert set(found.trials["status"][found.trials["number"] != story.lost]) <= {"done", "pruned"}
    assert np.isfinite(found.best.predict(table())).all()
    assert "not repeatable, as other machines may have a part in it" in found.how


def test_a_trial_whose_files_are_gone_has_failed_and_nothing_else(story):
    failed = story.found.trials.query("status == 'failed'")
    assert list(failed["number"]) == [story.lost]
    assert "its files cannot be read" in failed["reason"].item()


def test_no_trial_is_done_on_both(story):
    done = [Counter(fits(story.top / host)) for host in ("leader", "helper")]
    twice = set(done[0]) & set(done[1])
    assert len(twice) <= 1, "only what the dead host had not finished may be done again"


def test_what_they_shared_leaves_when_it_is_forgotten_and_nobody_leads_it(story):
    forget = partial(studies.sweep, story.url, "toy/", f"{story.top}/lake")
    with studies.leading(story.meeting) as first, studies.leading(story.meeting) as second:
        assert first.leads
        assert second is None
        forget()
        assert (story.top / "lake" / "1").exists()
    forget()
    assert not (story.top / "lake" / "1").exists()
    assert studies.job_of(story.url, "toy/1") is None


def cut(url):
    """End the sessions that hold the lead of a search, as a failing network or an administrator does."""
    holders = "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND granted"
    with sa.create_engine(url, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool).connect() as line:
        ended = line.exec_driver_sql(f"SELECT pg_terminate_backend(pid, 5000) FROM ({holders}) AS held").all()
    assert ended == [(True,)]


def test_a_leader_whose_connection_drops_takes_the_lead_again_or_hears_who_has_it(address, tmp_path):
    meeting = Shared(address, "toy/lead", str(tmp_path / "lake"))
    studies.announce(meeting, {}, budget=60, greater=False)
    with studies.leading(meeting) as first:
        leader = SharedStudy(first, toy(), tmp_path, Search())
        cut(address)
        assert first.still()
        leader.news(0.0, lambda outcome: True)
        with studies.leading(meeting) as second:
            assert second is None
        cut(address)
        with studies.leading(meeting) as second:
            assert second.leads
            leader.again = 0.0
            with pytest.raises(Unavailable, match="Another training leads toy/lead now"):
                leader.news(0.0, lambda outcome: True)
            leader.end()
            studies.give_up(first)
            assert studies.job_of(address, "toy/lead"), "it is the other's to end"
            studies.give_up(second)
        assert studies.job_of(address, "toy/lead") is None


def test_a_database_that_cannot_be_reached_is_said_without_its_password():
    with pytest.raises(Unavailable, match="The database of the search at postgresql") as told:
        search.reach("postgresql+psycopg://me:secret@127.0.0.1:1/none", "")
    assert "secret" not in str(told.value)
    with pytest.raises(InputError, match="names no database that can be used") as told:
        search.reach("postgres:secret@nowhere", "")
    assert "secret" not in str(told.value)


def test_a_lake_that_cannot_be_opened_is_said_before_anything_is_tried(tmp_path):
    url = f"sqlite:///{tmp_path / 'search.db'}"
    search.reach(url, str(tmp_path / "lake"))
    with pytest.raises(InputError, match=r"cannot open the lake nonsense://here.*Protocol not known"):
        search.reach(url, "nonsense://here")
    with pytest.raises(Unavailable, match=r"The lake in which machines search together at ftp.*refused"):
        search.reach(url, "ftp://127.0.0.1:1/lake")


def test_one_that_goes_away_during_a_search_may_come_back(tmp_path):
    url = f"sqlite:///{tmp_path / 'search.db'}"
    studies.announce(Shared(url, "toy", ""), {}, budget=60, greater=False)
    assert studies.job_of(url, "toy") == {"budget": 60}
    with sqlite3.connect(tmp_path / "search.db") as database:
        database.execute("drop table studies")
    with pytest.raises(Unavailable, match=r"The database of the search at sqlite.*no such table"):
        studies.job_of(url, "toy")


def test_whoever_comes_too_late_for_the_last_point_of_a_grid_draws_no_other(tmp_path, monkeypatch):
    url = f"sqlite:///{tmp_path / 'search.db'}"
    spec = Search(method="grid", estimators=["linear"], space={"linear": {"penalty": [1.0]}})
    studies.announce(Shared(url, "toy", ""), {}, budget=60, greater=False)
    first, second = Shared(url, "toy", "", leads=True), Shared(url, "toy", "")
    leader, other = (SharedStudy(each, toy(), tmp_path, spec) for each in (first, second))
    other.news(0.0, lambda outcome: True)
    assert leader.next(()).params["penalty"] == 1.0
    monkeypatch.setattr(other, "_waiting", lambda: 1)  # as it was a moment ago
    assert other.next(()) is None
    assert [trial.state.name for trial in leader.trials()] == ["RUNNING", "FAIL"]
    assert (other.open, other.full, leader.exhausted) == ({}, False, False)


def test_a_helper_waits_for_what_the_leader_has_not_laid_down_yet(tmp_path, monkeypatch):
    monkeypatch.setattr(hosts, "PAUSE", 0.02)
    leader, its, mine = Shared("", "toy", str(tmp_path / "lake"), leads=True), tmp_path / "its", tmp_path / "mine"
    its.mkdir()
    mine.mkdir()
    (its / "plan").write_text("whole")
    meeting = Shared("", "toy", leader.files)
    with pytest.raises(Unavailable, match="said nothing"):
        meeting.wait_for(mine, "plan", time.monotonic() + 0.1, lambda: False)
    with pytest.raises(Unavailable, match="said nothing"):
        meeting.wait_for(mine, "plan", time.monotonic() + 60, lambda: True)
    late = threading.Timer(0.2, leader.send, (its, ["plan"]))
    late.start()
    meeting.wait_for(mine, "plan", time.monotonic() + 60, lambda: False)
    late.join()
    assert [file.read_text() for file in mine.iterdir()] == ["whole"]
    with pytest.raises(FileNotFoundError):
        meeting.fetch("leader", mine, ["plan", "gone"])
    assert [file.name for file in mine.iterdir()] == ["plan"]
    (its / "plan").write_text("of a leader that takes over")
    leader.send(its, ["plan"])
    assert [file.read_text() for file in (tmp_path / "lake" / "leader").iterdir()] == ["whole"]
