import sqlite3
import subprocess
import sys
from contextlib import closing

import pytest

from everfit import registry
from everfit.errors import InputError, Unavailable
from everfit.settings import Settings


def test_many_processes_may_prepare_the_same_database_at_once(tmp_path, monkeypatch, migrated):
    monkeypatch.chdir(tmp_path)
    settings = Settings(workspace=tmp_path)
    code = "from everfit import registry; from everfit.settings import Settings; registry.prepare(Settings())"
    several = [subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE, text=True) for _ in range(2)]
    said = [process.communicate()[1] for process in several]
    assert [process.returncode for process in several] == [0, 0], said
    assert sorted(path.name for path in tmp_path.iterdir()) == [".everfit"]
    with closing(sqlite3.connect(settings.home / "mlflow.db")) as raw, raw:
        assert raw.execute("SELECT count(*) FROM alembic_version").fetchone() == (1,)
    raw.close()


def test_a_database_whose_making_was_killed_is_made_anew(tmp_path):
    home = tmp_path / ".everfit"
    code = "from everfit import registry; from everfit.settings import Settings; registry.prepare(Settings())"
    with subprocess.Popen([sys.executable, "-c", code], cwd=tmp_path) as making:
        while not (half := home / "mlflow.db.half").exists() or b"CREATE TABLE secrets" not in half.read_bytes():
            assert making.poll() is None
        making.kill()
    assert not (home / "mlflow.db").exists() or not (home / "mlflow.db").stat().st_size
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True)
    assert sorted(path.name for path in home.iterdir()) == ["mlflow.db", "mlflow.lock"]


def test_a_database_that_is_none_is_named(settings):
    (settings.home / "mlflow.db").write_bytes(b"no database at all, but long enough to look at " * 50)
    with pytest.raises(InputError, match=r"MLflow's database .*mlflow\.db cannot be used: file is not a database"):
        registry.prepare(settings)


def test_a_database_of_another_mlflow_is_not_touched(settings):
    with closing(sqlite3.connect(settings.home / "mlflow.db")) as raw, raw:
        raw.execute("UPDATE alembic_version SET version_num = '451aebb31d03'")
    raw.close()
    with pytest.raises(InputError, match="made by another version of MLflow") as refused:
        registry.prepare(settings)
    assert "mlflow db upgrade sqlite:///" in refused.value.do


@pytest.mark.parametrize("uri", ["file:///tmp/mlruns", "/tmp/mlruns", "mlruns"])
def test_a_file_store_is_refused(tmp_path, uri):
    with pytest.raises(InputError, match="not a database and not a server"):
        registry.prepare(Settings(workspace=tmp_path, mlflow_uri=uri))


def test_a_server_that_cannot_be_reached_is_named_at_once_and_without_its_password(tmp_path):
    settings = Settings(workspace=tmp_path, mlflow_uri="postgresql://ann:secret@127.0.0.1:1/mlflow")
    with pytest.raises(Unavailable, match=r"MLflow's database at .*127\.0\.0\.1:1/mlflow cannot be reached") as down:
        registry.prepare(settings)
    assert "secret" not in str(down.value)


@pytest.mark.postgres
def test_a_training_can_be_registered_on_a_server(tmp_path, postgres_url, candidate):
    settings = Settings(workspace=tmp_path, mlflow_uri=postgres_url)
    registry.prepare(settings)
    assert registry.register(settings, candidate).number == 1
    assert registry.register(settings, candidate).new is False
    assert registry.load(settings, "bike", 1).version == 1
