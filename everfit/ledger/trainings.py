"""Which trainings were started and never ended, because their process was killed or their machine stopped.

What a drift decision asked for starts with `retrain_started` and what a person or the calendar asked for with
`train_started`. Every row that a training ends with names that decision or that start, so that they can be matched.
"""

from __future__ import annotations

from collections.abc import Sequence

from everfit.ledger.entries import Entry, Kind
from everfit.ledger.holders import Holder

STARTS: tuple[Kind, ...] = ("train_started", "retrain_started")
ENDS: tuple[Kind, ...] = (
    *("promoted", "promotion_refused", "approval_wanted"),
    *("train_failed", "retrain_finished", "retrain_failed", "retrain_released"),
)
KINDS = (*STARTS, *ENDS)


def unended(entries: Sequence[Entry]) -> list[Entry]:
    """Return the starts without an end whose process is gone, oldest first.

    Whether a process on another host is gone cannot be seen; there, a later start of the same model says so.
    """
    latest = {entry.model: entry.seq for entry in entries if entry.kind in STARTS}
    running: dict[tuple[str, str], Entry] = {}
    lost = []
    for entry in entries:
        training = (entry.model, _training(entry))
        before = running.pop(training, None)
        if entry.kind in STARTS:
            lost += [before] if before else []
            running[training] = entry
    lost += [start for start in running.values() if _gone(start, latest[start.model])]
    return sorted(lost, key=lambda start: start.seq)


def _training(entry: Entry) -> str:
    return str(entry.facts.get("decision") or entry.facts.get("training") or entry.subject)


def _gone(start: Entry, latest: int) -> bool:
    alive = Holder.from_dict(start.facts["holder"]).alive
    return start.seq < latest if alive is None else not alive
