"""Settings say where everything lives, whatever folder a command is called in."""

import pytest

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
