"""Who is champion. The ledger decides; MLflow's aliases follow, and can be put right from it at any time."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from everfit.errors import InputError, PromotionRefused, Unavailable
from everfit.ledger import Ledger
from everfit.registry import loading
from everfit.registry.records import Outcome
from everfit.settings import Settings

CHAMPION, CHALLENGER, PREVIOUS = "champion", "challenger", "previous"


def require_champion(ledger: Ledger, model: str) -> int:
    """Return the champion's version; raise InputError when there is none yet."""
    version = ledger.champion(model)
    if version is None and (waits := ledger.waiting(model)):
        raise InputError(
            f"{model} has no champion yet; v{waits} waits for a person's word.",
            do=f"everfit promote {model} makes it champion, everfit promote {model} --refuse does not.",
        )
    if version is None:
        raise InputError(f"{model} has no champion yet.", do=f"everfit train {model} makes one, if it is good enough.")
    return version


def promote(
    settings: Settings,
    ledger: Ledger,
    model: str,
    version: int,
    *,
    expected: int | None,
    reason: str,
    facts: Mapping[str, Any] | None = None,
) -> Outcome:
    """Make a version champion if `expected` still is; if not, record that it is refused and raise PromotionRefused.

    A damaged version is an InputError. Asked again after a crash, it finishes what was begun.
    """
    loading.verify(settings, model, version)
    try:
        entry = ledger.swap_champion(
            model, expected=expected, new=version, actor=settings.actor, reason=reason, facts=facts
        )
    except PromotionRefused as lost:
        if lost.champion == version:
            sync_aliases(settings, ledger, model)
            return _unchanged(ledger, model)
        _record_loss(settings, ledger, lost, facts or {})
        sync_aliases(settings, ledger, model)
        raise
    sync_aliases(settings, ledger, model)
    return Outcome(model, version, expected, True, f"{model}: {entry.summary}")


def _record_loss(settings: Settings, ledger: Ledger, lost: PromotionRefused, facts: Mapping[str, Any]) -> None:
    """Write that a version was compared with one champion and met another."""
    compared = "no champion" if lost.expected is None else f"v{lost.expected}"
    now = "there is no champion any more" if lost.champion is None else f"v{lost.champion} took over meanwhile"
    after = lost.winner["seq"] if lost.winner else 0
    ledger.once(
        "promotion_refused",
        lost.model,
        f"v{lost.version} against {compared}, after {after}",
        actor=settings.actor,
        reason=f"{now}; this version was compared with {compared}",
        facts={**facts, "version": lost.version, "champion": lost.champion, "expected": lost.expected},
    )


def promote_by_hand(settings: Settings, model: str, version: int | None = None, *, reason: str) -> Outcome:
    """Make a version champion by a person's word; without a version, the one that waits for approval.

    What waits was judged against one champion, and takes over only from that one. Any other version is taken as it is;
    one that was deleted in MLflow is an InputError.
    """
    ledger = Ledger.of(settings)
    chosen = _waiting(ledger, model) if version is None else version
    _require_there(settings, model, chosen)
    question = ledger.asked(model)
    judged = question is not None and question.facts["version"] == chosen
    expected = question.facts.get("champion") if question and judged else ledger.champion(model)
    return promote(settings, ledger, model, chosen, expected=expected, reason=reason)


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
    sync_aliases(settings, ledger, model)
    return Outcome(model, champion, None, new, f"{model}: {entry.summary}")


def rollback(settings: Settings, model: str, *, reason: str, bad: int | None = None, to: int | None = None) -> Outcome:
    """Bring the previous champion back; a second time, also at the same moment, it changes nothing and says so.

    With `bad`, nothing changes either when another version is champion by now; `to` names another version than the
    previous one. Whoever wants to go further back promotes that version by hand. Raise InputError when there is nothing
    to go back to, or that was deleted in MLflow or is damaged; PromotionRefused when another champion took over at this
    moment.
    """
    ledger = Ledger.of(settings)
    now = require_champion(ledger, model)
    if ledger.swaps(model)[-1].kind == "rolled_back" or bad not in (None, now):
        sync_aliases(settings, ledger, model)
        return _unchanged(ledger, model)
    target = to or ledger.previous(model)
    if target is None:
        raise InputError(f"{model}: there is nothing to go back to; v{now} is the only champion there ever was.")
    _require_there(settings, model, target)
    loading.verify(settings, model, target)
    try:
        entry = ledger.swap_champion(
            model, expected=now, new=target, kind="rolled_back", actor=settings.actor, reason=reason
        )
    except PromotionRefused as lost:
        if lost.champion != target:
            raise
        sync_aliases(settings, ledger, model)
        return _unchanged(ledger, model)
    sync_aliases(settings, ledger, model)
    return Outcome(model, target, now, True, f"{model}: {entry.summary}")


def sync_aliases(settings: Settings, ledger: Ledger, model: str) -> dict[str, int]:
    """Make MLflow's aliases say what the ledger says; return them. A version that was deleted there gets none.

    It looks again after it wrote: should another process have moved the champion meanwhile, whoever writes last
    has read the ledger last.
    """
    from everfit.registry import door

    client = door.client(settings)
    with door.translated(settings):
        while True:
            registered = door.absent_as_none(lambda: client.get_registered_model(model))
            present = {name: int(version) for name, version in (registered.aliases if registered else {}).items()}
            said = aliases(ledger, model, present.get(CHALLENGER))
            wanted = {name: version for name, version in said.items() if door.there(client, model, version)}
            ours = {name: version for name, version in present.items() if name in (CHAMPION, CHALLENGER, PREVIOUS)}
            if registered is None or ours == wanted:
                _warn_of(model, {name: version for name, version in said.items() if name not in wanted})
                return wanted
            for name in ours.keys() - wanted.keys():
                client.delete_registered_model_alias(model, name)
            for name, version in wanted.items():
                client.set_registered_model_alias(model, name, str(version))


def _warn_of(model: str, deleted: Mapping[str, int]) -> None:
    for name, version in deleted.items():
        logging.getLogger("everfit").warning("%s v%d, the %s, is not in MLflow: was it deleted?", model, version, name)


def _require_there(settings: Settings, model: str, version: int) -> None:
    """Raise InputError when MLflow knows no such version; while it is down, the files that are here must do."""
    from everfit.registry import door

    with suppress(Unavailable):
        door.require(settings, model, version)


def aliases(ledger: Ledger, model: str, challenger: int | None = None) -> dict[str, int]:
    """Say which alias belongs to which version; the challenger is the newest version, until it is decided about."""
    entries = ledger.entries(model, kinds=["registered", "promoted", "rolled_back", "promotion_refused"])
    registered = [int(e.facts["version"]) for e in entries if e.kind == "registered"]
    decided = {int(e.facts["version"]) for e in entries if e.kind != "registered"}
    newest = max([*registered, challenger or 0], default=0)
    found = {
        CHAMPION: ledger.champion(model),
        PREVIOUS: ledger.previous(model),
        CHALLENGER: newest if newest and newest not in decided else None,
    }
    return {name: version for name, version in found.items() if version is not None}


def _unchanged(ledger: Ledger, model: str) -> Outcome:
    last = ledger.swaps(model)[-1]
    done = "rolled back to" if last.kind == "rolled_back" else "promoted"
    version, when = last.facts["version"], f"{last.at:%Y-%m-%d %H:%M} UTC"
    said = f"{model}: v{version} is champion already, {done} on {when} by {last.actor}; nothing changed"
    return Outcome(model, version, last.facts["replaced"], False, said)


def _waiting(ledger: Ledger, model: str) -> int:
    version = ledger.waiting(model)
    if version is None:
        raise InputError(
            f"{model}: no version waits for approval.",
            do=f"everfit promote {model} --version NUMBER promotes any; everfit history {model} shows them.",
        )
    return version
