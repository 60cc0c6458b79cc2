"""What stands against an action, each in one line: some hold back everything, others only what is dear."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from everfit.monitor.evidence import Evidence
from everfit.spec import Monitor, Retrain, write_duration

WEEK = timedelta(days=7)
BROKEN = "the data are broken: repair the feed, do not learn from it"


def of_all(evidence: Evidence, retrain: Retrain) -> Iterator[str]:
    """Give everything that holds back any new version, however cheap."""
    if evidence.champion is None:
        yield "there is no champion yet: `everfit train` makes the first one"
    if not retrain.auto:
        yield "retrain.auto is false: nothing starts by itself"
    if evidence.running:
        yield f"a retraining is already wanted or running: {evidence.running}"
    if evidence.waiting is not None:
        yield f"version {evidence.waiting} waits for approval: promote or refuse it first"


def of_searches(evidence: Evidence, monitor: Monitor, retrain: Retrain) -> Iterator[str]:
    """Give what else holds back a search: too few labels, its cost, and the pauses between two of them."""
    if evidence.labels < monitor.min_labels:
        missing = "" if evidence.target_present else "; the batch itself has no target column"
        yield f"{evidence.labels:,} labelled rows since the champion's search, {monitor.min_labels:,} needed{missing}"
    if evidence.spent:
        yield evidence.spent
    if evidence.queued:
        yield f"a search is wanted already, and waits: {evidence.queued}"
    past = [at for at in evidence.retrained if at <= evidence.now]
    if past and (since := evidence.now - max(past)) < retrain.cooldown:
        until = max(past) + retrain.cooldown
        ago = f"{since.total_seconds() / 3600:.1f} h ago"
        pause = write_duration(retrain.cooldown)
        yield f"the last search ended {ago}: cooldown of {pause} until {until:%Y-%m-%d %H:%M}"
    recent = sum(at > evidence.now - WEEK for at in past)
    if recent >= retrain.max_per_week:
        yield f"{recent} searches in the last seven days, at most {retrain.max_per_week} are allowed"
