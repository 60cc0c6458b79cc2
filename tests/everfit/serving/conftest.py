"""A registered champion of a tiny frame, and its service."""

import io
import json
import shutil

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from sklearn.linear_model import LogisticRegression
from starlette.testclient import TestClient

from everfit import registry
from everfit.ledger import Ledger
from everfit.serving.app import make_app
from everfit.serving.running import service_of
from everfit.settings import Settings
from everfit.spec import Data, ModelSpec
from tests.everfit.registry.conftest import candidate_of, client, frame, ledger, settings

__all__ = ["client", "frame", "ledger", "settings"]

RECORD = {"amount": 1.5, "count": 3, "colour": "red", "when": "2026-01-03T07:00", "weekend": True}


def spec_of(**serve):
    return ModelSpec(name="bike", data=Data(source="x", target="cost", time="when"), serve=serve)


def crown(settings, ledger, frame, expected=None, **changes):
    """Register another version and make it the champion."""
    version = registry.register(settings, candidate_of(frame, **changes))
    registry.promote(settings, ledger, "bike", version.number, expected=expected, reason="a test", facts={})
    return version.number


@pytest.fixture
def champion(settings, ledger, frame):
    return crown(settings, ledger, frame)


@pytest.fixture
def service(settings, champion):
    return service_of(spec_of(), settings)


@pytest.fixture
def http(service):
    with TestClient(make_app(service)) as asked:
        yield asked


def plain(frame):
    """Return rows as JSON would bring them."""
    return json.loads(frame.to_json(orient="records", date_format="iso"))


def classes_of(frame):
    return frame.assign(kind=pd.cut(frame["cost"], [-9, -0.5, 0.5, 9], labels=["low", "mid", "high"]).astype(str))


def classifier():
    return LogisticRegression()


TOKENS = "ci:0123456789abcdef,ann:fedcba9876543210"
ASKED = {"Authorization": "Bearer fedcba9876543210"}


@pytest.fixture(scope="module")
def front(migrated, frame, tmp_path_factory):
    """A service with tokens and narrow limits, shared by the tests of a module."""
    settings = Settings(workspace=tmp_path_factory.mktemp("front"), actor="ann", serve_tokens=TOKENS)
    settings.folder()
    shutil.copy(migrated, settings.home / "mlflow.db")
    labelled = frame.assign(late=np.where(frame["count"] % 3 == 0, "yes", "no")).drop(columns="cost")
    ledger = Ledger(settings.ledger_url)
    ledger.once("registered", "bike", "v1", actor="ann", reason="a test", facts={"version": 1})
    crown(settings, ledger, labelled, target="late", estimator=LogisticRegression(), task="binary",
          positive="yes")  # fmt: skip
    return service_of(spec_of(max_rows=30, max_body_mb=0.05, body_seconds=5), settings)


@pytest.fixture(scope="module")
def web(front):
    with TestClient(make_app(front), headers=ASKED) as asked:
        yield asked
    assert not list(front.journal.folder.glob("*.jsonl")), "whatever was answered can be handed over to the lake"


def stream(table, **options):
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, table.schema, options=pa.ipc.IpcWriteOptions(**options)) as writer:
        writer.write_table(table)
    return sink.getvalue()
