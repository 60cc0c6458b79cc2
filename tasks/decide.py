"""Decide what follows from what was seen, once, and write it down before anything starts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, get_args

from everfit import registry, validation
from everfit.lake import Batch, Lake
from everfit.ledger import Entry, Ledger
from everfit.monitor import blend, rendering, telling
from everfit.monitor.decision import Action, Decision, Evidence, Verdict
from everfit.monitor.decision import decide as weigh
from everfit.monitor.headline import in_short
from everfit.monitor.replay import basis_of
from everfit.settings import Settings
from everfit.spec import ModelSpec
from everfit.upkeep.state import Mix
from tasks.artifacts import publish_report
from tasks.champion import Champion
from tasks.evidence import with_past
from tasks.silence import stale
from tasks.steps import say, step
from tasks.watch import Seen

SHOWN = 5  # batches that were sent again; a folder may be named that has hundreds

Past = Mapping[tuple[str, int | None], Entry]


@dataclass(frozen=True)
class Watched:
    """A batch and what was decided about it."""

    batch: str
    decision: Decision
    page: str
    before: bool = False


@step
def decide(spec: ModelSpec, champion: Champion, seen: Seen) -> Watched | None:
    """Weigh the evidence, write evidence and decision to the ledger, and ask for a retraining if one is due.

    None, and nothing is written, when another run decided meanwhile: then look again, at the state that it left.
    """
    settings = Settings()
    path = settings.reports(spec.name) / f"drift-{seen.evidence.batch[:12]}.html"
    recorded = _recorded(spec, Ledger.of(settings), seen.evidence, str(path), champion)
    if recorded is None:
        say("another run decided about this model meanwhile: what it left is looked at first")
        champion.forget()
        return None
    evidence, decision = recorded
    shown = {"evidently": seen.evidently, "performance": seen.performance}
    page = rendering.page(path, evidence, decision, seen.moved, history=_mixes(spec, settings), **shown)
    text = telling.markdown(evidence, decision, seen.moved)
    publish_report(spec.name, "drift-verdict", f"{spec.name}: {decision.verdict}", text, page)
    say(f"{decision.verdict}: {'; '.join(decision.reasons)}")
    return Watched(evidence.batch, decision, str(page))


def _mixes(spec: ModelSpec, settings: Settings) -> list[tuple[str, Mix]]:
    """Return how the windows shared the answers by the last decisions, this one's last."""
    judged = Ledger.of(settings).entries(spec.name, kinds=["drift_judged"], limit=blend.SHOWN)
    return blend.history(entry.facts for entry in judged)


def _recorded(
    spec: ModelSpec, ledger: Ledger, seen: Evidence, page: str, champion: Champion
) -> tuple[Evidence, Decision] | None:
    """Return the decision that the ledger holds, and what it rests on; one that was open gives way to another one.

    It is weighed again when another process wanted a retraining meanwhile: of two batches that are judged at once,
    one starts it and the other is held back. None when the state that it was measured from is the champion's no more.
    """
    while True:
        evidence = with_past(ledger, seen)
        decision = weigh(evidence, spec.monitor, spec.retrain, spec.promotion, spec.refit)
        past = _earlier(ledger, spec.name, decision.id)
        before = Decision.from_dict(past[-1].facts["decision"]) if past else None
        if before and (not _is_open(before) or before.action == decision.action):
            return evidence, before
        if before:
            decision = replace(decision, id=f"{decision.id}-{len(past)}")
        if evidence.upkeep and champion.moved_on(evidence.upkeep):
            return None
        if entry := _write(spec, ledger, evidence, decision, page):
            return _told(entry)


def _write(spec: ModelSpec, ledger: Ledger, evidence: Evidence, decision: Decision, page: str) -> Entry | None:
    plain = {"evidence": evidence.to_dict(), "decision": decision.to_dict()}
    return ledger.judge(
        evidence.model,
        decision.id,
        retrain=decision.retrains,
        after=evidence.as_of,
        how=decision.action,
        actor=Settings().actor,
        reason="; ".join(decision.reasons),
        facts={"verdict": decision.verdict, "in_short": in_short(decision), "page": page, **basis_of(spec), **plain},
    )


def _told(entry: Entry) -> tuple[Evidence, Decision]:
    return Evidence.from_dict(entry.facts["evidence"]), Decision.from_dict(entry.facts["decision"])


def _is_open(decision: Decision) -> bool:
    """Say whether a batch should be judged again when it comes again: it was refused, or a retraining was held back."""
    return decision.action == "repair" or decision.held


def _judged(ledger: Ledger, model: str) -> list[Entry]:
    return ledger.entries(model, kinds=["drift_judged"])


def _earlier(ledger: Ledger, model: str, decision: str) -> list[Entry]:
    """Return what was decided about the same batch for the same champion; all but the first have a number."""
    found: list[Entry] = []
    while there := ledger.entries(
        model, kinds=["drift_judged"], subject=f"{decision}-{len(found)}" if found else decision
    ):
        found += there
    return found


def news(spec: ModelSpec, batches: Sequence[Batch]) -> list[Batch]:
    """Leave out what the champion was made from and what comes twice; raise InputError when there is no champion."""
    ledger = Ledger.of(Settings())
    version = registry.require_champion(ledger, spec.name)
    learnt = ledger.registered(spec.name).get(version, {}).get("batches", ())
    fresh = {batch.digest: batch for batch in reversed(batches) if batch.digest not in learnt}
    return [batch for batch in batches if fresh.get(batch.digest) is batch]


def past(spec: ModelSpec) -> Past:
    """Return the last judgement of each batch for each champion. A run reads them once: they are many and large."""
    seen = [(entry.facts["evidence"], entry) for entry in _judged(Ledger.of(Settings()), spec.name)]
    return {(evidence["batch"], evidence["champion"]): entry for evidence, entry in seen}


def recall(spec: ModelSpec, before: Past, batch: Batch) -> Watched | None:
    """Return what was decided about a batch for the present champion, once it has landed; None if more is to do."""
    return recollect(spec, before, batch.digest) if Lake(Settings()).known(spec.name, batch.digest) else None


def recollect(spec: ModelSpec, before: Past, digest: str) -> Watched | None:
    """Return what was decided about a batch, or about labels, for the present champion; None if it is still open."""
    ledger = Ledger.of(Settings())
    entry = before.get((digest, ledger.champion(spec.name)))
    if not entry:
        return None
    decision = Decision.from_dict(entry.facts["decision"])
    told = _with_failure(ledger, spec.name, decision)
    return None if _is_open(decision) else Watched(digest, told, entry.facts["page"], before=True)


def _with_failure(ledger: Ledger, model: str, decision: Decision) -> Decision:
    """Say of a decision that its retraining failed for good, if it did: nothing else will start it again."""
    failed = [entry for entry in ledger.entries(model, kinds=["retrain_failed"]) if entry.subject == decision.id]
    if not failed:
        return decision
    blocker = f"its retraining failed: {failed[-1].reason}"
    by_hand = f"Look at why; then `everfit train {model}` retrains by hand."
    return replace(decision, blockers=(*decision.blockers, blocker), next_steps=(by_hand,))


def sent_again(spec: ModelSpec, batches: Sequence[Batch]) -> list[str]:
    """Say which batches are, row by row, what has landed before; so it must be asked before any of them lands."""
    landed = {one.digest: one for one in Lake(Settings()).batches(spec.name) if one.live}
    again = [(batch, landed[batch.digest]) for batch in batches if batch.digest in landed]
    told = [
        f"{batch.origin} holds the same rows as batch {one.digest[:8]}, which landed from {one.origin} "
        f"at {one.at:%Y-%m-%d %H:%M}"
        for batch, one in again[:SHOWN]
    ]
    return [*told, f"and {len(again) - SHOWN} more"] if len(again) > SHOWN else told


def summary(
    spec: ModelSpec,
    watched: Sequence[Watched],
    started: Sequence[dict[str, Any]],
    seconds: dict[str, float],
    again: Sequence[str] = (),
) -> dict[str, Any]:
    """Return what a monitor run found, the gravest batch first in line, ready for JSON.

    What was sent `again` is told among the reasons.
    """
    retraining = next(iter(started), None)
    shared: dict[str, Any] = {"model": spec.name, "batches": [one.batch for one in watched], "seconds": seconds}
    shared |= {"retraining": retraining, "retrainings": list(started), "warnings": _warnings(spec, watched)}
    if not watched:
        told = _nothing_new(spec)
        return {**shared, **told, "reasons": [*told["reasons"], *again], "in_short": told["verdict"]}
    gravest = max(watched, key=_gravity)
    decision = gravest.decision
    return {
        **shared,
        "batch": gravest.batch,
        "verdict": decision.verdict,
        "in_short": in_short(decision),
        "diagnosis": decision.diagnosis.told if decision.diagnosis else "",
        "wanted": decision.wanted,
        "reasons": [*decision.reasons, *again],
        "blockers": list(decision.blockers),
        "findings": [finding.to_dict() for finding in decision.findings],
        "action": decision.action,
        "next_steps": list(decision.next_steps),
        "decision": decision.id,
        "report": gravest.page,
    }


def _nothing_new(spec: ModelSpec) -> dict[str, Any]:
    """Say that nothing came in; and what is still open: what was wanted, and no retraining has brought about."""
    reasons, next_steps = ["nothing new came in"], list[str]()
    told: dict[str, Any] = {"verdict": "fine", "reasons": reasons, "blockers": [], "findings": [], "action": "none"}
    if (late := stale(spec)).speaks:
        reasons[0] += f": {late.text}"
        told |= {"verdict": "watch", "findings": [late.to_dict()]}
        next_steps = ["Look whether the feed still delivers: a model that sees nothing is not watched."]
    ledger, name = Ledger.of(Settings()), spec.name
    champion, judged = ledger.champion(name), ledger.entries(name, kinds=["drift_judged"], limit=1)
    outcomes = ledger.entries(name, kinds=["retrain_finished", "retrain_failed"]) if judged else []
    ended = [entry for entry in outcomes if entry.subject == judged[0].subject]
    if not ended or judged[0].facts["evidence"]["champion"] != champion:
        return {**told, "next_steps": next_steps, "decision": "", "report": ""}
    (last,) = judged
    what = "; ".join((ended[-1].summary, *ended[-1].facts.get("blockers", ())))
    action = last.facts["decision"]["action"]
    wanted = f"a {action} was due" if action in ("refit", "recalibrate") else "drift was confirmed"
    why = f"{wanted} at {last.at:%Y-%m-%d %H:%M} and v{champion} is still champion: {what}"
    do = _advice(name, action, ended[-1])
    if waits := ledger.waiting(name):
        do = f"v{waits} waits for approval: `everfit promote {name}`, or `everfit promote {name} --refuse`."
    told |= {"verdict": "watch", "reasons": [*reasons, why]}
    return {**told, "next_steps": [do, *next_steps], "decision": last.subject, "report": last.facts["page"]}


def _advice(model: str, action: Action, ended: Entry) -> str:
    """Say what may be done about an action that brought nothing about: of a refit, what its gate said."""
    if action not in ("refit", "recalibrate"):
        return f"Look at the drift page; `everfit train {model}` with a longer search.budget or more rows may help."
    kept = "; ".join(ended.facts.get("blockers", ())) or ended.reason or "it made no version"
    return f"The {action} did not take over: {kept}. `everfit train {model} --search` looks for another pipeline."


def _warnings(spec: ModelSpec, watched: Sequence[Watched]) -> list[str]:
    """Return what the checks of these batches warned about, each text once, and for how many in a row if it was more.

    A world that has changed for good is warned of in each batch, until somebody gives the rule other bounds.
    """
    checks = Ledger.of(Settings()).entries(spec.name, kinds=["validated"]) if watched else []
    said = {entry.facts["batch"]: entry.facts["warnings"] for entry in checks}
    batches, told = list(said), list[str]()
    for batch in (one.batch for one in watched if one.batch in said):
        before = [said[each] for each in reversed(batches[: batches.index(batch)])]
        told += [validation.insisting(text, before) for text in said[batch]]
    return list(dict.fromkeys(told))


def _gravity(watched: Watched) -> tuple[int, int]:
    decision = watched.decision
    return get_args(Action).index(decision.action), get_args(Verdict).index(decision.verdict)
