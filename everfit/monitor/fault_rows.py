"""Faults that show in whole rows: the same rows again, and times that stand still or lie in the future.

No row newer than those known is only watched: files of several regions, or a late file, look the same. What
must be refused is rows that came before, and those are found by their content.

Rows that came before with their ids and times are only watched, too: an export of the last thirty days has most of them
again, and so has a file that labels were added to. Under other ids or times they say of one moment what was seen at
another, and are refused.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd

from everfit.monitor.findings import Finding, Severity, finite
from everfit.monitor.table import Table
from everfit.schema import Schema

REPEATED = 0.50  # most of the rows
COPIED = 0.90  # nearly all of them
VARIED = 400  # values of some column: the 366 days of a calendar come again by themselves
FEWEST = 20  # two rows that are alike say nothing
FUTURE = timedelta(days=1)
FUTURE_SHARE = 0.01


def find(past: Table, came: Table, schema: Schema, *, time: str | None, now: datetime | None) -> tuple[Finding, ...]:
    """Check for rows that came before and, with a time column, for times that cannot be."""
    found = [repeated(past, came, schema)]
    if time and schema.to_dict().get(time) == "timestamp":
        found += [stale(past, came, time), in_the_future(came, time, now)]
    return tuple(finding for finding in found if finding)


def repeated(past: Table, came: Table, schema: Schema) -> Finding | None:
    """Speak when most rows are copies of each other, or of known rows, and rows used to differ."""
    if not schema.columns or len(came) < FEWEST:
        return None
    different, known = _different(past, came, schema.names)
    twins, share = 1 - different / len(came), 1 - (different - known) / len(came)
    if share < REPEATED or (usual := _twins(past, schema.names)) > share / 4:
        return None
    text = f"{share:.0%} of the rows are copies of each other or of known rows; so far {usual:.0%} were"
    if twins >= REPEATED:
        return Finding("repeated rows", text, severity="repair", effect=finite(share))
    text += ": the same rows sent again, corrected, or with labels that were late?"
    return Finding("repeated rows", text, severity="watch", effect=finite(share))


def copied(
    past: Table, came: Table, inputs: Schema, *, time: str | None, ids: Collection[str], target: str
) -> Finding | None:
    """Speak when nearly all rows are known ones under other ids or times: equal in all inputs and in the label.

    Each counts once, so that a plant that stands still copies nothing; and where rows that are known used to come, or
    no column has many values, they may be equal by chance. While labels are not known, the same inputs at another time
    may only be asked about again, and other ids alone make a copy.
    """
    there = set(past.schema.names).intersection(came.came.names)
    told = target in there and not np.isnan(came.row(target)).all()
    marks = {"ids": [name for name in ids if name in there], "times": [time] if told and time in there else []}
    names = inputs.without([*ids, time or ""]).names
    content, whole = (*names, *([target] if told else ())), (*names, *marks["ids"], *marks["times"])
    if not names or whole == names or (copies := _different(past, came, content)[1]) < COPIED * len(came):
        return None
    copies -= _different(past, came, whole)[1]
    share = copies / len(came)
    if share < COPIED or (usual := _twins(past, content)) > share / 4 or not _varied(past, content):
        return None
    other = [mark for mark, held in marks.items() if held and _different(past, came, (*names, *held))[1] < copies]
    but = " and ".join(other or marks)
    text = f"{copies:,} of {len(came):,} rows are copies of rows that came before, but for their {but}; so far "
    return Finding("copied rows", f"{text}{usual:.0%} were", severity="repair", effect=finite(share))


def _different(past: Table, came: Table, names: tuple[str, ...]) -> tuple[int, int]:
    """Return how many different rows came, by some columns, and how many of these are known."""
    known, new = past.hashes_of(names), np.unique(came.hashes_of(names))
    after, before = (np.searchsorted(known, new, side=side) for side in ("right", "left"))
    return len(new), int((after > before).sum())


def _twins(past: Table, names: tuple[str, ...]) -> float:
    """Return which share of the past is copies of others in it."""
    return 1 - len(np.unique(past.hashes_of(names))) / max(1, len(past))


def _varied(past: Table, names: tuple[str, ...]) -> bool:
    """Say whether some column has so many values that rows are not equal by chance."""
    return max(len(np.unique(past.row(name))) for name in names) >= min(VARIED, len(past) / 2)


def stale(past: Table, came: Table, time: str) -> Finding | None:
    """Ask to watch when the newest row is no newer than what is known: the feed may stand still."""
    known, newest = (pd.Timestamp(pd.Series(rows.row(time)).max(), unit="us") for rows in (past, came))
    if not newest <= known:
        return None
    text = f"the newest row is of {newest:%Y-%m-%d %H:%M}, and rows up to {known:%Y-%m-%d %H:%M} are known already"
    return Finding("stale rows", text, severity="watch", columns=(time,))


def in_the_future(came: Table, time: str, now: datetime | None) -> Finding | None:
    """Speak when rows carry dates that have not been yet; refuse when most of them do."""
    if now is None or not len(came):
        return None
    utc = now if now.tzinfo is None else now.astimezone(UTC).replace(tzinfo=None)
    times, limit = came.row(time), pd.Timestamp(utc + FUTURE).timestamp() * 1e6
    share = float((times > limit).mean())
    if share < FUTURE_SHARE:
        return None
    severity: Severity = "repair" if share >= REPEATED else "watch"
    newest = pd.Timestamp(np.nanmax(times), unit="us")
    text = f"{share:.0%} of the rows are dated in the future, up to {newest:%Y-%m-%d %H:%M}"
    return Finding("rows from the future", text, severity=severity, columns=(time,), effect=finite(share))
