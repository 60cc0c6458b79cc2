"""Register a training: one MLflow run, one model version, however often it is asked for."""

from __future__ import annotations

import json
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

from everfit.ledger import Holder
from everfit.locks import locked
from everfit.registry import cache, door, files, logbook, package
from everfit.registry.records import Candidate, Version
from everfit.registry.vendor import MlflowClient, Model, Run, download_artifacts
from everfit.settings import Settings

RUN_KEY, HOLDER = "everfit.run_key", "everfit.holder"
CHALLENGER = "challenger"
ABANDONED_AFTER = 24 * 3600


def register(settings: Settings, candidate: Candidate) -> Version:
    """Log the training and make its model a version, the challenger; asked again with its run key, return that one.

    The version is made last, when everything that belongs to it is stored and was read back. If anything fails, the
    run is marked FAILED and there is no version. A run whose process died is marked KILLED by the next call.
    """
    # Without a key nothing can be asked for again.
    candidate = candidate if candidate.run_key else replace(candidate, run_key=uuid4().hex)
    with locked(settings.folder("versions", candidate.model) / "register.lock"):
        client = door.client(settings)
        with door.translated(settings):
            experiment = _experiment(client, settings, candidate.model)
            _bury_the_dead(client, experiment, candidate.model)
            there = _version_of(client, candidate.model, candidate.run_key)
            version = there or _new_version(client, settings, experiment, candidate)
            client.set_registered_model_alias(candidate.model, CHALLENGER, str(version))
        known = door.fetch(settings, candidate.model, version)
        cache.remember(settings, known)
        return replace(known, new=there is None)


def _new_version(client: MlflowClient, settings: Settings, experiment: str, candidate: Candidate) -> int:
    run = _start(client, settings, experiment, candidate)
    try:
        with tempfile.TemporaryDirectory() as scratch:
            location, digests, model_id = _store(client, settings, run, candidate, Path(scratch))
            logbook.log(client, run.info.run_id, candidate, Path(scratch))
        door.unless_there(lambda: client.create_registered_model(candidate.model))
        made = client.create_model_version(
            candidate.model,
            source=location,
            run_id=run.info.run_id,
            model_id=model_id,
            tags={RUN_KEY: candidate.run_key, door.FILES: json.dumps(digests), **logbook.data_tags(candidate)},
            description=logbook.describe(candidate),
        )
    except BaseException:
        client.set_terminated(run.info.run_id, "FAILED")
        raise
    client.set_terminated(run.info.run_id, "FINISHED")
    return int(made.version)


def _store(
    client: MlflowClient, settings: Settings, run: Run, candidate: Candidate, scratch: Path
) -> tuple[str, dict[str, str], str]:
    """Store the model's folder, and read it back from where it went."""
    stored = client.create_logged_model(run.info.experiment_id, name=candidate.model, source_run_id=run.info.run_id)
    folder = scratch / "model"
    package.save(candidate, folder, Model(run_id=run.info.run_id, model_id=stored.model_id))
    client.log_model_artifacts(stored.model_id, str(folder))
    # Neither `models:/<id>` nor a bare location: MLflow would look that up in the tracking server that is its default.
    described = f"{stored.artifact_location}/MLmodel"
    package.verify_signature(
        candidate, download_artifacts(artifact_uri=described, dst_path=str(scratch), tracking_uri=settings.mlflow_uri)
    )
    client.finalize_logged_model(stored.model_id, "READY")
    return stored.artifact_location, files.digests(folder), stored.model_id


def _experiment(client: MlflowClient, settings: Settings, model: str) -> str:
    """Return the model's experiment; its artifacts go where the settings say, never below the current folder.

    MLflow never changes where an experiment's artifacts go. One that came with a copied or moved home, and would write
    into the place that it came from, is kept under another name. In a database that others may share, it stays as it is
    wherever its artifacts go: they have their own settings, and would do the same to ours.
    """
    remote = settings.mlflow_uri.startswith("http") and Path(settings.mlflow_artifacts).is_relative_to(settings.home)
    location = None if remote else door.artifacts_of(settings, model)
    made = door.unless_there(lambda: client.create_experiment(model, artifact_location=location))
    if made is not None:
        return str(made)
    found = client.get_experiment_by_name(model)
    if found is None:
        return _experiment(client, settings, model)
    if found.lifecycle_stage == "deleted":
        client.restore_experiment(found.experiment_id)
    if location and door.is_of_the_home(settings) and not door.same_place(found.artifact_location, location):
        client.rename_experiment(found.experiment_id, f"{model} ({found.experiment_id}, elsewhere)")
        return _experiment(client, settings, model)
    return str(found.experiment_id)


def _start(client: MlflowClient, settings: Settings, experiment: str, candidate: Candidate) -> Run:
    """Start the run, dated back to when the training began."""
    began = time.time() - sum(candidate.seconds.values())
    tags = {
        "mlflow.user": settings.actor,
        "mlflow.source.name": "everfit train",
        RUN_KEY: candidate.run_key,
        HOLDER: json.dumps(Holder.here().to_dict()),
    }
    return client.create_run(experiment, int(began * 1000), tags, run_name=f"{candidate.how} {candidate.model}")


def _version_of(client: MlflowClient, model: str, run_key: str) -> int | None:
    """Return the version that was made under a run key, and finish its run if nobody could."""
    if "'" in run_key:
        raise ValueError(f"a run key holds no quotes: {run_key}")
    for version in client.search_model_versions(f"name = '{model}' AND tags.`{RUN_KEY}` = '{run_key}'"):
        _finish(client, client.get_run(str(version.run_id)), "FINISHED")
        return int(version.version)
    return None


def _bury_the_dead(client: MlflowClient, experiment: str, model: str) -> None:
    """Close the runs whose process is gone: FINISHED if their version was made, KILLED if not."""
    for run in client.search_runs([experiment], "attributes.status = 'RUNNING'"):
        said = run.data.tags.get(HOLDER)
        alive = Holder.from_dict(json.loads(said)).alive if said else True
        if alive is None:
            alive = time.time() - run.info.start_time / 1000 < ABANDONED_AFTER
        if not alive:
            made = client.search_model_versions(f"name = '{model}' AND run_id = '{run.info.run_id}'")
            _finish(client, run, "FINISHED" if made else "KILLED")


def _finish(client: MlflowClient, run: Run, status: str) -> None:
    if run.info.status == "RUNNING":
        client.set_terminated(run.info.run_id, status)
