"""Versions, made ready to answer beside those that answer; what cannot answer is refused, and says why."""

from __future__ import annotations

import logging
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import Any

from everfit import registry
from everfit.errors import EverfitError, first_line
from everfit.registry.loading import find
from everfit.serving.served import Served, make_ready
from everfit.settings import Settings
from everfit.spec import ModelSpec

PAUSE = 5.0  # seconds, after which what time may heal is tried again
LOG = logging.getLogger("everfit")


def why_of(cause: Exception, spec: ModelSpec) -> str:
    """Say what a version raised: only its kind where that may quote a person's value, and the ledger would keep it."""
    quotes = spec.data.personal and not isinstance(cause, EverfitError | OSError)
    return type(cause).__name__ if quotes else first_line(cause)


@dataclass
class Versions:
    """The versions that are ready. `refused` are those that did not load or did not answer, and why.

    What failed for a reason that time may heal is tried again after a pause. What was refused is tried again when
    its files or the champion changed, and not before.
    """

    spec: ModelSpec
    settings: Settings
    refused: dict[int, str] = field(default_factory=dict)
    _ready: dict[int, Served] = field(default_factory=dict, init=False)
    _seen: dict[int, Any] = field(default_factory=dict, init=False)
    _again: dict[int, float] = field(default_factory=dict, init=False)

    def get(self, version: int, swap: int) -> Served | None:
        """Return a version that is ready, after it was made so; None when it cannot be, now or at all.

        `swap` is the number of the last change of the champion.
        """
        if version in self._ready:
            return self._ready[version]
        if monotonic() < self._again.get(version, 0.0):
            return None
        if version in self.refused and self._seen[version] == self._signs(version, swap):
            return None
        try:
            self._ready[version] = make_ready(self.spec, registry.load(self.settings, self.spec.name, version))
        except Exception as cause:  # noqa: BLE001 - whatever a model raises, it must not end the service
            self._fail(version, swap, cause)
            return None
        self.refused.pop(version, None)
        return self._ready[version]

    def keep(self, versions: Collection[int]) -> None:
        """Let go of all others."""
        self._ready = {version: made for version, made in self._ready.items() if version in versions}
        self.refused = {version: why for version, why in self.refused.items() if version in versions}

    def _fail(self, version: int, swap: int, cause: Exception) -> None:
        why = why_of(cause, self.spec)
        if isinstance(cause, OSError | MemoryError) or (isinstance(cause, EverfitError) and cause.transient):
            self._again[version] = monotonic() + PAUSE
            LOG.warning("%s v%d cannot be loaded now, and is tried again: %s", self.spec.name, version, why)
            return
        self.refused[version], self._seen[version] = why, self._signs(version, swap)

    def _signs(self, version: int, swap: int) -> tuple[Any, ...]:
        """Return what changes when a version may have been mended: the champion, or any of its files."""
        try:
            folder = Path(find(self.settings, self.spec.name, version).folder)
            files = [(str(path), path.stat().st_mtime_ns, path.stat().st_size) for path in sorted(folder.rglob("*"))]
        except (EverfitError, OSError):
            files = []
        return swap, *files
