"""Train one model; keep the champion unless the challenger is clearly better."""

from typing import Any

from prefect import flow
from prefect.states import Completed

from everfit.errors import InputError
from everfit.lake import Lake, Snapshot
from everfit.report import latest
from everfit.search import reach, warm_up
from everfit.settings import Settings
from everfit.spec import ModelSpec, load_spec
from tasks.asked import Asked, How, after_search, asked
from tasks.build_features import build_features
from tasks.claim import claim
from tasks.evaluate import evaluate
from tasks.ingest import ingest
from tasks.keep import keep
from tasks.land import land
from tasks.promote import Outcome, promote
from tasks.refit import refit
from tasks.register import register, register_again
from tasks.revisit import revisit
from tasks.search import folder_of, forget, search
from tasks.silence import listen
from tasks.spending import check_month
from tasks.states import plainly
from tasks.steps import rename_run, stopwatch
from tasks.validate import validate

VERBS = {"search": "train", "refit": "refit", "recalibrate": "recalibrate"}


@flow(name="train", flow_run_name="train {model}", persist_result=True)
@plainly
def train(
    model: str, reason: str = "asked by hand", decision: str = "", data_version: int | None = None, how: How = ""
) -> Any:
    """Train one model, prove it on rows that neither model saw, and promote it if it won.

    `decision` names the decision about a batch that asked for this run; each is acted on exactly once, and without a
    search when one has learnt from exactly the rows that are there. `how` says "search", or "refit": the champion's
    pipeline learns again as it is, from rows that the monitor has let in, proven by its twin or its record; else the
    decision says which. A search may be followed by a refit: of its winner, which takes over the champion's windows, or
    of the champion that has stayed. With `data_version` nothing new comes in: the search is repeated on the rows that
    the lake's table held at that version.
    """
    spec = load_spec(model, Settings().models)
    wanted = asked(spec, decision, how)
    if wanted.how != "search" and data_version is not None:
        raise InputError(
            f"{model}: a {wanted.how} learns from the rows that are there now, not from those of a data version.",
            why="Its champion would forget what came since.",
            do=f"everfit train {model} --data-version {data_version} repeats a search.",
        )
    if wanted.how == "search":
        warm_up()
        reach(Settings().search_storage, Settings().lake_uri)
    with stopwatch() as seconds, claim(spec, decision, reason, data_version) as mine:
        if not mine:
            return Completed(name="Skipped", message=f"decision {decision} is being acted on, or was", data=None)
        if wanted.how == "search":
            check_month(spec)
        listen(spec)
        snapshot = _rows(spec, wanted, data_version, decision)
        rename_run(f"{VERBS[wanted.how]} {model} on data v{snapshot.version}", reason)
        if decision and (kept := keep(spec, snapshot, decision, wanted)):
            return Completed(name=kept["state"], message=kept["sentence"], data={**kept, "seconds": seconds})
        if wanted.how != "search":
            outcome, then = _refit(spec, snapshot, wanted, decision, reason), None
        else:
            outcome = _search(spec, snapshot, decision, reason, repeats=data_version is not None)
            then = None if data_version is not None else _then(spec, snapshot, outcome, wanted, decision)
    report = latest(folder_of(spec.name)) if wanted.how == "search" else None
    facts = {**outcome.to_dict(seconds), "how": wanted.how, "search": report}
    if then:
        facts |= {"then": then.to_dict(seconds), "champion": then.champion}
        facts["sentence"] += f"; then {then.sentence}"
    return Completed(name=outcome.state, message=facts["sentence"], data=facts)


def _search(spec: ModelSpec, snapshot: Snapshot, decision: str, reason: str, *, repeats: bool) -> Outcome:
    prepared = build_features(spec, snapshot)
    found = search(spec, prepared, repeats=repeats)
    judged = evaluate(spec, prepared, found, decision)
    version = register(spec, prepared, found, judged, reason=reason)
    outcome = promote(spec, version, judged, snapshot, decision)
    forget(spec)
    return outcome


def _then(spec: ModelSpec, snapshot: Snapshot, outcome: Outcome, wanted: Asked, decision: str) -> Outcome | None:
    due = after_search(spec, outcome, wanted)
    return _refit(spec, snapshot, due, decision, f"after a search: {outcome.sentence}") if due else None


def _refit(spec: ModelSpec, snapshot: Snapshot, wanted: Asked, decision: str, reason: str) -> Outcome:
    made = refit(spec, snapshot, wanted, decision)
    version = register_again(spec, made, decision=decision, reason=reason)
    return promote(spec, version, made.judged, snapshot, decision)


def _rows(spec: ModelSpec, wanted: Asked, data_version: int | None, decision: str) -> Snapshot:
    """Bring in what the source has now for a search, or name what the lake held once; a refit takes what is there.

    Rows that a refit learns from are known ever after, and no monitor would judge them: it brings in none itself.
    A file that broke since is no reason to end what confirmed drift has asked for.
    """
    if data_version is not None:
        return revisit(spec, data_version)
    if wanted.how != "search":
        return Lake(Settings()).snapshot(spec.name)
    return land(spec, validate(spec, ingest(spec), stop=not decision))
