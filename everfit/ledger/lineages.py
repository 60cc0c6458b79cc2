"""Which search a version descends from, and which models it holds.

A search makes a version with one model of all rows, the root of a lineage. Refits and recalibrations of it make
further versions, each with the models that answer in it: by window, and by the labelled batch after which they learnt.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from everfit.ledger.champions import line_of
from everfit.ledger.entries import Entry


@dataclass(frozen=True)
class Made:
    """How a version was made. Versions from before there were refits are roots.

    `beyond` counts the labelled rows that it learnt from and that its root was not made from; `upkeep` is the state of
    the policy that it begins with.
    """

    version: int
    root: int
    members: Mapping[str, int]
    beyond: int = 0
    upkeep: Mapping[str, Any] | None = field(default=None, repr=False)

    @property
    def searched(self) -> bool:
        """Whether a search made it."""
        return self.version == self.root


def made(registered: Sequence[Entry]) -> dict[int, Made]:
    """Return how each version was made, from the rows of their registrations."""
    return {version: _made(version, entry.facts) for entry in registered if (version := int(entry.facts["version"]))}


def _made(version: int, facts: Mapping[str, Any]) -> Made:
    return Made(
        version,
        int(facts.get("root", version)),
        facts.get("members", {"all": 0}),
        int(facts.get("beyond", 0)),
        facts.get("upkeep"),
    )


def lineage(swaps: Sequence[Entry], known: Mapping[int, Made]) -> list[Made]:
    """Return the champion and the champions before it that descend from the same search, the newest first.

    What was rolled back is not among them.
    """
    line = [known.get(version, Made(version, version, {"all": 0})) for version in reversed(line_of(swaps))]
    return [each for each in line if each.root == line[0].root]


def since(swaps: Sequence[Entry], known: Mapping[int, Made]) -> datetime | None:
    """Return when the champion's lineage took over: a refit does not make a model that is past its time young."""
    began: Entry | None = None
    for entry in swaps:
        if began is None or _root(entry, known) != _root(began, known):
            began = entry
    return began.at if began else None


def _root(entry: Entry, known: Mapping[int, Made]) -> int:
    version = int(entry.facts["version"])
    return known[version].root if version in known else version
