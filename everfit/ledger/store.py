"""The table, in SQLite or PostgreSQL, behind one lock per write. The only place that knows the two apart."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import exc, pool

from everfit.errors import EverfitError, InputError, Unavailable, first_line, is_full
from everfit.locks import locked

BUSY_SECONDS = 30
PATIENCE = {"connect_timeout": 10, "tcp_user_timeout": 30_000,  # s and ms: a host that went away is not waited for
            "keepalives_idle": 15, "keepalives_interval": 5, "keepalives_count": 3}  # fmt: skip
LOCK_KEY = 0x65766572  # any constant: PostgreSQL's advisory lock of everybody who writes or creates this table

METADATA = sa.MetaData()
LEDGER = sa.Table(
    "ledger",
    METADATA,
    sa.Column("seq", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("at", sa.Text, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("model", sa.Text, nullable=False),
    sa.Column("subject", sa.Text, nullable=False),
    sa.Column("actor", sa.Text, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("facts", sa.Text, nullable=False),
    sa.Column("previous", sa.Text, nullable=False),
    sa.Column("hash", sa.Text, nullable=False, unique=True),
)
sa.Index(
    "ledger_once",
    LEDGER.c.kind,
    LEDGER.c.model,
    LEDGER.c.subject,
    unique=True,
    sqlite_where=LEDGER.c.subject != "",
    postgresql_where=LEDGER.c.subject != "",
)
sa.Index("ledger_of_model", LEDGER.c.model, LEDGER.c.kind, LEDGER.c.seq)

TRIGGERS = {
    "sqlite": [
        f"CREATE TRIGGER IF NOT EXISTS ledger_no_{verb.lower()} BEFORE {verb} ON ledger "
        "BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END"
        for verb in ("UPDATE", "DELETE")
    ],
    "postgresql": [
        "CREATE OR REPLACE FUNCTION ledger_refuse() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION 'the ledger is append-only'; END $$",
        "CREATE OR REPLACE TRIGGER ledger_no_change BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger "
        "FOR EACH STATEMENT EXECUTE FUNCTION ledger_refuse()",
    ],
}


COUNT_TRIGGERS = {
    "sqlite": "SELECT count(*) FROM sqlite_master WHERE type = 'trigger' AND tbl_name = 'ledger'",
    "postgresql": "SELECT count(*) FROM pg_trigger WHERE tgrelid = to_regclass('ledger') AND NOT tgisinternal",
}
SET_URL = "Set EVERFIT_LEDGER_URL to sqlite:////absolute/path.db or postgresql://user:password@host/database."


class Store:
    """Transactions on the ledger's table. One connection for each, so that forks and threads are safe."""

    def __init__(self, url: str) -> None:
        self.url = _parse(url)
        self.dialect = self.url.get_backend_name()
        self.file = Path(self.url.database or "").resolve() if self.dialect == "sqlite" else None
        self.address = str(self.file or self.url.render_as_string(hide_password=True))
        self._engine = _engine(self.url, self.address)
        self._writer = self._engine.execution_options(immediate=True)
        if not self._complete():
            self._create()

    @contextmanager
    def reading(self) -> Iterator[sa.Connection]:
        """Open a transaction that sees one state of the table."""
        with self._translated(), self._engine.begin() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[sa.Connection]:
        """Open a transaction that nobody else writes beside: what it reads still holds when it commits."""
        with self._translated(), self._writer.begin() as connection:
            if self.dialect == "postgresql":
                connection.execute(sa.select(sa.func.pg_advisory_xact_lock(LOCK_KEY)))
            yield connection

    def _complete(self) -> bool:
        """Say whether table and triggers are there, without making a file to find out."""
        if self.file and not self.file.exists():
            return False
        with self.reading() as connection:
            return int(connection.exec_driver_sql(COUNT_TRIGGERS[self.dialect]).scalar_one()) > 0

    def _create(self) -> None:
        """Make table, indexes and triggers in one transaction; whoever comes second finds them there."""
        if self.file:
            self._use_wal(self.file)
        with self.writing() as connection:
            METADATA.create_all(connection)
            for statement in TRIGGERS[self.dialect]:
                connection.exec_driver_sql(statement)

    def _use_wal(self, file: Path) -> None:
        """Let readers go on while somebody writes. SQLite does not wait its turn for this switch, so we do."""
        with locked(file.with_name(f"{file.name}.lock")), self._translated(), self._engine.connect() as connection:
            connection.connection.cursor().execute("PRAGMA journal_mode = WAL")

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except exc.DBAPIError as cause:
            raise _explain(cause, self.address) from cause


def is_file(url: str) -> bool:
    """Say whether the ledger at this address is a file; raise InputError for an address that cannot hold one."""
    return _parse(url).get_backend_name() == "sqlite"


def _parse(url: str) -> sa.URL:
    """Read a URL; `postgresql://` without a driver means psycopg 3. Raise InputError for anything unusable."""
    try:
        parsed = sa.make_url(url)
    except exc.ArgumentError as cause:
        raise InputError("The ledger's address is not a database URL.", do=SET_URL) from cause
    backend = parsed.drivername.partition("+")[0]
    if backend == "sqlite" and parsed.database and parsed.database != ":memory:":
        return parsed
    if parsed.drivername in ("postgres", "postgresql"):
        return parsed.set(drivername="postgresql+psycopg")
    if backend == "postgresql":
        return parsed
    raise InputError(f"The ledger cannot be kept at {parsed.render_as_string(hide_password=True)}.", do=SET_URL)


def _engine(url: sa.URL, address: str) -> sa.Engine:
    arguments = {"timeout": BUSY_SECONDS} if url.get_backend_name() == "sqlite" else PATIENCE
    options = {} if url.get_backend_name() == "sqlite" else {"isolation_level": "READ COMMITTED"}
    try:
        engine = sa.create_engine(url, poolclass=pool.NullPool, connect_args=arguments, **options)
    except (ModuleNotFoundError, exc.NoSuchModuleError) as cause:
        raise InputError(
            f"The ledger at {address} needs a driver that is not installed: {first_line(cause)}",
            do="pip install 'everfit[postgres]' brings it.",
        ) from cause
    if engine.dialect.name == "sqlite":
        sa.event.listen(engine, "connect", _leave_begin_to_us)
        sa.event.listen(engine, "begin", _begin)
    return engine


def _leave_begin_to_us(connection: Any, _record: object) -> None:
    connection.isolation_level = None


def _begin(connection: sa.Connection) -> None:
    """Take SQLite's write lock at the start of a write: taken at its first INSERT it could not wait for a turn."""
    immediate = connection.get_execution_options().get("immediate")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if immediate else "BEGIN")


def _explain(cause: exc.DBAPIError, address: str) -> EverfitError:
    """Turn a driver's error into ours: what time may heal is Unavailable, what a person must mend InputError."""
    original = cause.orig or cause
    name = getattr(original, "sqlite_errorname", "")
    if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return Unavailable(
            f"The ledger {address} has been locked by another process for {BUSY_SECONDS} s.",
            do="Find out which process writes to it and does not end, and run the same command again.",
        )
    if is_full(original) or name.startswith("SQLITE_IOERR"):
        return Unavailable(
            f"The ledger {address} cannot be written: {first_line(original)}.",
            do="Make room on the disk, and run the same command again; nothing was half-written.",
        )
    if name.startswith(("SQLITE_NOTADB", "SQLITE_CORRUPT")):
        return InputError(
            f"{address} is not a ledger that can be read: {first_line(original)}.",
            do="Restore it from a backup, or move it away to start a new one without its history.",
        )
    if name:
        return InputError(
            f"The ledger {address} cannot be used: {first_line(original)}.",
            why="Every decision is written there before it counts.",
            do="Make it and its folder writable, or set EVERFIT_HOME or EVERFIT_LEDGER_URL to a place that is.",
        )
    if isinstance(cause, exc.OperationalError | exc.InterfaceError):
        return Unavailable.at("The ledger", address, original)
    return InputError(f"The ledger at {address} refused: {first_line(original)}.", do="Look at the rights of its user.")
