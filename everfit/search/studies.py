"""The studies in the database where hosts meet: each is announced, led by one process, and removed in the end."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from functools import cache, partial
from typing import Any, Literal

import optuna
import sqlalchemy as sa
from optuna.exceptions import StorageInternalError
from sqlalchemy.exc import ArgumentError, DBAPIError, InterfaceError, OperationalError, SQLAlchemyError

from everfit.errors import InputError, Unavailable, first_line
from everfit.search.hosts import Shared

JOB, BEGUN, ENDED = "job", "begun", "ended"
PROBES = {"idle": "15", "interval": "5", "count": "3"}  # seconds, seconds and how many before a machine is gone


@contextmanager
def leading(shared: Shared) -> Iterator[Shared | None]:
    """Lead a search while the block lasts; yield it as its leader has it, or None when another process leads it.

    PostgreSQL takes the lead back from a process that is killed, and within 30 seconds from a machine that is gone.
    Other databases cannot, and there nobody is kept out.
    """
    if sa.make_url(shared.storage).get_backend_name() != "postgresql":
        yield replace(shared, leads=True)
        return
    engine = sa.create_engine(shared.storage, poolclass=sa.NullPool, isolation_level="AUTOCOMMIT")
    with ExitStack() as held:
        with reaching(shared.storage):
            line = held.enter_context(engine.connect())  # what it holds is free when it closes
        lead = partial(_leads, line, shared)
        yield replace(shared, leads=True, still=lead) if lead() else None


def _leads(line: sa.Connection, shared: Shared) -> bool:
    """Whether the session of a line has the lead, which it gets where that is free, and again as often as it asks.

    A session that was lost has lost it, and the next one asks anew. Raise Unavailable when there is none to be had.
    """
    soon = [sa.func.set_config(f"tcp_keepalives_{name}", value, False) for name, value in PROBES.items()]
    lead = sa.select(*soon, sa.func.pg_try_advisory_lock(sa.func.hashtextextended(shared.name, 0)))
    with reaching(shared.storage):
        try:
            *_, mine = line.execute(lead).one()
        except DBAPIError as lost:
            if not lost.connection_invalidated:
                raise
            line.rollback()  # the line is another session from here on
            *_, mine = line.execute(lead).one()
        line.commit()
    return bool(mine)


def announce(shared: Shared, job: dict[str, Any], *, budget: float, greater: bool) -> Shared:
    """Make the study, or find the one of a search that was killed, and write down what hosts need to know to join.

    Return the search with its size: the budget with which it began, whatever it is allowed now.
    """
    with reaching(shared.storage):
        direction: Literal["maximize", "minimize"] = "maximize" if greater else "minimize"
        study = optuna.create_study(
            study_name=shared.name, storage=storage_at(shared.storage), direction=direction, load_if_exists=True
        )
        size = float(study.user_attrs.get(JOB, {}).get("budget", budget))
        study.set_user_attr(JOB, job | {"budget": size})
        study.set_user_attr(BEGUN, False)
        study.set_user_attr(ENDED, False)
    return replace(shared, size=size)


def give_up(shared: Shared) -> None:
    """Let the other hosts stop, as the search has failed; not those of another leader."""
    with suppress(Unavailable), reaching(shared.storage):
        if not shared.still():
            return
        study = optuna.load_study(study_name=shared.name, storage=storage_at(shared.storage))
        study.set_user_attr(ENDED, True)


def job_of(storage: str, name: str) -> dict[str, Any] | None:
    """Return what was announced of a search; None when it is over."""
    with reaching(storage):
        try:
            said = optuna.load_study(study_name=name, storage=storage_at(storage)).user_attrs
        except KeyError:  # its result has been used
            return None
    return None if said.get(ENDED) else said.get(JOB)


def reach(storage: str) -> None:
    """Raise Unavailable when the database cannot be reached; make its tables when they are not there."""
    with reaching(storage):
        storage_at(storage)


def sweep(storage: str, prefix: str, files: str) -> None:
    """Remove the studies whose names begin so, and the folders in `files` that are called like the rest of them.

    Those that a process leads stay.
    """
    with reaching(storage):
        names = optuna.get_all_study_names(storage=storage_at(storage))
    for name in names:
        if name.startswith(prefix):
            left = Shared(storage, name, f"{files}/{name.removeprefix(prefix)}")
            with leading(left) as mine:
                if mine:
                    remove(left)


def remove(shared: Shared) -> None:
    """Remove a study and the files of its trials."""
    shared.clear()
    with reaching(shared.storage), suppress(KeyError):
        optuna.delete_study(study_name=shared.name, storage=storage_at(shared.storage))


@contextmanager
def reaching(storage: str) -> Iterator[None]:
    """Raise Unavailable when the database does not answer, and InputError for what can be none."""
    try:
        yield
    except (ImportError, ArgumentError) as cause:
        raise InputError(
            f"EVERFIT_SEARCH_STORAGE names no database that can be used: {first_line(cause)}.",
            do="Write postgresql://user:password@host/database, and install everfit[postgres].",
        ) from cause
    except (StorageInternalError, SQLAlchemyError) as cause:
        told = cause.__cause__ if isinstance(cause, StorageInternalError) else cause  # Optuna's says nothing of it
        if not isinstance(told, OperationalError | InterfaceError | sa.exc.TimeoutError):
            raise
        address = sa.make_url(storage).render_as_string(hide_password=True)
        raise Unavailable.at("The database of the search", address, getattr(told, "orig", None) or told) from cause


@cache
def storage_at(url: str) -> optuna.storages.RDBStorage:
    """Return the storage of this process at an address; each connection is tried before it is used again."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        return optuna.storages.RDBStorage(url, engine_kwargs={"pool_pre_ping": True})
    except RuntimeError as cause:  # of MLflow or Prefect, whose table of versions has the same name
        raise InputError(
            "The database that EVERFIT_SEARCH_STORAGE names has tables of another program, or of another Optuna.",
            do="Give the searches a database of their own, such as one that `createdb everfit_search` makes.",
        ) from cause
