"""Say of a warning that was given batch after batch that it is no news: the world has changed, and the rule has not."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from itertools import takewhile

IN_A_ROW = 3
ADVICE = "`everfit suite draft` proposes bounds from newer data"


def insisting(text: str, before: Sequence[Collection[str]]) -> str:
    """Return a warning with the number of batches in a row that gave it; `before` are theirs, the latest first.

    >>> insisting("y: to be below 9; 40 of 99", [["y: to be below 9; 7 of 80"]] * 2)
    'y: to be below 9; 40 of 99 (3 batches in a row: `everfit suite draft` proposes bounds from newer data)'
    """
    rule = _rule(text)
    running = 1 + sum(1 for _ in takewhile(lambda texts: rule in map(_rule, texts), before))
    return text if running < IN_A_ROW or rule == text else f"{text} ({running} batches in a row: {ADVICE})"


def _rule(text: str) -> str:
    """Return a warning without what was observed, which is another thing in each batch."""
    return text.partition("; ")[0]
