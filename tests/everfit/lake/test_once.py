"""A batch lands once: when the process dies anywhere, when two do it at once, and when the disk is full."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from subprocess import PIPE
from textwrap import dedent

import numpy as np
import pandas as pd
import pytest
from deltalake import DeltaTable

from everfit import sources
from everfit.errors import InputError
from everfit.lake import Lake
from everfit.settings import Settings

NURSERY = """
import json, os, resource, signal, sys, time
from everfit import sources
from everfit.errors import EverfitError
from everfit.lake import Lake, landing, staging, table
from everfit.settings import Settings

def die(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)

for line in sys.stdin:
    children = []
    for body, base, data, out in json.loads(line):
        if not (child := os.fork()):
            sys.stdout = open(out, "w")
            base = Path(base)
            lake = Lake(Settings(workspace=base))
            [source] = sources.open_source(data, base=base)
            exec(body)
            sys.stdout.close()
            os._exit(0)
        children.append(child)
    codes = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
    print(json.dumps(codes), flush=True)
"""


@pytest.fixture(scope="module")
def nursery() -> Iterator[subprocess.Popen[str]]:
    """A process that has imported everything, and makes children which start at once."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(Path(__file__).parents[3])}
    command = [sys.executable, "-c", "from pathlib import Path" + NURSERY]
    with subprocess.Popen(command, stdin=PIPE, stdout=PIPE, text=True, env=environment) as process:
        yield process
        process.stdin.close()


@pytest.fixture
def run(nursery, tmp_path):
    """Run some code, each in a process of its own that works on the same lake; return exit codes and outputs."""

    def run(*jobs: str | tuple[str, str], gate: bool = False) -> tuple[list[int], list[str]]:
        told = [(job, "d.parquet") if isinstance(job, str) else job for job in jobs]
        outs = [tmp_path / f"out{n}" for n in range(len(told))]
        work = [(dedent(body), str(tmp_path), data, str(out)) for (body, data), out in zip(told, outs, strict=True)]
        nursery.stdin.write(json.dumps(work) + "\n")
        nursery.stdin.flush()
        if gate:
            open_gate(tmp_path, len(work))
        codes = json.loads(nursery.stdout.readline())
        return codes, [out.read_text().strip() for out in outs]

    return run


GATE = """
batch = lake.stage("m", source)
(base / f"ready{os.getpid()}").touch()
while not (base / "go").exists():
    time.sleep(0.001)
"""


def open_gate(base: Path, count: int) -> None:
    """Wait until every process stands at the gate, then let all of them go at the same moment."""
    deadline = time.monotonic() + 60
    while len(list(base.glob("ready*"))) < count:
        assert time.monotonic() < deadline
        time.sleep(0.005)
    (base / "go").touch()


def write(base: Path, count: int = 1000, start_at: int = 0, name: str = "d.parquet") -> None:
    n = np.arange(start_at, start_at + count)
    pd.DataFrame({"n": n, "s": [f"text {i}" for i in n]}).to_parquet(base / name)


def land(base: Path, broken: dict[int, str], name: str = "d.parquet") -> Lake:
    lake = Lake(Settings(workspace=base))
    [source] = sources.open_source(name, base=base)
    lake.land(lake.stage("m", source), broken)
    return lake


def held(base: Path, name: str) -> pd.DataFrame:
    return DeltaTable(str(base / ".everfit/lake/m" / name)).to_pyarrow_table().to_pandas()


DEATHS = {
    "before anything was committed": "table.Table._commit = die",
    "while the data file was being written": "table.write_rows = die",
    "when a new table was only made": "table.Table._apply = die",
    "between the two commits": "landing.Landing._settle = die",
    "after both commits": "landing.outcome = die",
}


@pytest.mark.parametrize("fault", DEATHS.values(), ids=DEATHS)
def test_the_same_command_makes_good_what_a_killed_one_left(tmp_path, run, fault):
    write(tmp_path)
    codes, _ = run(f"batch = lake.stage('m', source)\n{fault}\nlake.land(batch, {{3: 'bad', 7: 'bad'}})")
    assert codes == [-signal.SIGKILL]

    lake = land(tmp_path, {3: "bad", 7: "bad"})
    good, quarantined = held(tmp_path, "batches"), held(tmp_path, "quarantine")
    assert sorted(good["n"]) == [n for n in range(1000) if n not in (3, 7)]
    assert sorted(quarantined["n"]) == [3, 7]
    assert set(quarantined["_reason"]) <= {"bad"}
    assert lake.known("m", lake.batches("m")[0].digest)
    assert list((tmp_path / ".everfit/incoming/m").glob("*.parquet")) == []


def test_a_batch_whose_quarantine_is_missing_is_not_known_yet_and_keeps_its_good_rows(tmp_path, run):
    write(tmp_path)
    fault = DEATHS["between the two commits"]
    run(f"batch = lake.stage('m', source)\n{fault}\nlake.land(batch, {{3: 'bad'}})")
    lake = Lake(Settings(workspace=tmp_path))
    assert not lake.known("m", lake.batches("m")[0].digest)

    land(tmp_path, {3: "bad", 4: "bad by a rule that is newer than the batch"})
    assert sorted(held(tmp_path, "quarantine")["n"]) == [3]
    assert len(held(tmp_path, "batches")) == 999


def test_a_process_killed_while_staging_leaves_no_batch(tmp_path, run):
    write(tmp_path)
    codes, _ = run("staging.write_rows = die\nlake.stage('m', source)")
    assert codes == [-signal.SIGKILL]
    assert list((tmp_path / ".everfit/incoming/m").glob("*.parquet")) == []
    land(tmp_path, {})
    assert len(held(tmp_path, "batches")) == 1000


def test_processes_that_land_the_same_batch_at_once_land_it_once_even_if_they_disagree(tmp_path, run):
    write(tmp_path)
    body = (
        GATE + "landed = lake.land(batch, {n: 'bad' for n in %s})\nprint(landed.new, landed.good, landed.quarantined)"
    )
    _, said = run(*(body % broken for broken in ("(1,)", "(2, 3)", "(4, 5, 6)", "()")), gate=True)
    assert sorted(line.split()[0] for line in said) == ["False", "False", "False", "True"]
    assert len({line.split(maxsplit=1)[1] for line in said}) == 1
    good, quarantined = held(tmp_path, "batches"), held(tmp_path, "quarantine")
    assert sorted([*good["n"], *quarantined["n"]]) == list(range(1000))


def test_different_batches_land_at_the_same_time(tmp_path, run):
    for n in range(3):
        write(tmp_path, 100, 1000 * n, f"{n}.parquet")
    pd.DataFrame({"n": [0.5], "s": ["x"], "new": [1]}).to_parquet(tmp_path / "3.parquet")
    body = GATE + "print(lake.land(batch, {0: 'bad'}).new)"
    _, said = run(*((body, f"{n}.parquet") for n in range(4)), gate=True)
    assert said == ["True"] * 4
    assert (len(held(tmp_path, "batches")), len(held(tmp_path, "quarantine"))) == (297, 4)
    assert held(tmp_path, "batches")["n"].dtype == "float64"


def test_a_full_disk_is_one_clear_error_and_the_batch_is_not_lost(tmp_path, run):
    write(tmp_path, 200_000)
    limit = "resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))"
    report = "\nexcept EverfitError as error:\n    print(error.exit_code, error)"
    _, [out] = run(f"{limit}\ntry:\n    lake.stage('m', source){report}")
    assert out.startswith("2 ")
    assert "cannot be written" in out
    assert list((tmp_path / ".everfit/incoming/m").iterdir()) == []

    _, [out] = run(f"batch = lake.stage('m', source)\n{limit}\ntry:\n    lake.land(batch, {{}}){report}")
    assert out.startswith("2 ")
    assert "no batch is lost" in out
    land(tmp_path, {0: "bad"})
    assert (len(held(tmp_path, "batches")), len(held(tmp_path, "quarantine"))) == (199_999, 1)


@pytest.mark.parametrize("blocked", [".everfit", ".everfit/lake/m"])
def test_a_home_that_cannot_be_written_is_one_clear_error(tmp_path, blocked):
    write(tmp_path, 10)
    (tmp_path / blocked).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / blocked).write_text("a file where a folder should be")
    with pytest.raises(InputError, match="cannot be written"):
        land(tmp_path, {})
