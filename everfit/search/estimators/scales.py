"""The scale on which a regressor learns: one more parameter, which a family need not know."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from everfit.models.bent import Bent
from everfit.search.estimators import reductions
from everfit.search.estimators.base import Family, Job, Params, Rows

if TYPE_CHECKING:
    from optuna.trial import Trial

SCALES = ("plain", "root", "log")
SCALE = "scale"


def defaults(family: Family, job: Job) -> Params:
    """Return the family's defaults, on the plain scale."""
    return reductions.defaults(family, job) | ({SCALE: "plain"} if _applies(family, job) else {})


def portfolio(family: Family, job: Job) -> list[Params]:
    """Return what the family offers; the defaults on the scale of roots come first where that is one."""
    if not _applies(family, job):
        return reductions.portfolio(family, job)
    start = family.defaults(job)
    first, *others = [{SCALE: "plain"} | params for params in family.portfolio(job)] or [{}]
    bent = [start | {SCALE: "root"}, start | {SCALE: "log"}]
    return [each for each in (bent[0], first, bent[1], *others) if each]


def space(family: Family, trial: Trial, job: Job) -> Params:
    """Ask for the family's parameters and, where there is a choice, the scale."""
    params = reductions.space(family, trial, job)
    return params | ({SCALE: trial.suggest_categorical(SCALE, SCALES)} if _applies(family, job) else {})


def build(family: Family, params: Params, job: Job) -> Any:
    """Return an unfitted model that learns on the scale that the parameters say."""
    scale = params.get(SCALE, "plain")
    model = reductions.build(family, _own(params), job)
    return model if scale == "plain" else Bent(model, scale)


def fit(family: Family, model: Any, params: Params, train: Rows, job: Job, valid: Rows | None = None) -> Params:
    """Fit in place; return what early stopping learnt."""
    if not isinstance(model, Bent):
        return reductions.fit(family, model, _own(params), train, job, valid)
    bent = replace(train, y=model.there(train.y))
    judge = None if valid is None else replace(valid, y=model.there(valid.y))
    return reductions.fit(family, model.model, _own(params), bent, job, judge)


def _applies(family: Family, job: Job) -> bool:
    return family.scales and job.amounts


def _own(params: Params) -> Params:
    return {name: value for name, value in params.items() if name != SCALE}
