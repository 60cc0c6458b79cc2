import json
import multiprocessing
import os
import shutil
import warnings
from dataclasses import replace
from pathlib import Path

import lightgbm
import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.linear_model import Ridge
from sklearn.pipeline import Pipeline
from xgboost import XGBClassifier

from everfit import registry
from everfit.errors import InputError, Unavailable
from everfit.models.blend import Blend
from everfit.models.named import Named
from everfit.models.portfolio import Portfolio
from everfit.registry import cache, loading, package, registering
from everfit.registry.flavours import pyfunc
from everfit.registry.vendor import MlflowClient
from everfit.settings import Settings


class Strange(RegressorMixin, BaseEstimator):
    """An estimator that is on nobody's list."""

    def fit(self, X, y):
        return self

    def predict(self, X):
        return np.zeros(len(X))


def runs(client, **wanted):
    return client.search_runs([client.get_experiment_by_name("bike").experiment_id], **wanted)


def statuses(client):
    return sorted(run.info.status for run in runs(client))


def die_at(step, settings, candidate):
    """Register in a child process that is gone, without a goodbye, at one call of MLflow's client."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # a fork beside threads, which the child never needs
        child = os.fork()
    if child == 0:
        setattr(MlflowClient, step, lambda *_, **__: os._exit(9))
        registry.register(settings, candidate)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9


def test_one_run_holds_what_a_training_was(settings, candidate, client, tmp_path):
    pages = tmp_path / "search-1"
    (pages / "plots").mkdir(parents=True)
    (pages / "report.html").write_text("the page")
    (pages / "plots" / "history.png").write_bytes(b"png")
    version = registry.register(settings, replace(candidate, pages=pages))
    run = client.get_run(version.run)
    assert run.info.status == "FINISHED"
    assert 4_900 < run.info.end_time - run.info.start_time < 60_000  # dated back to when the training began
    assert run.data.params["model.alpha"] == "1.0"
    assert {name: run.data.metrics[name] for name in ("mae", "mae.low", "mae.champion", "seconds.search")} == {
        "mae": 1.0,
        "mae.low": 0.9,
        "mae.champion": 1.2,
        "seconds.search": 4.0,
    }
    assert [(m.step, m.value) for m in client.get_metric_history(version.run, "best_so_far")] == [
        (0, 3.0),
        (1, 2.0),
        (3, 2.0),
        (4, 1.0),
    ]
    assert (
        run.data.tags.items() >= {"team": "mobility", "everfit.reason": "asked by hand", "mlflow.user": "ann"}.items()
    )
    files = client.download_artifacts(version.run, "", str(tmp_path / "got"))
    pd.testing.assert_frame_equal(pd.read_parquet(f"{files}/trials.parquet"), candidate.trials)
    assert pd.read_csv(f"{files}/leaderboard.csv")["family"].tolist() == ["linear", "dummy", "lightgbm"]
    assert sorted(path.name for path in Path(files, "plots").iterdir()) == ["held_out.png", "history.png"]
    assert Path(files, "report.html").read_text() == "the page"


def test_the_run_names_the_rows_that_it_saw(settings, candidate, client):
    version = registry.register(settings, candidate)
    dataset = client.get_run(version.run).inputs.dataset_inputs[0].dataset
    assert dataset.digest == ("d1" * 32)[:36]
    assert json.loads(dataset.source) == {"path": "/lake/bike", "delta_table_version": 3}
    tags = client.get_model_version("bike", "1").tags
    assert (tags["everfit.data_version"], tags["everfit.data_digest"]) == ("3", "d1" * 32)


def test_a_new_version_is_the_challenger(settings, candidate, client):
    first = registry.register(settings, candidate)
    second = registry.register(settings, replace(candidate, run_key="run-2"))
    assert (first.number, second.number, second.new) == (1, 2, True)
    assert int(client.get_model_version_by_alias("bike", "challenger").version) == 2


def test_the_stored_signature_has_every_column_optional_and_every_number_double(settings, classifier):
    version = registry.register(settings, classifier)
    signature = pyfunc.load_model(version.folder).metadata.signature
    assert {spec.name: (spec.type.name, spec.required) for spec in signature.inputs} == {
        "amount": ("double", False),
        "count": ("double", False),
        "colour": ("string", False),
        "weekend": ("boolean", False),
        "when": ("datetime", False),
    }
    assert [spec.type.name for spec in signature.outputs] == ["string"]


def test_a_signature_that_was_lost_is_noticed(settings, candidate, classifier):
    version = registry.register(settings, candidate)
    package.verify_signature(candidate, version.folder)
    with pytest.raises(RuntimeError, match="stored signature"):
        package.verify_signature(classifier, version.folder)


def test_requirements_are_what_the_model_needs_and_no_more(candidate):
    plain = [line.partition("==")[0] for line in package.requirements(candidate)]
    assert plain == ["mlflow", "numpy", "pandas", "scikit-learn", "scipy", "skops"]
    members = [(["all"], lightgbm.LGBMRegressor(), 0.5), (["all"], Named(XGBClassifier()), 0.5)]
    boosted = replace(candidate, pipeline=Pipeline([("model", Blend({"all": Ridge()}, members))]))
    needed = package.requirements(boosted)
    assert f"lightgbm=={lightgbm.__version__}" in needed
    assert [line.partition("==")[0] for line in needed][-1] == "xgboost-cpu"
    portfolio = Portfolio([("all", boosted.pipeline, 1.0, None)])
    assert package.requirements(replace(boosted, pipeline=portfolio)) == needed


def test_a_portfolio_of_windows_is_a_version_like_any_other(settings, candidate, frame):
    members = [("all", candidate.pipeline, 0.25, None), ("recent", candidate.pipeline, 0.75, 20)]
    version = registry.register(settings, replace(candidate, pipeline=Portfolio(members, offset=0.5, trust=0.5)))
    loaded = registry.load(settings, "bike", version.number)
    np.testing.assert_allclose(loaded.pipeline.predict(frame), candidate.pipeline.predict(frame) + 0.25)
    assert pyfunc.load_model(version.folder).metadata.signature is not None


def test_registering_again_under_the_same_key_is_the_same_version(settings, candidate, client):
    first = registry.register(settings, candidate)
    again = registry.register(settings, candidate)
    assert again == replace(first, new=False)
    assert statuses(client) == ["FINISHED"]


def test_two_processes_that_register_the_same_training_make_one_version(settings, candidate):
    fork = multiprocessing.get_context("fork")
    said = fork.SimpleQueue()

    def race():
        version = registry.register(settings, candidate)
        said.put((version.number, version.new))

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # a fork beside threads, which the children never need
        racers = [fork.Process(target=race) for _ in range(2)]
        for racer in racers:
            racer.start()
    assert sorted(said.get() for _ in racers) == [(1, False), (1, True)]
    for racer in racers:
        racer.join()


def test_without_a_key_every_training_is_its_own_version(settings, candidate):
    nameless = replace(candidate, run_key="")
    assert [registry.register(settings, nameless).number for _ in range(2)] == [1, 2]


def test_a_process_that_dies_while_it_logs_leaves_no_version_and_its_run_is_killed(settings, candidate):
    die_at("log_artifacts", settings, candidate)
    version = registry.register(settings, candidate)
    client = MlflowClient(tracking_uri=settings.mlflow_uri)
    assert (version.number, version.new) == (1, True)
    assert statuses(client) == ["FINISHED", "KILLED"]


def test_a_process_that_dies_after_the_version_was_made_has_made_it(settings, candidate):
    die_at("set_terminated", settings, candidate)
    version = registry.register(settings, candidate)
    client = MlflowClient(tracking_uri=settings.mlflow_uri)
    assert (version.number, version.new) == (1, False)
    assert statuses(client) == ["FINISHED"]
    assert int(client.get_model_version_by_alias("bike", "challenger").version) == 1
    assert registry.load(settings, "bike", 1).card["run_key"] == "run-1"


def test_another_training_closes_the_run_of_a_version_whose_process_died(settings, candidate):
    die_at("set_terminated", settings, candidate)
    assert registry.register(settings, replace(candidate, run_key="run-2")).number == 2
    assert statuses(MlflowClient(tracking_uri=settings.mlflow_uri)) == ["FINISHED", "FINISHED"]


def test_the_run_of_a_living_process_is_left_alone(settings, candidate, client):
    experiment = client.create_experiment("bike", artifact_location=str(settings.home / "artifacts" / "bike"))
    registering._start(client, settings, experiment, candidate)
    registry.register(settings, candidate)
    assert statuses(client) == ["FINISHED", "RUNNING"]


@pytest.mark.parametrize("take", [shutil.copytree, shutil.move])
def test_a_home_that_was_copied_or_moved_reads_and_writes_its_own_files(settings, candidate, tmp_path, take):
    registry.register(settings, candidate)
    there = Settings(workspace=tmp_path / "elsewhere", actor="ann")
    take(settings.home, there.home)
    new = registry.register(there, replace(candidate, run_key="run-2"))
    remembered = cache.recall(there, "bike", 1)
    cache.place(there, "bike", 1).unlink()
    known = loading.find(there, "bike", 1)
    assert (known, new.number) == (remembered, 2)
    assert all(Path(version.folder).is_relative_to(there.home) for version in (known, new))
    assert registry.load(there, "bike", 1).card["run_key"] == "run-1"


def test_a_copied_home_that_remembers_an_absolute_folder_finds_its_own_after_asking_once(settings, candidate, tmp_path):
    original = registry.register(settings, candidate)
    there = Settings(workspace=tmp_path / "elsewhere", actor="ann")
    shutil.copytree(settings.home, there.home)
    cache.place(there, "bike", 1).write_text(json.dumps(original.to_dict()))
    assert cache.recall(there, "bike", 1) is None
    known = loading.find(there, "bike", 1)
    assert Path(known.folder).is_relative_to(there.home)
    assert cache.recall(there, "bike", 1) == known


def test_artifacts_beside_the_home_are_remembered_too(settings, candidate, tmp_path):
    beside = settings.model_copy(update={"mlflow_artifacts": str(tmp_path / "artifacts")})
    version = registry.register(beside, candidate)
    assert Path(version.folder).is_relative_to(tmp_path / "artifacts")
    assert cache.recall(beside, "bike", 1).folder == version.folder


def experiment_names(client):
    return {found.name for found in client.search_experiments()} - {"Default"}


def test_machines_with_one_database_and_two_artifact_folders_keep_one_experiment(settings, candidate, client, tmp_path):
    registry.register(settings, candidate)
    other = Settings(workspace=tmp_path / "other", actor="bob", mlflow_uri=settings.mlflow_uri)
    versions = [
        registry.register(here, replace(candidate, run_key=f"run-{number}"))
        for number, here in ((2, other), (3, settings))
    ]
    assert [version.number for version in versions] == [2, 3]
    assert experiment_names(client) == {"bike"}


def test_an_artifact_folder_by_way_of_a_link_is_the_same_place(settings, candidate, client, tmp_path):
    (tmp_path / "link").symlink_to(settings.folder("artifacts"))
    client.create_experiment("bike", artifact_location=str(tmp_path / "link" / "bike"))
    registry.register(settings, candidate)
    assert experiment_names(client) == {"bike"}


def test_a_pipeline_with_a_foreign_type_is_not_saved_and_its_run_failed(settings, candidate, client):
    strange = replace(candidate, pipeline=Pipeline([("model", Strange())]))
    with pytest.raises(InputError, match="types that are not allowed") as refused:
        registry.register(settings, strange)
    assert any("Strange" in line for line in refused.value.details)
    assert statuses(client) == ["FAILED"]
    assert client.search_model_versions("name = 'bike'") == []


def test_a_place_that_cannot_be_written_fails_the_run_and_makes_no_version(settings, candidate, client, monkeypatch):
    (settings.home / "artifacts").write_text("a file is in the way")
    with pytest.raises(Unavailable, match="MLflow's files cannot be written"):
        registry.register(settings, candidate)
    assert statuses(client) == ["FAILED"]
    assert client.search_model_versions("name = 'bike'") == []


def test_numbers_that_are_not_finite_do_not_stop_a_registration(settings, candidate, client):
    from everfit.evaluation import Score

    vague = replace(
        candidate, scores={"challenger": Score(1.0, float("nan"), float("inf"))}, trials=pd.DataFrame(), leaderboard=[]
    )
    version = registry.register(settings, vague)
    assert set(client.get_run(version.run).data.metrics) == {"mae", "seconds.search", "seconds.evaluate"}
    assert registry.load(settings, "bike", version.number).card["scores"]["challenger"]["value"] == 1.0


def test_an_experiment_that_was_deleted_in_the_ui_comes_back(settings, candidate, client):
    version = registry.register(settings, candidate)
    client.delete_experiment(version.experiment)
    assert registry.register(settings, replace(candidate, run_key="run-2")).number == 2
