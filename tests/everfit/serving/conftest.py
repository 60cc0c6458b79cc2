"""A registered champion of a tiny frame, and its service."""

import json

import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from starlette.testclient import TestClient

from everfit import registry
from everfit.serving.app import make_app
from everfit.serving.running import service_of
from everfit.spec import Data, ModelSpec
from tests.everfit.registry.conftest import candidate_of, client, frame, ledger, migrated, settings

__all__ = ["client", "frame", "ledger", "migrated", "settings"]

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
