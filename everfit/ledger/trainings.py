"""Which trainings were started and never ended, because their process was killed or their machine stopped.

What a drift decision asked for starts with `retrain_started` and what a person or the calendar asked for with
`train_started`. Every row that a training ends with names that decision or that start, so that they can be matched.
"""

from __future__ import annotations

from collections.abc import Sequence

from everfit.ledger.entries import Entry, Kind
from everfit.ledger.holders import Holder

STARTS: tuple[Kind, ...] = ("train_started", "retrain_started")
JUDGED: tuple[Kind, ...] = ("promoted", "promotion_refused", "approval_wanted")
ENDS: tuple[Kind, ...] = (
    *JUDGED,
    *("train_failed", "retrain_finished", "retrain_failed", "retrain_released"),
)
KINDS = (*STARTS, *ENDS)
STOPPABLE: tuple[Kind, ...] = (*STARTS, "stop_wanted")


def unended(entries: Sequence[Entry]) -> list[Entry]:
    """Return the starts without an end whose process is gone, oldest first.

    Whether a process on another host is gone cannot be seen; there, a later start of the same model says so.
    """
    return _open(entries)[0]


def running(entries: Sequence[Entry]) -> list[Entry]:
    """Return the starts without an end whose process is not known to be gone, oldest first."""
    return _open(entries)[1]


def _open(entries: Sequence[Entry]) -> tuple[list[Entry], list[Entry]]:
    """Return the starts without an end: those that are lost, and those that may still end."""
    latest = {entry.model: entry.seq for entry in entries if entry.kind in STARTS}
    running: dict[tuple[str, str], Entry] = {}
    lost = []
    for entry in entries:
        training = (entry.model, _training(entry))
        before = running.pop(training, None)
        if entry.kind in STARTS:
            lost += [before] if before else []
            running[training] = entry
    gone = [start for start in running.values() if _gone(start, latest[start.model])]
    alive = [start for start in running.values() if start not in gone]
    return sorted(lost + gone, key=lambda start: start.seq), alive


def _training(entry: Entry) -> str:
    return str(entry.facts.get("decision") or entry.facts.get("training") or entry.subject)


def _gone(start: Entry, latest: int) -> bool:
    alive = Holder.from_dict(start.facts["holder"]).alive
    return start.seq < latest if alive is None else not alive
