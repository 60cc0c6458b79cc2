"""Who is champion. The ledger decides; MLflow's aliases follow, and can be put right from it at any time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from everfit.errors import InputError
from everfit.ledger import Entry, Ledger
from everfit.registry import loading
from everfit.registry.records import Outcome
from everfit.settings import Settings

CHAMPION, CHALLENGER, PREVIOUS = "champion", "challenger", "previous"


def champion(settings: Settings, ledger: Ledger, model: str) -> int | None:
    """Return the champion's version, once it is sure that its files are there and unaltered; None if there is none."""
    version = ledger.champion(model)
    if version is not None:
        loading.verify(settings, model, version)
    return version


def require_champion(ledger: Ledger, model: str) -> int:
    """Return the champion's version; raise InputError when there is none yet."""
    version = ledger.champion(model)
    if version is None:
        raise InputError(f"{model} has no champion yet.", do=f"everfit train {model} makes one.")
    return version


def promote(
    settings: Settings,
    ledger: Ledger,
    model: str,
    version: int,
    *,
    expected: int | None,
    reason: str,
    actor: str = "",
    facts: Mapping[str, Any] | None = None,
    subject: str = "",
) -> Outcome:
    """Make a version champion if `expected` still is; raise PromotionRefused if not, InputError if it is damaged.

    Asked again after a crash, it finishes what was begun.
    """
    loading.verify(settings, model, version)
    who = actor or settings.actor
    if ledger.champion(model) == version:
        sync_aliases(settings, ledger, model)
        return Outcome(model, version, _swaps(ledger, model)[-1].facts["replaced"], False, _already(ledger, model))
    entry = ledger.swap_champion(
        model, expected=expected, new=version, actor=who, reason=reason, facts=facts, subject=subject
    )
    sync_aliases(settings, ledger, model)
    return Outcome(model, version, expected, True, f"{model}: {entry.summary}")


def promote_by_hand(settings: Settings, model: str, version: int | None = None, *, reason: str) -> Outcome:
    """Make a version champion by a person's word; without a version, the one that waits for approval."""
    ledger = Ledger.of(settings)
    chosen = _waiting(ledger, model) if version is None else version
    return promote(settings, ledger, model, chosen, expected=ledger.champion(model), reason=reason)


def refuse_by_hand(settings: Settings, model: str, version: int | None = None, *, reason: str) -> Outcome:
    """Refuse the version that waits for approval by a person's word; the champion stays."""
    ledger = Ledger.of(settings)
    champion = ledger.champion(model)
    waits = _waiting(ledger, model)
    if version not in (None, waits):
        raise InputError(f"{model}: v{version} does not wait for approval, v{waits} does.")
    facts = {"version": waits, "champion": champion}
    subject = f"v{waits} by hand"
    entry, new = ledger.once("promotion_refused", model, subject, actor=settings.actor, reason=reason, facts=facts)
    return Outcome(model, champion, None, new, f"{model}: {entry.summary}")


def rollback(
    settings: Settings, model: str, *, reason: str, to: int | None = None, expected: int | None = None, actor: str = ""
) -> Outcome:
    """Bring the previous champion back; a second time it changes nothing and says so.

    Going further back takes `to`. With `expected`, only that champion is rolled back. Raise InputError when there
    is nothing to go back to or its files are damaged, PromotionRefused when another champion took over meanwhile.
    """
    ledger = Ledger.of(settings)
    now, swaps = require_champion(ledger, model), _swaps(ledger, model)
    done = swaps[-1].kind == "rolled_back" and (expected in (None, swaps[-1].facts["replaced"]))
    if now == to or (to is None and done):
        sync_aliases(settings, ledger, model)
        return Outcome(model, now, swaps[-1].facts["replaced"], False, _already(ledger, model))
    target = to if to is not None else ledger.previous(model)
    if target is None:
        raise InputError(f"{model}: there is nothing to go back to; v{now} is the only champion there ever was.")
    if target not in {entry.facts["version"] for entry in swaps}:
        raise InputError(f"{model}: v{target} was never champion.", do=f"everfit promote {model} --version {target}")
    loading.verify(settings, model, target)
    entry = ledger.swap_champion(
        model,
        expected=now if expected is None else expected,
        new=target,
        kind="rolled_back",
        actor=actor or settings.actor,
        reason=reason,
    )
    sync_aliases(settings, ledger, model)
    return Outcome(model, target, now, True, f"{model}: {entry.summary}")


def sync_aliases(settings: Settings, ledger: Ledger, model: str) -> dict[str, int]:
    """Make MLflow's aliases say what the ledger says; return them.

    It looks again after it wrote: should another process have moved the champion meanwhile, whoever writes last
    has read the ledger last.
    """
    from everfit.registry import door

    client = door.client(settings)
    with door.translated(settings):
        while True:
            registered = door.absent_as_none(lambda: client.get_registered_model(model))
            present = {name: int(version) for name, version in (registered.aliases if registered else {}).items()}
            wanted = _aliases(ledger, model, present.get(CHALLENGER))
            ours = {name: version for name, version in present.items() if name in (CHAMPION, CHALLENGER, PREVIOUS)}
            if registered is None or ours == wanted:
                return wanted
            for name in ours.keys() - wanted.keys():
                client.delete_registered_model_alias(model, name)
            for name, version in wanted.items():
                client.set_registered_model_alias(model, name, str(version))


def _aliases(ledger: Ledger, model: str, challenger: int | None) -> dict[str, int]:
    """Say which alias belongs to which version; the challenger is the newest version, until it is or was champion."""
    entries = ledger.entries(model, kinds=["registered", "promoted", "rolled_back"])
    registered = [int(e.facts["version"]) for e in entries if e.kind == "registered"]
    crowned = {int(e.facts["version"]) for e in entries if e.kind != "registered"}
    newest = max([*registered, challenger or 0], default=0)
    found = {
        CHAMPION: ledger.champion(model),
        PREVIOUS: ledger.previous(model),
        CHALLENGER: newest if newest and newest not in crowned else None,
    }
    return {name: version for name, version in found.items() if version is not None}


def _swaps(ledger: Ledger, model: str) -> list[Entry]:
    return ledger.entries(model, kinds=["promoted", "rolled_back"])


def _already(ledger: Ledger, model: str) -> str:
    last = _swaps(ledger, model)[-1]
    done = "rolled back to" if last.kind == "rolled_back" else "promoted"
    when = f"{last.at:%Y-%m-%d %H:%M} UTC"
    return f"{model}: v{last.facts['version']} is champion already, {done} on {when} by {last.actor}; nothing changed"


def _waiting(ledger: Ledger, model: str) -> int:
    version = ledger.waiting(model)
    if version is None:
        raise InputError(
            f"{model}: no version waits for approval.",
            do=f"everfit promote {model} --version NUMBER promotes any; everfit history {model} shows them.",
        )
    return version
