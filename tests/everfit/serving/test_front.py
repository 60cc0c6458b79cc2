"""What a client may send, in whatever form, and what it is told: the front of the service."""

import asyncio
import json
import logging
import re
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from starlette.requests import Request

from everfit.serving.arrow import from_arrow
from everfit.serving.reading import ARROW, CSV, JSON, Intake, Refused, records
from everfit.spec import Serve
from tests.everfit.serving.conftest import RECORD, stream


def rows(frame):
    """Return rows as Arrow has them, and the same as JSON has them."""
    table = pa.Table.from_pandas(frame.drop(columns="cost").head(30), preserve_index=False)
    table = table.set_column(2, "colour", table["colour"].dictionary_encode())
    zoned = table["when"].cast(pa.timestamp("ns", "UTC"))
    records = json.loads(frame.drop(columns="cost").head(30).to_json(orient="records", date_format="iso"))
    return table.set_column(table.column_names.index("when"), "when", zoned), records


def test_a_row_says_the_same_alone_and_in_every_form_of_a_crowd(web, frame):
    table, records = rows(frame)
    shares = [web.post("/predict", json=record).json()["predictions"][0]["probabilities"]["yes"] for record in records]
    crowd = web.post("/predict", json=records).json()["predictions"]
    answered = web.post("/predict", content=stream(table), headers={"Content-Type": ARROW})
    assert answered.headers["content-type"] == ARROW
    arrow = pa.ipc.open_stream(answered.content).read_all()
    assert (arrow.schema.metadata[b"version"], arrow.num_rows) == (b"1", 30)
    for other in ([each["probabilities"]["yes"] for each in crowd], arrow["probability_yes"].to_pylist()):
        np.testing.assert_allclose(other, shares, atol=1e-6)
    as_json = web.post("/predict", content=stream(table), headers={"Content-Type": ARROW, "Accept": JSON}).json()
    assert [each["prediction"] for each in as_json["predictions"]] == arrow["prediction"].to_pylist()
    assert {len(name) for name in arrow["id"].to_pylist()} == {32}

    plain = pd.DataFrame(records)
    said = arrow["prediction"].to_pylist()
    for form in (
        {"dataframe_split": json.loads(plain.to_json(orient="split"))},
        {"dataframe_records": records, "params": {"any": 1}},
        {"inputs": records},
        {"instances": records},
        {"inputs": {name: [record[name] for record in records] for name in records[0]}},
    ):
        assert web.post("/invocations", json=form).json()["predictions"] == said
    text = plain.to_csv(index=False)
    answered = web.post("/invocations", content=text, headers={"Content-Type": CSV}).json()
    assert (answered["predictions"], len(set(answered["ids"]))) == (said, 30)
    assert web.post("/invocations", json={"inputs": RECORD}).status_code == 200, "one record without a list"
    assert (web.get("/ping").status_code, web.get("/version").text[:2]) == (200, "3.")


SPLIT = {"columns": ["amount", "count"], "data": [[1, 2], [3]]}


@pytest.mark.parametrize(("body", "told"), [
    ({}, "give one of"),
    ([], "give one of"),
    ({"inputs": [RECORD], "dataframe_records": [RECORD]}, "give one of"),
    ({"inputs": [RECORD], "params": 3}, "params"),
    ({"inputs": 3}, "list of records"),
    ({"inputs": []}, "empty"),
    ({"inputs": {"amount": [1, 2], "count": [1]}}, "one length"),
    ({"inputs": {"amount": [1], "count": 1}}, "one length"),
    ({"inputs": {"amout": [1]}}, "cannot be read"),
    ({"dataframe_split": SPLIT}, "row 1 has 1 value(s), and there are 2 columns"),
    ({"dataframe_split": {**SPLIT, "data": [[1, 2], 3]}}, "row 1"),
    ({"dataframe_split": {**SPLIT, "data": [[1, 2]], "index": [0, 1]}}, "index"),
    ({"dataframe_split": {"columns": ["amount"] * 2, "data": [[1, 2]]}}, "each once"),
    ({"dataframe_split": {"columns": [[]], "data": [[1]]}}, "names"),
    ({"dataframe_split": {"data": [[1]]}}, "columns and data"),
    ("amount,count\n1,2\n3\n", "row 1 has 1"),
    ("amount,amount\n1,2\n", "each column once"),
    ('amount\n"1', "no CSV"),
    ("amount\n", "empty"),
    ("", "empty"),
    (b"\xff\xfe", "no CSV"),
    ("amount\n" + "\n" * 30 + "1\n" * 31, "31 records came"),
])  # fmt: skip
def test_what_is_none_of_mlflows_forms_is_told_so(web, body, told):
    if isinstance(body, str | bytes):
        answer = web.post("/invocations", content=body, headers={"Content-Type": CSV})
    else:
        answer = web.post("/invocations", json=body)
    status = 413 if "came" in told else 422
    assert (answer.status_code, told in answer.json()["error"]) == (status, True), answer.text


MANY = pa.DictionaryArray.from_arrays(pa.array([0] * 30, pa.int8()), ["x" * 10_000])


@pytest.mark.parametrize(("table", "options", "status", "told"), [
    (pa.table({"amount": [0.0] * 20}), {"compression": "zstd"}, 415, "compressed"),
    (pa.table({"amount": [0.0] * 20}), {"compression": "lz4"}, 415, "compressed"),
    (pa.table({"amount": pa.nulls(10**6)}), {}, 413, "1,000,000 records"),
    (pa.table({"colour": MANY}), {}, 413, "text of one column"),
    (pa.table({"amount": [1.0] * 31}), {}, 413, "31 records"),
    (pa.table({"amount": pa.array([], "float64")}), {}, 422, "empty"),
    (pa.table({"amount": [[1.0]]}), {}, 422, "list<"),
    (pa.table({"amount": [{"a": 1}]}), {}, 422, "struct<"),
    (pa.table({"amount": [b"pickled"]}), {}, 422, "binary"),
    (pa.table({"colour": pa.array(["x"], pa.string_view())}), {}, 422, "string_view"),
    (pa.table({"amout": [1.0]}), {}, 422, "Did you mean 'amount'?"),
    (pa.table({"amount": ["much"]}), {}, 422, "a number, or null"),
    (pa.table({"amount": pa.array([0], pa.timestamp("s"))}), {}, 422, "a number, or null"),
    (pa.table({"when": pa.array([2**62], pa.timestamp("us"))}), {}, 422, "a date such as"),
    (pa.Table.from_arrays([pa.array([1])] * 2, names=["amount"] * 2), {}, 422, "each once"),
])  # fmt: skip
def test_arrow_that_is_too_much_or_does_not_fit_is_refused_before_it_is_decoded(web, table, options, status, told):
    answer = web.post("/predict", content=stream(table, **options), headers={"Content-Type": ARROW})
    assert (answer.status_code, told in answer.text) == (status, True), answer.text


def test_columns_without_a_body_are_no_way_to_send_any_number_of_values():
    body = stream(pa.table({f"c{at}": pa.nulls(10_000) for at in range(101)}))
    with pytest.raises(Refused, match="1,010,000 values") as told:
        from_arrow(body, Serve())
    assert told.value.status == 413
    numbers = pa.table({f"c{at}": np.zeros(10_000) for at in range(101)})
    assert len(from_arrow(stream(numbers), Serve())) == 101


def test_a_dictionary_is_looked_up_in_each_batch():
    indices = pa.array([2, None, 0, 1, 2], pa.int8())
    table = pa.table({"colour": pa.DictionaryArray.from_arrays(indices, ["red", None, "blue"])})
    batches = pa.Table.from_batches(table.to_batches(max_chunksize=2))
    assert from_arrow(stream(batches), Serve()) == {"colour": ["blue", None, "red", None, "blue"]}


@pytest.mark.parametrize(("body", "told"), [
    ('{"amount": 1, "amount": 2}', "'amount' comes twice"),
    ('{"\\ud800": 1, "\\ud800": 2}', "comes twice"),
    ('{"colour": "\\ud800"}', "surrogate"),
    ('{"\\udfff": 1}', "surrogate"),
    (b'{"colour": "\xed\xa0\x80"}', "no JSON"),
    (b"\xff\xfe{\x00}\x00", "no JSON"),
    ("[" * 100_00 + "]" * 100_00, "no JSON"),
    ('{"amount": ' + "[" * 500 + "]" * 500 + "}", "cannot be read"),
    ('{"amount": 1,}', "no JSON"),
    ("", "no JSON"),
    ("null", "cannot be read"),
    ("[[]]", "cannot be read"),
    ('{"colour\\u0000": "red"}', "cannot be read"),
])  # fmt: skip
def test_what_is_no_json_or_means_two_things_is_refused(web, body, told):
    answer = web.post("/predict", content=body)
    assert (answer.status_code, told in answer.json()["error"]) == (422, True), answer.text


@pytest.mark.parametrize("body", [
    '{"amount": NaN}', '{"amount": Infinity}', '{"amount": -Infinity}', '{"amount": 1e400}', '{"count": 1e308}',
    '{"amount": ' + "9" * 1_000 + "}", '{"amount": 1' + "0" * 400 + "}", '{"colour": "a\\u0000b"}', '{"colour": ""}',
    '{"colour": "\\ud83d\\ude00"}', '{"when": "9999-12-31T23:59:59.999999"}', '{"when": "0001-01-01"}', "{}",
    '{"when": 20260301}', '{"weekend": 1}', '{"weekend": "no"}', '{"count": 12345678901234567890}', '{"colour": 5}',
])  # fmt: skip
def test_whatever_is_read_gets_an_answer_in_strict_json_the_same_in_a_crowd(web, body):
    alone, crowd = (
        web.post("/predict", content=body),
        web.post("/predict", content=f"[{','.join([body] * 20)}]"),
    )
    assert alone.status_code == crowd.status_code == 200, alone.text
    one = json.loads(alone.content, parse_constant=pytest.fail)["predictions"][0]["probabilities"]["yes"]
    many = json.loads(crowd.content, parse_constant=pytest.fail)["predictions"]
    assert [each["probabilities"]["yes"] for each in many] == pytest.approx([one] * 20, abs=1e-6)


@pytest.mark.parametrize(("headers", "status"), [
    ({"Content-Type": "application/json; charset=UTF-8"}, 200),
    ({"Content-Type": "application/json; charset=utf-16"}, 415),
    ({"Content-Type": "application/x-www-form-urlencoded"}, 415),
    ({"Content-Type": "application/x-pickle"}, 415),
    ({"Content-Type": CSV}, 415),
    ({"Content-Encoding": "gzip"}, 415),
    ({"Content-Length": "99999999999"}, 413),
    ({"Content-Length": "9" * 5000}, 413),
    ({"Content-Length": "-5"}, 200),
])  # fmt: skip
def test_only_known_media_types_of_a_known_size_are_read(web, headers, status):
    answer = web.post("/predict", content=json.dumps(RECORD), headers=headers)
    assert answer.status_code == status, answer.text
    if "urlencoded" in str(headers):
        assert "-H 'Content-Type: application/json'" in answer.json()["error"]


def test_the_bytes_that_come_are_counted_whatever_was_said_of_them(web, front):
    answer = web.post("/predict", content=iter([b" " * 10_000] * 10))
    assert (answer.status_code, answer.headers["connection"]) == (413, "close")
    assert web.post("/predict", json=RECORD, headers={"Content-Length": "1"}).status_code == 200
    assert front.intake.held == 0, "nothing is held of who has an answer"
    front.intake.held = 2**30
    answer = web.post("/predict", json=RECORD)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    front.intake.held = 0


@pytest.mark.parametrize(("then", "status"), [("nothing", 408), ("http.disconnect", 400)])
def test_who_is_slow_or_goes_away_holds_nothing(then, status):
    messages = [{"type": "http.request", "body": b"[", "more_body": True}]

    async def receive():
        if messages:
            return messages.pop()
        return {"type": then} if then != "nothing" else await asyncio.sleep(60)

    intake = Intake(Serve(body_seconds=0.05))
    with pytest.raises(Refused) as told:
        asyncio.run(intake.body(Request({"type": "http", "method": "POST", "headers": []}, receive)))
    assert (told.value.status, intake.held) == (status, 0)


def test_what_has_come_in_is_held_until_it_is_answered():
    async def ask(intake, body, during):
        messages = [{"type": "http.request", "body": body}]
        request = Request({"type": "http", "method": "POST", "headers": []}, lambda: asyncio.sleep(0, messages.pop()))
        async with intake.asked(request, {JSON: records}) as asked:
            during()
            return len(asked)

    intake, seen = Intake(Serve()), []
    assert asyncio.run(ask(intake, b"[{}, {}]", lambda: seen.append(intake.held))) == 2
    with pytest.raises(Refused, match="come at once"):
        asyncio.run(ask(intake, b"[" + b"{}," * 30_000 + b"{}]", lambda: None))
    assert (seen, intake.held) == ([8], 0)


def test_every_request_has_an_id_and_a_line_without_a_value(web, caplog):
    with caplog.at_level(logging.INFO, "everfit.serving"):
        mine = web.post("/predict", json=RECORD, headers={"X-Request-ID": "mine-1"})
        assert mine.headers["x-request-id"] == "mine-1"
        assert len(web.post("/predict", json={"amount": "secret"}).headers["x-request-id"]) == 32
        assert web.get("/no?secret", headers={"X-Request-ID": 'a"b'}).headers["x-request-id"] != 'a"b'
        assert web.get("/model", headers={"Authorization": "Bearer secret"}).headers["www-authenticate"] == "Bearer"
    lines = [json.loads(record.getMessage()) for record in caplog.records if record.name == "everfit.serving"]
    assert [(line["path"], line["status"], line.get("error")) for line in lines] == [
        ("/predict", 200, None), ("/predict", 422, "bad values"), ("/no", 404, None), ("/model", 401, "token"),
    ]  # fmt: skip
    assert {name: lines[0][name] for name in ("id", "who", "rows", "version")} == {
        "id": "mine-1", "who": "ann", "rows": 1, "version": 1}  # fmt: skip
    assert "secret" not in caplog.text


def test_the_model_says_what_it_is(web):
    said = web.get("/model").json()
    assert {name: said[name] for name in ("version", "aliases", "task", "target", "metric", "classes")} == {
        "version": 1, "aliases": ["champion"], "task": "binary", "target": "late", "metric": "log_loss",
        "classes": ["no", "yes"],
    }  # fmt: skip
    assert datetime.now(UTC) - datetime.fromisoformat(said["trained_at"]) < timedelta(hours=1)
    assert said["data"] == {"version": 3, "digest": "d1" * 32, "rows": 60}
    assert said["scores"]["challenger"] == {"value": 1.0, "low": 0.9, "high": 1.1}


def test_the_description_is_the_models_own_for_who_has_a_token(web):
    made = web.get("/openapi.json").json()
    example = made["paths"]["/predict"]["post"]["requestBody"]["content"]["application/json"]["example"]
    assert set(example) == set(RECORD)
    assert web.post("/predict", json=example).status_code == 200
    assert made["components"]["schemas"]["Record"]["properties"]["colour"]["examples"] == ["blue", "red"]
    assert made["components"]["schemas"]["Prediction"]["properties"]["prediction"]["enum"] == ["no", "yes", None]
    assert {"401", "413", "415", "422", "503"} <= made["paths"]["/predict"]["post"]["responses"].keys()
    assert made["paths"]["/predict"]["post"]["security"] == [{"token": []}]
    assert "colour" not in web.get("/openapi.json", headers={"Authorization": ""}).text
    page = web.get("/docs", headers={"Authorization": ""}).text
    assert "://" not in page, "no other host is asked"
    parts = re.findall(r'(?:href|src)="(docs/[^"]+)"', page)
    assert [web.get(f"/{part}").headers["content-type"].split(";")[0] for part in parts] == [
        "text/css",
        "text/javascript",
    ]
    assert web.get("/docs/no.js").status_code == web.get("/docs/..%2f__init__.py").status_code == 404
