"""A fault that comes again and again may be how the feed looks from now on; then a person must say so.

Only the same fault of the same columns counts: a Fahrenheit week after three bursts of nulls is the first of its kind.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import takewhile
from typing import Any

from everfit.monitor.findings import Finding, listed

BATCHES = 3


def earlier(judged: Iterable[Mapping[str, Any]], batch: str) -> list[tuple[Finding, ...]]:
    """Return what was found in the other batches, the latest first; one that was judged twice counts once.

    `judged` are the facts of the ledger's judgements, oldest first.
    """
    latest: dict[str, list[dict[str, Any]]] = {}
    for facts in judged:
        evidence = facts["evidence"]
        latest.pop(evidence["batch"], None)
        latest[evidence["batch"]] = evidence["findings"]
    latest.pop(batch, None)
    return [tuple(map(Finding.from_dict, findings)) for findings in reversed(latest.values())]


def let_through(values: tuple[Finding, ...], before: Sequence[tuple[Finding, ...]]) -> tuple[Finding, ...]:
    """Return faults of values with an alert for a person instead of a refusal, once each was in three batches running.

    One fault that is new keeps all of them: the batch is refused as before.
    """
    running = min((_in_a_row(finding, before) for finding in values), default=0)
    if running < BATCHES:
        return values
    columns = tuple(dict.fromkeys(column for finding in values for column in finding.columns))
    of = f" of {listed(columns)}" if columns else ""
    text = (
        f"{running} batches in a row had the same fault{of}, and so has this one: "
        "it may be the new normal. It is let through; a person must look at the feed."
    )
    alert = Finding("new normal?", text, severity="watch", columns=columns)
    return alert, *(replace(finding, severity="watch") for finding in values)


def _in_a_row(finding: Finding, before: Sequence[tuple[Finding, ...]]) -> int:
    """Count the latest batches that had this fault, refused or let through."""
    return sum(1 for _ in takewhile(lambda found: any(_same(finding, other) for other in found), before))


def _same(one: Finding, other: Finding) -> bool:
    return (one.signal, set(one.columns)) == (other.signal, set(other.columns))
