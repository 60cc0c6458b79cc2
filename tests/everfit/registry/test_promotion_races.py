"""Compare-and-swap under real processes: whoever races against the same champion, one wins and the others are told."""

import json
import subprocess
import sys
from dataclasses import replace

import pytest

from everfit import registry
from everfit.ledger import Ledger
from everfit.registry.vendor import MlflowClient
from everfit.settings import Settings

VERSIONS = 4
ROUNDS = 2
# In each round every version that is not champion wants to be, all at the same moment and against the same champion.
RACE = """
import json, multiprocessing, sys
from everfit import registry
from everfit.errors import PromotionRefused
from everfit.ledger import Ledger
from everfit.settings import Settings

def race(settings, version, champion, together, said):
    ledger = Ledger.of(settings)
    together.wait()
    try:
        registry.promote(settings, ledger, "bike", version, expected=champion, reason="better")
        said.put((version, None))
    except PromotionRefused as refused:
        said.put((version, refused.champion))

settings, versions, rounds = Settings(**json.loads(sys.argv[1])), int(sys.argv[2]), int(sys.argv[3])
registry.promote, registry.sync_aliases  # imported before the forks
fork = multiprocessing.get_context("fork")
for _ in range(rounds):
    champion = Ledger.of(settings).champion("bike")
    racers = [version for version in range(1, versions + 1) if version != champion]
    together, said = fork.Barrier(len(racers)), fork.SimpleQueue()
    processes = [fork.Process(target=race, args=(settings, v, champion, together, said)) for v in racers]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
        assert process.exitcode == 0
    print(json.dumps({"champion": champion, "ended": [said.get() for _ in racers]}))
"""


@pytest.fixture(scope="module")
def settings(tmp_path_factory, migrated, candidate):
    """A workspace with four registered versions, the first of which is champion."""
    made = Settings(workspace=tmp_path_factory.mktemp("races"), actor="ann")
    made.folder()
    (made.home / "mlflow.db").write_bytes(migrated.read_bytes())
    for number in range(VERSIONS):
        registry.register(made, replace(candidate, run_key=f"run-{number}"))
    registry.promote(made, Ledger.of(made), "bike", 1, expected=None, reason="first")
    return made


@pytest.fixture(scope="module")
def rounds(settings):
    command = [sys.executable, "-c", RACE, json.dumps(settings.model_dump(mode="json")), str(VERSIONS), str(ROUNDS)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=240, cwd=settings.workspace)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_of_all_who_race_against_one_champion_exactly_one_wins(settings, rounds):
    champions = [entry.facts["version"] for entry in Ledger.of(settings).entries("bike", kinds=["promoted"])]
    assert len(rounds) == ROUNDS
    for before, after, race in zip(champions, champions[1:], rounds, strict=False):
        assert race["champion"] == before
        assert [version for version, lost_to in race["ended"] if lost_to is None] == [after]
    assert len(champions) == ROUNDS + 1


def test_each_of_the_others_is_recorded_as_refused_with_whom_it_met(settings, rounds):
    refused = Ledger.of(settings).entries("bike", kinds=["promotion_refused"])
    found = {(e.facts["version"], e.facts["expected"], e.facts["champion"]) for e in refused}
    lost = [(v, race["champion"], met) for race in rounds for v, met in race["ended"] if met is not None]
    assert found == set(lost)
    assert len(refused) == len(lost) == ROUNDS * (VERSIONS - 2)


def test_the_aliases_say_what_the_ledger_says_and_its_chain_holds(settings, rounds):
    ledger = Ledger.of(settings)
    found = MlflowClient(tracking_uri=settings.mlflow_uri).get_registered_model("bike").aliases
    aliases = {name: int(version) for name, version in found.items()}
    assert aliases == {"champion": ledger.champion("bike"), "previous": ledger.previous("bike")}
    assert ledger.verify().ok
