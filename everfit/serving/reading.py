"""From a request's bytes to what it asks: within its limits, in a form that we know, and nothing else is ever read.

Nothing is decompressed, unpickled or fetched for a client, whatever it sends.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from starlette.requests import ClientDisconnect, Request

from everfit.errors import first_line
from everfit.serving.contract import Columns
from everfit.spec import Serve

JSON, CSV, ARROW = "application/json", "text/csv", "application/vnd.apache.arrow.stream"
CURLS = "application/x-www-form-urlencoded"  # not taken for JSON: any web page may make a browser send that
HEADERS = {
    401: {"WWW-Authenticate": "Bearer"},
    408: {"Connection": "close"},
    413: {"Connection": "close"},
    503: {"Retry-After": "1"},
}
LARGE = 2**16  # bytes, beyond which a body is read in a thread, so that other requests go on
AT_ONCE = 16  # of the largest bodies that may be held, from their first byte to their answer
MOST_PARTS = 1_000_000  # objects and lists of a body, each of which takes much more memory than text
LONGEST = 80  # characters that are shown of what a client wrote
LONGEST_WHOLE = 308  # digits of a whole number that a double surely holds

Asked = list[Any] | Columns
Parse = Callable[[bytes, Serve], Asked]


class Refused(Exception):
    """A request that is not answered, with its HTTP status and a short kind for the metrics."""

    def __init__(self, status: int, kind: str, what: str, **facts: Any) -> None:
        super().__init__(what)
        self.status, self.kind, self.what, self.facts = status, kind, what, facts

    @property
    def headers(self) -> Mapping[str, str]:
        """What goes with the status: when to come again, or that the rest of the body will not be read."""
        return HEADERS.get(self.status, {})


@dataclass
class Intake:
    """Takes in bodies: each within its size and its time, and all of them within a bounded memory."""

    limits: Serve
    held: int = field(default=0, init=False)

    @asynccontextmanager
    async def asked(self, request: Request, parsers: Mapping[str, Parse]) -> AsyncIterator[Asked]:
        """Give what a request asks, read by the parser of its media type; raise Refused.

        Its bytes are held until it is answered, as what is read from them takes several times their memory.
        """
        parse = parsers[media_type(request, tuple(parsers))]
        body = await self.body(request)
        size = len(body)
        try:
            yield await asyncio.to_thread(parse, body, self.limits) if size > LARGE else parse(body, self.limits)
        finally:
            self.held -= size

    async def body(self, request: Request) -> bytes:
        """Return the bytes of a request, which are held from now on; raise Refused when too many or too slow."""
        most = int(self.limits.max_body_mb * 2**20)
        said = request.headers.get("content-length", "")
        if said.isdecimal() and int(said[:20]) > most:
            raise self._too_large()
        read = bytearray()
        try:
            async with asyncio.timeout(self.limits.body_seconds):
                await self._take(request, read, most)
        except BaseException as cause:
            self.held -= len(read)
            if isinstance(cause, TimeoutError):
                raise Refused(408, "slow", f"a request must arrive within {self.limits.body_seconds:g} s") from cause
            if isinstance(cause, ClientDisconnect):
                raise Refused(400, "gone", "the client went away") from cause
            raise
        return bytes(read)

    async def _take(self, request: Request, read: bytearray, most: int) -> None:
        async for part in request.stream():
            self._hold(len(part), most)
            read += part
            if len(read) > most:
                raise self._too_large()

    def _hold(self, size: int, most: int) -> None:
        if self.held + size > AT_ONCE * most:
            raise Refused(503, "busy", "too many large requests are under way; come again")
        self.held += size

    def _too_large(self) -> Refused:
        return Refused(413, "too large", f"a request may have {self.limits.max_body_mb:g} MB")


def media_type(request: Request, known: tuple[str, ...]) -> str:
    """Return the media type of a body, JSON where none is named; raise Refused for one that is not known."""
    kind, _, rest = request.headers.get("content-type", JSON).lower().partition(";")
    charset = rest.partition("charset=")[2].strip(' "') or "utf-8"
    coding = request.headers.get("content-encoding", "identity").lower()
    if kind.strip() in known and charset in ("utf-8", "utf8") and coding == "identity":
        return kind.strip()
    given = ", ".join(part[:LONGEST] for part in (kind.strip(), f"charset {charset}", f"encoding {coding}"))
    how = f" (curl -d says {CURLS} unless -H 'Content-Type: {JSON}' is given)" if kind.strip() == CURLS else ""
    raise Refused(415, "media type", f"{given}: send {' or '.join(known)}, in UTF-8 and not compressed{how}")


def json_of(body: bytes) -> Any:
    """Return what JSON in UTF-8 says (RFC 8259); NaN and Infinity count as well, as Python and pandas write them.

    Raise Refused for anything else, for a name that comes twice in an object, and for halves of surrogate pairs,
    which are no text. Numbers beyond a double are infinite, however they are written.
    """
    if body.count(b"{") + body.count(b"[") > MOST_PARTS:
        raise Refused(413, "too many", f"a request may have {MOST_PARTS:,} objects and lists")
    try:
        text = body.decode()
        said = json.loads(text, object_pairs_hook=_object, parse_int=_whole)
        if "\\ud" in text or "\\uD" in text:
            json.dumps(said, ensure_ascii=False).encode()
    except UnicodeEncodeError as cause:
        raise Refused(422, "no JSON", "the body holds one half of a surrogate pair, which is no text") from cause
    except (ValueError, RecursionError) as cause:
        raise Refused(422, "no JSON", f"the body is no JSON: {first_line(cause)}") from cause
    return said


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        ((twice, _),) = Counter(name for name, _ in pairs).most_common(1)
        raise ValueError(f"{ascii(twice)[:LONGEST]} comes twice in one object")
    return made


def _whole(digits: str) -> float:
    return int(digits) if len(digits) <= LONGEST_WHOLE else float(digits)


def records(body: bytes, limits: Serve) -> list[Any]:
    """Return the records of a JSON body: one, or a list of them; raise Refused when there are none or too many."""
    said = json_of(body)
    found = said if isinstance(said, list) else [said]
    ensure_some(len(found), limits)
    return found


def ensure_some(rows: int, limits: Serve) -> None:
    """Raise Refused when there are no rows, or too many."""
    if not rows:
        raise Refused(422, "no records", "the list of records is empty")
    if rows > limits.max_rows:
        raise Refused(413, "too many", f"{rows:,} records came, and {limits.max_rows:,} may come at once")


def first(asked: Asked, rows: int) -> Asked:
    """Return what is asked of the first rows."""
    return {name: values[:rows] for name, values in asked.items()} if isinstance(asked, Mapping) else asked[:rows]
