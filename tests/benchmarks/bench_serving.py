"""How fast the service answers, beside MLflow's own on the same model; what swaps and a kill under load cost a client.

    python -m tests.benchmarks.bench_serving [--seconds 10] [--without-mlflow]

Makes a workspace with a boosted champion of 20 mixed columns in a temporary folder.
Client and servers share the machine.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pandas as pd

from everfit import registry
from everfit.ledger import Ledger
from everfit.serving.closed import closed
from everfit.settings import Settings

TOKEN = "0123456789abcdef"
MODEL = "shop"
ROWS = 4000


@dataclass
class Seen:
    """What clients saw: seconds of each answer, what was no answer, and the ids that they were told."""

    seconds: list[float] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    ids: list[str] = field(default_factory=list)

    def line(self, name: str, took: float) -> str:
        """Say it in a row of the table."""
        ordered = sorted(self.seconds) or [float("nan")]
        p50, p99 = (1000 * ordered[int(share * (len(ordered) - 1))] for share in (0.5, 0.99))
        return f"{name:38} {len(self.seconds) / took:9.0f} {p50:9.2f} {p99:9.2f} {len(self.failures):8}"


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


def make(workspace: Path) -> list[dict[str, Any]]:
    """Train a champion; return records to ask about."""
    frame = orders()
    frame.to_parquet(workspace / "orders.parquet", index=False)
    _everfit(workspace, "new", MODEL, "--data", "orders.parquet", "--target", "bought", "--time", "when")
    file = workspace / "deployments" / "models" / f"{MODEL}.yaml"
    lines = [line for line in file.read_text().splitlines() if not line.startswith("search:")]
    file.write_text("\n".join([*lines, "search: {trials: 2, estimators: [lightgbm]}", ""]))
    _everfit(workspace, "train", MODEL)
    return list(json.loads(frame.drop(columns="bought").to_json(orient="records", date_format="iso")))


def _everfit(workspace: Path, *arguments: str) -> None:
    subprocess.run([sys.executable, "-m", "flows.cli", *arguments], cwd=workspace, check=True, capture_output=True)


@contextmanager
def server(command: list[str], workspace: Path, port: int, ready: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run a server until the block ends; it is there when its ready page answers."""
    env = {**os.environ, "EVERFIT_SERVE_TOKENS": f"bench:{TOKEN}", "OMP_NUM_THREADS": "1"}
    with subprocess.Popen(
        command, cwd=workspace, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as child:
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
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def load(port: int, path: str, bodies: list[bytes], connections: int, seconds: float) -> tuple[Seen, float]:
    """Ask over so many connections, each as soon as it was answered."""
    seen, until, began = Seen(), time.perf_counter() + seconds, time.perf_counter()
    await asyncio.gather(*(_client(seen, port, path, bodies, until) for _ in range(connections)))
    return seen, time.perf_counter() - began


async def _client(seen: Seen, port: int, path: str, bodies: list[bytes], until: float) -> None:
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for at in range(10**9):
            if time.perf_counter() > until:
                break
            body = bodies[at % len(bodies)]
            head = f"POST {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\n"
            head += "Content-Type: application/json\r\n"
            began = time.perf_counter()
            writer.write(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
            status, answer = await _answer(reader)
            seen.seconds.append(time.perf_counter() - began)
            if status != 200:
                seen.failures.append(f"{status}: {answer[:80]!r}")
            elif path == "/predict":
                seen.ids += [each["id"] for each in json.loads(answer)["predictions"]]
        writer.close()
    except (ConnectionError, asyncio.IncompleteReadError) as gone:
        seen.failures.append(type(gone).__name__)


async def _answer(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    length = next(int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.startswith(b"content-length"))
    return int(head.split()[1]), await reader.readexactly(length)


def measure(name: str, port: int, path: str, bodies: list[bytes], connections: int, seconds: float) -> None:
    """Print one row."""
    seen, took = asyncio.run(load(port, path, bodies, connections, seconds))
    print(seen.line(f"{name}, {connections} connection(s)", took), *seen.failures[:2], flush=True)


def swaps(settings: Settings, port: int, bodies: list[bytes], count: int = 20) -> None:
    """Change the champion under load, there and back again."""
    ledger = Ledger.of(settings)
    numbers = sorted(ledger.registered(MODEL))

    async def both() -> tuple[Seen, float]:
        asking = asyncio.create_task(load(port, "/predict", bodies, 4, 2.5 * count))
        for at in range(count):
            await asyncio.sleep(2)
            present = ledger.champion(MODEL)
            other = next(number for number in numbers if number != present)
            await asyncio.to_thread(
                registry.promote, settings, ledger, MODEL, other, expected=present, reason=f"swap {at}", facts={}
            )
        return await asking

    seen, took = asyncio.run(both())
    print(seen.line(f"{count} swaps under load", took), *seen.failures[:2], flush=True)


def killed(child: subprocess.Popen[bytes], settings: Settings, port: int, bodies: list[bytes]) -> None:
    """Kill the service under load; count the answers that clients had and that are not on disk."""

    async def both() -> Seen:
        asking = asyncio.create_task(load(port, "/predict", bodies, 8, 4))
        await asyncio.sleep(2)
        child.send_signal(signal.SIGKILL)
        return (await asking)[0]

    seen = asyncio.run(both())
    child.wait()
    kept = {entry["id"] for file in closed(settings.home / "answers" / MODEL) for entry in file.entries}
    lake = set(registry_predictions(settings))
    lost = set(seen.ids) - kept - lake
    print(f"killed under load: {len(seen.ids):,} answers were given, {len(lost)} of them are lost")


def registry_predictions(settings: Settings) -> list[str]:
    """Return the ids of the answers that are in the lake."""
    from everfit.lake import Lake

    return list(Lake(settings).predictions(MODEL)["prediction_id"])


def large(port: int, settings: Settings, records: list[dict[str, Any]], repeats: int = 5) -> None:
    """Ask about ten thousand rows at once, beside the bare pipeline in this process."""
    many = [records[at % len(records)] for at in range(10_000)]
    body, headers = json.dumps(many).encode(), {"Authorization": f"Bearer {TOKEN}"}
    pipeline = registry.load(settings, MODEL, 1).pipeline
    frame = pd.DataFrame(many)
    asked, bare = [], []
    for _ in range(repeats):
        began = time.perf_counter()
        httpx.post(f"http://127.0.0.1:{port}/predict", content=body, headers=headers, timeout=60).raise_for_status()
        asked.append(time.perf_counter() - began)
        began = time.perf_counter()
        pipeline.predict_proba(frame)
        bare.append(time.perf_counter() - began)
    print(
        f"10,000 rows: {np.median(asked):.3f} s over HTTP, {np.median(bare):.3f} s bare: "
        f"x {np.median(asked) / np.median(bare):.2f}"
    )


def main() -> None:
    """Print the table."""
    asked = argparse.ArgumentParser()
    asked.add_argument("--seconds", type=float, default=10)
    asked.add_argument("--without-mlflow", action="store_true")
    options = asked.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        workspace = Path(folder)
        records = make(workspace)
        _everfit(workspace, "train", MODEL)
        settings = Settings(workspace=workspace)
        bodies = [json.dumps(record).encode() for record in records[:500]]
        print(f"{'':38} {'answers/s':>9} {'p50 ms':>9} {'p99 ms':>9} {'failures':>8}")
        port = free_port()
        ours = [sys.executable, "-m", "flows.cli", "serve", MODEL, "--port", str(port)]
        with server(ours, workspace, port, "/ready") as child:
            for connections in (1, 8):
                measure("everfit", port, "/predict", bodies, connections, options.seconds)
            large(port, settings, records)
            swaps(settings, port, bodies)
            killed(child, settings, port, bodies)
        if not options.without_mlflow:
            beside_mlflow(workspace, settings, records, options.seconds)


def beside_mlflow(workspace: Path, settings: Settings, records: list[dict[str, Any]], seconds: float) -> None:
    """Ask MLflow's scoring server the same of the same files."""
    folder = registry.load(settings, MODEL, 1).folder
    port = free_port()
    command = [
        sys.executable, "-m", "mlflow", "models", "serve", "-m", str(folder), "--env-manager", "local",
        "--port", str(port), "--host", "127.0.0.1",
    ]  # fmt: skip
    bodies = [json.dumps({"dataframe_records": [record]}).encode() for record in records[:500]]
    with server(command, workspace, port, "/ping"):
        for connections in (1, 8):
            measure("mlflow models serve", port, "/invocations", bodies, connections, seconds)


if __name__ == "__main__":
    main()
