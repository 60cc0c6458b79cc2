"""Have the labels come that should be known by now? A feed of labels that stands still hides every decline."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pandas as pd

from everfit.monitor.findings import Finding, finite
from everfit.spec import write_duration

SIGNAL = "labels"
MOSTLY = 0.5


def judge(when: pd.Series, labelled: pd.Series, delay: timedelta, *, min_rows: int = 30) -> Finding:
    """Ask to watch when most rows that are older than the delay have no label; else say when labels are expected.

    Rows are as old as the newest row says, not the clock: a feed that rests is not late.
    """
    dated = when.notna()
    when, labelled = when[dated], labelled[dated].astype(bool)
    if when.empty:
        return Finding.cannot_judge(SIGNAL, "no row has a time from which its label could be expected")
    due = when <= when.max() - delay
    late, rows = int((due & ~labelled).sum()), int(due.sum())
    if rows < min_rows:
        return Finding(SIGNAL, f"{rows:,} labels are due; {_expected(when[~labelled & ~due], delay)}")
    text = f"{rows - late:,} of {rows:,} rows that are older than {write_duration(delay)} have their label"
    if late / rows > MOSTLY:
        since = when[due & ~labelled].min()
        text = f"labels are overdue: {text}; the oldest that waits is of {since:%Y-%m-%d %H:%M}"
        return Finding(SIGNAL, text, severity="watch", effect=finite(late / rows))
    return Finding(SIGNAL, f"{text}; {_expected(when[~labelled & ~due], delay)}", effect=finite(late / rows))


def _expected(open_: pd.Series, delay: timedelta) -> str:
    if open_.empty:
        return "no other is waited for"
    first, last = (pd.Timestamp(np.datetime64(time)) + delay for time in (open_.min(), open_.max()))
    return f"{len(open_):,} more are expected from {first:%Y-%m-%d %H:%M} to {last:%Y-%m-%d %H:%M}"
