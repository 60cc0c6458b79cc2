"""This machine: where the workspace keeps its state and which services it talks to.

Every value is an environment variable (`EVERFIT_HOME`, `EVERFIT_LAKE_URI`, ...) or a line of `.env` in
the workspace, which is the current folder. Nothing here belongs in a model file, and no path is relative
once it is read.
"""

import getpass
import os
import re
from pathlib import Path
from typing import Self

from pydantic import Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from everfit.errors import InputError, Unavailable, is_full


def _login() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container may run under a number that has no name
        return "unknown"


class Settings(BaseSettings):
    """Where state lives. Everything that is not said follows from `home`."""

    model_config = SettingsConfigDict(
        env_prefix="EVERFIT_", env_file=".env", env_ignore_empty=True, extra="ignore", frozen=True
    )

    workspace: Path = Field(Path(), description="Holds deployments/models/ and expectations/.")
    home: Path = Field(Path(".everfit"), description="Lake, ledger, databases and reports live here.")
    ledger_url: str = Field("", description="SQLAlchemy URL; default: ledger.db in the home.")
    lake_uri: str = Field("", description="Folder or object store of the Delta tables; default: lake/ in the home.")
    mlflow_uri: str = Field("", description="MLflow tracking URI; default: mlflow.db in the home.")
    mlflow_artifacts: str = Field("", description="Where MLflow keeps files; default: artifacts/ in the home.")
    prefect_api: str = Field("", description="Prefect API URL; default: a server of this workspace.")
    search_storage: str = Field(
        "", description="SQLAlchemy URL where machines of one search meet; default: one machine."
    )
    search_on: str = Field("", description="Where helpers run: pool:NAME or dask:ADDRESS; default: nowhere.")
    search_helpers: int = Field(1, ge=1, description="How many helpers a search asks for there.")
    serve_tokens: SecretStr = Field(SecretStr(""), description="Who may ask the service: name:token, name:token.")
    serve_open: bool = Field(False, description="Serve beyond this machine without any tokens.")
    hash_key: SecretStr = Field(SecretStr(""), description="The key of hashes that stand for personal values.")
    actor: str = Field("", description="Who acts, for the ledger; default: the user's login name.")

    cpu_hour_price: float = Field(0.0, ge=0, description="What one hour of one core costs; 0: nobody counts money.")
    currency: str = Field("", description="What prices are in, such as EUR.")

    @model_validator(mode="after")
    def _settle(self) -> Self:
        """Make every path absolute and derive what was not said from the home."""
        root = Path(self.workspace).expanduser().resolve()
        home = _folder(self.home, root)
        derived = {
            "workspace": root,
            "home": home,
            "ledger_url": _database(self.ledger_url, root) or f"sqlite:///{home / 'ledger.db'}",
            "lake_uri": _place(self.lake_uri, root) or str(home / "lake"),
            "mlflow_uri": _database(self.mlflow_uri, root) or f"sqlite:///{home / 'mlflow.db'}",
            "mlflow_artifacts": _place(self.mlflow_artifacts, root) or str(home / "artifacts"),
            "prefect_api": self.prefect_api or os.environ.get("PREFECT_API_URL", ""),
            "search_storage": _database(self.search_storage, root),
            "search_on": _engine(self.search_on, self.search_storage),
            "actor": self.actor or _login(),
        }
        for name, value in derived.items():
            object.__setattr__(self, name, value)
        return self

    @property
    def models(self) -> Path:
        """The folder of model files."""
        return self.workspace / "deployments" / "models"

    @property
    def expectations(self) -> Path:
        """The folder of suites."""
        return self.workspace / "expectations"

    def reports(self, model: str) -> Path:
        """Return the folder of one model's HTML pages, made if it is not there."""
        return self.folder("reports", model)

    def folder(self, *parts: str) -> Path:
        """Return a folder in the home, made if it is not there; raise when the home cannot be written."""
        path = self.home.joinpath(*parts)
        try:
            path.mkdir(parents=True, exist_ok=True)
        except OSError as cause:
            raise (Unavailable if is_full(cause) else InputError)(
                f"The home {self.home} cannot be written: {cause.strerror}.",
                why="everfit keeps its lake, ledger and reports there.",
                do="Make room or make it writable, or set EVERFIT_HOME to a folder that is.",
            ) from cause
        return path


def _folder(path: Path | str, root: Path) -> Path:
    """Return an absolute path; raise InputError for one that the URLs of what is kept there could not name."""
    whole = (root / Path(path).expanduser()).resolve()
    if found := re.search(r"%[0-9a-fA-F]{2}|\?", str(whole)):
        raise InputError(
            f"{whole} has '{found[0]}' in its path.",
            why="Databases and tables are named by URLs, in which that stands for something else.",
            do="Rename the folder, or set EVERFIT_HOME to another.",
        )
    return whole


def _place(written: str, root: Path) -> str:
    """Make a folder absolute; the URI of a store is as it is."""
    return str(_folder(written, root)) if written and not re.match(r"[a-zA-Z][\w+.-]+:", written) else written


def _engine(written: str, storage: str) -> str:
    """Raise InputError for what names no engine, or one whose helpers could meet nobody."""
    if written and not re.fullmatch(r"pool:\S+|dask:\S+", written):
        raise InputError(
            f"EVERFIT_SEARCH_ON is '{written}', which names no engine.",
            do="Write pool:NAME for a Prefect work pool, or dask:tcp://host:8786 for a Dask scheduler.",
        )
    if written and not storage:
        raise InputError(
            f"EVERFIT_SEARCH_ON is '{written}', and helpers have no database to meet in.",
            do="Set EVERFIT_SEARCH_STORAGE to postgresql://user:password@host/database.",
        )
    return written


def _database(url: str, root: Path) -> str:
    """Make SQLite's file absolute, and name psycopg 3, which the `postgres` extra installs: a bare one means 2."""
    if file := re.match(r"(sqlite(?:\+\w+)?:///)(?!/|:memory:|file:)(.+)", url):
        return file[1] + str((root / Path(file[2]).expanduser()).resolve())
    return re.sub(r"^postgres(ql)?://", "postgresql+psycopg://", url)
