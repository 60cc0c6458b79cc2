"""Faults that show in whole rows: the same rows again, and times that stand still or lie in the future.

No row newer than those known is only watched: files of several regions, or a late file, look the same. What
must be refused is rows that came before, and those are found by their content.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd

from everfit.monitor.findings import Finding, Severity, finite
from everfit.monitor.table import Table
from everfit.schema import Schema

REPEATED = 0.50  # most of the rows
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
    known, new = past.hashes_of(schema), pd.Series(came.hashes_of(schema))
    twins, share = float(new.duplicated().mean()), float((new.duplicated() | new.isin(known)).mean())
    if share < REPEATED or (usual := float(pd.Series(known).duplicated().mean())) > share / 4:
        return None
    text = f"{share:.0%} of the rows are copies of each other or of known rows; so far {usual:.0%} were"
    if twins >= REPEATED:
        return Finding("repeated rows", text, severity="repair", effect=finite(share))
    text += ": the same rows sent again, corrected, or with labels that were late?"
    return Finding("repeated rows", text, severity="watch", effect=finite(share))


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
