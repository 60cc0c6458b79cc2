"""The service on a real socket: beside large requests, and with clients that never say what they want."""

import json
import logging
import os
import socket
from concurrent.futures import ThreadPoolExecutor
from threading import Thread
from time import sleep

import httpx
import pytest
import uvicorn

from everfit.serving import access, running
from everfit.serving.app import make_app
from tests.everfit.serving.conftest import ASKED, RECORD, spec_of


@pytest.fixture(scope="module")
def port(front):
    service = running.service_of(spec_of(max_body_mb=2), front.follower.settings)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(running, "HEADERS", 0.2)
        server = uvicorn.Server(uvicorn.Config(make_app(service), port=0, log_level="warning", http=running.Impatient))
        thread = Thread(target=server.run)
        thread.start()
        while not server.started:
            sleep(0.01)
        yield server.servers[0].sockets[0].getsockname()[1]
        server.should_exit = True
        thread.join()


def test_one_row_is_answered_while_ten_thousand_are_at_work(port):
    url, many = f"http://127.0.0.1:{port}/predict", json.dumps([RECORD] * 10_000)
    with httpx.Client(headers=ASKED, timeout=60) as client, ThreadPoolExecutor() as aside:
        large = aside.submit(client.post, url, content=many)
        answered = 0
        while not large.done():
            answered += client.post(url, json=RECORD).status_code == 200
    assert len(large.result().json()["predictions"]) == 10_000
    assert answered > 1, "the last one may have come after it"


def test_who_sends_nothing_or_too_much_is_let_go_and_others_are_served(port):
    with socket.create_connection(("127.0.0.1", port), timeout=30) as idle:
        assert idle.recv(1) == b"", "closed by the service"
    with socket.create_connection(("127.0.0.1", port), timeout=30) as half:
        half.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
        assert half.recv(4096).startswith(b"HTTP/1.1 200")
        half.sendall(b"GET /pre")
        assert half.recv(1) == b"", "closed, though it asked something before"
    with httpx.Client(headers=ASKED, timeout=60) as client:
        endless = client.post(f"http://127.0.0.1:{port}/predict", content=(b" " * 2**16 for _ in range(64)))
        assert (endless.status_code, endless.headers["connection"]) == (413, "close")
        assert client.post(f"http://127.0.0.1:{port}/predict", json=RECORD).status_code == 200


def test_a_log_that_nobody_reads_keeps_nobody_waiting_and_is_read_to_the_end(monkeypatch):
    monkeypatch.setattr(access, "MOST_LINES", 20)
    (reads, writes), dropped = os.pipe(), []
    os.set_blocking(reads, False)
    lines = access.Lines(writes, lambda: dropped.append(1))
    for at in range(50):
        lines.emit(logging.makeLogRecord({"msg": f"{at} " + "x" * 2**14}))
    assert len(dropped) >= 25
    lines.flush()
    assert lines._lines, "the pipe is full"
    os.set_blocking(reads, True)
    with os.fdopen(reads, "rb") as read:
        told = [int(read.readline().split()[0]) for _ in range(50 - len(dropped))]
    assert told == sorted(told)
    os.close(writes)
