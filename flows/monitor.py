"""Watch one model: is the new batch sound, has the world moved, is a retraining due?"""

from dataclasses import replace
from typing import Any

from prefect import flow
from prefect.runtime import deployment
from prefect.states import Completed

from everfit.errors import Unavailable, ValidationStopped
from everfit.lake import Batch, Lake
from everfit.lake.records import LIVE
from everfit.ledger import Ledger
from everfit.settings import Settings
from everfit.spec import ModelSpec, load_spec
from flows.retrain import start_wanted
from tasks.champion import Champion
from tasks.decide import Past, Watched, decide, news, past, recall, recollect, sent_again, summary
from tasks.ingest import ingest
from tasks.labels import Arrived, take_labels
from tasks.land import land
from tasks.live import ingest_live
from tasks.silence import leave_word
from tasks.states import plainly
from tasks.steps import rename_run, stopwatch
from tasks.validate import validate
from tasks.watch import refused, watch, watch_labels


@flow(name="monitor", flow_run_name="monitor {model}", persist_result=True)
@plainly
def monitor(model: str, data: str = "", labels: str = "") -> Any:
    """Validate every new batch, compare it with the champion's past, decide, and start what is due.

    Labels that came alone are joined first and judged like a batch. What is named is looked at, and nothing else;
    without either, what the model's own sources have new, and what a service was asked. A batch that is broken ends
    the run as failed, after everything else was done: its message says what to repair. So does one that cannot be
    judged now. Before there is a champion a deployment does nothing.
    """
    spec = load_spec(model, Settings().models)
    champion = Champion(spec)
    if deployment.id and (message := champion.missing):
        return Completed(name="Skipped", message=message, data=None)
    stuck: list[Unavailable] = []
    again: list[str] = []
    with stopwatch() as seconds:
        arrived = take_labels(spec, labels) if labels or not data else None
        before = past(spec)
        watched = _judge(spec, champion, before, arrived)
        if data or not labels:
            batches = _batches(spec, data, before)
            again = sent_again(spec, batches) if data else again
            watched += _follow_all(spec, champion, before, news(spec, batches), stuck)
        started = start_wanted(spec)
    if stuck:
        raise stuck[0]
    leave_word(spec, len(watched))
    result = summary(spec, [one for one in watched if data or not one.before], started, seconds, again)
    result["labels"] = arrived.to_dict() if arrived else None
    return _ended(spec, result, data or labels or "what is new")


def _ended(spec: ModelSpec, result: dict[str, Any], looked_at: str) -> Any:
    """Return the state that says what was found; raise ValidationStopped when the feed is to be repaired."""
    version, in_short = Lake(Settings()).snapshot(spec.name).version, result["in_short"]
    rename_run(f"monitor {spec.name}: {in_short}, data v{version}", looked_at)
    if result["action"] == "repair":
        raise ValidationStopped(
            f"{spec.name}: {result['verdict']}.",
            details=result["reasons"],
            why=f"The batch was refused and is in quarantine, whole. Report: {result['report']}\n"
            f"Decision: {result['decision']}",
            do=_advice(spec, result["batch"]),
            result=result,
        )
    told = "; ".join((*result["reasons"], *result["next_steps"]))
    return Completed(name=in_short[0].upper() + in_short[1:], message=told[:1000], data=result)


def _advice(spec: ModelSpec, batch: str) -> str:
    """Say what to do about a batch that was refused: nobody can send again what a service was asked."""
    refused = Ledger.of(Settings()).entries(spec.name, kinds=["refused_batch"], subject=batch)
    if any(entry.facts.get("origin", "").startswith(LIVE) for entry in refused):
        return "Repair what asks the service. This period is not looked at again, and nothing was learnt from it."
    return "Repair the feed and send the batch again; nothing was learnt from it."


def _batches(spec: ModelSpec, data: str, before: Past) -> tuple[Batch, ...]:
    """Bring in what is named; or else what the model's own source holds, and what a service was asked."""
    return ingest(spec, data) if data else (*ingest(spec), *ingest_live(spec, before))


def _judge(spec: ModelSpec, champion: Champion, before: Past, arrived: Arrived | None) -> list[Watched]:
    """Judge labels that came alone, unless that was done before."""
    if arrived is None or recollect(spec, before, arrived.digest):
        return []
    while not (watched := decide(spec, champion, watch_labels(spec, champion, arrived))):
        pass  # another run decided first: look again
    return [watched]


def _follow_all(
    spec: ModelSpec, champion: Champion, before: Past, batches: list[Batch], stuck: list[Unavailable]
) -> list[Watched]:
    """Judge every batch. What cannot be judged now is `stuck`, and holds back no other; twice in a row ends it all."""
    watched: list[Watched] = []
    late = 0
    for batch in batches:
        try:
            watched.append(_follow(spec, champion, before, batch))
            late = 0
        except Unavailable as cause:
            stuck.append(cause)
            late += 1
            if late == 2:
                break
    return watched


def _follow(spec: ModelSpec, champion: Champion, before: Past, batch: Batch) -> Watched:
    """Judge one batch; as long as another run decides first, anew: what was measured is of a state of before."""
    while not (watched := _judge_batch(spec, champion, before, batch)):
        pass
    return watched


def _judge_batch(spec: ModelSpec, champion: Champion, before: Past, batch: Batch) -> Watched | None:
    """Judge one batch, and land it if it is sound; what was decided about it before is not decided again.

    A sound one lands before anything is decided: a retraining that another run starts at once then finds its rows. A
    broken one is decided upon first: no training may take it for one that was never looked at.
    """
    if decided := recall(spec, before, batch):
        return decided
    try:
        (checked,) = validate(spec, [batch], again=True)
    except ValidationStopped as stop:
        return decide(spec, champion, refused(spec, champion, batch, stop))
    seen = watch(spec, champion, checked)
    if seen.evidence.faults:
        if decided := decide(spec, champion, seen):
            land(spec, [replace(checked, refused=seen.evidence.faults)])
        return decided
    land(spec, [checked])
    return decide(spec, champion, seen)
