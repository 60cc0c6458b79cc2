"""How fast the service answers, beside others on the same model; what swaps and a kill under load cost a client.

    python -m tests.benchmarks.bench_serving [--seconds 10] [--bentoml PYTHON] [--workspace FOLDER]

Makes a workspace with two champions of 20 mixed columns, one that is boosted and one as a search finds it by default,
and asks everfit, `mlflow models serve` and, with the python of an environment that has bentoml and everfit[serve],
BentoML. Client and servers share the machine. CPU is the server's, with all its processes: it depends least on who else
is there.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pandas as pd
import pyarrow as pa
from threadpoolctl import threadpool_limits

from everfit import registry
from everfit.lake import Lake
from everfit.ledger import Ledger
from everfit.serving.closed import closed
from everfit.serving.reading import ARROW, JSON
from everfit.settings import Settings
from flows.ports import listen
from tests.benchmarks.load import load, requests_of

AUTHORIZED = {"Authorization": "Bearer 0123456789abcdef"}
BOOSTED, BLEND = "boosted", "blend"
SEARCHES = {BOOSTED: "{trials: 2, estimators: [lightgbm]}", BLEND: "{budget: 60s}"}
REFUSED = 4
REPEATS = 7
ROWS = 4000
EVERFIT = str(Path(sys.executable).with_name("everfit"))  # as a user starts it
BENTO = """
import bentoml
import pandas as pd
from everfit import registry
from everfit.settings import Settings

@bentoml.service(workers=1)
class Bento:
    def __init__(self) -> None:
        self.pipeline = registry.load(Settings(workspace={workspace!r}), {model!r}, 1).pipeline

    @bentoml.api
    def predict(self, records: list[dict]) -> list:
        return self.pipeline.predict(pd.DataFrame(records)).tolist()
"""


def orders() -> pd.DataFrame:
    """Return rows with 19 mixed columns, an id, and what is to be predicted."""
    random = np.random.default_rng(0)
    frame = pd.DataFrame({"order_id": np.arange(ROWS)})
    for at in range(10):
        frame[f"n{at}"] = random.normal(size=ROWS)
    for at in range(8):
        frame[f"c{at}"] = random.choice(list("abcdefgh")[: 3 + at % 5], ROWS)
    frame["when"] = pd.Timestamp("2025-01-01") + pd.to_timedelta(np.sort(random.integers(0, 300 * 86_400, ROWS)), "s")
    frame["flag"] = random.random(ROWS) > 0.4
    z = frame.n0 + frame.n1 * frame.n2 + (frame.c0 == "a") * 1.5 + frame.flag
    frame["bought"] = np.where(z + random.normal(size=ROWS) > 1, "yes", "no")
    return frame


def make(workspace: Path) -> None:
    """Train both champions, and a second version of the boosted one to swap with."""
    workspace.mkdir(parents=True, exist_ok=True)
    orders().to_parquet(workspace / "orders.parquet", index=False)
    for name, search in SEARCHES.items():
        _everfit(workspace, "new", name, "--data", "orders.parquet", "--target", "bought", "--time", "when")
        file = workspace / "deployments" / "models" / f"{name}.yaml"
        lines = [line for line in file.read_text().splitlines() if not line.startswith("search:")]
        file.write_text("\n".join([*lines, f"search: {search}", ""]))
        _everfit(workspace, "train", name)
    _everfit(workspace, "train", BOOSTED)


def _everfit(workspace: Path, *arguments: str) -> None:
    done = subprocess.run([EVERFIT, *arguments], cwd=workspace, check=False, capture_output=True)
    if done.returncode not in (0, REFUSED):
        done.check_returncode()


@contextmanager
def server(command: Sequence[str], workspace: Path, port: int, ready: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run a server until the block ends; it is there when its ready page answers."""
    env = {**os.environ, "EVERFIT_SERVE_TOKENS": "bench:0123456789abcdef", "OMP_NUM_THREADS": "1"}
    env["PATH"] = os.pathsep.join([str(Path(command[0]).parent), env["PATH"]])  # MLflow's command looks for uvicorn
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(command, cwd=workspace, env=env, **quiet) as child:
        try:
            _wait(f"http://127.0.0.1:{port}{ready}")
            yield child
        finally:
            child.terminate()


def _wait(url: str) -> None:
    for _ in range(600):
        try:
            if httpx.get(url).status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.2)
    raise TimeoutError(url)


def free_port() -> int:
    """Return a port that nobody listens at."""
    with listen(0) as probe:
        return int(probe.getsockname()[1])


def cpu(pid: int) -> float:
    """Return the CPU seconds of a process and of all that it started."""
    said = subprocess.run(["ps", "-eo", "pid=,ppid="], capture_output=True, text=True, check=True).stdout
    parents = {int(child): int(parent) for child, parent in (line.split() for line in said.splitlines())}
    family = {pid}
    while more := {child for child, parent in parents.items() if parent in family} - family:
        family |= more
    return sum(map(_own_cpu, family))


def _own_cpu(pid: int) -> float:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def measure(name: str, child: subprocess.Popen[bytes], port: int, requests: list[bytes], seconds: float) -> None:
    """Print two rows: one connection, and eight."""
    for connections in (1, 8):
        before = cpu(child.pid)
        seen = load(port, requests, connections, seconds)
        used = 1000 * (cpu(child.pid) - before) / max(1, len(seen.seconds))
        print(f"{seen.line(f'{name}, {connections} connection(s)')} {used:.2f} |", *seen.failures[:2], flush=True)


def swaps(settings: Settings, port: int, requests: list[bytes], count: int = 20) -> None:
    """Change the champion under load, there and back again."""
    ledger = Ledger.of(settings)
    numbers = sorted(ledger.registered(BOOSTED))
    with ThreadPoolExecutor(1) as pool:
        asking = pool.submit(load, port, requests, 4, 2.5 * count)
        for at in range(count):
            time.sleep(2)
            present = ledger.champion(BOOSTED)
            other = next(number for number in numbers if number != present)
            registry.promote(settings, ledger, BOOSTED, other, expected=present, reason=f"swap {at}", facts={})
        seen = asking.result()
    print(f"{seen.line(f'{count} swaps under load')} |", *seen.failures[:2], flush=True)


def killed(child: subprocess.Popen[bytes], settings: Settings, port: int, requests: list[bytes]) -> None:
    """Kill the service under load; count the answers that clients had and that are not on disk."""
    with ThreadPoolExecutor(1) as pool:
        asking = pool.submit(load, port, requests, 8, 4)
        time.sleep(2)
        child.send_signal(signal.SIGKILL)
        seen = asking.result()
    child.wait()
    kept = {entry["id"] for file in closed(settings.home / "answers" / BOOSTED) for entry in file.entries}
    lost = set(seen.ids) - kept - set(Lake(settings).predictions(BOOSTED)["prediction_id"])
    print(f"\nkilled under load: {len(seen.ids):,} answers were given, {len(lost)} of them are lost")


def large(
    child: subprocess.Popen[bytes], port: int, settings: Settings, model: str, records: list[dict[str, Any]]
) -> None:
    """Ask about ten thousand rows at once, as JSON and as Arrow, beside the bare pipeline in this process."""
    frame = pd.DataFrame([records[at % len(records)] for at in range(10_000)])
    pipeline, url = registry.load(settings, model, 1).pipeline, f"http://127.0.0.1:{port}/predict"
    bodies = {JSON: frame.to_json(orient="records").encode(), ARROW: _stream(frame)}
    with threadpool_limits(1):  # as the server has
        alone, own = _median(lambda: pipeline.predict(frame), time.process_time)
    for kind, body in bodies.items():
        headers = {**AUTHORIZED, "Content-Type": kind}
        ask = partial(httpx.post, url, content=body, headers=headers, timeout=60)
        took, used = _median(lambda ask=ask: ask().raise_for_status(), lambda: cpu(child.pid))
        print(f"\n{model}, 10,000 rows of {kind}: {took:.3f} s over HTTP, {alone:.3f} s bare: x {took / alone:.2f}; "
              f"CPU {used:.2f} s and {own:.2f} s: x {used / own:.2f}\n", flush=True)  # fmt: skip


def _stream(frame: pd.DataFrame) -> bytes:
    sink = pa.BufferOutputStream()
    table = pa.Table.from_pandas(frame, preserve_index=False)
    with pa.ipc.new_stream(sink, table.schema) as stream:
        stream.write_table(table)
    return bytes(sink.getvalue())


def _median(do: Callable[[], Any], used: Callable[[], float]) -> tuple[float, float]:
    """Return the median of seconds and of CPU seconds."""
    measured = []
    for _ in range(REPEATS):
        began, before = time.perf_counter(), used()
        do()
        measured.append((time.perf_counter() - began, used() - before))
    took, spent = np.median(measured, axis=0)
    return float(took), float(spent)


def ours(workspace: Path, settings: Settings, model: str, records: list[dict[str, Any]], seconds: float) -> None:
    """Measure everfit; the boosted champion is swapped and killed as well."""
    requests = requests_of("/predict", [json.dumps(record).encode() for record in records[:500]], AUTHORIZED)
    port = free_port()
    with server([EVERFIT, "serve", model, "--port", str(port)], workspace, port, "/ready") as child:
        measure(f"everfit, {model}", child, port, requests, seconds)
        large(child, port, settings, model, records)
        if model == BOOSTED:
            swaps(settings, port, requests)
            killed(child, settings, port, requests)


def mlflows(workspace: Path, settings: Settings, model: str, records: list[dict[str, Any]], seconds: float) -> None:
    """Measure MLflow's scoring server on the same files."""
    port, folder = free_port(), registry.load(settings, model, 1).folder
    bodies = [json.dumps({"dataframe_records": [record]}).encode() for record in records[:500]]
    command = [str(Path(EVERFIT).with_name("mlflow")), "models", "serve", "-m", str(folder), "--env-manager", "local",
               "--port", str(port), "--host", "127.0.0.1"]  # fmt: skip
    with server(command, workspace, port, "/ping") as child:
        measure(f"mlflow models serve, {model}", child, port, requests_of("/invocations", bodies, {}), seconds)


def bentos(python: str, workspace: Path, model: str, records: list[dict[str, Any]], seconds: float) -> None:
    """Measure BentoML with one worker around the same pipeline."""
    port = free_port()
    (workspace / "bento.py").write_text(BENTO.format(workspace=str(workspace), model=model))
    bodies = [json.dumps({"records": [record]}).encode() for record in records[:500]]
    command = [python, "-m", "bentoml", "serve", "bento:Bento", "--port", str(port), "--host", "127.0.0.1"]
    with server(command, workspace, port, "/readyz") as child:
        measure(f"BentoML, {model}", child, port, requests_of("/predict", bodies, {}), seconds)


def main() -> None:
    """Print the table."""
    asked = argparse.ArgumentParser()
    asked.add_argument("--seconds", type=float, default=10)
    asked.add_argument("--bentoml", default="", metavar="PYTHON")
    asked.add_argument("--workspace", type=Path, default=Path(tempfile.gettempdir()) / "everfit-bench-serving")
    options = asked.parse_args()
    workspace = options.workspace.resolve()
    if not (workspace / ".everfit").exists():
        make(workspace)
    settings = Settings(workspace=workspace)
    records = json.loads(orders().drop(columns="bought").to_json(orient="records", date_format="iso"))
    print("| | answers/s | p50 ms | p99 ms | failures | CPU ms |\n|---|---|---|---|---|---|")
    for model in (BOOSTED, BLEND):
        mlflows(workspace, settings, model, records, options.seconds)
        if options.bentoml:
            bentos(options.bentoml, workspace, model, records, options.seconds)
        ours(workspace, settings, model, records, options.seconds)


if __name__ == "__main__":
    main()
