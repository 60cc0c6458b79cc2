"""Keep the champion without a search when drift wants a retraining and there is nothing new to learn from.

A model found among the same rows is the same model; beside a champion that counts as stale, "not worse" would do for
it to take over, and nothing would have been gained.
"""

from collections.abc import Mapping
from typing import Any

from everfit.lake import Snapshot
from everfit.ledger import Ledger
from everfit.settings import Settings
from everfit.spec import ModelSpec
from tasks.steps import say, step


@step
def keep(spec: ModelSpec, snapshot: Snapshot, decision: str) -> dict[str, Any] | None:
    """Settle a drift decision when the champion learnt from exactly these rows; None when there is more to learn."""
    settings = Settings()
    ledger = Ledger.of(settings)
    champion = ledger.champion(spec.name)
    if champion is None or not same_rows(ledger.registered(spec.name).get(champion, {}), snapshot):
        return None
    why = f"nothing new to learn from since v{champion}"
    ledger.finish(
        spec.name, decision, outcome="finished", actor=settings.actor, reason=why, facts={"champion": champion}
    )
    sentence = f"{spec.name} v{champion} stays champion: {why}"
    say(sentence)
    kept = {"state": "Champion kept", "sentence": sentence, "reasons": [why], "promoted": False, "refused": True}
    data = {"version": snapshot.version, "hash": snapshot.digest, "rows": snapshot.rows, "same_as": [champion]}
    return {"model": spec.name, "version": None, "champion": champion, **kept, "data": data}


def same_rows(learnt: Mapping[str, Any], snapshot: Snapshot) -> bool:
    """Say whether a recorded snapshot holds the same rows and the same labels, whatever the version of the table."""
    recorded = learnt.get("digest"), learnt.get("labels_digest") or ""
    return recorded == (snapshot.digest, snapshot.labels_digest)
