"""A small history whose change and whose broken day are known, and the backtest of it."""

import os
import signal
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from everfit.backtest.asked import Asked, with_policy
from everfit.backtest.result import Result
from everfit.backtest.whole import backtest
from everfit.spec import Data, ModelSpec, Search

DAYS, ROWS, WARM, CHANGE, BROKEN = 30, 60, 10, 17, 14
SEARCHES = "refit: {auto: false}\nmonitor: {min_labels: 50}\nretrain: {cooldown: 4d}\n"
ASKED = Asked(batch="1d", warmup=WARM / DAYS, trials=1)


def history() -> pd.DataFrame:
    """Return 30 days of 60 rows; the effect of `a` turns on day 17, and on day 14 `b` comes in another unit."""
    chance = np.random.default_rng(5)
    day = np.repeat(np.arange(DAYS), ROWS)
    frame = pd.DataFrame({"day": pd.Timestamp("2026-01-01") + pd.to_timedelta(day, unit="D")})
    frame["a"], frame["b"] = chance.normal(10, 2, len(day)), chance.normal(50, 4, len(day))
    frame["y"] = np.where(day < CHANGE, 2, -2) * frame["a"] + frame["b"] + chance.normal(0, 1, len(day))
    frame.loc[day == BROKEN, "b"] *= 1000
    return frame


def spec(source: str = "history.parquet") -> ModelSpec:
    """Return the model of it."""
    data = Data(source=source, target="y", time="day")
    return ModelSpec(name="toy", data=data, search=Search(estimators=("linear",)))


def lived(base: Path, home: Path, *, asked: Asked = ASKED, alone: bool = False, **more: Any) -> Result:
    """Return the result of the whole; unless `alone`, with a second policy that never refits and searches."""
    (base / "searches.yaml").write_text(SEARCHES)
    other = None if alone else with_policy(spec(), base / "searches.yaml")
    return backtest(spec(), asked, home=home, base=base, other=other, title="searches.yaml", **more)


def killed(base: Path, home: Path, after: int) -> None:
    """Kill this process once so many batches are done."""
    done = 0

    def tell(_share: float, text: str, _milestone: bool) -> None:
        nonlocal done
        done += "batch by batch" in text
        if done == after:
            os.kill(os.getpid(), signal.SIGKILL)

    lived(base, home, tell=tell)


if __name__ == "__main__":
    killed(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]))
