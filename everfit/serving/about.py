"""What GET /model says: which version answers, since when, from which data, and how good it was."""

from __future__ import annotations

from typing import Any

import numpy as np

from everfit import registry
from everfit.serving.answering import Service
from everfit.serving.served import Served

FACTS = ("task", "target", "metric", "classes", "positive", "scores", "reason")
DATA = ("version", "digest", "rows")


def about(service: Service) -> dict[str, Any]:
    """Say which model answers; raise Unavailable when the ledger does not."""
    model, served = service.spec.name, service.follower.served
    if served is None:
        return {"model": model, "version": None, "refused": service.refused(), **service.follower.in_words()}
    ledger = service.follower.ledger
    aliases = sorted(name for name, version in registry.aliases(ledger, model).items() if version == served.version)
    entries = ledger.entries(model, kinds=["registered"])
    trained = next((entry.at.isoformat() for entry in entries if entry.facts["version"] == served.version), None)
    facts = {"model": model, "version": served.version, "aliases": aliases, "trained_at": trained, **_card(served)}
    return {**facts, "compiled": served.compiled is not None, "notes": served.notes, "refused": service.refused(),
            **service.follower.in_words()}  # fmt: skip


def _card(served: Served) -> dict[str, Any]:
    card = served.loaded.card
    data = {name: card["snapshot"].get(name) for name in DATA}
    return {**{name: strict(card[name]) for name in FACTS}, "data": strict(data)}


def strict(value: Any) -> Any:
    """Return facts as strict JSON has them: null for what is no finite number."""
    if isinstance(value, dict):
        return {name: strict(each) for name, each in value.items()}
    if isinstance(value, list):
        return [strict(each) for each in value]
    return None if isinstance(value, float) and not np.isfinite(value) else value
