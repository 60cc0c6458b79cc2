"""How long the signals take on a large batch, and how often they are wrong on equal data, from few rows to many.

    python tests/benchmarks/bench_drift.py [ROWS] [COLUMNS]

Draws a reference of 20,000 rows and a batch from one law: half of the columns numbers (heavy tails, zeros, gaps), half
levels (few and many). The default is a million rows of 50 columns. Prints CPU seconds, of a process without threads.
"""

import sys
import time
from collections.abc import Callable

import numpy as np
import pandas as pd

from everfit.evaluation import Predicted
from everfit.monitor import drift
from everfit.monitor.answered import ROWS, Answered
from everfit.monitor.counts import sample
from everfit.monitor.signals import SIGNALS
from everfit.monitor.view import View
from everfit.schema import Schema
from everfit.spec import Monitor

REFERENCE = 20_000
SIZES = {200: 200, 1_000: 200, 10_000: 100, 100_000: 20, 1_000_000: 5}  # rows of a batch: seeds


def draw(rows: int, columns: int, rng: np.random.Generator) -> pd.DataFrame:
    """Draw rows of kinds that tests of drift stumble over."""
    kinds: list[Callable[[], np.ndarray]] = [
        lambda: rng.normal(size=rows),
        lambda: np.array(list("abcdefgh"))[rng.choice(8, rows, p=[0.5, 0.2, 0.1, 0.1, 0.05, 0.03, 0.015, 0.005])],
        lambda: rng.lognormal(0, 2, size=rows),
        lambda: rng.integers(0, 3000, rows).astype(str),
        lambda: np.where(rng.random(rows) < 0.6, 0, rng.exponential(size=rows)),
        lambda: np.where(rng.random(rows) < 0.1, None, np.array(["x", "y", "z"])[rng.integers(0, 3, rows)]),
        lambda: np.where(rng.random(rows) < 0.1, np.nan, rng.normal(size=rows)),
        lambda: rng.integers(0, 5, rows),
    ]
    return pd.DataFrame({f"c{at}": kinds[at % len(kinds)]() for at in range(columns)})


def look(past: pd.DataFrame, now: pd.DataFrame) -> View:
    """Look at a batch whose champion reads the first column."""

    def ask(frame: pd.DataFrame) -> Predicted:
        return Predicted(frame["c0"].to_numpy())

    known = past.head(ROWS).assign(y=lambda rows: rows["c0"] + rows["c2"].clip(0, 3))
    heldout, batch = Answered.by(ask, known, "regression", "y"), Answered.by(ask, sample(now, ROWS), "regression", "y")
    losses = {"past_losses": heldout.losses, "losses": heldout.losses}
    policy = Monitor(min_rows=100)
    return View(policy, "regression", "y", Schema.of(past), ask, past, now, heldout, batch, heldout, **losses)


def cost(rows: int, columns: int) -> None:
    """Print what each signal takes, on equal rows and where half of the columns moved."""
    rng = np.random.default_rng(0)
    past, now = draw(REFERENCE, columns, rng), draw(rows, columns, rng)
    moved = now.assign(**{name: now[name] + 1 for name in now.select_dtypes("number")})
    print(f"{rows:,} rows, {columns} columns, against {REFERENCE:,}; CPU seconds")
    for name, batch in {"equal": now, "moved": moved}.items():
        view = look(past, batch)
        for signal in SIGNALS:
            began = time.process_time()
            found = signal(view)
            print(f"{name:7}{found.signal:22}{time.process_time() - began:6.2f}  {found.text[:120]}")
        print(f"{'':7}{view.drift.why}")


def alarms() -> None:
    """Print how many equal batches had any column that moved, before and after the question whether that is much."""
    print(f"{'rows':>10}{'seeds':>7}{'p < .05':>9}{'moved':>7}   of 16 columns, level .05 over all of them")
    for rows, seeds in SIZES.items():
        found = []
        for seed in range(seeds):
            rng = np.random.default_rng(seed)
            past, now = draw(REFERENCE, 16, rng), draw(rows, 16, rng)
            found.append(drift.compare(past, now, columns=Schema.of(past), level=0.05, min_rows=100))
        low = np.mean([min(c.p_value for c in each.columns if c.p_value is not None) < 0.05 for each in found])
        print(f"{rows:>10,}{seeds:>7}{low:>9.1%}{np.mean([bool(each.drifted) for each in found]):>7.1%}")


if __name__ == "__main__":
    given = [int(word) for word in sys.argv[1:]]
    cost(*(given + [1_000_000, 50][len(given) :]))
    if not given:
        cost(5_000, 20)
        alarms()
