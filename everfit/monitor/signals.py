"""The signals: each looks at a view, and gives one finding or says that it cannot judge.

A signal is a function `(View) -> Finding` in a file of its own. To add one is to write that file and its line here; it
must pass `tests/everfit/monitor/test_signals.py`, as every member does:

- on equal data it speaks no more often than its stated level, `monitor.significance`;
- it speaks on what it is there to see, and says that it cannot judge where there is too little to go by;
- only what rests on labels may ask for a retraining: the severity of all others is `watch` at most;
- its text shows no value of a personal column.

What is broken in a batch is found before, by `faults` and `fault_labels`: it is refused, and not looked at any further.
"""

from __future__ import annotations

from collections.abc import Callable

from everfit.monitor import estimated, label_shift, multivariate, performance, season, shifts, staleness
from everfit.monitor.findings import Finding
from everfit.monitor.view import View

Signal = Callable[[View], Finding]

OF_LABELS: tuple[Signal, ...] = (
    performance.judge,
    estimated.judge,
)
OF_ROWS: tuple[Signal, ...] = (
    shifts.inputs,
    shifts.predictions,
    shifts.target,
    multivariate.judge,
    label_shift.judge,
    staleness.judge,
)
SIGNALS: tuple[Signal, ...] = (*OF_ROWS, *OF_LABELS)


def judge(view: View) -> tuple[Finding, ...]:
    """Ask every signal; where labels came alone, those that look at labels.

    Whether what moved is a season that has come back is asked too: that asks for nothing, and so is no signal.
    """
    if not len(view.current):
        return tuple(signal(view) for signal in OF_LABELS)
    return (*(signal(view) for signal in SIGNALS), season.judge(view))
