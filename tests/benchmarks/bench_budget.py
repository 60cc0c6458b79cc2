"""Search among families that hang, fork, leak and crash, and print by how much each budget was overrun.

    uv run python -m tests.benchmarks.bench_budget [--budgets 5,10,20,60] [--repeats 5] [--cold]

Real families are among them, so that there is something to fit on all rows in the end. With `--cold` each search is the
first of a process of its own, whose budget the imports are part of.
"""

from everfit.threads import use_one_thread

use_one_thread()

import argparse
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from everfit import evaluation, features, search
from everfit.errors import BudgetSpent
from everfit.search import pool
from everfit.spec import Data, Search
from tests.everfit.search.conftest import table
from tests.everfit.search.troublemakers import Breeds, Exits, Hangs, Leaks, Segfaults, Spawns

ROWS = 20_000
REAL = ("lightgbm", "linear", "extra_trees")


def overshoot(budget: float, seed: int) -> tuple[float, int]:
    """Search once; return the seconds beyond the budget, and how many files and processes are left."""
    from everfit.search.estimators import family

    frame, data = table("binary", n=ROWS, seed=seed), Data(source="x", target="y", time="t", drop=("g", "w"))
    families = (*map(family, REAL), Segfaults(), Leaks(), Breeds(), Hangs(), Spawns(), Exits())
    plan = features.plan(frame, data)
    with tempfile.TemporaryDirectory() as place:
        began = time.monotonic()
        with contextlib.suppress(BudgetSpent):  # that there is no model is another matter
            search.run(
                frame, frame["y"], plan=plan, task="binary", metric=evaluation.metric("roc_auc"), budget=budget,
                spec=Search(seed=seed, max_memory_gb=2), families=families, folder=Path(place),
            )  # fmt: skip
        seconds = time.monotonic() - began
        files = len(os.listdir(place))  # noqa: PTH208
    sleepers = subprocess.run(["pgrep", "-fc", "^sleep 4217$"], capture_output=True, text=True, check=False).stdout
    return seconds - budget, files + int(sleepers)


def apart(budget: float, seed: int) -> tuple[float, int]:
    """Search in a process of its own."""
    command = [sys.executable, "-m", "tests.benchmarks.bench_budget", "--one", str(budget), str(seed)]
    seconds, left = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    return seconds, left


def main() -> None:
    """Print one line for each budget, and one for all of them as shares of what may be overrun."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--budgets", default="5,10,20,60", help="seconds")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--cold", action="store_true")
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.one:
        print(json.dumps(overshoot(float(asked.one[0]), int(asked.one[1]))))
        return
    measure = apart if asked.cold else overshoot
    assert asked.cold or pool.ready(600)
    shares: list[float] = []
    print(f"{'budget':>8}{'searches':>10}{'p50':>8}{'p99':>8}{'worst':>8}{'allowed':>9}{'left behind':>13}")
    for budget in map(float, asked.budgets.split(",")):
        over, left = zip(*(measure(budget, seed) for seed in range(asked.repeats)), strict=True)
        may = max(5.0, 0.05 * budget)
        shares += [each / may for each in over]
        p50, p99, worst = np.percentile(over, [50, 99, 100])
        print(f"{budget:8g}{len(over):10}{p50:8.2f}{p99:8.2f}{worst:8.2f}{may:9.2f}{sum(left):13}", flush=True)
    p99 = float(np.percentile(shares, 99))
    print(f"p99 of all is {p99:.0%} of what is allowed: {'kept' if p99 <= 1 else 'BROKEN'}")


if __name__ == "__main__":
    main()
