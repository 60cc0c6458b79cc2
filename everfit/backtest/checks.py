"""What the suites would have set aside or refused, batch by batch; that is the same for every policy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from everfit import validation
from everfit.backtest.history import History
from everfit.validation import Suite


def checked(history: History, suites: Sequence[Suite], *, model: str) -> History:
    """Return the history with what the suites say of its warm-up and of each batch, at its own time.

    The warm-up is one large batch, of which only broken rows are set aside: rules about a batch may not fit it. Raise
    Unavailable when the process that judges dies.
    """
    if not suites:
        return history
    broken, refused = set[int](), dict[int, tuple[str, ...]]()
    for number in (None, *range(len(history.batches))):
        rows = slice(0, history.warm) if number is None else history.batches[number].rows
        now = history.batches[0].began if number is None else history.batches[number].ended
        frame = history.frame.iloc[rows].reset_index(drop=True)
        report = validation.run(suites, frame, model=model, origin=f"batch {number}", now=now)
        broken |= {rows.start + at for at in report.broken}
        if number is not None and report.blocking:
            refused[number] = tuple(map(str, report.blocking))
    return replace(history, broken=frozenset(broken), refused=refused)
