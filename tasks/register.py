"""Put the challenger into the registry, with everything that must be known of it later."""

from dataclasses import asdict

import numpy as np
import pandas as pd

from everfit import evaluation, registry, search
from everfit.ledger import Ledger
from everfit.monitor.reference import make_reference
from everfit.reserved import BATCH, ROW
from everfit.schema import Schema
from everfit.settings import Settings
from everfit.spec import ModelSpec
from tasks.addresses import mlflow_link
from tasks.artifacts import publish_link
from tasks.build_features import Prepared, Rows, read_rows
from tasks.claim import run_key
from tasks.evaluate import Judged
from tasks.search import folder_of
from tasks.steps import say, seconds_so_far, step


@step
def register(
    spec: ModelSpec, prepared: Prepared, found: search.Searched, judged: Judged, *, reason: str
) -> registry.Version:
    """Register one version; a step that is tried again in the same run finds the one that it made."""
    settings = Settings()
    version = registry.register(settings, _candidate(spec, prepared, found, judged, reason))
    winners = [{"family": family, "params": params} for family, params in found.winners]
    facts = {"version": version.number, "run": version.run, "data": asdict(prepared.snapshot), "winners": winners}
    Ledger.of(settings).once(
        "registered", spec.name, f"v{version.number}", actor=settings.actor, reason=reason, facts=facts
    )
    publish_link(spec.name, "mlflow-run", mlflow_link(settings, version.experiment, version.run), "MLflow run")
    say(f"version {version.number}, MLflow run {version.run}")
    return version


def _candidate(
    spec: ModelSpec, prepared: Prepared, found: search.Searched, judged: Judged, reason: str
) -> registry.Candidate:
    """Gather what is to be known of it."""
    rows = read_rows(spec, prepared.snapshot)
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
        reference=_reference(spec, prepared, found, rows),
        train_rows=evaluation.row_hashes(rows.train),
        seconds=seconds_so_far(),
        params={"family": found.family, **found.params},
        tags={**spec.tags, "owner": spec.owner, "everfit.search": found.how},
        reason=reason,
        pages=folder_of(spec.name),
    )


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
