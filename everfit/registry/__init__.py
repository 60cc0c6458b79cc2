"""Every trained model with what is known of it, and who is champion. The only door to MLflow and skops.

MLflow takes seconds to import, and loading a model does not need it; so each name is imported when it is first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from everfit.registry.door import prepare
    from everfit.registry.loading import card_of, load, schema_of
    from everfit.registry.promotions import (
        aliases,
        promote,
        promote_by_hand,
        refuse_by_hand,
        require_champion,
        rollback,
        sync_aliases,
    )
    from everfit.registry.records import Candidate, Loaded, Outcome, Version
    from everfit.registry.registering import register

__all__ = [
    "Candidate",
    "Loaded",
    "Outcome",
    "Version",
    "aliases",
    "card_of",
    "load",
    "prepare",
    "promote",
    "promote_by_hand",
    "refuse_by_hand",
    "register",
    "require_champion",
    "rollback",
    "schema_of",
    "sync_aliases",
]
_ROOMS = {
    "records": ("Candidate", "Loaded", "Outcome", "Version"),
    "loading": ("card_of", "load", "schema_of"),
    "promotions": (
        "aliases",
        "promote",
        "promote_by_hand",
        "refuse_by_hand",
        "require_champion",
        "rollback",
        "sync_aliases",
    ),
    "registering": ("register",),
    "door": ("prepare",),
}
_ROOM_OF = {name: room for room, names in _ROOMS.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _ROOM_OF:
        raise AttributeError(name)
    return getattr(import_module(f"{__name__}.{_ROOM_OF[name]}"), name)
