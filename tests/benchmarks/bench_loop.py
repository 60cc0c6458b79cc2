"""Run the whole loop on a real file, with nothing but `new`, `train`, `predict` and `monitor`, and print a table.

    uv run python tests/benchmarks/bench_loop.py bike.parquet:cnt:t adult.parquet:income [--budget 20s] [--batches 4]

Each argument is FILE:TARGET[:TIME]. Half of the rows (the earlier half, or a random one) are the history; the rest
comes in equal batches, the first of which is also predicted without its labels.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import pandas as pd

EVERFIT = Path(sys.executable).with_name("everfit")


def everfit(*words: str, cwd: Path) -> tuple[dict[str, Any], int, float]:
    """Run one command; return its JSON (or what it said instead), its exit code and its seconds."""
    began = time.monotonic()
    done = subprocess.run([EVERFIT, *words], cwd=cwd, capture_output=True, text=True, check=False)
    spent = time.monotonic() - began
    try:
        return json.loads(done.stdout or "{}"), done.returncode, spent
    except json.JSONDecodeError:
        return {"said": done.stdout + done.stderr}, done.returncode, spent


def halves(path: Path, when: str | None, batches: int) -> list[pd.DataFrame]:
    """Return the history and the batches after it."""
    frame = pd.read_parquet(path)
    frame = frame.sort_values(when, kind="stable") if when else frame.sample(frac=1, random_state=0)
    cut, rest = len(frame) // 2, len(frame) - len(frame) // 2
    ends = [cut + rest * i // batches for i in range(batches + 1)]
    return [frame.iloc[:cut], *(frame.iloc[a:b] for a, b in pairwise(ends))]


def live(said: str, budget: str, batches: int) -> None:
    """Live through one file and print what happened."""
    path, target, when = (*said.split(":"), None)[:3]
    here = Path(tempfile.mkdtemp(prefix="everfit-loop-"))
    history, *coming = halves(Path(str(path)), when, batches)
    history.to_parquet(here / "history.parquet", index=False)
    coming[0].drop(columns=target).to_parquet(here / "next.parquet", index=False)
    options = ["--time", when] if when else []
    _, code, spent = everfit(
        "new", "m", "--data", "history.parquet", "--target", str(target), *options, "--budget", budget, cwd=here
    )
    print(f"\n## {Path(str(path)).stem}: {len(history):,} rows of history, {len(coming)} batches of {len(coming[0]):,}")
    print(f"new      {spent:6.1f} s  exit {code}")
    trained, code, spent = everfit("train", "m", "--json", cwd=here)
    print(f"train    {spent:6.1f} s  exit {code}  {_scores(trained)}")
    print(f"         steps {trained.get('seconds')}" if "seconds" in trained else f"         {trained}")
    predicted, code, spent = everfit(
        "predict", "m", "--input", "next.parquet", "--output", "p.parquet", "--json", cwd=here
    )
    print(f"predict  {spent:6.1f} s  exit {code}  {predicted.get('rows')} rows")
    for number, batch in enumerate(coming, 1):
        batch.to_parquet(here / f"batch-{number}.parquet", index=False)
        seen, code, spent = everfit("monitor", "m", "--data", f"batch-{number}.parquet", "--json", cwd=here)
        why = "; ".join(seen.get("reasons", []))[:150]
        print(f"monitor  {spent:6.1f} s  exit {code}  {seen.get('verdict', seen)}: {why}")
        if seen.get("retraining"):
            print(f"  retrained: {_scores(seen['retraining'])}")
    audited, code, _ = everfit("audit", "verify", "--json", cwd=here)
    print(f"audit    exit {code}  {audited}   workspace {here}", flush=True)


def _scores(result: dict[str, Any]) -> str:
    shown = ", ".join(f"{who} {score['value']:.4g}" for who, score in result.get("scores", {}).items())
    return f"{result.get('state', '')} v{result.get('version')} {result.get('metric', '')}: {shown}"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="+", metavar="FILE:TARGET[:TIME]")
    parser.add_argument("--budget", default="20s")
    parser.add_argument("--batches", type=int, default=4)
    given = parser.parse_args()
    for each in given.files:
        live(each, given.budget, given.batches)
