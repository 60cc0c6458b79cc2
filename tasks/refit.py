"""Let the champion learn again from newer rows, as it is: the same pipeline, fitted anew where that is due.

A refit learns from all labelled rows, so that none is left that could judge it as a search is judged. Its gate is a
twin that did not learn from the newest rows, or the record of earlier refits; see `everfit.upkeep.proof`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from everfit import evaluation, registry
from everfit.lake import Snapshot
from everfit.ledger import Ledger
from everfit.models.portfolio import Portfolio, said
from everfit.settings import Settings
from everfit.spec import ModelSpec
from everfit.upkeep.losses import Floats, shape_losses
from everfit.upkeep.measuring import FEWEST
from everfit.upkeep.proof import Proof, needs_twin, prove
from everfit.upkeep.state import State
from everfit.upkeep.taken import done
from tasks.artifacts import publish_report
from tasks.asked import Asked
from tasks.build_features import labelled_rows
from tasks.champion import load_champion
from tasks.evaluate import Judged, to_markdown, unlearnt
from tasks.fitting import Fitting
from tasks.lineage import Lineage
from tasks.measure import classes_of, truth_of
from tasks.steps import say, step

NEWEST_SHARE = 0.1  # of the rows, which judge while nothing says how large a batch is


@dataclass(frozen=True)
class Refitted:
    """A version to be: what answers in it, the rows that it learnt from, and the state that the policy goes on from."""

    asked: Asked
    snapshot: Snapshot
    lineage: Lineage = field(repr=False)
    pipeline: Portfolio = field(repr=False)
    state: State = field(repr=False)
    rows: pd.DataFrame = field(repr=False)
    judged: Judged

    @property
    def members(self) -> dict[str, int]:
        """By window, the labelled batch after which its model learnt."""
        return {name: self.state.track(name).fitted for name, *_ in self.pipeline.members}


@step
def refit(spec: ModelSpec, snapshot: Snapshot, asked: Asked, decision: str = "") -> Refitted:
    """Fit the windows that are due, join them with those that stay, and judge what comes of it beside the champion.

    A window whose fit is refused keeps its model. Raise when champion, root or a window's model cannot be read, or
    when a fit fails: then the champion stays.
    """
    settings = Settings()
    number = registry.require_champion(Ledger.of(settings), spec.name)
    lineage = Lineage(spec, load_champion(spec, settings, number))
    rows = labelled_rows(spec, snapshot, lineage.champion.format_of(spec.data.time))
    if spec.data.time:
        rows = rows[~np.isnan(evaluation.times_of(rows[spec.data.time]))].reset_index(drop=True)
    fitting, before = Fitting(spec, lineage, lineage.batch()), lineage.state()
    windows = tuple(name for name in asked.windows if fitting.may(name))
    case = _Case(fitting, rows, done(before, windows, spec.refit), _models(lineage, before))
    fitted = {name: fitting.fit(name, rows) for name in windows}
    proofs = {name: case.prove(name, model) for name, model in fitted.items()}
    passed = tuple(name for name, proof in proofs.items() if proof.ok)
    wanted = lineage.wanted(decision) if passed == asked.windows else None
    state = wanted or done(before, passed, spec.refit)
    made = fitting.join(_models(lineage, state) | {name: fitted[name] for name in passed}, state.served)
    verdict = case.judge(made, proofs)
    for line in (*verdict.reasons, *verdict.blockers):
        say(line)
    publish_report(spec.name, "promotion-verdict", f"{spec.name}: promotion", to_markdown(spec.name, verdict))
    return Refitted(asked, snapshot, lineage, made, state, rows, Judged(verdict, number))


def _models(lineage: Lineage, state: State) -> dict[str, Any]:
    return {track.window: lineage.model(track.window, track.fitted) for track in state.tracks}


class _Case:
    """The newest rows, and what the champion costs there; `models` are those that answer now, by window.

    Costs are those after the best offset for these rows: the offset that is served belongs to the old models.
    """

    def __init__(self, fitting: Fitting, rows: pd.DataFrame, state: State, models: dict[str, Any]) -> None:
        self.fitting, self.state, self.models = fitting, state, models
        champion = fitting.lineage.champion
        at, self.fresh = _newest(champion, rows, fitting.batch)
        self.newest, self.older = rows.iloc[at], rows.drop(index=at.tolist())
        self.champion = self.cost(champion.pipeline)

    def cost(self, model: Any) -> Floats:
        """Return what a model's answers cost, row by row."""
        classes = classes_of([model, self.fitting.lineage.champion.pipeline])
        truth = truth_of(self.newest[self.fitting.spec.data.target], classes)
        return shape_losses(said(model, self.newest, classes), truth)

    def prove(self, name: str, model: Any) -> Proof:
        """Prove a window's fresh model in its place beside the others; one without weight has a twin spared."""
        served, track = self.state.served, self.state.track(name)
        twin = None
        if self.fresh and served.weights[name] and needs_twin(track):
            twin = self.cost(self.fitting.join(self.models | {name: self.fitting.fit(name, self.older)}, served))
        proof = prove(track, self.cost(self.fitting.join(self.models | {name: model}, served)), self.champion, twin)
        silent = proof.ok and not served.weights[name]
        return Proof(True, "it has no weight until labels have judged it") if silent else proof

    def judge(self, made: Portfolio, proofs: Mapping[str, Proof]) -> evaluation.Verdict:
        """Let it take over unless every fit was refused; whatever it is made of, it must answer, and no worse."""
        passed = tuple(name for name, proof in proofs.items() if proof.ok)
        whole = prove(self.state.tracks[0], self.cost(made), self.champion)
        refused = tuple(f"{name} keeps its model: {proof.reason}" for name, proof in proofs.items() if not proof.ok)
        blockers = (*(refused if not passed else ()), *(() if whole.ok else (whole.reason,)))
        proven = (f"{name}: {proofs[name].reason}" for name in passed)
        return evaluation.Verdict(
            promote=not blockers,
            reasons=(_what(passed, made), *proven, *(refused if passed else ())),
            blockers=blockers,
            metric=self.fitting.lineage.champion.card["metric"],
            rows=len(self.newest),
            rows_hash=evaluation.hash_of(evaluation.row_hashes(self.newest)),
        )


def _newest(champion: registry.Loaded, rows: pd.DataFrame, batch: int | None) -> tuple[np.ndarray, bool]:
    """Return positions of the newest rows, and whether they are rows that the champion has not learnt from."""
    size = max(FEWEST, batch or round(NEWEST_SHARE * len(rows)))
    fresh = np.flatnonzero(unlearnt(rows, champion))[-size:]
    return (fresh, True) if len(fresh) >= FEWEST else (np.arange(len(rows))[-size:], False)


def _what(windows: tuple[str, ...], made: Portfolio) -> str:
    shares = ", ".join(f"{name} {weight:.0%}" for name, _, weight, _ in made.members)
    moved = f", moved by {made.offset * made.trust:+.3g}" if made.offset and made.trust else ""
    learnt = f"refit of {' and '.join(windows)} rows" if windows else "recalibration of the same models"
    return f"{learnt} (weights: {shares}{moved})"
