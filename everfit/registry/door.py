"""How MLflow is entered: quiet, on a database that was migrated once, and with errors that say what to do."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import TypeVar
from urllib.parse import unquote, urlparse

import sqlalchemy as sa

from everfit.errors import InputError, Unavailable, first_line
from everfit.locks import locked
from everfit.registry.records import Version
from everfit.registry.vendor import MlflowClient, MlflowException, ModelVersion, download_artifacts
from everfit.settings import Settings

T = TypeVar("T")
FILES = "everfit.files"
HEALING = ("TEMPORARILY_UNAVAILABLE", "INTERNAL_ERROR", "REQUEST_LIMIT_EXCEEDED")
SCHEMES = ("sqlite", "postgresql", "http", "https")


def prepare(settings: Settings) -> None:
    """Make MLflow's database ready, and import what `register` needs: seconds that a search can hide.

    Safe from many processes at once.
    """
    client(settings)
    import_module("everfit.registry.registering")


def client(settings: Settings) -> MlflowClient:
    """Return a client of this workspace's MLflow, with its database ready."""
    with locked(settings.folder() / "mlflow.lock"):
        _reach(settings)
        with translated(settings):
            _make(settings.mlflow_uri)
            asked = _entered(settings.mlflow_uri)
    return asked


def _entered(uri: str) -> MlflowClient:
    asked = MlflowClient(tracking_uri=uri)
    asked.search_experiments(max_results=1)
    return asked


def _make(uri: str) -> None:
    """Let a SQLite database appear whole: MLflow makes it in many steps, and cannot go on from half of them."""
    if not uri.startswith("sqlite"):
        return
    url = sa.make_url(uri)
    path = Path(url.database or "")
    if path.exists() and path.stat().st_size:
        return
    half = path.with_name(f"{path.name}.half")
    for left in path.parent.glob(f"{half.name}*"):  # with its journal, which would be played into the next one
        left.unlink()
    _entered(url.set(database=str(half)).render_as_string(hide_password=False))
    half.replace(path)


def fetch(settings: Settings, model: str, version: int) -> Version:
    """Ask MLflow where a version is, and bring its files here; raise InputError if there is no such version."""
    asked = client(settings)
    with translated(settings):
        found = there(asked, model, version)
        if found is None:
            raise _no_version(asked, model, version)
        if FILES not in found.tags:
            raise InputError(f"{model} v{version} was not registered by everfit, and is not loaded.")
        location = asked.get_model_version_download_uri(model, str(version))
        run = asked.get_run(str(found.run_id))
        root = str(asked.get_experiment(run.info.experiment_id).artifact_location)
        folder = _folder(settings, location, root, model) or _download(settings, location, model, version)
    return Version(model, version, run.info.run_id, run.info.experiment_id, str(folder), json.loads(found.tags[FILES]))


def require(settings: Settings, model: str, version: int) -> None:
    """Raise InputError when MLflow knows no such version; the files of one that was deleted may still be here."""
    asked = client(settings)
    with translated(settings):
        if there(asked, model, version) is None:
            raise _no_version(asked, model, version)


def there(asked: MlflowClient, model: str, version: int) -> ModelVersion | None:
    """Return what MLflow says of a version; None when there is no such version, or no more."""
    found = absent_as_none(lambda: asked.get_model_version(model, str(version)))
    return None if found is None or found.current_stage == "Deleted_Internal" else found


def _no_version(asked: MlflowClient, model: str, version: int) -> InputError:
    known = [str(v.version) for v in asked.search_model_versions(f"name = '{model}'", max_results=20)]
    return InputError(
        f"{model} has no version {version}: there never was one, or it was deleted in MLflow.",
        why=f"It has {', '.join(known) or 'none'}.",
        do=f"everfit promote {model} --version NUMBER takes one that is there, everfit train {model} makes a new one.",
    )


def absent_as_none(ask: Callable[[], T]) -> T | None:
    """Ask MLflow for one thing; None when there is no such thing."""
    try:
        return ask()
    except MlflowException as error:
        if error.error_code == "RESOURCE_DOES_NOT_EXIST":
            return None
        raise


def unless_there(make: Callable[[], T]) -> T | None:
    """Make one thing; None when somebody else just made it."""
    try:
        return make()
    except MlflowException as error:
        if error.error_code == "RESOURCE_ALREADY_EXISTS":
            return None
        raise


@contextmanager
def translated(settings: Settings) -> Iterator[None]:
    """Turn MLflow's errors into ours."""
    try:
        yield
    except MlflowException as cause:
        if "out-of-date database schema" in str(cause):
            raise InputError(
                f"MLflow's database {_shown(settings)} was made by another version of MLflow.",
                do=f"Back it up, then run: mlflow db upgrade {_shown(settings)}",
            ) from cause
        if cause.error_code in HEALING:
            raise Unavailable.at("MLflow", _shown(settings), cause) from cause
        raise InputError(f"MLflow at {_shown(settings)} refused: {first_line(cause)}") from cause
    except sa.exc.DBAPIError as cause:  # while its tables are made, MLflow leaves these as they are
        raise Unavailable(
            f"MLflow's database {_shown(settings)} cannot be written or read: {first_line(cause.orig or cause)}.",
            do="Make room, or see to it that the database answers, and run the same command again.",
        ) from cause
    except OSError as cause:
        raise Unavailable(
            f"MLflow's files cannot be written or read: {cause.strerror or first_line(cause)} ({cause.filename}).",
            do=f"Make room, or set EVERFIT_MLFLOW_ARTIFACTS (now {settings.mlflow_artifacts}) to a place that works.",
        ) from cause


def _reach(settings: Settings) -> None:
    """Fail at once where MLflow would try for minutes, and before it makes a file store in the current folder."""
    scheme = settings.mlflow_uri.partition(":")[0].partition("+")[0]
    if scheme not in SCHEMES:
        raise InputError(
            f"MLflow cannot be kept at {settings.mlflow_uri}: that is not a database and not a server.",
            do="Set EVERFIT_MLFLOW_URI to sqlite:////absolute/path.db, a postgresql:// or an http:// address.",
        )
    if scheme.startswith("http"):
        return
    engine = sa.create_engine(settings.mlflow_uri, poolclass=sa.NullPool)
    try:
        with engine.connect() as connection:
            connection.exec_driver_sql("PRAGMA schema_version" if scheme == "sqlite" else "SELECT 1")
    except sa.exc.DBAPIError as cause:
        if scheme != "sqlite":
            raise Unavailable.at("MLflow's database", _shown(settings), cause.orig or cause) from cause
        raise InputError(
            f"MLflow's database {engine.url.database} cannot be used: {first_line(cause.orig or cause)}.",
            do="Make it and its folder readable and writable, restore it, or set EVERFIT_MLFLOW_URI to another place.",
        ) from cause


def _shown(settings: Settings) -> str:
    if settings.mlflow_uri.startswith("http"):
        return settings.mlflow_uri
    return sa.make_url(settings.mlflow_uri).render_as_string(hide_password=True)


def artifacts_of(settings: Settings, model: str) -> str:
    """Return where the settings say that a model's artifacts go."""
    root = settings.mlflow_artifacts.rstrip("/")
    return f"{root if '://' in root else settings.workspace / root}/{model}"


def same_place(one: str, other: str) -> bool:
    """Whether two locations name one place, written as a path or as an address, or by way of a link."""
    return _resolved(one) == _resolved(other)


def _resolved(location: str) -> Path | str:
    here = _here(location)
    return here.resolve() if here else location


def is_of_the_home(settings: Settings) -> bool:
    """Whether MLflow's database is a file in the home, which is copied and moved with it and nobody else's."""
    if not settings.mlflow_uri.startswith("sqlite"):
        return False
    return Path(sa.make_url(settings.mlflow_uri).database or "").resolve().is_relative_to(settings.home)


def _folder(settings: Settings, location: str, root: str, model: str) -> Path | None:
    """Return the folder of a location on this machine, if it is here.

    MLflow knows it as it was when it was made. A home that was copied or moved since has its own, which comes first.
    """
    there, before, now = _here(location), _here(root), _here(artifacts_of(settings, model))
    if there and before and now and there.is_relative_to(before):
        ours = now / there.relative_to(before)
        return ours if ours.is_dir() else there
    return there


def _here(location: str) -> Path | None:
    """Return the folder that a location names on this machine, if it does."""
    parsed = urlparse(location)
    if parsed.scheme == "file":
        return Path(unquote(parsed.path))
    return Path(location) if not parsed.scheme else None


def _download(settings: Settings, location: str, model: str, version: int) -> Path:
    target = settings.folder("versions", model, f"{version}.files")
    got = download_artifacts(artifact_uri=location, dst_path=str(target), tracking_uri=settings.mlflow_uri)
    return Path(got)
