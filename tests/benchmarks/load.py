"""A client for load on loopback: one process, plain sockets, so that it takes little of what the server could have."""

from __future__ import annotations

import json
import selectors
import socket
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

END = b"\r\n\r\n"
PATIENCE = 30.0  # seconds without any answer


@dataclass
class Seen:
    """What clients saw: seconds of each answer, what was no answer, and the ids that they were told."""

    seconds: list[float] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    ids: list[str] = field(default_factory=list)
    took: float = 0.0

    @property
    def rate(self) -> float:
        """Answers in a second."""
        return len(self.seconds) / self.took

    def percentile(self, share: float) -> float:
        """Milliseconds within which a share of the answers came."""
        ordered = sorted(self.seconds) or [float("nan")]
        return 1000 * ordered[int(share * (len(ordered) - 1))]

    def line(self, name: str) -> str:
        """Say it in a row of a table."""
        numbers = (f"{self.rate:,.0f}", f"{self.percentile(0.5):.2f}", f"{self.percentile(0.99):.2f}")
        return f"| {name} | {' | '.join(numbers)} | {len(self.failures)} |"


@dataclass
class _Client:
    """One connection, which asks again as soon as it was answered."""

    socket: socket.socket
    at: int = 0
    began: float = 0.0
    read: bytes = b""

    def ask(self, requests: Sequence[bytes]) -> None:
        self.began, self.read = time.perf_counter(), b""
        self.socket.sendall(requests[self.at % len(requests)])
        self.at += 1

    def whole(self) -> tuple[int, bytes] | None:
        """Read what has come; return status and body when all of it has."""
        part = self.socket.recv(1 << 16)
        if not part:
            raise ConnectionError("closed")
        self.read += part
        head, end, body = self.read.partition(END)
        if not end:
            return None
        length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
        return (int(head.split(b" ", 2)[1]), body) if len(body) >= length else None


def requests_of(path: str, bodies: Sequence[bytes], headers: Mapping[str, str]) -> list[bytes]:
    """Return whole HTTP requests, made before the clock runs."""
    more = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n{more}"
    return [f"{head}Content-Length: {len(body)}{END.decode()}".encode() + body for body in bodies]


def load(port: int, requests: Sequence[bytes], connections: int, seconds: float) -> Seen:
    """Ask over so many connections for so many seconds; one that breaks is a failure, and asks no more."""
    seen, waiting = Seen(), selectors.DefaultSelector()
    began = time.perf_counter()
    for at in range(connections):
        client = _Client(socket.create_connection(("127.0.0.1", port)), at * 17)
        client.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        waiting.register(client.socket, selectors.EVENT_READ, client)
        client.ask(requests)
    while waiting.get_map():
        ready = waiting.select(timeout=PATIENCE)
        if not ready:
            seen.failures += ["no answer"] * len(waiting.get_map())
            break
        for key, _ in ready:
            _step(key.data, seen, waiting, requests, time.perf_counter() < began + seconds)
    seen.took = time.perf_counter() - began
    return seen


def _step(client: _Client, seen: Seen, waiting: selectors.BaseSelector, requests: Sequence[bytes], on: bool) -> None:
    try:
        answer = client.whole()
        if answer is None:
            return
        seen.seconds.append(time.perf_counter() - client.began)
        status, body = answer
        if status != 200:
            seen.failures.append(f"{status}: {body[:80]!r}")
        elif b'"predictions":[{"id"' in body:
            seen.ids += [each["id"] for each in json.loads(body)["predictions"]]
        if on:
            client.ask(requests)
            return
    except OSError as gone:
        seen.failures.append(f"{type(gone).__name__}: {gone}")
    waiting.unregister(client.socket)
    client.socket.close()
