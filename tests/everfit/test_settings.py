"""Settings say where everything lives, whatever folder a command is called in."""

from pathlib import Path

import pytest

from everfit.errors import InputError
from everfit.settings import Settings


@pytest.mark.parametrize(
    ("name", "written", "read"),
    [
        ("lake_uri", "my/lake", "{}/my/lake"),
        ("lake_uri", "s3://bucket/lake", "s3://bucket/lake"),
        ("ledger_url", "sqlite:///l.db", "sqlite:///{}/l.db"),
        ("ledger_url", "sqlite+pysqlite:///x/l.db?timeout=5", "sqlite+pysqlite:///{}/x/l.db?timeout=5"),
        ("ledger_url", "sqlite:////var/l.db", "sqlite:////var/l.db"),
        ("ledger_url", "postgres://u@h/db", "postgresql+psycopg://u@h/db"),
        ("mlflow_uri", "sqlite:///m.db", "sqlite:///{}/m.db"),
        ("mlflow_uri", "http://mlflow:5000", "http://mlflow:5000"),
        ("mlflow_artifacts", "kept", "{}/kept"),
        ("mlflow_artifacts", "mlflow-artifacts:/kept", "mlflow-artifacts:/kept"),
    ],
)
def test_no_place_depends_on_the_current_folder(tmp_path, name, written, read):
    assert getattr(Settings(workspace=tmp_path, **{name: written}), name) == read.format(tmp_path)


@pytest.mark.parametrize(
    ("on", "storage", "because"),
    [("ray:here", "sqlite://", "names no engine"), ("pool:x", "", "no database to meet in")],
)
def test_helpers_need_an_engine_that_is_known_and_a_database(on, storage, because):
    with pytest.raises(InputError, match=because) as told:
        Settings(search_on=on, search_storage=storage)
    assert on in str(told.value)


@pytest.mark.parametrize("name", ["a%41b", "what?"])
@pytest.mark.parametrize("setting", ["workspace", "home", "lake_uri", "mlflow_artifacts"])
def test_a_place_that_no_url_could_name_is_refused(tmp_path, setting, name):
    with pytest.raises(InputError, match="in its path") as told:
        Settings(**{"workspace": tmp_path, setting: str(tmp_path / name)})
    assert name in str(told.value)
    assert Settings(workspace=tmp_path / name, home=tmp_path).models.is_relative_to(tmp_path / name)


@pytest.mark.parametrize("name", ["c#", "100% sure", "ü x"])
def test_other_odd_names_of_folders_are_just_names(tmp_path, name):
    assert Settings(workspace=tmp_path, home=Path(name)).lake_uri == f"{tmp_path}/{name}/lake"
