"""Read a version back: verified first, then brought to life."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from everfit.registry import cache, files
from everfit.registry.records import Loaded, Version
from everfit.schema import Schema
from everfit.settings import Settings


def find(settings: Settings, model: str, version: int) -> Version:
    """Say where a version's files are; raise InputError when there is no such version."""
    known = cache.recall(settings, model, version)
    if known is None:
        from everfit.registry import door

        known = door.fetch(settings, model, version)
        cache.remember(settings, known)
    return known


def verify(settings: Settings, model: str, version: int) -> None:
    """Raise InputError unless every file of the version is what was registered."""
    known = find(settings, model, version)
    files.checked(Path(known.folder), known.digests, f"{model} v{version}")


def card_of(settings: Settings, model: str, version: int) -> dict[str, Any]:
    """Return what is written about a version, without loading it."""
    known = find(settings, model, version)
    found = files.checked(Path(known.folder), known.digests, f"{model} v{version}", [files.CARD])
    card: dict[str, Any] = json.loads(found[files.CARD])
    return card


def schema_of(settings: Settings, model: str, version: int) -> Schema:
    """Return the columns of the data that a version learnt from, without loading it."""
    card = card_of(settings, model, version)
    return Schema.from_dict(card["schema"], card.get("blank", ()))


def load(settings: Settings, model: str, version: int) -> Loaded:
    """Return a version, ready to predict. Nothing of it is read before its digests fit, and nothing is unpickled."""
    from everfit.registry import trust  # with all of scikit-learn, which a rollback need not wait for

    known, what = find(settings, model, version), f"{model} v{version}"
    found = files.checked(Path(known.folder), known.digests, what)
    return Loaded(
        model=model,
        version=version,
        folder=Path(known.folder),
        pipeline=trust.read(found[files.MODEL], what),
        card=json.loads(found[files.CARD]),
        reference=files.read_frame(found[files.REFERENCE]),
        train_rows=files.read_frame(found[files.TRAIN_ROWS])["row"].to_numpy(),
    )
