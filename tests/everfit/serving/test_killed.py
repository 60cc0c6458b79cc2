"""A service that is killed under load has kept every answer that a client has."""

import os
import select
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import httpx

from everfit.lake import Lake
from everfit.serving.drain import drain
from tests.everfit.serving.conftest import RECORD, spec_of

SERVICE = """
import sys
from pathlib import Path
from everfit.serving.running import run
from everfit.settings import Settings
from tests.everfit.serving.conftest import spec_of
run(spec_of(), Settings(workspace=Path(sys.argv[1])), "127.0.0.1", int(sys.argv[2]))
"""
CLIENTS, ANSWERS = 6, 150


def test_a_kill_under_load_loses_no_answer_that_a_client_has(settings, champion):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    url, given = f"http://127.0.0.1:{port}", list[str]()
    command = [sys.executable, "-c", SERVICE, str(settings.workspace), str(port)]

    def ask(_):
        try:
            with httpx.Client() as http:
                while True:
                    answers = http.post(f"{url}/predict", json=[RECORD] * 3).raise_for_status().json()["predictions"]
                    given.extend(answer["id"] for answer in answers)
        except httpx.TransportError:
            return

    reads, writes = os.pipe()
    with subprocess.Popen(command, cwd=Path.cwd(), stderr=writes) as service, ThreadPoolExecutor(CLIENTS) as clients:
        try:
            wait_for(f"{url}/ready", service)
            httpx.post(f"{url}/explain", json=RECORD, timeout=120).raise_for_status()
            fill(writes)
            with socket.create_connection(("127.0.0.1", port), timeout=30) as strange:
                strange.sendall(b"what uvicorn says of this goes to stderr\r\n\r\n")
                assert strange.recv(99).startswith(b"HTTP/1.1 400")
            for client in range(CLIENTS):
                clients.submit(ask, client)
            while len(given) < ANSWERS and service.poll() is None:
                time.sleep(0.01)
        finally:
            os.kill(service.pid, signal.SIGKILL)
            os.close(writes)
            ends(reads)  # nobody is left who might write there, such as the process that explains
            os.close(reads)
    assert len(given) >= ANSWERS
    folder = settings.folder("answers", "bike")
    drain(settings, spec_of(), folder)
    kept = Lake(settings).predictions("bike")["prediction_id"]
    assert set(given) <= set(kept)
    assert kept.is_unique
    assert not list(folder.glob("*.jsonl"))


def fill(pipe):
    """Write until it takes no more, as if nobody had read it for long."""
    os.set_blocking(pipe, False)
    with suppress(BlockingIOError):
        while True:
            os.write(pipe, b"x")
    os.set_blocking(pipe, True)


def ends(pipe):
    """Read until nobody has it open to write any more."""
    while select.select([pipe], [], [], 120)[0]:
        if not os.read(pipe, 2**16):
            return
    raise AssertionError("somebody still holds it")


def wait_for(url, service):
    """Wait until it answers; a service that ends before is no service."""
    while service.poll() is None:
        try:
            if httpx.get(url).status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.1)
    raise AssertionError(f"the service ended with {service.returncode}")
