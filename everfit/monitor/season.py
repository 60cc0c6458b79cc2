"""Have the inputs that moved been like this before, longer ago? Then a season has come back, and no new world.

The past is cut into parts in the order of time. What moved against the whole of it is compared with each part by the
same test: a part against which nothing moves any more looks like the batch. Where the latest part is such a one, the
past has become like this of late; that is no season.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from everfit.monitor.counts import sample
from everfit.monitor.drift import Drift, compare
from everfit.monitor.findings import Finding
from everfit.schema import Schema

if TYPE_CHECKING:
    from everfit.monitor.view import View  # with all that reads tables, which a decision need not wait for

SIGNAL = "season"
PARTS, FEWEST = 10, 3
MAX_ROWS = 5_000  # of a batch: each part is compared with all of them


def judge(view: View) -> Finding:
    """Look at the columns that moved against the champion's past."""
    policy = view.policy
    return find(view.reference, view.current, view.drift, level=policy.significance, min_rows=policy.min_rows)


def find(
    reference: pd.DataFrame, current: pd.DataFrame, drift: Drift, *, level: float = 0.01, min_rows: int = 500
) -> Finding:
    """Say in which earlier part of the past the columns that moved, by `drift`, were as they are now.

    They are the finding's columns, of which there are none otherwise. It asks for nothing: that they moved is told by
    others, and this makes it less of a reason to worry. Both frames have the columns of `drift`, the reference in the
    order of time.
    """
    if not drift.judged:
        return Finding.cannot_judge(SIGNAL, drift.why)
    if not drift.drifted:
        return Finding(SIGNAL, "no column moved, so that none can have been like this before")
    parts = min(PARTS, len(reference) // min_rows)
    if parts < FEWEST:
        return Finding.cannot_judge(SIGNAL, f"the past is too short: {len(reference):,} rows have no seasons")
    moved, now = Schema.from_dict({c.column: c.kind for c in drift.drifted}), sample(current, MAX_ROWS)
    past = [reference.iloc[at] for at in np.array_split(np.arange(len(reference)), parts)]
    alike = [not compare(part, now, columns=moved, level=level, min_rows=min_rows).drifted for part in past]
    return _finding(alike, moved.names)


def _finding(alike: list[bool], columns: tuple[str, ...]) -> Finding:
    if alike[-1]:
        return Finding(SIGNAL, "what moved is as it was in the latest part of the past")
    if not any(alike):
        return Finding(SIGNAL, "what moved was like this in no part of the past")
    newest = max(at for at, same in enumerate(alike) if same)
    first, last = (f"{share / len(alike):.0%}" for share in (newest, newest + 1))
    text = f"what moved was like this before: in the rows from {first} to {last} of the past, and not in the latest"
    return Finding(SIGNAL, text, columns=columns)
