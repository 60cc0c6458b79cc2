"""Keep the champion when a decision wants a retraining and there is nothing new to learn from, or it is outdated.

A model found among the same rows is the same model; beside a champion that counts as stale, "not worse" would do for
it to take over, and nothing would have been gained.
"""

from collections.abc import Mapping
from typing import Any

from everfit.lake import Snapshot
from everfit.ledger import Ledger
from everfit.settings import Settings
from everfit.spec import ModelSpec
from tasks.asked import Asked
from tasks.steps import say, step


@step
def keep(spec: ModelSpec, snapshot: Snapshot, decision: str, asked: Asked | None = None) -> dict[str, Any] | None:
    """Settle a decision to search when a search learnt from exactly these rows; None when none did.

    That is the one that the champion came from, or a challenger that drift asked for and that was refused: two signals
    about the same rows want one retraining. A decision to refit is settled when another champion took over since.
    """
    settings = Settings()
    ledger = Ledger.of(settings)
    champion = ledger.champion(spec.name)
    if champion is None:
        return None
    same, why = (
        _outdated(asked, champion) if asked and asked.how != "search" else _nothing_new(ledger, snapshot, champion)
    )
    if not why:
        return None
    ledger.finish(
        spec.name, decision, outcome="finished", actor=settings.actor, reason=why, facts={"champion": champion}
    )
    sentence = f"{spec.name} v{champion} stays champion: {why}"
    say(sentence)
    kept = {"state": "Champion kept", "sentence": sentence, "reasons": [why], "promoted": False, "refused": True}
    data = {"version": snapshot.version, "hash": snapshot.digest, "rows": snapshot.rows, "same_as": same}
    return {"model": spec.name, "version": None, "champion": champion, **kept, "data": data}


def _outdated(asked: Asked, champion: int) -> tuple[list[int], str]:
    return [], "" if asked.champion == champion else f"v{asked.champion}, which was to learn again, is champion no more"


def _nothing_new(ledger: Ledger, snapshot: Snapshot, champion: int) -> tuple[list[int], str]:
    learnt, root = ledger.registered(snapshot.model), ledger.lineage(snapshot.model)[0].root
    settled = (root, *_refused(ledger, snapshot.model, champion))
    same = sorted(version for version in settled if same_rows(learnt.get(version, {}), snapshot))
    if not same:
        return [], ""
    return same, f"nothing new to learn from since v{same[-1]}" + ("" if root in same else ", which was refused")


def _refused(ledger: Ledger, model: str, champion: int) -> set[int]:
    """Return the versions that drift asked for and that were compared with the present champion, and refused.

    Another training had to be better, where after drift "not worse" is enough.
    """
    facts = [entry.facts for entry in ledger.entries(model, kinds=["promotion_refused"])]
    same = [each for each in facts if each["champion"] == each.get("expected", champion) == champion]
    return {each["version"] for each in same if each.get("decision") and each.get("scores")} - {champion}


def same_rows(learnt: Mapping[str, Any], snapshot: Snapshot) -> bool:
    """Say whether a recorded snapshot holds the same rows and the same labels, whatever the version of the table."""
    recorded = learnt.get("digest"), learnt.get("labels_digest") or ""
    return recorded == (snapshot.digest, snapshot.labels_digest)
