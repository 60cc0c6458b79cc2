"""Who is champion, read from the rows of promotions and rollbacks."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Literal

from everfit.errors import PromotionRefused
from everfit.ledger.entries import Entry, write_time

Swap = Literal["promoted", "rolled_back"]
SWAPS: tuple[Swap, ...] = ("promoted", "rolled_back")
VERDICT = timedelta(minutes=1)  # in which a training decides about the version that it registered


def line_of(swaps: Iterable[Entry]) -> list[int]:
    """Return the line of champions: the present one last, and before it the one to go back to.

    A promotion stands on top of the line. A rollback takes off everything above its version, so that a version
    which was rolled back is never gone back to by the next rollback.
    """
    line: list[int] = []
    for entry in swaps:
        version = int(entry.facts["version"])
        if entry.kind == "rolled_back":
            line = _down_to(line[:-1], version)
        line = line if line[-1:] == [version] else [*line, version]
    return line


def challenger_of(entries: Iterable[Entry], now: datetime) -> int | None:
    """Return the newest version that nobody has decided about, if it waits for a person's word or a while at least.

    A version is registered some moments before its verdict, which is no time to try it in.
    """
    newest: Entry | None = None
    for entry in entries:
        version = entry.facts.get("version")
        if entry.kind in ("registered", "approval_wanted"):
            newest = entry
        elif entry.kind in (*SWAPS, "promotion_refused") and newest and version == newest.facts["version"]:
            newest = None
    waited = newest is not None and (newest.kind == "approval_wanted" or now - newest.at > VERDICT)
    return int(newest.facts["version"]) if newest and waited else None


def refuse(model: str, expected: int | None, new: int, now: int | None, last: Entry | None) -> None:
    """Raise PromotionRefused unless the champion is the expected one and is not the new one already."""
    if now == expected and now != new:
        return
    holds = "there is no champion" if now is None else f"v{now} is champion"
    since = f" since {write_time(last.at)}, {last.kind.replace('_', ' ')} by {last.actor}" if last else ""
    wanted = "no champion" if expected is None else f"v{expected} as champion"
    raise PromotionRefused(
        f"{model}: v{new} did not take over: {holds}{since}.",
        why=f"It was judged against {wanted}, and that verdict says nothing about another." if now != new else "",
        do=f"everfit train {model} judges a new version against the present champion; "
        f"everfit promote {model} --version {new} lets v{new} take over all the same.",
        model=model,
        version=new,
        champion=now,
        expected=expected,
        winner=last.to_dict() if last else None,
    )


def _down_to(line: list[int], version: int) -> list[int]:
    while line and line[-1] != version:
        line = line[:-1]
    return line
