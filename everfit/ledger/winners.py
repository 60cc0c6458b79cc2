"""Which configurations won in earlier trainings of a model, for its next search to begin with."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf
from typing import Any

from everfit.ledger import champions
from everfit.ledger.entries import Entry

LAST = 3  # trainings, beside that of the champion
MOST = 6  # configurations: those of a blend and one more, or a short search would do little else


def of(entries: Sequence[Entry], before: int | None = None) -> list[tuple[str, dict[str, Any]]]:
    """Return family and parameters of what the champion is made of, then of the last trainings, each once.

    With `before`, as it was known when the first training on that data version, or a later one, was registered.
    """
    made = [entry for entry in entries if entry.kind == "registered"]
    roots = {int(e.facts["version"]): int(e.facts.get("root", e.facts["version"])) for e in made}
    registered = [e for e in made if roots[int(e.facts["version"])] == e.facts["version"]]  # a refit finds nothing new
    same = [e.seq for e in registered if before is not None and e.facts["data"]["version"] >= before]
    first = min(same, default=inf)
    line = champions.line_of(e for e in entries if e.kind in champions.SWAPS and e.seq < first)[-1:]
    champion = [roots.get(version, version) for version in line]
    known = {int(e.facts["version"]): e.facts.get("winners", []) for e in registered if e.seq < first}
    once: list[tuple[str, dict[str, Any]]] = []
    for version in [*champion, *sorted(known, reverse=True)[:LAST]]:
        won = [(each["family"], each["params"]) for each in known.get(version, [])]
        once += [each for each in won if each not in once]
    return once[:MOST]
