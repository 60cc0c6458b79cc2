"""Run everfit's search on one train and test file, by the arguments of an AutoML benchmark harness.

    python tests/benchmarks/automl_driver.py --train train.parquet --test test.parquet --target y --task binary \
        --metric roc_auc --budget 60 --seed 0 --out predictions.csv --timing timing.json

Nothing is known about the columns but the name of the target: roles are inferred as `everfit train` infers them.
"""

from __future__ import annotations

from everfit.threads import use_one_thread

use_one_thread()

import argparse
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from everfit import search


def arguments() -> argparse.Namespace:
    """Read the harness's arguments."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("train", "test", "target", "task", "metric", "out"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--budget", type=float, required=True, help="seconds")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--timing", help="where to write what was measured, as JSON")
    parser.add_argument("--board", help="where to write the leaderboard, as JSON")
    return parser.parse_args()


def main() -> None:
    """Fit, predict, time one row, and write all of it."""
    asked = arguments()
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = "1"  # one thread for each process is how the search uses all cores
    search.warm_up()
    import pandas as pd

    from everfit import evaluation, features
    from everfit.spec import Data, Search

    train, test = pd.read_parquet(asked.train), pd.read_parquet(asked.test)
    data = Data(source=asked.train, target=asked.target, task=asked.task)
    began = time.monotonic()
    found = search.run(
        train,
        train[asked.target],
        plan=features.plan(train, data),
        task=asked.task,
        metric=evaluation.metric(asked.metric, asked.task),
        spec=Search(seed=asked.seed),
        budget=asked.budget,
    )
    fitted = time.monotonic()
    answer(found.best, test, asked.task).to_csv(asked.out, index=False)
    timing = {"fit_s": fitted - began, "predict_s": time.monotonic() - fitted, **latency(found.best.predict, test)}
    if asked.timing:
        Path(asked.timing).write_text(json.dumps(timing))
    rows = [vars(row) for row in found.leaderboard]
    if asked.board:
        Path(asked.board).write_text(json.dumps(rows, indent=1, default=str))
    for row in rows:
        print({name: round(value, 5) if isinstance(value, float) else value for name, value in row.items()})
    print(found.how, found.note, found.family, found.params, timing)


def answer(model: Any, test: Any, task: str) -> Any:
    """Return the predictions in the harness's columns."""
    import pandas as pd

    if task == "regression":
        return pd.DataFrame({"prediction": model.predict(test)})
    return pd.DataFrame(model.predict_proba(test), columns=[str(label) for label in model.classes_])


def latency(predict: Callable[[Any], Any], test: Any, most: int = 100) -> dict[str, float]:
    """Return the median milliseconds of one row."""
    import numpy as np

    times = []
    for at in range(min(most, len(test))):
        one = test.iloc[[at]]
        began = time.perf_counter()
        predict(one)
        times.append(1000 * (time.perf_counter() - began))
    return {"latency_p50_ms": float(np.median(times[5:] or times)), "latency_n": len(times)}


if __name__ == "__main__":
    main()
