"""Make a decision again from what the ledger kept, and say what differs: field by field, down to the last number.

What was decided must come out again. How it was told may be told otherwise by another everfit, which is a note.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from difflib import get_close_matches
from importlib import metadata
from typing import Any

from pydantic import ValidationError

from everfit.errors import InputError, did_you_mean
from everfit.ledger import Entry
from everfit.monitor.decision import Decision, Evidence, decide
from everfit.record import Record
from everfit.spec import ModelSpec, Monitor, Promotion, Refit, Retrain

POLICY = {"monitor", "refit", "retrain", "promotion"}
LATEST = 5  # decisions of a model, for who looks for one
CLOSE = 1e-9  # relative; another processor may round otherwise
TOLD = ("reasons", "next_steps", "diagnosis", "blockers[")  # in words; how many blockers there are was decided


@dataclass(frozen=True)
class Difference(Record):
    """One value that is not what it was."""

    field: str
    recorded: Any
    now: Any


@dataclass(frozen=True)
class Replayed(Record):
    """A decision of the past beside the same decision made now.

    `notes` say what could not be compared, and what is the same in other words.
    """

    decision: str
    model: str
    at: datetime
    verdict: str
    action: str
    differences: tuple[Difference, ...]
    notes: tuple[str, ...] = ()

    @property
    def identical(self) -> bool:
        """Whether what was decided comes out again, in whatever words."""
        return not self.differences


def basis_of(spec: ModelSpec) -> dict[str, Any]:
    """Return what a decision rests on beside its evidence, to be recorded with it: the policy and this everfit."""
    return {"policy": policy_of(spec), "everfit": metadata.version("everfit")}


def policy_of(spec: ModelSpec) -> dict[str, Any]:
    """Return the parts of a model file that a decision rests on, as plain values."""
    return spec.model_dump(mode="json", include=POLICY)


def find(entries: list[Entry], decision: str) -> Entry:
    """Return the judgement whose id is this, or alone begins so; raise InputError with the nearest ids otherwise.

    Where a model is named instead of a decision, these are its latest.
    """
    known = {entry.subject: entry for entry in entries if entry.kind == "drift_judged"}
    if decision in known:
        return known[decision]
    begun = [subject for subject in known if len(decision) > 3 and subject.startswith(decision)]
    if len(begun) == 1:
        return known[begun[0]]
    nearest = did_you_mean(decision, get_close_matches(decision, known, n=1))
    near = f" It may be short for {' or '.join(begun[:5])}." if begun else nearest
    raise InputError(
        f"No decision '{decision}' is in the ledger.{near}",
        details=_latest(known.values(), decision),
        do="everfit history MODEL shows the decisions about a model with their ids.",
    )


def _latest(judged: Iterable[Entry], model: str) -> list[str]:
    """List the latest decisions about each model, the last one first; of one alone where a model is named."""
    of: dict[str, list[str]] = {}
    for entry in judged:
        of.setdefault(entry.model, []).insert(0, entry.subject)
    wanted = {model: of[model]} if model in of else of
    return [f"the latest of {name}: {', '.join(ids[:LATEST])}" for name, ids in wanted.items()]


def replay(entry: Entry, today: ModelSpec | None = None) -> Replayed:
    """Decide again by the policy that was recorded, or else by that of `today`, and compare.

    Raise InputError when there is no policy at all, or when what was kept cannot be read.
    """
    facts = entry.facts
    policy = facts.get("policy") or (today and policy_of(today))
    if not policy:
        raise InputError(f"Decision {entry.subject} cannot be made again: its policy was not recorded.")
    try:
        before, evidence = Decision.from_dict(facts["decision"]), Evidence.from_dict(facts["evidence"])
        parts = _parts(policy)
    except ValidationError as cause:
        raise InputError(f"Decision {entry.subject} cannot be read by this version of everfit.") from cause
    now = decide(evidence, *parts).to_dict()
    told = {**facts["decision"], "action": before.action}
    if told["id"].partition("-")[0] == now["id"]:
        now["id"] = told["id"]  # a batch that was judged again has a number after the id
    found = list(_differences("", told, now))
    decided = tuple(one for one in found if not one.field.startswith(TOLD))
    notes = (*_notes(facts), *(_in_other_words(one) for one in found if one not in decided))
    return Replayed(entry.subject, entry.model, entry.at, before.verdict, before.action, decided, notes)


def _parts(policy: Mapping[str, Any]) -> tuple[Monitor, Retrain, Promotion, Refit]:
    return (
        Monitor.model_validate(policy["monitor"]),
        Retrain.model_validate(policy["retrain"]),
        Promotion.model_validate(policy["promotion"]),
        Refit.model_validate(policy["refit"]),
    )


def _notes(facts: Mapping[str, Any]) -> Iterator[str]:
    """Say what the record does not have, because it was written before that was kept."""
    if "policy" not in facts:
        yield "its policy was not recorded: it was made again by the model file of today"
    if (made := facts.get("everfit", "of an unknown version")) != (here := metadata.version("everfit")):
        yield f"it was made by everfit {made}, and made again by {here}"
    for what, kind in (("decision", Decision), ("evidence", Evidence)):
        missing = sorted(kind.__dataclass_fields__.keys() - facts[what].keys())
        if missing:
            yield f"not part of a {what} then, and not compared: {', '.join(missing)}"
    if facts["decision"]["action"] == "retrain":
        yield "it says 'retrain', which is what a search was called then"


def _in_other_words(told: Difference) -> str:
    before, now = (json.dumps(side, ensure_ascii=False)[:200] for side in (told.recorded, told.now))
    return f"the same in other words: {told.field}: {before} -> {now}"


def _differences(field: str, told: Any, now: Any) -> Iterator[Difference]:
    """Compare what was recorded, and nothing beyond it, with what comes out now."""
    if isinstance(told, Mapping) and isinstance(now, Mapping):
        for name in told:
            yield from _differences(f"{field}.{name}".removeprefix("."), told[name], now.get(name))
    elif isinstance(told, list) and isinstance(now, list) and len(told) == len(now):
        for at, (one, other) in enumerate(zip(told, now, strict=True)):
            yield from _differences(f"{field}[{at}]", one, other)
    elif not _same(told, now):
        yield Difference(field, told, now)


def _same(told: Any, now: Any) -> bool:
    if isinstance(told, float) and isinstance(now, float | int):
        return math.isclose(told, now, rel_tol=CLOSE)
    return bool(told == now)
