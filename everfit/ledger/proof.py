"""Prove that no row was altered, taken out or put in, and that the end is not missing.

The chain shows any change before its end. It cannot show that its last rows were cut off: what is left is still a
whole chain. For that there is the anchor, a small file beside the ledger (or wherever the caller says, for
PostgreSQL) with the number and hash of the last row that this machine wrote. Whoever can rewrite the table *and* the
anchor can forge a history: `Verification.head` is there to be kept somewhere else as well.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from everfit.errors import InputError, first_line
from everfit.ledger.entries import GENESIS, KINDS, Entry, canonical, hash_of
from everfit.locks import locked


@dataclass(frozen=True)
class Verification:
    """What verify found: `first_bad` is the number of the first row that is not as it was written."""

    ok: bool
    rows: int
    first_bad: int | None
    why: str
    head: str = GENESIS
    anchored: bool = False


@dataclass(frozen=True)
class Anchor:
    """The last row that this machine is known to have written."""

    seq: int
    hash: str


def verify(rows: Iterable[Mapping[str, Any]], anchor: Anchor | None, unreadable: str = "") -> Verification:
    """Walk the chain from the first row; stop at the first that does not fit."""
    seq, head, at_anchor = 0, GENESIS, None
    for row in rows:
        fault = _fault(row, seq + 1, head)
        if fault:
            return Verification(False, seq, min(int(row["seq"]), seq + 1), fault, head, anchor is not None)
        seq, head = int(row["seq"]), str(row["hash"])
        if anchor and anchor.seq == seq:
            at_anchor = head
    if unreadable:
        return Verification(False, seq, None, unreadable, head)
    if anchor and anchor.seq > seq:
        why = f"the end is missing: this machine wrote row {anchor.seq}, and the table ends at row {seq}"
        return Verification(False, seq, seq + 1, why, head, anchored=True)
    if anchor and at_anchor != anchor.hash:
        why = f"row {anchor.seq} is not the one that this machine wrote: rows were cut off and written anew"
        return Verification(False, seq, anchor.seq, why, head, anchored=True)
    return Verification(True, seq, None, "", head, anchor is not None)


def _fault(row: Mapping[str, Any], expected: int, head: str) -> str:
    seq = row["seq"]
    if seq > expected:
        missing = f"row {expected} is" if seq == expected + 1 else f"rows {expected} to {seq - 1} are"
        return f"{missing} missing"
    if seq < expected:
        return f"row {seq} was put in before the first"
    if row["hash"] != hash_of(row):
        return f"row {seq} was altered: its content does not give its hash"
    if row["previous"] != head:
        return f"row {seq} does not follow row {seq - 1}: one of the two was replaced or put in"
    return "" if row["kind"] in KINDS else f"row {seq} was put in: everfit writes no '{row['kind']}'"


def read_anchor(path: Path | None) -> Anchor | None:
    """Read an anchor; None when there is none yet. Raise ValueError when it is not one."""
    if path is None:
        return None
    try:
        found = json.loads(path.read_text())
        return Anchor(int(found["seq"]), str(found["hash"]))
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError, OSError) as damage:
        raise ValueError(f"the anchor {path} cannot be read") from damage


def follows(path: Path, hash_at: Callable[[int], str | None]) -> bool:
    """Say whether the table still has the row of the anchor, so that the anchor may move on.

    If not, it stays where it is: moved onto a chain that was cut and written anew, it would hide that for ever.
    """
    try:
        anchor = read_anchor(path)
    except ValueError:
        return False
    return anchor is None or hash_at(anchor.seq) == anchor.hash


def move_anchor(path: Path, entry: Entry) -> None:
    """Move the anchor on to a row that is committed; never back, when the writer of a later row was faster.

    The row counts whether or not this succeeds: an anchor that cannot be written lags, until the next row moves it.
    """
    try:
        with locked(path.with_name(f"{path.name}.lock")):
            before = read_anchor(path)
            if before is None or before.seq < entry.seq:
                _replace(path, canonical({"seq": entry.seq, "hash": entry.hash}))
    except (OSError, ValueError, InputError) as problem:
        told = "row %d is recorded, and its anchor lags until the next row moves it: %s"
        logging.getLogger("everfit").warning(told, entry.seq, first_line(problem))


def _replace(path: Path, text: str) -> None:
    """Replace a file whole, so that a reader or a crash never meets half of one."""
    fresh = path.with_name(f"{path.name}.new")
    fresh.write_text(text)
    fresh.replace(path)
