"""How fast `everfit predict` scores a large file, in how much memory, and what it costs beside the bare pipeline.

    python -m tests.benchmarks.bench_predict [--rows 10_000_000] [--workers 2] [--bare 500_000] [--family lightgbm]

Makes a workspace with a champion of ten columns in a temporary folder. Memory is that of the command and all processes
that it starts, Prefect's server among them. The bare pipeline is asked in the same process as the batch path, block by
block in turn, so that whoever else is on the machine disturbs both alike.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from everfit.search.processes import children, family

MODEL, LEARNT, BLOCK = "shop", 4000, 65_536
AIM_MB = 2048
EVERFIT = str(Path(sys.executable).with_name("everfit"))


def orders(rows: int, first: int) -> pd.DataFrame:
    """Return rows with an id, nine mixed columns, and what is to be predicted."""
    random = np.random.default_rng(first)
    frame = pd.DataFrame({"order_id": np.arange(first, first + rows)})
    for at in range(5):
        frame[f"n{at}"] = random.normal(size=rows)
    for at in range(3):
        frame[f"c{at}"] = random.choice(list("abcdefgh")[: 3 + at], rows)
    frame["when"] = pd.Timestamp("2025-01-01") + pd.to_timedelta(np.sort(random.integers(0, 300 * 86_400, rows)), "s")
    frame["paid"] = (frame.n0 + frame.n1 * frame.n2 + (frame.c0 == "a") * 1.5 + random.normal(size=rows)).round(4)
    return frame


def make(workspace: Path, rows: int, kind: str) -> None:
    """Train a champion, and write the rows to be scored."""
    orders(LEARNT, 0).to_parquet(workspace / "learn.parquet", index=False)
    everfit(workspace, "new", MODEL, "--data", "learn.parquet", "--target", "paid", "--time", "when")
    file = workspace / "deployments" / "models" / f"{MODEL}.yaml"
    lines = [line for line in file.read_text().splitlines() if not line.startswith("search:")]
    file.write_text("\n".join([*lines, f"search: {{trials: 3, estimators: [{kind}]}}", ""]))
    everfit(workspace, "train", MODEL)
    writer = None
    for first in range(LEARNT, LEARNT + rows, BLOCK):
        table = pa.Table.from_pandas(
            orders(min(BLOCK, LEARNT + rows - first), first).drop(columns="paid"), preserve_index=False
        )
        writer = writer or pq.ParquetWriter(workspace / "big.parquet", table.schema)
        writer.write_table(table)
    if writer:
        writer.close()


def everfit(workspace: Path, *arguments: str) -> None:
    """Run a command, and show what it says when it fails."""
    done = subprocess.run([EVERFIT, *arguments], cwd=workspace, capture_output=True, text=True)
    if done.returncode:
        sys.exit(done.stderr)


def measure(workspace: Path, rows: int, workers: int) -> None:
    """Score all rows by the command, and print its pace and its memory."""
    said = ["predict", MODEL, "--input", "big.parquet", "--output", "said.parquet", "--workers", str(workers), "--json"]
    began, most = time.perf_counter(), {"Rss": 0, "Pss": 0}
    child = subprocess.Popen([EVERFIT, *said], cwd=workspace, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    while child.poll() is None:
        held = memory(family(child.pid, children()))
        most = {kind: max(most[kind], held[kind]) for kind in most}
        time.sleep(0.2)
    took, step = time.perf_counter() - began, json.loads(child.communicate()[0])["seconds"]["predict"]
    assert pq.read_metadata(workspace / "said.parquet").num_rows == rows
    verdict = "within" if most["Rss"] < AIM_MB else "ABOVE"
    print(f"{rows:,} rows, {workers} worker(s): {rows / step:,.0f} rows/s ({step:.1f} s; {took:.1f} s with start-up)")
    print(
        f"peak memory {most['Rss']:,} MB RSS ({most['Pss']:,} MB PSS), {verdict} the aim of {AIM_MB:,} MB", flush=True
    )


def memory(processes: list[int]) -> dict[str, int]:
    """Return the megabytes that processes hold: added up, and with what they share counted once."""
    total = {"Rss": 0, "Pss": 0}
    for process in processes:
        with suppress(OSError):
            said = Path(f"/proc/{process}/smaps_rollup").read_text()
            for kind in total:
                total[kind] += int(re.search(rf"^{kind}:\s+(\d+)", said, re.MULTILINE)[1])
    return {kind: kilobytes // 1024 for kind, kilobytes in total.items()}


def beside(rows: int) -> None:
    """Print the CPU time of the batch path and of the bare pipeline, for the first rows, in one process."""
    from datetime import UTC, datetime

    from everfit import registry
    from everfit.settings import Settings
    from everfit.spec import load_spec
    from tasks.predict import Wanted, predict

    settings = Settings()
    pipeline, spec = registry.load(settings, MODEL, 1).pipeline, load_spec(MODEL, settings.models)
    table = pq.ParquetFile("big.parquet").read_row_groups(range(-(-rows // BLOCK)))
    blocks = [table.slice(first, BLOCK).to_pandas() for first in range(0, len(table), BLOCK)]
    pipeline.predict(blocks[0].head(10))
    bare = batch = 0.0
    for at, block in enumerate(blocks):
        pq.write_table(table.slice(at * BLOCK, BLOCK), "block.parquet")
        began = time.process_time()
        pipeline.predict(block)
        middle = time.process_time()
        predict.fn(spec, Wanted("block.parquet", f"block-{at}.parquet", datetime.now(UTC), workers=1))
        bare, batch = bare + middle - began, batch + time.process_time() - middle
    bare, batch = (1e6 * seconds / len(table) for seconds in (bare, batch))
    print(f"one core, {len(table):,} rows: bare {bare:.2f} µs a row, batch {batch:.2f}: {batch / bare:.2f} times")


def main() -> None:
    """Measure, and print."""
    asked = argparse.ArgumentParser()
    asked.add_argument("--rows", type=int, default=10_000_000)
    asked.add_argument("--workers", type=int, default=2)
    asked.add_argument("--bare", type=int, default=500_000)
    asked.add_argument("--family", default="lightgbm")
    options = asked.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    with tempfile.TemporaryDirectory() as folder:
        os.environ["PYTHONPATH"] = os.getcwd()  # noqa: PTH109
        make(Path(folder), options.rows, options.family)
        measure(Path(folder), options.rows, options.workers)
        os.chdir(folder)
        beside(min(options.bare, options.rows))


if __name__ == "__main__":
    main()
