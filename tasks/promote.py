"""Let the challenger take over if it was proven better; keep the champion otherwise."""

from dataclasses import asdict, dataclass
from typing import Any

from everfit import registry
from everfit.ledger import Ledger
from everfit.settings import Settings
from everfit.spec import ModelSpec
from tasks.build_features import Prepared
from tasks.evaluate import Judged
from tasks.steps import say, step


@dataclass(frozen=True)
class Outcome:
    """How a training ended. `state` is what the Prefect UI calls the run."""

    state: str
    model: str
    version: int
    champion: int | None
    promoted: bool
    refused: bool
    judged: Judged
    prepared: Prepared
    mlflow_run: str

    @property
    def sentence(self) -> str:
        """Say it in one line."""
        if self.promoted:
            before = f", in place of v{self.judged.champion}" if self.judged.champion else ", the first champion"
            return f"{self.model} v{self.version} is champion{before}"
        if not self.refused:
            return f"{self.model} v{self.version} waits for approval: everfit promote {self.model}"
        kept = f"v{self.champion} stays champion" if self.champion else "there is still no champion"
        return f"{self.model} v{self.version} was refused; {kept}"

    def to_dict(self, seconds: dict[str, float]) -> dict[str, Any]:
        """Return it ready for JSON."""
        verdict, snapshot = self.judged.verdict, self.prepared.snapshot
        return {
            "model": self.model,
            "version": self.version,
            "champion": self.champion,
            "promoted": self.promoted,
            "refused": self.refused,
            "state": self.state,
            "sentence": self.sentence,
            "reasons": [*verdict.reasons, *verdict.blockers],
            "metric": verdict.metric,
            "scores": {who: asdict(score) for who, score in verdict.scores.items()},
            "rows": verdict.rows,
            "rows_hash": verdict.rows_hash,
            "seconds": seconds,
            "data": {"version": snapshot.version, "hash": snapshot.digest, "rows": snapshot.rows},
            "mlflow_run": self.mlflow_run,
        }


@step
def promote(
    spec: ModelSpec, version: registry.Version, judged: Judged, prepared: Prepared, decision: str = ""
) -> Outcome:
    """Swap the champion in the ledger, and only then the aliases; refuse if another one came in between."""
    settings = Settings()
    ledger, verdict = Ledger.of(settings), judged.verdict
    facts = {"version": version.number, "champion": judged.champion, "decision": decision, **verdict.to_dict()}
    why = "; ".join((*verdict.blockers, *verdict.reasons))
    state, subject = "Champion kept", f"v{version.number}"
    if not verdict.promote:
        ledger.once("promotion_refused", spec.name, subject, actor=settings.actor, reason=why, facts=facts)
    elif spec.promotion.approval == "manual":
        state = "Waits for approval"
        ledger.once("approval_wanted", spec.name, subject, actor=settings.actor, reason=why, facts=facts)
    else:
        state = "Promoted"
        registry.promote(settings, ledger, spec.name, version.number, expected=judged.champion, reason=why, facts=facts)
    outcome = Outcome(
        state,
        spec.name,
        version.number,
        ledger.champion(spec.name),
        promoted=state == "Promoted",
        refused=not verdict.promote,
        judged=judged,
        prepared=prepared,
        mlflow_run=version.run,
    )
    say(outcome.sentence)
    return outcome
