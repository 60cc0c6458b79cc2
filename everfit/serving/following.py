"""Whoever is champion answers: a promotion or a rollback is live within seconds, and nothing unfit ever serves."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field

from everfit import registry
from everfit.errors import EverfitError, first_line
from everfit.ledger import Ledger
from everfit.serving.served import Served, make_ready
from everfit.settings import Settings
from everfit.spec import ModelSpec


@dataclass
class Follower:
    """Keeps `served` at the champion. `refused` are versions that did not load or did not answer, and why."""

    spec: ModelSpec
    settings: Settings
    served: Served | None = None
    refused: dict[int, str] = field(default_factory=dict)

    def look(self) -> bool:
        """Go over to the champion if it is another one by now; whether that happened.

        It is loaded, compiled, checked and warmed up beside the present one, which answers meanwhile, and goes on to
        answer when that fails: then an alert is recorded once. Raise Unavailable when the ledger does not answer.
        """
        ledger = Ledger.of(self.settings)
        version = ledger.champion(self.spec.name)
        if version is None or version in self.refused or (self.served and self.served.version == version):
            return False
        try:
            ready = make_ready(self.spec, registry.load(self.settings, self.spec.name, version))
        except (EverfitError, ValueError, TypeError, KeyError, AttributeError) as cause:
            self._refuse(ledger, version, cause)
            return False
        self.served = ready
        self.refused.clear()
        return True

    def _refuse(self, ledger: Ledger, version: int, cause: Exception) -> None:
        if isinstance(cause, EverfitError) and cause.transient:
            raise cause
        why = first_line(cause)
        self.refused[version] = why
        kept = f"v{self.served.version} goes on" if self.served else "nothing serves"
        logging.getLogger("everfit").error("%s v%d cannot serve: %s; %s", self.spec.name, version, why, kept)
        facts = {"version": version, "kept": self.served.version if self.served else None}
        ledger.once(
            "serving_refused", self.spec.name, f"v{version}", actor=self.settings.actor, reason=why, facts=facts
        )
