"""Faults that show in whole rows: the same rows again, and times that stand still or lie in the future.

No row newer than those known is only watched: files of several regions, or a late file, look the same. What
must be refused is rows that came before, and those are found by their content.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd

from everfit.monitor.findings import Finding, Severity, finite
from everfit.schema import Schema

REPEATED = 0.50  # most of the rows
COLUMNS = 5  # that are looked at one by one before whole rows are compared
FEWEST = 20  # two rows that are alike say nothing
FUTURE = timedelta(days=1)
FUTURE_SHARE = 0.01


def find(
    reference: pd.DataFrame, current: pd.DataFrame, schema: Schema, *, time: str | None, now: datetime | None
) -> tuple[Finding, ...]:
    """Check for rows that came before and, with a time column, for times that cannot be."""
    found = [repeated(reference, current, schema)]
    if time and time in current and schema.to_dict().get(time) == "timestamp":
        found += [stale(reference, current, time), in_the_future(current, time, now)]
    return tuple(finding for finding in found if finding)


def repeated(reference: pd.DataFrame, current: pd.DataFrame, schema: Schema) -> Finding | None:
    """Speak when most rows are copies of each other, or of known rows, and rows used to differ."""
    names = [name for name in schema.names if name in reference and name in current]
    if not names or len(current) < FEWEST or _differ(reference, current, names):
        return None
    past, came = (pd.util.hash_pandas_object(frame[names], index=False) for frame in (reference, current))
    usual = float(past.duplicated().mean())
    twins, share = float(came.duplicated().mean()), float((came.duplicated() | came.isin(past)).mean())
    if share < REPEATED or usual > share / 4:
        return None
    text = f"{share:.0%} of the rows are copies of each other or of known rows; so far {usual:.0%} were"
    if twins >= REPEATED:
        return Finding("repeated rows", text, severity="repair", effect=finite(share))
    text += ": the same rows sent again, corrected, or with labels that were late?"
    return Finding("repeated rows", text, severity="watch", effect=finite(share))


def _differ(reference: pd.DataFrame, current: pd.DataFrame, names: list[str]) -> bool:
    """Say whether one column's values alone show that most rows are new: far cheaper than to compare whole rows."""
    numbers = [name for name in names if current[name].dtype.kind == "f" and reference[name].dtype.kind == "f"]
    return any(
        (current[name].duplicated() | current[name].isin(reference[name])).mean() < REPEATED
        for name in numbers[:COLUMNS]
    )


def stale(reference: pd.DataFrame, current: pd.DataFrame, time: str) -> Finding | None:
    """Ask to watch when the newest row is no newer than what is known: the feed may stand still."""
    if time not in reference or not current[time].notna().any():
        return None
    known, newest = reference[time].max(), current[time].max()
    if not newest <= known:
        return None
    text = f"the newest row is of {newest:%Y-%m-%d %H:%M}, and rows up to {known:%Y-%m-%d %H:%M} are known already"
    return Finding("stale rows", text, severity="watch", columns=(time,))


def in_the_future(current: pd.DataFrame, time: str, now: datetime | None) -> Finding | None:
    """Speak when rows carry dates that have not been yet; refuse when most of them do."""
    if now is None or current.empty:
        return None
    utc = now if now.tzinfo is None else now.astimezone(UTC).replace(tzinfo=None)
    share = float((current[time] > np.datetime64(utc + FUTURE)).mean())
    if share < FUTURE_SHARE:
        return None
    severity: Severity = "repair" if share >= REPEATED else "watch"
    text = f"{share:.0%} of the rows are dated in the future, up to {current[time].max():%Y-%m-%d %H:%M}"
    return Finding("rows from the future", text, severity=severity, columns=(time,), effect=finite(share))
