import json
import pickle
import subprocess
import sys
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules

import numpy as np
import pandas as pd
import pytest
import skops.io
from sklearn.base import BaseEstimator
from sklearn.pipeline import Pipeline

from everfit import features, models, registry
from everfit.errors import InputError
from everfit.models.blend import Blend
from everfit.registry import cache, files, trust
from everfit.search.estimators import FAMILIES, Job, Rows
from everfit.spec import Data


@pytest.fixture
def version(settings, candidate):
    return registry.register(settings, candidate)


def test_a_version_comes_back_whole(settings, candidate, version, frame):
    loaded = registry.load(settings, "bike", 1)
    np.testing.assert_array_equal(loaded.pipeline.predict(frame), candidate.pipeline.predict(frame))
    pd.testing.assert_frame_equal(loaded.reference, candidate.reference)
    np.testing.assert_array_equal(loaded.train_rows, candidate.train_rows)
    assert loaded.train_rows.dtype == np.uint64
    assert loaded.schema.to_dict() == candidate.schema
    assert (loaded.task, loaded.card["classes"], loaded.card["inputs"]) == (
        "regression",
        None,
        ["amount", "count", "colour", "weekend", "when"],
    )
    used = [column["name"] for column in loaded.card["plan"]["columns"] if column["role"] != "dropped"]
    assert tuple(used) == tuple(candidate.inputs)


def test_columns_without_a_value_are_known_as_such(settings, candidate):
    registry.register(settings, replace(candidate, schema={**candidate.schema, "note": "number"}, blank=["note"]))
    assert registry.load(settings, "bike", 1).schema.blank == {"note"}
    assert registry.schema_of(settings, "bike", 1).blank == {"note"}


def test_the_card_of_a_classifier_knows_its_classes(settings, classifier):
    registry.register(settings, classifier)
    card = registry.load(settings, "bike", 1).card
    assert (card["classes"], card["positive"]) == (["no", "yes"], "yes")


def test_another_machine_asks_mlflow_once(settings, version):
    remembered = cache.place(settings, "bike", 1)
    remembered.unlink()
    assert registry.load(settings, "bike", 1).version == 1
    assert remembered.exists()


def test_loading_needs_no_mlflow(settings, version):
    script = (
        "import sys; from pathlib import Path; from everfit import registry; from everfit.settings import Settings\n"
        f"registry.load(Settings(workspace=Path({str(settings.workspace)!r})), 'bike', 1)\n"
        "sys.exit('mlflow' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


def test_a_version_that_does_not_exist_is_named_with_those_that_do(settings, version):
    with pytest.raises(InputError, match="bike has no version 7") as missing:
        registry.load(settings, "bike", 7)
    assert missing.value.why == "It has 1."


@pytest.mark.parametrize("name", files.OURS)
def test_a_changed_file_is_refused_before_it_is_read(settings, version, name):
    path = Path(version.folder) / name
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(InputError, match="was altered") as refused:
        registry.load(settings, "bike", 1)
    assert name in refused.value.what


def test_a_missing_file_is_named(settings, version):
    (Path(version.folder) / files.CARD).unlink()
    with pytest.raises(InputError, match="bike v1 is not whole"):
        registry.load(settings, "bike", 1)


class Trap:
    """Writes a file when it is brought to life by pickle."""

    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return Path.touch, (self.marker,)


class Foreign(BaseEstimator):
    """An estimator that is on no list."""


def admit(settings, version, data):
    """Put bytes in the place of the model and make their digest the one that is known."""
    (Path(version.folder) / files.MODEL).write_bytes(data)
    remembered = cache.place(settings, "bike", 1)
    known = json.loads(remembered.read_text())
    known["digests"] = files.digests(Path(version.folder))
    remembered.write_text(json.dumps(known))


def test_a_pickle_is_never_unpickled_even_if_its_digest_fits(settings, version, tmp_path):
    admit(settings, version, pickle.dumps(Trap(tmp_path / "sprung")))
    with pytest.raises(InputError, match="not a model file"):
        registry.load(settings, "bike", 1)
    assert not (tmp_path / "sprung").exists()


def test_a_foreign_type_is_refused_even_if_its_digest_fits(settings, version):
    admit(settings, version, skops.io.dumps(Pipeline([("model", Foreign())])))
    with pytest.raises(InputError, match="types that everfit does not trust") as refused:
        registry.load(settings, "bike", 1)
    assert any("Foreign" in line for line in refused.value.details)


# The allow-list


def test_every_transformer_of_ours_may_be_loaded():
    ours = {
        f"{module.__name__}.{name}"
        for package in (features, models)
        for found in iter_modules(package.__path__)
        for module in [import_module(f"{package.__name__}.{found.name}")]
        for name, item in vars(module).items()
        if isinstance(item, type) and issubclass(item, BaseEstimator) and item.__module__ == module.__name__
    }
    assert {name for name in ours if not name.endswith(".ByColumn")} <= trust.TRUSTED


def test_whatever_is_on_the_list_exists():
    for name in trust.TRUSTED:
        module, _, item = name.rpartition(".")
        assert hasattr(import_module(module), item), name


@pytest.fixture(scope="module")
def rich(frame):
    """Columns of every role."""
    rows = len(frame)
    texts = [f"word{i % 7} and some more text about number {i} of many" for i in range(rows)]
    return frame.assign(
        cost=frame["cost"],
        who=pd.Series([f"id{i % 40}" for i in range(rows)], dtype="str"),
        note=pd.Series(texts, dtype="str"),
    )


@pytest.mark.parametrize("task", ["regression", "multiclass"])
@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_every_family_can_be_saved_and_read_back(rich, family, task):
    y = rich["cost"] if task == "regression" else pd.Series(np.arange(len(rich)) % 3)
    data = rich.assign(cost=y)
    plan = features.plan(data, Data(source="x", target="cost", roles={"note": "text", "who": "categorical"}))
    metric, coded = "mae" if task == "regression" else "log_loss", features.codes(plan, family.style)
    job = Job(task, metric, rows=len(rich), columns=8, classes=3, categories=coded)
    conform, encode = features.conformer(plan), features.encoder(plan, family.style, task)
    model = family.build(family.quick(job), job)
    family.fit(model, family.quick(job), Rows(encode.fit_transform(conform.transform(data), y), y.to_numpy()), job)
    blend = Blend({"all": encode}, [(["all"], model, 1.0)], None if task == "regression" else np.arange(3))
    pipeline = Pipeline([("conform", conform), ("model", blend)])
    restored = trust.read(skops.io.dumps(pipeline), "model")
    np.testing.assert_array_equal(restored.predict(data), pipeline.predict(data))
