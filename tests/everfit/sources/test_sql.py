"""A query comes in through SQLAlchemy, streamed, and its password never comes out."""

import socket
import sqlite3
import tracemalloc
from contextlib import closing
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest
import sqlalchemy as sa

from everfit import sources
from everfit.errors import SourceError, Unavailable
from everfit.sources import sql
from everfit.spec import SqlSource
from tests.postgres import PASSWORD

MANY = "SELECT i AS n, i / 2.0 AS x, 'text ' || i AS s FROM (SELECT generate_series(1, 50000) AS i) AS t"


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    with closing(sqlite3.connect(tmp_path / "shop.db")) as connection, connection:
        connection.execute("CREATE TABLE sales (id INTEGER, price REAL, day DATE, paid BOOLEAN, note)")
        rows = [(1, 2.5, "2024-01-01", 1, "a"), (2, 3, "2024-01-02", 0, 7), (3, None, None, None, None)]
        connection.executemany("INSERT INTO sales VALUES (?, ?, ?, ?, ?)", rows)
    return tmp_path


def opened(query: str, base: Path, url: str = "sqlite:///shop.db", secrets=None) -> sources.Source:
    [source] = sources.open_source(SqlSource(url=url, query=query), base=base, secrets=secrets)
    return source


def test_sqlite_rows_come_with_types_and_iso_dates_as_timestamps(shop):
    table = opened("SELECT * FROM sales", shop).reader().read_all()
    assert [str(t) for t in table.schema.types] == ["int64", "double", "timestamp[us]", "int64", "string"]
    assert table["note"].to_pylist() == ["a", "7", None]
    assert table["price"].to_pylist() == [2.5, 3.0, None]


def test_a_percent_sign_and_a_colon_in_a_query_are_just_that(shop):
    query = "SELECT id, ' :x' AS c FROM sales WHERE day LIKE '2024%' AND id % 2 = 1"
    assert opened(query, shop).reader().read_all().to_pydict() == {"id": [1], "c": [" :x"]}


def test_a_late_value_of_another_type_widens_a_sqlite_column(shop, monkeypatch):
    monkeypatch.setattr(sql, "ROWS", 2)
    source = opened("SELECT id FROM sales UNION ALL SELECT 2.5", shop)
    with pytest.raises(sources.Widened):
        source.reader().read_all()
    assert source.reader().read_all()["id"].to_pylist() == [1.0, 2.0, 3.0, 2.5]


@pytest.mark.parametrize("name", ["a#b", "what?", "100%41", "ü x"])
def test_a_folder_of_any_name_may_hold_the_database(shop, name):
    (shop / name).mkdir()
    (shop / "shop.db").rename(shop / name / "shop.db")
    assert len(opened("SELECT * FROM sales", shop / name).reader().read_all()) == 3


def test_a_sample_of_a_query_is_its_head(shop):
    query = SqlSource(url="sqlite:///shop.db", query="SELECT id, note FROM sales")
    assert sources.sample(query, base=shop, rows=2)["id"].tolist() == [1, 2]


def test_the_database_is_only_read(shop):
    with pytest.raises(SourceError, match="readonly"):
        opened("DELETE FROM sales", shop).reader()
    assert opened("SELECT * FROM sales", shop).reader().read_all().num_rows == 3


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("SELECT nope FROM sales", "no such column: nope"),
        ("SELECT * FROM salez", "no such table: salez"),
        ("SELEKT 1", "syntax error"),
        ("SELECT id, price AS id FROM sales", "more than one column named 'id'"),
    ],
)
def test_a_query_that_fails_says_why(shop, query, says):
    with pytest.raises(SourceError, match=says):
        opened(query, shop).reader()


def test_a_query_without_rows_is_an_error(shop):
    with pytest.raises(SourceError, match="holds no rows"):
        sources.sample(SqlSource(url="sqlite:///shop.db", query="SELECT * FROM sales WHERE id > 9"), base=shop)


def test_a_missing_sqlite_file_is_not_created_and_names_the_nearest(shop):
    with pytest.raises(SourceError, match=r"Did you mean 'shop\.db'"):
        opened("SELECT 1", shop, "sqlite:///shop.bd")
    assert not (shop / "shop.bd").exists()


@pytest.mark.parametrize("url", ["${SHOP_URL}", "sqlite:///${SHOP_FILE}", "prefect://secret/shop"])
def test_the_url_may_be_a_reference(shop, monkeypatch, url):
    monkeypatch.setenv("SHOP_URL", "sqlite:///shop.db")
    monkeypatch.setenv("SHOP_FILE", "shop.db")
    source = opened("SELECT id FROM sales", shop, url, {"shop": "sqlite:///shop.db"}.__getitem__)
    assert source.reader().read_all().num_rows == 3
    assert source.origin.startswith("sqlite:///shop.db query ")


def test_what_the_environment_does_not_say_the_env_file_of_the_current_folder_may(shop, monkeypatch):
    monkeypatch.chdir(shop)
    monkeypatch.setenv("SHOP_FILE", "shop.db")
    Path(".env").write_text("SHOP_URL=sqlite:///shop.db\nSHOP_FILE=other.db\n")
    for url in ("${SHOP_URL}", "sqlite:///${SHOP_FILE}"):
        assert opened("SELECT id FROM sales", shop, url).reader().read_all().num_rows == 3


def test_a_password_in_the_env_file_is_what_is_written_there(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path(".env").write_text("PASSWORD=a${HOME}b\n")
    assert opened("SELECT 1", tmp_path, "postgresql://me:${PASSWORD}@host/db")._url.password == "a${HOME}b"


def test_a_password_in_the_environment_may_hold_any_character(tmp_path, monkeypatch):
    monkeypatch.setenv("PASSWORD", "p@s/s:%41")
    source = opened("SELECT 1", tmp_path, "postgresql://me:${PASSWORD}@host/db")
    assert (source._url.password, source._url.host) == ("p@s/s:%41", "host")


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("postgresql://me@host/db?password=hunter2", "holds the parameter 'password'"),
        ("postgresql://me:hunter2@${HOST}/db", "holds a password"),
        ("${NOT_SET_ANYWHERE}", "The environment has no NOT_SET_ANYWHERE"),
        ("prefect://secret/shop", "can only be read where Prefect is"),
        ("not a url", "is not a database URL"),
        ("nosuch://host/db", "needs a driver that is not here"),
        ("postgresql://me:hunter2@host/db", "holds a password"),
        ("postgresql+psycopg://me:hunter2@host/db", "holds a password"),
    ],
)
def test_a_url_that_cannot_be_used_is_one_clear_error(tmp_path, monkeypatch, url, says):
    monkeypatch.delenv("NOT_SET_ANYWHERE", raising=False)
    with pytest.raises(SourceError, match=says) as caught:
        opened("SELECT 1", tmp_path, url).reader()
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("where", ["postgresql://ann:secret@db/shop", "sqlite:///shop.db", "shop.sqlite", "${SHOP}"])
def test_a_database_without_a_query_says_what_is_missing_and_keeps_its_secret(tmp_path, where):
    with pytest.raises(SourceError, match="is a database, and only a query says") as caught:
        sources.open_source(where, base=tmp_path)
    assert "--query" in str(caught.value)
    assert "secret" not in str(caught.value)


def test_only_a_prefect_reference_needs_prefect():
    assert sources.readable_here("data.csv")
    assert sources.readable_here(SqlSource(url="${X}", query="SELECT 1"))
    assert not sources.readable_here(SqlSource(url="prefect://secret/x", query="SELECT 1"))


def test_a_server_that_does_not_answer_is_unavailable(tmp_path, monkeypatch):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    monkeypatch.setenv("DATABASE_URL", f"postgresql://me:hunter2@127.0.0.1:{port}/db")
    with pytest.raises(Unavailable, match="cannot be reached") as caught:
        opened("SELECT 1", tmp_path, "${DATABASE_URL}").reader()
    assert caught.value.transient
    assert "hunter2" not in str(caught.value) + str(caught.value.__cause__)


@pytest.mark.postgres
class TestPostgres:
    @pytest.fixture(autouse=True)
    def _url(self, postgres_url, monkeypatch):
        monkeypatch.setenv("DATABASE_URL", postgres_url)

    def test_every_type_becomes_one_of_the_lakes(self, tmp_path):
        query = """SELECT 1::smallint AS i, 1.5::real AS f, 2.25::numeric AS d, true AS b, 'x'::text AS s,
                          date '2024-01-01' AS day, timestamptz '2024-01-01 10:00+02' AS t, time '10:30' AS clock,
                          NULL::int AS nothing, 'a1b2c3d4-0000-0000-0000-000000000000'::uuid AS id"""
        table = opened(query, tmp_path, "${DATABASE_URL}").reader().read_all()
        moment = "timestamp[us]"
        assert [str(t) for t in table.schema.types] == [
            *("int64", "double", "double", "bool", "string", moment, moment, "string", "null", "string")
        ]
        assert table["t"][0].as_py() == pd.Timestamp("2024-01-01 08:00")

    def test_rows_are_streamed_with_a_server_side_cursor(self, tmp_path, monkeypatch):
        monkeypatch.setattr(sql, "ROWS", 2000)
        opened("SELECT 1 AS warm_up", tmp_path, "${DATABASE_URL}").reader().read_all()
        tracemalloc.start()
        rows = sum(batch.num_rows for batch in opened(MANY, tmp_path, "${DATABASE_URL}").reader())
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert rows == 50_000
        assert peak < 4 << 20  # all rows as Python values take 12 MB

    def test_its_origin_names_no_user_and_no_password(self, tmp_path):
        origin = opened("SELECT 1", tmp_path, "${DATABASE_URL}").origin
        assert origin.startswith("postgresql://127.0.0.1:")
        assert PASSWORD not in origin

    def test_nothing_can_be_written(self, tmp_path, postgres_url):
        engine = sa.create_engine(postgres_url.replace("postgresql:", "postgresql+psycopg:"))
        with engine.begin() as connection:
            connection.exec_driver_sql("CREATE SEQUENCE IF NOT EXISTS counter")
        engine.dispose()
        with pytest.raises(SourceError, match="read-only"):
            opened("SELECT nextval('counter')", tmp_path, "${DATABASE_URL}").reader()

    @pytest.mark.parametrize(("query", "says"), [("SELECT nope", "nope"), ("SELECT 1/0 AS x", "division by zero")])
    def test_a_bad_query_is_a_source_error(self, tmp_path, query, says):
        with pytest.raises(SourceError, match=says):
            opened(query, tmp_path, "${DATABASE_URL}").reader()

    @pytest.mark.parametrize("change", [{"password": "wrong-one"}, {"database": "nope"}])
    def test_a_wrong_password_or_database_is_no_outage(self, tmp_path, postgres_url, monkeypatch, change):
        wrong = sa.make_url(postgres_url).set(**change).render_as_string(hide_password=False)
        monkeypatch.setenv("WRONG_URL", wrong)
        with pytest.raises(SourceError, match="refuses the connection") as caught:
            opened("SELECT 1", tmp_path, "${WRONG_URL}").reader()
        assert PASSWORD not in str(caught.value)
        assert "wrong-one" not in str(caught.value) + repr(caught.value.__cause__)

    def test_a_connection_that_breaks_is_unavailable(self, tmp_path):
        query = "SELECT pg_terminate_backend(pg_backend_pid()) AS gone"
        with pytest.raises(Unavailable):
            opened(query, tmp_path, "${DATABASE_URL}").reader()

    def test_a_sample_stops_the_query_early(self, tmp_path):
        endless = "SELECT generate_series(1, 2000000000) AS n"
        source = SqlSource(url="${DATABASE_URL}", query=endless)
        assert len(sources.sample(source, base=tmp_path, rows=10)) == 10


def test_values_that_are_no_arrow_type_meet_as_text():
    from everfit.sources.values import to_array

    assert to_array([1, "x", None, {"a": 1}]).to_pylist() == ["1", "x", None, '{"a": 1}']
    assert to_array([2.5, 2**70]).to_pylist() == ["2.5", str(2**70)]


def test_numbers_meet_as_doubles_unless_one_may_be_an_id_that_no_int64_holds():
    from everfit.sources.values import to_array

    assert to_array([10**17, 0.5, None]).equals(pa.array([1e17, 0.5, None]))
    assert to_array([2**63 - 1, 0.5]).type == pa.float64()
    for other in (2**63, -(2**63), True):
        assert to_array([10**17, 0.5, other]).type == pa.string()


def test_decimals_that_are_written_whole_are_exact():
    from decimal import Decimal

    from everfit.sources.values import to_array

    assert to_array([Decimal(2**53 + 1), None]).to_pylist() == [2**53 + 1, None]
    assert to_array([Decimal(2**63), Decimal(1)]).to_pylist() == [str(2**63), "1"]
    assert to_array([Decimal("1E+30"), Decimal("2.50"), Decimal("NaN")]).type == pa.float64()
