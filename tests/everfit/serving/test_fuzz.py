"""Whatever a client makes up, the service answers as its description says, and goes on."""

import json
import random

import pyarrow as pa
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import checks as every
from schemathesis.specs.openapi import checks

from everfit.serving.arrow import from_arrow
from everfit.serving.contract import BadRecords
from everfit.serving.reading import Refused
from everfit.spec import Serve
from tests.everfit.serving.conftest import ASKED, RECORD, stream

CHECKS = [every.not_a_server_error, checks.status_code_conformance, checks.content_type_conformance,
          checks.response_schema_conformance, checks.response_headers_conformance]  # fmt: skip
QUICK = settings(max_examples=15, deadline=None, derandomize=True, database=None, suppress_health_check=[*HealthCheck])


@pytest.mark.parametrize("mode", list(schemathesis.GenerationMode), ids=lambda mode: mode.value)
def test_what_is_made_up_is_answered_as_described(web, mode):
    schema = schemathesis.openapi.from_dict(web.get("/openapi.json").json())
    seen = set()
    for found in schema.get_all_operations():

        @QUICK
        @given(case=found.ok().as_strategy(generation_mode=mode))
        def ask(case):
            answer = sent(web, case)
            seen.add((case.path, answer.status_code))
            case.validate_response(answer, checks=CHECKS)

        if found.ok().body or mode == schemathesis.GenerationMode.POSITIVE:
            ask()
    assert ("/predict", 422) in seen
    assert ("/invocations", 200) in seen or mode == schemathesis.GenerationMode.NEGATIVE
    assert web.post("/predict", json=RECORD).status_code == 200, "the service goes on"


def sent(http, case):
    asked = case.as_transport_kwargs(base_url="http://testserver", headers=ASKED)
    body = json.dumps(asked["json"]) if "json" in asked else asked.get("data")
    return http.request(asked["method"], asked["url"], headers=dict(asked["headers"]), content=body)


def test_a_broken_stream_of_arrow_is_refused_and_never_ends_the_process():
    dates = pa.array(["2026-01-01"] * 3).cast(pa.date32())
    whole = stream(pa.table({"n": [1.0, None, 3], "d": pa.array(["x", "y", "x"]).dictionary_encode(), "w": dates}))
    for seed in range(1500):
        dice, broken = random.Random(seed), bytearray(whole)
        for _ in range(dice.randint(1, 4)):
            broken[dice.randrange(len(broken))] = dice.randrange(256)
        try:
            assert len(from_arrow(bytes(broken), Serve())) == 3
        except (Refused, BadRecords):
            continue
