"""What a step shows in the Prefect UI: bounded, under a key that stays the same from run to run.

An artifact is for people. One that cannot be published is a warning, never the end of a training; and where
there is no run, in a notebook or a test, nothing is published.
"""

import json
import math
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from pathlib import Path
from time import monotonic
from typing import Any
from uuid import UUID

from prefect.artifacts import (
    create_link_artifact,
    create_markdown_artifact,
    create_progress_artifact,
    create_table_artifact,
    update_progress_artifact,
)
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import ArtifactUpdate
from prefect.logging import get_logger
from prefect.runtime import flow_run

from everfit.settings import Settings
from tasks.addresses import report_link

MARKDOWN = 50_000
ROWS = 100
CELL = 300
PAUSE = 2.0  # seconds between two updates of a progress bar


def key_of(model: str, kind: str) -> str:
    """Return an artifact's key, in the letters that Prefect allows; the models a-b and a_b have two."""
    return f"{model.replace('_', '--')}-{kind}"


def publish_report(model: str, kind: str, title: str, markdown: str, page: Path | str = "") -> None:
    """Publish a text under `<model>-<kind>`; where there is a full page, it ends with the way to it."""
    text = _bounded(markdown) + (f"\n\n{_pointer(Path(page))}" if page else "")
    _publish(create_markdown_artifact, key=key_of(model, kind), markdown=text, description=title)


def publish_table(model: str, kind: str, rows: Sequence[Mapping[str, Any]], title: str = "") -> None:
    """Publish the first hundred rows of a table; says how many there are when there are more."""
    more = f" (first {ROWS} of {len(rows)})" if len(rows) > ROWS else ""
    _publish(create_table_artifact, key=key_of(model, kind), table=_shown(rows), description=f"{title}{more}")


def publish_link(model: str, kind: str, link: str, text: str, title: str = "") -> None:
    """Publish a link; nothing when there is no address to go to."""
    if link.startswith("http"):
        _publish(create_link_artifact, key=key_of(model, kind), link=link, link_text=text, description=title or text)


class Progress:
    """A progress bar in the Prefect UI. Cheap to call often: only one update in two seconds is sent.

    It is sent beside the work, which has a budget to keep: a server that is busy is asked again for a minute.
    """

    def __init__(self, model: str, kind: str = "search-progress", title: str = "starting") -> None:
        self.id: UUID | None = _publish(
            create_progress_artifact, key=key_of(model, kind), progress=0.0, description=title
        )
        self._sent = monotonic()
        self._beside = ThreadPoolExecutor(1)
        self._last: Future[Any] | None = None

    def update(self, share: float, text: str) -> None:
        """Say how far it is, from 0 to 1, and in words what is being done; nothing while the last word is under way."""
        under_way = self._last is not None and not self._last.done()
        if self.id is None or under_way or monotonic() - self._sent < PAUSE:
            return
        self._sent = monotonic()
        self._last = self._beside.submit(copy_context().run, self._send, min(max(share, 0.0), 1.0), text)

    def end(self, text: str, share: float = 1.0) -> None:
        """Say the last word, once everything before has been sent; the bar is full unless the work ended early."""
        self._beside.shutdown()
        self._send(share, text)

    def _send(self, share: float, text: str) -> None:
        if self.id is not None:
            _publish(update_progress_artifact, artifact_id=self.id, progress=100 * share, description=text[:CELL])


class LiveTable:
    """A table in the Prefect UI whose rows are replaced while the work goes on: one artifact, not one for each look."""

    def __init__(self, model: str, kind: str) -> None:
        self.key = key_of(model, kind)
        self.id: UUID | None = None

    def show(self, rows: Sequence[Mapping[str, Any]], title: str) -> None:
        """Show these rows instead of those before."""
        if self.id is None:
            self.id = _publish(create_table_artifact, key=self.key, table=_shown(rows), description=title)
        else:
            _publish(_replace_table, artifact_id=self.id, table=_shown(rows), description=title)


def _replace_table(artifact_id: UUID, table: list[dict[str, Any]], description: str) -> None:
    with get_client(sync_client=True) as client:
        client.update_artifact(artifact_id, ArtifactUpdate(data=json.dumps(table), description=description))


def _shown(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    return [{str(name): _plain(value) for name, value in row.items()} for row in rows[:ROWS]]


def _publish(create: Callable[..., Any], **what: Any) -> Any:
    if not flow_run.id:
        return None
    try:
        return create(**what)
    except Exception as problem:  # noqa: BLE001 - see the module's first words
        get_logger("everfit").warning("%s could not be published: %s", what.get("key", what["description"]), problem)


def _pointer(page: Path) -> str:
    link = report_link(Settings(), page)
    return f"[Full report]({link})" if link.startswith("http") else f"Full report: `{link}`"


def _bounded(text: str) -> str:
    return text if len(text) <= MARKDOWN else f"{text[:MARKDOWN]}\n\n... and more, in the full report."


def _plain(value: Any) -> Any:
    """A cell that JSON can hold and a screen can show."""
    if hasattr(value, "item"):
        value = value.item()
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        return float(f"{value:.6g}") if math.isfinite(value) else None
    return str(value)[:CELL]
