"""Answers that could not be kept: counted at once, and told to the ledger as soon as that can be written."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field

from everfit.ledger import Ledger
from everfit.serving.journal import Journal
from everfit.settings import Settings


@dataclass
class Unkept:
    """How many answers were given and are lost, and how many requests were refused because nothing could be kept."""

    journal: Journal
    given: int = field(default=0, init=False)
    refused: int = field(default=0, init=False)
    _told: tuple[int, int] = field(default=(0, 0), init=False)

    @property
    def lost(self) -> int:
        """Answers that a client has, and nobody else."""
        return self.given + self.journal.lost

    def note(self, answers: int, *, refused: bool) -> None:
        """Count the answers of a request that could not be kept."""
        if refused:
            self.refused += 1
        else:
            self.given += answers

    def tell(self, settings: Settings, model: str) -> None:
        """Write down what was not kept since this was written down last; raise when the ledger does not answer."""
        lost, refused = now = (self.lost, self.refused)
        if now == self._told:
            return
        facts = {"lost": lost - self._told[0], "refused": refused - self._told[1]}
        why = self.journal.failure
        logging.getLogger("everfit").error("%s: answers could not be kept, %s: %s", model, facts, why)
        Ledger.of(settings).record("answers_not_kept", model, actor=settings.actor, reason=why, facts=facts)
        self._told = now
