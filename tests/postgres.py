"""A PostgreSQL server of our own for the tests that need one: free port, temporary folder, gone at the end."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import pytest
import sqlalchemy as sa

LOCATIONS = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
OPTIONS = "-c fsync=off -c full_page_writes=off -c synchronous_commit=off -c max_connections=60"
PASSWORD = "hunter2-pg"


def program(name: str) -> str | None:
    """Return the path of one of PostgreSQL's programs, or None."""
    return shutil.which(name) or next((str(folder / name) for folder in LOCATIONS if (folder / name).exists()), None)


def require() -> None:
    """Skip the test where PostgreSQL is absent; fail it where everything is required."""
    if program("initdb") and program("pg_ctl"):
        return
    reason = "PostgreSQL's initdb and pg_ctl are not installed"
    if os.environ.get("EVERFIT_REQUIRE_ALL") == "1":
        pytest.fail(reason)
    pytest.skip(reason)


@contextmanager
def server() -> Iterator[str]:
    """Run a server; yield the URL of its superuser, who has a password."""
    with tempfile.TemporaryDirectory(prefix="everfit-pg-") as folder:
        yield from _run_in(Path(folder))


@contextmanager
def database(server: str) -> Iterator[str]:
    """Make a database on a server, where no other program has tables; yield its URL, and remove it."""
    parsed, name = sa.make_url(server).set(drivername="postgresql+psycopg"), f"test_{uuid4().hex}"
    admin = sa.create_engine(parsed, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
    with admin.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name}")
    yield parsed.set(drivername="postgresql", database=name).render_as_string(hide_password=False)
    with admin.connect() as connection:
        connection.exec_driver_sql(f"DROP DATABASE {name} WITH (FORCE)")


def _run_in(folder: Path) -> Iterator[str]:
    data, port = folder / "data", _free_port()
    secret = folder / "password"
    secret.write_text(PASSWORD)
    as_user = _unprivileged(folder)
    control = [*as_user, program("pg_ctl"), "-D", data, "-w", "-t", "60"]
    _run(
        [*as_user, program("initdb"), "-D", data, "-U", "everfit", "-A", "md5", "--pwfile", secret, "-N", "-E", "UTF8"]
    )
    try:
        options = f"{OPTIONS} -p {port} -k {folder} -c listen_addresses=127.0.0.1"
        _run([*control, "-l", folder / "log", "-o", options, "start"])
        yield f"postgresql://everfit:{PASSWORD}@127.0.0.1:{port}/postgres"
    finally:
        subprocess.run([*map(str, control), "-m", "immediate", "stop"], capture_output=True, check=False)


def _unprivileged(folder: Path) -> list[str]:
    """The server refuses root: run it as `postgres` then, who owns the folder."""
    if os.geteuid() != 0:
        return []
    user = pwd.getpwnam("postgres")
    for path in (folder, *folder.iterdir()):
        os.chown(path, user.pw_uid, user.pw_gid)
    return ["runuser", "-u", "postgres", "--"]


def _run(command: list[object]) -> None:
    words = list(map(str, command))
    done = subprocess.run(words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, check=False, cwd="/")
    assert done.returncode == 0, done.stderr.decode()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
