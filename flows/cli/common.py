"""What several commands share: names of arguments, the settings, a time given as text."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from everfit.settings import Settings

Name = Annotated[str, typer.Argument(help="The model: a file in deployments/models, without .yaml.")]
Json = Annotated[bool, typer.Option("--json", help="Write one JSON object to stdout, and nothing else there.")]
Reason = Annotated[str, typer.Option("--reason", help="Why; it goes into the ledger.")]
Time = Annotated[str | None, typer.Option("--time", help="The column that says when a row happened.")]
Data = Annotated[str, typer.Option("--data", help="File, folder, glob or URI; new: or a database, with --query.")]


def settings() -> Settings:
    """Read the settings of this machine, when a command needs them."""
    from everfit.settings import Settings

    return Settings()


def without_secret(address: str) -> str:
    """Let an address pass that spells no secret out: Prefect keeps what a run was given, and shows it to all."""
    from everfit.references import refuse_secret

    refuse_secret(address)
    return address


def moment(text: str | None) -> datetime | None:
    """Read a time; without a zone it is UTC. Raise InputError when it is none."""
    from everfit.errors import InputError

    if text is None:
        return None
    try:
        read = datetime.fromisoformat(text)
    except ValueError as cause:
        raise InputError(f"'{text}' is not a time; write 2026-11-22 or 2026-11-22T15:00.") from cause
    return read if read.tzinfo else read.replace(tzinfo=UTC)
