"""Let the challenger take over if it was proven better; keep the champion otherwise."""

from dataclasses import asdict, dataclass
from typing import Any, Literal

from everfit import registry
from everfit.errors import PromotionRefused
from everfit.lake import Snapshot
from everfit.ledger import Ledger
from everfit.settings import Settings
from everfit.spec import ModelSpec
from tasks.claim import run_key
from tasks.evaluate import Judged
from tasks.revisit import made_from
from tasks.steps import say, step

State = Literal["Promoted", "Waits for approval", "Champion kept"]


@dataclass(frozen=True)
class Outcome:
    """How a training ended. `state` is what the Prefect UI calls the run."""

    state: State
    version: registry.Version
    champion: int | None
    judged: Judged
    snapshot: Snapshot
    same_as: list[int]
    lost: str = ""

    @property
    def promoted(self) -> bool:
        """Whether it took over."""
        return self.state == "Promoted"

    @property
    def refused(self) -> bool:
        """Whether it was found not better, or came too late."""
        return self.state == "Champion kept"

    @property
    def sentence(self) -> str:
        """Say it in one line."""
        model, who = self.version.model, f"{self.version.model} v{self.version.number}"
        if self.promoted:
            before = f", in place of v{self.judged.champion}" if self.judged.champion else ", the first champion"
            return f"{who} is champion{before}"
        if not self.refused:
            return f"{who} waits for approval: everfit promote {model}, or everfit promote {model} --refuse"
        kept = f"v{self.champion} stays champion" if self.champion else "there is still no champion"
        return f"{who} was refused; {kept}"

    def to_dict(self, seconds: dict[str, float]) -> dict[str, Any]:
        """Return it ready for JSON."""
        verdict, snapshot = self.judged.verdict, self.snapshot
        return {
            "model": self.version.model,
            "version": self.version.number,
            "champion": self.champion,
            "promoted": self.promoted,
            "refused": self.refused,
            "state": self.state,
            "sentence": self.sentence,
            "reasons": [*([self.lost] if self.lost else []), *verdict.reasons, *verdict.blockers],
            "metric": verdict.metric,
            "scores": {who: asdict(score) for who, score in verdict.scores.items()},
            "rows": verdict.rows,
            "rows_hash": verdict.rows_hash,
            "seconds": seconds,
            "data": {
                "version": snapshot.version,
                "hash": snapshot.digest,
                "rows": snapshot.rows,
                "same_as": self.same_as,
            },
            "mlflow_run": self.version.run,
        }


@step
def promote(
    spec: ModelSpec, version: registry.Version, judged: Judged, snapshot: Snapshot, decision: str = ""
) -> Outcome:
    """Swap the champion in the ledger, and only then the aliases; refuse if another one came in between."""
    settings = Settings()
    ledger = Ledger.of(settings)
    try:
        state, lost = _decide(spec, settings, ledger, version, judged, decision), ""
    except PromotionRefused as refusal:
        state, lost = "Champion kept", refusal.what
    same_as = [number for number in made_from(ledger, snapshot) if number != version.number]
    outcome = Outcome(state, version, ledger.champion(spec.name), judged, snapshot, same_as, lost)
    say(outcome.sentence)
    return outcome


def _decide(
    spec: ModelSpec, settings: Settings, ledger: Ledger, version: registry.Version, judged: Judged, decision: str
) -> State:
    """Write down what follows from the verdict; raise PromotionRefused when the champion is another one by now."""
    verdict, subject = judged.verdict, f"v{version.number}"
    why = "; ".join((*verdict.blockers, *verdict.reasons))
    training = {"decision": decision} if decision else {"training": run_key()}
    facts = {"version": version.number, "champion": judged.champion, **training, **verdict.to_dict()}
    facts |= {"upkeep": judged.upkeep.to_dict()} if judged.upkeep else {}
    if not verdict.promote:
        ledger.once("promotion_refused", spec.name, subject, actor=settings.actor, reason=why, facts=facts)
        registry.sync_aliases(settings, ledger, spec.name)
        return "Champion kept"
    if spec.promotion.approval == "manual":
        ledger.once("approval_wanted", spec.name, subject, actor=settings.actor, reason=why, facts=facts)
        return "Waits for approval"
    registry.promote(settings, ledger, spec.name, version.number, expected=judged.champion, reason=why, facts=facts)
    return "Promoted"
