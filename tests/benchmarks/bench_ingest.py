"""How long it takes, and how much memory, to bring a large CSV into the lake.

    python tests/benchmarks/bench_ingest.py [ROWS]

Makes a CSV of 20 columns (numbers, text, dates, nulls) in a temporary folder, then stages and lands it in a fresh
process, whose peak memory is what is reported. The default is five million rows.
"""

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as pacsv

ROWS, BLOCK = 5_000_000, 100_000
AIM_MB = 1024


def write(path: Path, rows: int) -> None:
    """Write the CSV, block by block."""
    random = np.random.default_rng(0)
    words = np.array([f"level_{n}" for n in range(50)])
    writer = None
    for start in range(0, rows, BLOCK):
        n = min(BLOCK, rows - start)
        columns = {f"int_{c}": random.integers(0, 10**6, n) for c in range(6)}
        columns |= {
            f"double_{c}": pa.array(random.normal(size=n).round(4), mask=random.random(n) < 0.1) for c in range(8)
        }
        columns |= {
            f"text_{c}": pa.array(words[random.integers(0, 50, n)], mask=random.random(n) < 0.05) for c in range(4)
        }
        columns["time"] = pa.array(np.datetime64("2020-01-01", "s") + random.integers(0, 10**8, n).astype("m8[s]"))
        columns["id"] = pa.array([f"u{row:09d}" for row in range(start, start + n)])
        table = pa.table(columns)
        writer = writer or pacsv.CSVWriter(path, table.schema)
        writer.write_table(table)
    if writer is not None:
        writer.close()


def ingest(folder: Path) -> None:
    """Stage and land the CSV, and print what it took as JSON."""
    from everfit import sources
    from everfit.lake import Lake
    from everfit.settings import Settings

    lake, steps = Lake(Settings(workspace=folder)), {}
    started = time.perf_counter()
    [source] = sources.open_source("big.csv", base=folder)
    batch = lake.stage("bench", source)
    steps["stage"] = time.perf_counter() - started
    landed = lake.land(batch, dict.fromkeys(range(0, batch.rows, 1000), "broken"))
    steps["land"] = time.perf_counter() - started - steps["stage"]
    assert landed.good + landed.quarantined == batch.rows
    cpu = time.process_time()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"rows": batch.rows, "steps": steps, "cpu": cpu, "peak": peak}))


def main() -> None:
    """Measure, and print a table."""
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else ROWS
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "big.csv"
        write(path, rows)
        size = path.stat().st_size / 2**20
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        command = [sys.executable, __file__, "--ingest", folder]
        done = subprocess.run(command, stdout=subprocess.PIPE, check=True, env=environment)
    result = json.loads(done.stdout)
    print(f"{result['rows']:,} rows, 20 columns, {size:,.0f} MB of CSV")
    steps = {**result["steps"], "both": sum(result["steps"].values())}
    print(f"{'step':8}{'seconds':>10}{'rows/s':>14}")
    for step, seconds in steps.items():
        print(f"{step:8}{seconds:10.1f}{result['rows'] / seconds:14,.0f}")
    print(f"processor time {result['cpu']:,.1f} s, imports included")
    verdict = "within" if result["peak"] < AIM_MB else "ABOVE"
    print(f"peak memory {result['peak']:,.0f} MB, {verdict} the aim of {AIM_MB:,} MB")


if __name__ == "__main__":
    ingest(Path(sys.argv[2])) if sys.argv[1:2] == ["--ingest"] else main()
