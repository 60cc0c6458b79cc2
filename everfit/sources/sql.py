"""A query against a database, through SQLAlchemy, read with a server-side cursor."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import sqlalchemy as sa
from sqlalchemy import exc
from typing_extensions import override

from everfit.errors import EverfitError, SourceError, Unavailable, did_you_mean, first_line
from everfit.references import refuse_secret, resolve
from everfit.sources.base import Block, Secrets, Untyped, check_names
from everfit.sources.types import MOMENT
from everfit.sources.values import to_array
from everfit.spec import SqlSource

ROWS = 20_000
DATABASE = re.compile(r"^(sqlite|postgres(ql)?|mysql|mariadb|mssql|oracle)(\+\w+)?://|^\$\{|^prefect://")
DATABASE_FILES = (".db", ".sqlite", ".sqlite3")
SECRET = "prefect://secret/"  # noqa: S105 - a reference
REFUSED = re.compile(r"authentication failed|does not exist|no password supplied|is not permitted", re.IGNORECASE)
REMEDY = "Run the query by hand against the same database."


class Sql(Untyped):
    """The rows of one SELECT. Text that holds ISO dates becomes timestamps, as SQLite knows no dates."""

    guesses = (MOMENT,)

    def __init__(self, source: SqlSource, base: Path, secrets: Secrets | None) -> None:
        url = _url(source.url, secrets)
        shown = sa.URL.create(url.get_backend_name(), host=url.host, port=url.port, database=url.database)
        super().__init__(f"{shown} query {hashlib.sha256(source.query.encode()).hexdigest()[:8]}")
        self._query = source.query
        self._url = _read_only_file(url, base) if url.get_backend_name() == "sqlite" else url

    @override
    def blocks(self) -> Generator[Block, None, None]:
        engine = self._engine()
        try:
            with self._connect(engine) as connection:
                yield from self._rows(connection)
        finally:
            engine.dispose()

    def _rows(self, connection: sa.Connection) -> Iterator[Block]:
        try:
            with connection.exec_driver_sql(self._query) as result:
                if not result.returns_rows:
                    raise SourceError(f"{self.origin} returns no rows.", do="Write a SELECT statement.")
                names = check_names(list(result.keys()), self.origin)
                for rows in result.partitions(ROWS):
                    columns = zip(*rows, strict=True)
                    yield {name: to_array(column) for name, column in zip(names, columns, strict=True)}
        except exc.SQLAlchemyError as cause:
            if isinstance(cause, exc.DBAPIError) and cause.connection_invalidated:
                raise self._unreachable(cause) from self._harmless(cause)
            what = f"{self.origin} failed: {self._scrub(cause)}"
            raise SourceError(what, details=[self._query], do=REMEDY) from self._harmless(cause)

    def _engine(self) -> sa.Engine:
        wait = {"connect_timeout": 10} if self._url.get_backend_name() == "postgresql" else {}
        try:
            return sa.create_engine(self._url, poolclass=sa.NullPool, connect_args=wait)
        except (exc.ArgumentError, ImportError) as cause:
            raise SourceError(
                f"{self.origin} needs a driver that is not here: {self._scrub(cause)}",
                do="pip install 'everfit[postgres]' brings the one for PostgreSQL.",
            ) from self._harmless(cause)

    def _connect(self, engine: sa.Engine) -> sa.Connection:
        options: dict[str, Any] = {"stream_results": True, "max_row_buffer": ROWS, "no_parameters": True}
        if engine.dialect.name == "postgresql":
            options["postgresql_readonly"] = True
        try:
            return engine.connect().execution_options(**options)
        except exc.SQLAlchemyError as cause:
            if REFUSED.search(str(cause)):
                what = f"{self.origin} refuses the connection: {self._scrub(cause)}"
                raise SourceError(what, do="Correct user, password or database in the URL.") from self._harmless(cause)
            raise self._unreachable(cause) from self._harmless(cause)

    def _unreachable(self, cause: BaseException) -> EverfitError:
        return Unavailable.at("The database", self.origin, RuntimeError(self._scrub(cause)))

    def _scrub(self, cause: BaseException) -> str:
        """Return what the database said, without the password."""
        said = first_line(getattr(cause, "orig", None) or cause)
        return said.replace(str(self._url.password), "***") if self._url.password else said

    def _harmless(self, cause: BaseException) -> BaseException | None:
        """Keep the cause for --debug unless it gives the password away."""
        return None if self._url.password and str(self._url.password) in str(cause) else cause


def refuse_without_query(where: str) -> None:
    """Raise SourceError when what was given as a file is a database."""
    if DATABASE.match(where) or where.lower().endswith(DATABASE_FILES):
        url = where if DATABASE.match(where) else f"sqlite:///{where}"
        raise SourceError(
            f"{_shown(where)} is a database, and only a query says which of its rows are meant.",
            do=f"In a model file: source: {{url: '{_shown(url)}', query: 'SELECT ...'}}. "
            "The command everfit new takes --query beside --data.",
        )


def behind_prefect(source: SqlSource) -> bool:
    """Whether the URL can only be read with a Prefect server at hand."""
    return source.url.startswith(SECRET)


def _shown(url: str) -> str:
    """Show an address without user and password."""
    return re.sub(r"//[^/@]*@", "//", url)


def _url(written: str, secrets: Secrets | None) -> sa.URL:
    """Resolve the reference that a model file holds; no error of this shows what it resolved to."""
    refuse_secret(written)
    try:
        url = sa.make_url(_resolve(written, secrets))
    except exc.ArgumentError:
        raise SourceError(
            f"'{written}' is not a database URL.",
            do="Write postgresql://user@host/database. everfit new takes a --query only when --data is such a URL.",
        ) from None
    if url.drivername == "postgresql":
        url = url.set(drivername="postgresql+psycopg")
    return url


def _resolve(written: str, secrets: Secrets | None) -> str:
    if written.startswith(SECRET):
        if secrets is None:
            raise SourceError(f"{written} can only be read where Prefect is.", do="Use ${ENV_VARIABLE} here.")
        return secrets(written.removeprefix(SECRET))
    return resolve(written)


def _read_only_file(url: sa.URL, base: Path) -> sa.URL:
    """Open a SQLite file for reading only, as opening one that is missing would create it."""
    path = (base / Path(url.database or "").expanduser()).absolute()
    if not path.is_file():
        near = did_you_mean(path.name, [p.name for p in path.parent.glob("[!.]*")])
        raise SourceError(
            f"The SQLite database {url.database} does not exist.{near}", do="Correct the path in the URL."
        )
    return url.set(database=f"file:{quote(str(path))}", query={"mode": "ro", "uri": "true"})
