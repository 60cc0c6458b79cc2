"""What a training is to do: what its decision says, or a person; a search if nobody says anything."""

from dataclasses import dataclass
from typing import Literal

from everfit.ledger import Ledger
from everfit.monitor.decision import Decision
from everfit.settings import Settings
from everfit.spec import ModelSpec
from everfit.upkeep.windows import windows_of
from tasks.promote import Outcome

How = Literal["", "refit", "search"]


@dataclass(frozen=True)
class Asked:
    """A search; or a refit of windows, of none to recalibrate. `champion` is the version that it was decided about.

    Windows to `restore` go back to the model that their last refit replaced. Those of a search learn again if its
    challenger loses.
    """

    how: Literal["search", "refit", "recalibrate"]
    windows: tuple[str, ...] = ()
    champion: int | None = None
    restore: tuple[str, ...] = ()


def asked(spec: ModelSpec, decision: str, how: How = "") -> Asked:
    """Read what is to be done; a refit by hand is one of all windows, now."""
    ledger = Ledger.of(Settings())
    if how == "refit":
        return _all(spec, ledger.champion(spec.name))
    judged = [entry.facts for entry in ledger.entries(spec.name, kinds=["drift_judged"], subject=decision)]
    said = Decision.from_dict(judged[-1]["decision"]) if judged and not how else None
    if said is None or said.action not in ("search", "refit", "recalibrate"):
        return Asked("search")
    windows = said.instead if said.action == "search" else said.refit
    return Asked(said.action, windows, judged[-1]["evidence"]["champion"], said.restore)


def after_search(spec: ModelSpec, outcome: Outcome, asked: Asked) -> Asked | None:
    """Return the refit that follows a search: of the winner, on the newest rows as well, which have judged it.

    Of the champion, where the challenger lost: what was due beside the search. None where nothing is.
    """
    if outcome.promoted and outcome.judged.heir and spec.refit.auto:
        return _all(spec, outcome.champion)
    if outcome.refused and asked.windows and outcome.champion == asked.champion:
        return Asked("refit", asked.windows, asked.champion)
    return None


def _all(spec: ModelSpec, champion: int | None) -> Asked:
    return Asked("refit", tuple(window.name for window in windows_of(spec.refit)), champion)
