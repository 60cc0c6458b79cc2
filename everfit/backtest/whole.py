"""From a source to a result."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from everfit import report
from everfit.backtest import recommend as recommending
from everfit.backtest import run
from everfit.backtest.asked import Asked
from everfit.backtest.checks import checked
from everfit.backtest.history import History, read
from everfit.backtest.plan import CALENDAR, THIS
from everfit.backtest.result import Result, Standing, Variant, facts, standings
from everfit.backtest.run import Stage, Tell
from everfit.sources import Secrets
from everfit.spec import ModelSpec
from everfit.validation import Suite


def backtest(
    spec: ModelSpec, asked: Asked, *, home: Path, base: Path, other: ModelSpec | None = None, title: str = "other",
    workers: int = 1, recommend: bool = False, fresh: bool = False, suites: Sequence[Suite] = (),
    secrets: Secrets | None = None, tell: Tell = lambda *_: None,
) -> Result:  # fmt: skip
    """Let policies live through a history side by side, and say how each fared.

    `home` remembers what was done, by what was asked: killed and called again, it goes on, and what was finished is not
    run again. `other` is the model with another policy, called `title`. `recommend` tries other thresholds as well.
    Raise InputError, SourceError or DataError when the history cannot be used so, BudgetSpent without a first model.
    """
    history = checked(read(spec, asked, base, secrets), suites, model=spec.name)
    with run.prepared(spec, history, asked, home, tell=tell, personal=_personal(spec, suites), fresh=fresh) as stage:
        policies, lived = run.all_policies(
            stage, spec, other=other, title=title, workers=workers, tell=tell,
            until=run.POLICIES if recommend else 1.0,
        )  # fmt: skip
        found = standings(policies, lived, history)
        variants = _variants(stage, spec, found[0], workers, tell) if recommend else ()
    first = f"{report.named(stage.model.family)}, {history.metric.name} {stage.model.score:.4g} in the search"
    return Result(
        model=spec.name, first=first, delay=_usual(stage.learnt), variants=variants, notes=_notes(spec, history, found),
        **facts(history, found),
    )  # fmt: skip


def _variants(stage: Stage, spec: ModelSpec, this: Standing, workers: int, tell: Tell) -> tuple[Variant, ...]:
    tried = [(change, change.of(spec)) for change in recommending.changes(spec)]
    others = [policy for _, policy in tried]
    lived = run.lived(stage, others, workers=workers, tell=tell, part=(run.POLICIES, 1.0))
    return recommending.weigh([(change, policy, lived[policy.name]) for change, policy in tried], this, stage.history)


def _usual(learnt: Sequence[Sequence[int]]) -> int:
    """Return how many batches late labels usually come; one is at once."""
    late = [now - at + 1 for now, known in enumerate(learnt) for at in known]
    return int(np.median(late)) if late else len(learnt) + 1


def _personal(spec: ModelSpec, suites: Sequence[Suite]) -> frozenset[str]:
    return frozenset(spec.data.personal).union(*(suite.personal for suite in suites))


def _notes(spec: ModelSpec, history: History, found: Sequence[Standing]) -> tuple[str, ...]:
    """Say in what this differs from production, and the calendar from what it is beside."""
    fits = {each.name: each.fits for each in found}
    said = [
        (
            fits[CALENDAR] < fits[THIS],
            f"this policy made {fits[THIS]} fits, of two windows and of what proves them; a calendar makes one after "
            f"each batch but the last, {fits[CALENDAR]}",
        ),
        (not history.dated, "the rows have no dates: each batch counts as a day for cooldown and weekly cap"),
        (bool(history.left_out), f"{history.left_out:,} rows without a label or a time are left out"),
        (
            bool(history.broken),
            f"{len(history.broken):,} rows are broken by the suites, and no policy learns from them",
        ),
        (bool(spec.data.weight), "refits do not weigh rows; metrics and searches do"),
        (spec.promotion.approval == "manual", "promotions wait for nobody here"),
        (
            any(each.searches for each in found),
            "a challenger is judged beside what the champion answered at the time, before it learnt again",
        ),
        (spec.spending.limited, "searches are smaller than in production, and no monthly budget ends them"),
    ]
    return tuple(text for holds, text in said if holds)
