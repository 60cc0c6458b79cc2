"""What a training is to do: what its decision says, or a person; a search if nobody says anything."""

from dataclasses import dataclass
from typing import Literal

from everfit.ledger import Ledger
from everfit.monitor.decision import Decision
from everfit.settings import Settings
from everfit.spec import ModelSpec
from everfit.upkeep.windows import windows_of

How = Literal["", "refit", "search"]


@dataclass(frozen=True)
class Asked:
    """A search; or a refit of windows, of none to recalibrate. `champion` is the version that it was decided about.

    Windows to `restore` go back to the model that their last refit replaced.
    """

    how: Literal["search", "refit", "recalibrate"]
    windows: tuple[str, ...] = ()
    champion: int | None = None
    restore: tuple[str, ...] = ()


def asked(spec: ModelSpec, decision: str, how: How = "") -> Asked:
    """Read what is to be done; a refit by hand is one of all windows, now."""
    ledger = Ledger.of(Settings())
    if how == "refit":
        return Asked("refit", tuple(window.name for window in windows_of(spec.refit)), ledger.champion(spec.name))
    judged = [entry.facts for entry in ledger.entries(spec.name, kinds=["drift_judged"], subject=decision)]
    said = Decision.from_dict(judged[-1]["decision"]) if judged and not how else None
    if said is None or said.action not in ("refit", "recalibrate"):
        return Asked("search")
    return Asked(said.action, said.refit, judged[-1]["evidence"]["champion"], said.restore)
