"""Watch one model: is the new batch sound, has the world moved, is a retraining due?"""

from typing import Any

from prefect import flow
from prefect.states import Completed

from everfit.errors import ValidationStopped
from everfit.lake import Batch, Lake
from everfit.settings import Settings
from everfit.spec import ModelSpec, load_spec
from flows.retrain import start_wanted
from tasks.decide import Watched, decide, news, recall, summary
from tasks.ingest import ingest
from tasks.land import land
from tasks.states import plainly
from tasks.steps import rename_run, stopwatch
from tasks.validate import validate
from tasks.watch import refused, watch


@flow(name="monitor", flow_run_name="monitor {model}")
@plainly
def monitor(model: str, data: str = "") -> Any:
    """Validate every new batch, compare it with the champion's past, decide, and start what is due.

    A batch that is broken ends the run as failed, after everything else was done: its message says what to repair.
    """
    spec = load_spec(model, Settings().models)
    with stopwatch() as seconds:
        watched = [_follow(spec, batch, declared=not data) for batch in news(spec, ingest(spec, data))]
        started = start_wanted(spec)
    result = summary(spec, [one for one in watched if data or not one.before], started, seconds)
    version = Lake(Settings()).snapshot(model).version
    rename_run(f"monitor {model}: {result['verdict']}, data v{version}", data or "what the source has new")
    if result["action"] == "repair":
        raise ValidationStopped(
            f"{model}: {result['verdict']}.",
            details=result["reasons"],
            why=f"The batch was refused and is in quarantine, whole. Report: {result['report']}",
            do="Repair the feed and send the batch again; nothing was learnt from it.",
            result=result,
        )
    return Completed(name=result["verdict"].capitalize(), message="; ".join(result["reasons"])[:1000], data=result)


def _follow(spec: ModelSpec, batch: Batch, *, declared: bool) -> Watched:
    """Judge one batch, and land it if it is sound; what was decided about it before is not decided again."""
    if decided := recall(spec, batch):
        return decided
    try:
        (checked,) = validate(spec, [batch], again=True)
    except ValidationStopped as stop:
        return decide(spec, refused(spec, batch, stop))
    decided = decide(spec, watch(spec, checked))
    land(spec, [decided.verdict_on(checked)], declared=declared)
    return decided
