"""How many components of the columns a model reads: one more parameter, which a family need not know."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from everfit.models.reduced import Reduced
from everfit.search.estimators.base import Family, Job, Params, Rows

if TYPE_CHECKING:
    from optuna.trial import Trial

MANY = 20  # columns; fewer are no burden to any family
SHARES = (1.0, 0.5, 0.25, 0.1)  # of the columns; 1 is the columns themselves
REDUCE = "components"


def defaults(family: Family, job: Job) -> Params:
    """Return the family's defaults, on all columns."""
    return family.defaults(job) | ({REDUCE: 1.0} if _applies(family, job) else {})


def portfolio(family: Family, job: Job) -> list[Params]:
    """Return what the family offers, on all columns."""
    return [params | ({REDUCE: 1.0} if _applies(family, job) else {}) for params in family.portfolio(job)]


def space(family: Family, trial: Trial, job: Job) -> Params:
    """Ask for the family's parameters and, where there are many columns, how many components stand for them."""
    params = family.space(trial, job)
    return params | ({REDUCE: trial.suggest_categorical(REDUCE, SHARES)} if _applies(family, job) else {})


def build(family: Family, params: Params, job: Job) -> Any:
    """Return an unfitted model of all columns or of their components."""
    model, share = family.build(_own(params), job), params.get(REDUCE, 1.0)
    return model if share == 1.0 else Reduced(model, share, job.seed)


def fit(family: Family, model: Any, params: Params, train: Rows, job: Job, valid: Rows | None = None) -> Params:
    """Fit in place; return what early stopping learnt."""
    if not isinstance(model, Reduced):
        return family.fit(model, _own(params), train, job, valid)
    few = replace(train, X=model.learn(train.X))
    judge = None if valid is None else replace(valid, X=model.reduce(valid.X))
    return family.fit(model.model, _own(params), few, job, judge)


def _applies(family: Family, job: Job) -> bool:
    return family.reduces and job.columns >= MANY


def _own(params: Params) -> Params:
    return {name: value for name, value in params.items() if name != REDUCE}
