"""Judge the challenger beside the champion and a constant guess, on rows that none of them saw."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime

import numpy as np
import pandas as pd

from everfit import evaluation, registry, search
from everfit.ledger import Ledger
from everfit.settings import Settings
from everfit.spec import ModelSpec
from everfit.upkeep.state import State
from everfit.upkeep.taken import inherited
from tasks.artifacts import publish_report
from tasks.build_features import Prepared, read_rows, weight_of
from tasks.champion import load_champion
from tasks.fitting import twin_of
from tasks.lineage import Lineage
from tasks.steps import say, step


@dataclass(frozen=True)
class Judged:
    """The verdict, and the champion that it was reached against: only that one may be replaced by it.

    `upkeep` is the state that this champion goes on from if a refit of it does not take over, and `heir` the one that
    a search's challenger begins with if it does.
    """

    verdict: evaluation.Verdict
    champion: int | None
    upkeep: State | None = None
    heir: State | None = None


@step
def evaluate(spec: ModelSpec, prepared: Prepared, found: search.Searched, decision: str = "") -> Judged:
    """Score everybody on the same rows; an unreadable champion ends the run, it never counts as absent.

    A champion is stale when a drift `decision` about it asked for this run, or when its time is over.
    """
    settings = Settings()
    ledger = Ledger.of(settings)
    champion = ledger.champion(spec.name)
    lineage = None if champion is None else Lineage(spec, load_champion(spec, settings, champion))
    test, predictions, unjudged = _predictions(spec, prepared, found, lineage)
    why_stale = _drifted(ledger, spec.name, decision, champion) or _past_its_time(spec, ledger)
    verdict = _judge(spec, prepared.metric, test, predictions, champion, why_stale, unjudged)
    verdict = replace(verdict, costs=costs_of(spec, test, predictions))
    for line in (*verdict.reasons, *verdict.blockers, *_costly(verdict)):
        say(line)
    publish_report(spec.name, "promotion-verdict", f"{spec.name}: promotion", to_markdown(spec.name, verdict))
    return Judged(verdict, champion, heir=_heir(lineage))


def _heir(lineage: Lineage | None) -> State | None:
    """Return the state of the champion's windows as another pipeline takes them over; none where no labels judged them.

    Such a champion is the model of all rows alone, as the challenger is.
    """
    state = lineage.state() if lineage else None
    return inherited(state) if state and state.batches else None


def _predictions(
    spec: ModelSpec, prepared: Prepared, found: search.Searched, lineage: Lineage | None
) -> tuple[pd.DataFrame, dict[str, evaluation.Predicted], str]:
    """Return the rows that nobody learnt from, what everybody says of them, and why the champion is left out if it is.

    A champion that learnt from later data may have met nearly all of them: then they judge the others alone. For one
    that is a refit, and so has met all of them, stands what it would be had it learnt from the rows of the challenger.
    """
    rows, task, positive = read_rows(spec, prepared.snapshot), prepared.task, prepared.positive
    test, target, weight = rows.test, rows.train[spec.data.target], weight_of(spec, rows.train)
    models = {
        "challenger": found.best,
        "dummy": search.constant_guess(target, task=task, metric=prepared.metric, weight=weight),
    }
    unjudged = ""
    if lineage:
        champion = lineage.champion
        if lineage.line[0].searched:
            fresh = unseen(test, champion)
            unjudged = _unjudged(champion.version, len(fresh), len(test))
            if not unjudged:
                test, models = fresh, {"champion": champion.pipeline, **models}
        else:
            models = {"champion": twin_of(spec, lineage, rows.train), **models}
            told = "is a refit that has learnt from all rows: it is judged as it would be without these"
            say(f"v{champion.version} {told}")
    return test, {who: evaluation.predict(model, test, task, positive) for who, model in models.items()}, unjudged


def _unjudged(champion: int, fresh: int, rows: int) -> str:
    """Say that hardly a row can judge a champion that learnt from later data; empty when enough can."""
    if fresh >= min(evaluation.FEWEST_UNITS, rows):
        return ""
    left = f"all but {fresh} of the rows" if fresh else "every row"
    return f"v{champion} has learnt from {left} that could judge it"


def _judge(
    spec: ModelSpec,
    metric: str,
    test: pd.DataFrame,
    predictions: dict[str, evaluation.Predicted],
    champion: int | None,
    why_stale: str,
    unjudged: str,
) -> evaluation.Verdict:
    return evaluation.judge(
        metric,
        test[spec.data.target],
        predictions,
        weight=weight_of(spec, test),
        margin=spec.promotion.margin,
        stale=bool(why_stale),
        why_stale=why_stale,
        champion=f"v{champion}" if champion is not None else "",
        unjudged=unjudged,
        ordered=spec.data.time is not None,
        groups=test[spec.data.group].to_numpy() if spec.data.group else None,
        seed=spec.search.seed,
        rows_hash=evaluation.hash_of(evaluation.row_hashes(test)),
    )


def costs_of(spec: ModelSpec, test: pd.DataFrame, predictions: dict[str, evaluation.Predicted]) -> dict[str, float]:
    """Return what a row costs with the labels of each model, if the model file says what costs."""
    y, weight, costs = test[spec.data.target], weight_of(spec, test), spec.search.costs
    return {who: evaluation.cost(y, said, costs, weight) for who, said in predictions.items()} if costs else {}


def _costly(verdict: evaluation.Verdict) -> list[str]:
    said = ", ".join(f"{cost:.4g} with the {who}" for who, cost in verdict.costs.items())
    return [f"a row costs {said}"] if said else []


def unseen(test: pd.DataFrame, champion: registry.Loaded) -> pd.DataFrame:
    """Leave out the rows that the champion was trained on, by what they hold in the columns that it had."""
    return test[unlearnt(test, champion)].reset_index(drop=True)


def unlearnt(rows: pd.DataFrame, champion: registry.Loaded) -> np.ndarray:
    """Say of each row whether the champion was trained without it."""
    way, known = champion.card["split"].get("hashing", 1), champion.schema.without(champion.schema.blank)
    return ~np.isin(evaluation.row_hashes(rows, known.to_dict(), way=way), champion.train_rows)


def to_markdown(model: str, verdict: evaluation.Verdict) -> str:
    """Write the verdict first, the numbers second; a refit or a recalibration, which challenges nobody, has none."""
    who, better = ("challenger", "is better") if verdict.scores else ("new version", "may take over")
    head = f"The {who} {better if verdict.promote else 'is refused'}"
    said = (*verdict.reasons, *verdict.blockers, *_costly(verdict))
    lines = [f"## {model}: {head}", *(f"- {line}" for line in said), ""]
    if not verdict.scores:
        return "\n".join(lines)
    lines += [f"| {verdict.metric} on {verdict.rows:,} rows | score | 95 % interval |", "|---|---|---|"]
    lines += [f"| {who} | {s.value:.5g} | {s.low:.5g} to {s.high:.5g} |" for who, s in verdict.scores.items()]
    return "\n".join(lines)


def _drifted(ledger: Ledger, model: str, decision: str, champion: int | None) -> str:
    """Say that drift was confirmed for the present champion; a decision about an earlier one says nothing of it."""
    judged = [entry for entry in ledger.entries(model, kinds=["drift_judged"]) if entry.subject == decision]
    about = judged[-1].facts["evidence"]["champion"] if judged else None
    return "drift was confirmed" if champion is not None and about == champion else ""


def _past_its_time(spec: ModelSpec, ledger: Ledger) -> str:
    since = ledger.since(spec.name)
    if since is None or datetime.now(UTC) - since < spec.promotion.stale_after:
        return ""
    return f"it has served since {since:%Y-%m-%d}"
