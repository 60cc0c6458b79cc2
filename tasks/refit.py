"""Let the champion learn again from newer rows, as it is: the same pipeline, fitted anew where that is due.

A refit learns from all labelled rows, so that none is left that could judge it as a search is judged. Its gate is a
twin that did not learn from the newest rows, or the record of earlier refits; see `everfit.upkeep.gate`.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd

from everfit import evaluation, registry
from everfit.lake import Snapshot
from everfit.ledger import Ledger
from everfit.models.portfolio import Portfolio, said
from everfit.settings import Settings
from everfit.spec import ModelSpec
from everfit.upkeep.advance import undo
from everfit.upkeep.gate import Newest, judge, takes_over
from everfit.upkeep.losses import SQUARES, classes_of
from everfit.upkeep.measuring import FEWEST
from everfit.upkeep.proof import Proof, in_doubt
from everfit.upkeep.state import Mix, State
from everfit.upkeep.taken import done, refused
from everfit.upkeep.trial import tried
from everfit.upkeep.windows import RECENT
from tasks.artifacts import publish_report
from tasks.asked import Asked
from tasks.build_features import labelled_rows
from tasks.champion import load_champion
from tasks.evaluate import Judged, to_markdown, unlearnt
from tasks.fitting import Fitting
from tasks.lineage import Lineage
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
    models = _models(lineage, before)
    newest, older = _newest(spec, lineage.champion, rows, models, fitting.batch)
    wanted = lineage.wanted(decision) or done(before, windows, spec.refit, asked.restore)
    fitting = replace(fitting, since=wanted.since)
    fitted = {name: fitting.fit(name, older if in_doubt(wanted.track(name)) else rows) for name in windows}
    proofs = judge(newest, wanted, fitted, lambda name: fitting.fit(name, older))
    passed = {name: fitted[name] for name, proof in proofs.items() if proof.ok}
    state = undo(wanted, set(asked.windows).difference(passed), spec.refit)
    if RECENT in passed:
        state = tried(newest, state, spec.refit, lambda size: fitting.fit(RECENT, newest.rows.iloc[:size]))
    models = _models(lineage, state) | passed
    changed = {name: model for name, model in models.items() if name in {*passed, *asked.restore} and model is not None}
    made = fitting.join(models, state.served)
    verdict = _verdict(lineage, newest, made, proofs, takes_over(newest, before.served, state.served, changed))
    for line in (*verdict.reasons, *verdict.blockers):
        say(line)
    publish_report(spec.name, "promotion-verdict", f"{spec.name}: promotion", to_markdown(spec.name, verdict))
    left = refused(wanted, before, asked.windows, spec.refit)
    learnt = older if _only_doubted(wanted, passed) else rows
    return Refitted(asked, snapshot, lineage, made, state, learnt, Judged(verdict, number, left))


def _only_doubted(state: State, passed: Collection[str]) -> bool:
    """Say whether all fresh models are of windows in doubt, so that none has learnt from the newest rows."""
    return bool(passed) and all(in_doubt(state.track(name)) for name in passed)


def _models(lineage: Lineage, state: State) -> dict[str, Any]:
    return {track.window: lineage.model(track.window, track.fitted) for track in state.tracks}


def _newest(
    spec: ModelSpec, champion: registry.Loaded, rows: pd.DataFrame, models: dict[str, Any], batch: int | None
) -> tuple[Newest, pd.DataFrame]:
    """Return the newest rows with what the windows' models say of them, and the rows before; see `Newest.fresh`."""
    size = max(FEWEST, batch or round(NEWEST_SHARE * len(rows)))
    at = np.flatnonzero(unlearnt(rows, champion))[-size:]
    fresh = len(at) >= FEWEST
    at = at if fresh else np.arange(len(rows))[-size:]
    there = {name: model for name, model in models.items() if model is not None}
    newest, classes = rows.iloc[at], classes_of(there.values())
    members = {name: said(model, newest, classes) for name, model in there.items()}
    y = newest[spec.data.target].to_numpy()
    squared = champion.card["metric"] in SQUARES
    return Newest(newest, y, members, classes, fresh, squared), rows.drop(index=at.tolist())


def _verdict(
    lineage: Lineage, newest: Newest, made: Portfolio, proofs: Mapping[str, Proof], worse: str
) -> evaluation.Verdict:
    """Let it take over unless every fit was refused, or the whole is `worse`."""
    passed = tuple(name for name, proof in proofs.items() if proof.ok)
    kept = tuple(f"{name} keeps its model: {proof.reason}" for name, proof in proofs.items() if not proof.ok)
    blockers = (*(kept if not passed else ()), *((worse,) if worse else ()))
    proven = (f"{name}: {proofs[name].reason}" for name in passed)
    return evaluation.Verdict(
        promote=not blockers,
        reasons=(_what(passed, made), *proven, *(kept if passed else ())),
        blockers=blockers,
        metric=lineage.champion.card["metric"],
        rows=len(newest.rows),
        rows_hash=evaluation.hash_of(evaluation.row_hashes(newest.rows)),
    )


def _what(windows: tuple[str, ...], made: Portfolio) -> str:
    shares = ", ".join(f"{name} {weight:.0%}" for name, _, weight, _ in made.members)
    move = Mix({}, made.offset, made.trust).move
    moved = f", moved by {move:+.3g}" if move else ""
    learnt = f"refit of {' and '.join(windows)} rows" if windows else "recalibration of the same models"
    return f"{learnt} (weights: {shares}{moved})"
