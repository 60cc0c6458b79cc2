import sqlite3
import subprocess
import sys
import time
from contextlib import closing

import pytest

from everfit import registry
from everfit.errors import InputError, Unavailable
from everfit.settings import Settings

# Two processes that begin to make the same database at the same moment, with all that they need imported.
TOGETHER = """
import multiprocessing
from everfit.registry import door, registering
from everfit.settings import Settings

def make(together):
    together.wait()
    door.prepare(Settings())

fork = multiprocessing.get_context("fork")
together = fork.Barrier(2)
processes = [fork.Process(target=make, args=(together,)) for _ in range(2)]
for process in processes:
    process.start()
for process in processes:
    process.join()
    assert process.exitcode == 0
"""


def test_many_processes_may_prepare_the_same_database_at_once(tmp_path):
    done = subprocess.run([sys.executable, "-c", TOGETHER], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == [".everfit"]
    with closing(sqlite3.connect(tmp_path / ".everfit" / "mlflow.db")) as raw, raw:
        assert raw.execute("SELECT count(*) FROM alembic_version").fetchone() == (1,)
    raw.close()


def test_a_database_whose_making_was_killed_is_made_anew(tmp_path):
    settings = Settings(workspace=tmp_path)
    code = "from everfit import registry; from everfit.settings import Settings; registry.prepare(Settings())"
    with subprocess.Popen([sys.executable, "-c", code], cwd=tmp_path) as making:
        half = settings.home / "mlflow.db.half"
        while not half.exists() or b"CREATE TABLE secrets" not in half.read_bytes():
            assert making.poll() is None
            time.sleep(0.002)
        making.kill()
    made = settings.home / "mlflow.db"
    assert not made.exists() or not made.stat().st_size
    registry.prepare(settings)
    assert sorted(path.name for path in settings.home.iterdir()) == ["mlflow.db", "mlflow.lock"]


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
