"""The ledger under real concurrent processes, on both of its databases."""

import json
import os
import socket
import subprocess
import sys

import pytest
import sqlalchemy as sa

from everfit.errors import Unavailable
from everfit.ledger import Ledger
from tests import postgres

PROCESSES = 5
# Everybody opens the ledger, which does not exist yet, at the same moment; then all want the same things.
RACE = """
import json, multiprocessing, sys
from everfit.errors import PromotionRefused
from everfit.ledger import Ledger

def race(url, me, together, said):
    together.wait()
    ledger = Ledger(url)
    won = {"once": ledger.once("retrain_wanted", "bike", "d1", actor=str(me))[1]}
    for number in range(20):
        ledger.record("predicted", "bike", actor=str(me), facts={"rows": number})
    won["claim"] = ledger.claim("bike", "d1", actor=str(me))
    try:
        ledger.swap_champion("bike", expected=None, new=me + 1, actor=str(me))
        won["swap"] = True
    except PromotionRefused as refused:
        won["swap"] = False
        assert refused.winner["actor"] != str(me)
    together.wait()
    won["finish"] = ledger.finish("bike", "d1", outcome="finished")[1]
    said.put((me, won))

fork = multiprocessing.get_context("fork")
url, many = sys.argv[1], int(sys.argv[2])
together, said = fork.Barrier(many), fork.SimpleQueue()
racers = [fork.Process(target=race, args=(url, me, together, said)) for me in range(many)]
for racer in racers:
    racer.start()
print(json.dumps(dict(said.get() for _ in racers)))
for racer in racers:
    racer.join()
    assert racer.exitcode == 0
"""


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def url(request, tmp_path):
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'ledger.db'}"
        return
    with postgres.database(request.getfixturevalue("postgres_url")) as made:
        yield made


def raw(url):
    """Enter the database beside the ledger."""
    return sa.create_engine(url.replace("postgresql:", "postgresql+psycopg:"), poolclass=sa.NullPool)


def test_of_many_processes_one_wins_each_thing_and_no_row_is_lost(url):
    command = [sys.executable, "-c", RACE, url, str(PROCESSES)]
    said = json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True, timeout=60).stdout)
    wins = list(said.values())
    assert {thing: sum(won[thing] for won in wins) for thing in wins[0]} == dict.fromkeys(wins[0], 1)
    ledger = Ledger(url)
    entries = ledger.entries()
    assert [entry.seq for entry in entries] == list(range(1, PROCESSES * 20 + 5))
    champion = next(int(me) + 1 for me, won in said.items() if won["swap"])
    assert ledger.champion("bike") == champion
    assert ledger.verify().ok


def test_the_table_itself_refuses_changes(url):
    ledger = Ledger(url)
    ledger.record("predicted", "bike", actor="ann")
    engine = raw(url)
    for change in ("UPDATE ledger SET reason = ''", "DELETE FROM ledger"):
        with pytest.raises(sa.exc.DBAPIError, match="append-only"), engine.begin() as connection:
            connection.exec_driver_sql(change)
    assert ledger.verify().ok


def test_a_change_behind_its_back_is_named(url):
    ledger = Ledger(url)
    for number in range(5):
        ledger.record("predicted", "bike", actor="ann", facts={"rows": number})
    drop = ["ledger_no_update"] if url.startswith("sqlite") else ["ledger_no_change ON ledger"]
    engine = raw(url)
    with engine.begin() as connection:
        for name in drop:
            connection.exec_driver_sql(f"DROP TRIGGER {name}")
        connection.exec_driver_sql("UPDATE ledger SET reason = 'nicer' WHERE seq = 3")
    assert (ledger.verify().first_bad, ledger.verify().rows) == (3, 2)


def test_the_whole_life_of_a_retraining_and_a_champion(url):
    ledger = Ledger(url)
    ledger.record("retrain_wanted", "bike", subject="d1", actor="ann", reason="größer 漢字", facts={"score": 0.1})
    assert [entry.subject for entry in ledger.wanted("bike")] == ["d1"]
    assert ledger.claim("bike", "d1", actor="ann")
    assert ledger.finish("bike", "d1", outcome="finished", facts={"version": 1})[1]
    ledger.swap_champion("bike", expected=None, new=1, actor="ann")
    ledger.swap_champion("bike", expected=1, new=2, actor="ann")
    ledger.swap_champion("bike", expected=2, new=1, kind="rolled_back", actor="ann")
    assert (ledger.champion("bike"), ledger.previous("bike")) == (1, None)
    assert ledger.entries()[0].reason == "größer 漢字"
    assert [entry.seq for entry in ledger.entries(limit=2)] == [5, 6]
    assert ledger.verify().ok


def test_an_anchor_stands_where_it_is_told_to(url, tmp_path):
    ledger = Ledger(url, anchor=tmp_path / "anchor")
    ledger.record("predicted", "bike", actor="ann")
    assert ledger.verify().anchored
    assert (tmp_path / "anchor").exists()


@pytest.mark.postgres
def test_a_host_that_goes_away_is_not_waited_for_without_end(postgres_url):
    with postgres.database(postgres_url) as url, Ledger(url)._store.reading() as connection:
        line = socket.socket(fileno=os.dup(connection.connection.dbapi_connection.fileno()))
    with line:
        assert line.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 30_000
        assert line.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 15


@pytest.mark.postgres
def test_a_database_that_is_not_there_is_named(postgres_url):
    url = sa.make_url(postgres_url).set(database="no_such_database").render_as_string(hide_password=False)
    with pytest.raises(Unavailable, match="no_such_database"):
        Ledger(url)
