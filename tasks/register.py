"""Put the challenger into the registry, with everything that must be known of it later."""

import logging
from dataclasses import asdict
from typing import Any

import numpy as np
import pandas as pd

from everfit import evaluation, registry, search
from everfit.errors import first_line
from everfit.explanation import Explainer, overview
from everfit.ledger import Ledger
from everfit.monitor.reference import make_reference
from everfit.reserved import BATCH, HELDOUT, LOSS, PREDICTION, ROW, SCORE
from everfit.schema import Schema
from everfit.settings import Settings
from everfit.spec import ModelSpec
from tasks.addresses import mlflow_link
from tasks.artifacts import publish_link
from tasks.build_features import Prepared, Rows, in_time, read_rows
from tasks.claim import run_key
from tasks.evaluate import Judged
from tasks.refit import Refitted
from tasks.search import folder_of
from tasks.steps import say, seconds_so_far, step


@step
def register(
    spec: ModelSpec, prepared: Prepared, found: search.Searched, judged: Judged, *, reason: str
) -> registry.Version:
    """Register one version; a step that is tried again in the same run finds the one that it made."""
    facts: dict[str, Any] = {"winners": [{"family": family, "params": params} for family, params in found.winners]}
    facts |= {"upkeep": judged.heir.to_dict()} if judged.heir else {}
    return _enter(spec, _candidate(spec, prepared, found, judged, reason), facts)


@step
def register_again(spec: ModelSpec, made: Refitted, *, decision: str, reason: str) -> registry.Version:
    """Register a refit or a recalibration; asked again for the same decision and rows, it is the version that was made.

    The ledger keeps which models it holds, and the state that the policy goes on from.
    """
    facts = {
        "how": made.asked.how,
        "root": made.lineage.root.version,
        "members": made.members,
        "beyond": _beyond(made),
        "upkeep": made.state.to_dict(),
        "data": asdict(made.snapshot),
    }
    return _enter(spec, _refitted(spec, made, decision, reason), facts)


def _enter(spec: ModelSpec, candidate: registry.Candidate, more: dict[str, Any]) -> registry.Version:
    """Register a candidate, and write it down."""
    settings = Settings()
    version, reason = registry.register(settings, candidate), candidate.reason
    facts = {"version": version.number, "run": version.run, "data": candidate.snapshot, **more}
    Ledger.of(settings).once(
        "registered", spec.name, f"v{version.number}", actor=settings.actor, reason=reason, facts=facts
    )
    publish_link(spec.name, "mlflow-run", mlflow_link(settings, version.experiment, version.run), "MLflow run")
    say(f"version {version.number}, MLflow run {version.run}")
    return version


def _refitted(spec: ModelSpec, made: Refitted, decision: str, reason: str) -> registry.Candidate:
    """Gather what is to be known of a refit; what its rows say of columns and roles is what the search said."""
    root, snapshot = made.lineage.root, made.snapshot
    rows = f"{snapshot.digest[:16]}/{snapshot.labels_digest[:16]}"
    weights = {name: round(weight, 4) for name, _, weight, _ in made.pipeline.members}
    return registry.Candidate(
        model=spec.name,
        run_key=f"{decision or run_key()}/{rows}",
        pipeline=made.pipeline,
        task=root.task,
        target=spec.data.target,
        metric=root.card["metric"],
        positive=root.card["positive"],
        inputs=root.card["inputs"],
        plan=root.card["plan"],
        scores=made.judged.verdict.scores,
        leaderboard=[],
        trials=pd.DataFrame(),
        seconds=seconds_so_far(),
        params={
            "how": made.asked.how,
            "root": root.version,
            "windows": " and ".join(made.asked.windows),
            "weights": weights,
            "offset": made.pipeline.offset,
            "trust": made.pipeline.trust,
        },
        tags={**spec.tags, "owner": spec.owner, "everfit.how": made.asked.how},
        reason=reason,
        how=made.asked.how,
        **(_as_before(made) if made.asked.how == "recalibrate" else _learnt(spec, made)),
    )


def _beyond(made: Refitted) -> int:
    """Count the labelled rows that it learnt from and that its root was not made from."""
    root = made.lineage.root
    if made.asked.how == "recalibrate":
        return made.lineage.line[0].beyond
    return max(0, len(made.rows) - len(root.train_rows) - int(root.card["split"]["test"]))


def _learnt(spec: ModelSpec, made: Refitted) -> dict[str, Any]:
    """Say which rows a refit learnt from, and what later batches are compared with."""
    root, learnt = made.lineage.root, made.rows.drop(columns=[BATCH, ROW])
    return {
        "schema": Schema.of(learnt).to_dict(),
        "blank": [str(name) for name in learnt if learnt[name].isna().all()],
        "snapshot": asdict(made.snapshot),
        "split": {**root.card["split"], "rows_hash": made.judged.verdict.rows_hash, "hashing": evaluation.HASHING},
        "reference": _level(spec, root, learnt),
        "train_rows": evaluation.row_hashes(made.rows),
    }


def _as_before(made: Refitted) -> dict[str, Any]:
    """Say the same of a recalibration as of the champion: no model learnt, so its loss since then goes on counting."""
    champion = made.lineage.champion
    return {
        "schema": champion.card["schema"],
        "blank": champion.card.get("blank", ()),
        "snapshot": champion.card["snapshot"],
        "split": {**champion.card["split"], "rows_hash": made.judged.verdict.rows_hash},
        "reference": champion.reference,
        "train_rows": champion.train_rows,
    }


def _level(spec: ModelSpec, root: registry.Loaded, learnt: pd.DataFrame) -> pd.DataFrame:
    """Return what later batches are compared with: the losses that the root was promoted with, and the rows learnt.

    Among these are the rows that judged the root: they are there once, and all are in the order of time.
    """
    held = root.reference[root.reference[HELDOUT].astype(bool)]
    rows = held.drop(columns=[PREDICTION, LOSS, HELDOUT, SCORE], errors="ignore")
    joined = make_reference(
        rows,
        held[PREDICTION],
        held[LOSS],
        score=held.get(SCORE),
        learnt=learnt[evaluation.is_beyond(learnt, rows)],
        seed=spec.search.seed,
    )
    return in_time(spec, joined, root.format_of(spec.data.time))


def _candidate(
    spec: ModelSpec, prepared: Prepared, found: search.Searched, judged: Judged, reason: str
) -> registry.Candidate:
    """Gather what is to be known of it."""
    rows = read_rows(spec, prepared.snapshot)
    reference = _reference(spec, prepared, found, rows)
    _explain(spec, prepared, found, reference)
    learnt = rows.train.drop(columns=[BATCH, ROW])
    return registry.Candidate(
        model=spec.name,
        run_key=run_key(),
        pipeline=found.best,
        task=prepared.task,
        target=spec.data.target,
        metric=prepared.metric,
        positive=prepared.positive,
        schema=Schema.of(learnt).to_dict(),
        blank=[str(name) for name in learnt if learnt[name].isna().all()],
        inputs=found.plan.inputs,
        plan=found.plan.to_dict(),
        snapshot=asdict(prepared.snapshot),
        split={
            "how": rows.split.how,
            "rows_hash": judged.verdict.rows_hash,
            "test": len(rows.test),
            "hashing": evaluation.HASHING,
        },
        scores=judged.verdict.scores,
        leaderboard=[asdict(row) for row in found.leaderboard],
        trials=found.trials,
        reference=reference,
        train_rows=evaluation.row_hashes(rows.train),
        seconds=seconds_so_far(),
        params={"family": found.family, **found.params},
        tags={**spec.tags, "owner": spec.owner, "everfit.search": found.how},
        reason=reason,
        pages=folder_of(spec.name),
    )


def _explain(spec: ModelSpec, prepared: Prepared, found: search.Searched, reference: pd.DataFrame) -> None:
    """Write what the model goes by beside the report of its search, for people: without it, the training is as good."""
    facts = {
        "task": prepared.task,
        "target": spec.data.target,
        "positive": prepared.positive,
        "inputs": found.plan.inputs,
        "plan": found.plan.to_dict(),
    }
    try:
        seen = overview(Explainer.of(found.best, facts, reference), hidden=spec.data.personal)
        seen.save(folder_of(spec.name))
    except Exception as problem:  # noqa: BLE001 - see above
        say(f"what the model goes by could not be said: {first_line(problem)}", level=logging.WARNING)


def _reference(spec: ModelSpec, prepared: Prepared, found: search.Searched, rows: Rows) -> pd.DataFrame:
    """What later batches are compared with: predictions and losses only on rows that the model never learnt from.

    Copies of training rows have no loss here, as those of a later batch are not judged: they are the easy ones.
    """
    predicted = evaluation.predict(found.best, rows.test, prepared.task, prepared.positive)
    losses = evaluation.row_losses(prepared.task, rows.test[spec.data.target], predicted)
    copies = np.isin(evaluation.row_hashes(rows.test), evaluation.row_hashes(rows.train))
    return make_reference(
        rows.test,
        predicted.values,
        np.where(copies, np.nan, losses),
        score=predicted.score,
        learnt=rows.train,
        seed=spec.search.seed,
    )
