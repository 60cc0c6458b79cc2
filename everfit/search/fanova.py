"""Which parameters mattered, of Optuna's own records of trials."""

from __future__ import annotations

from collections.abc import Sequence

import optuna
import pandas as pd
from optuna.importance import FanovaImportanceEvaluator, PedAnovaImportanceEvaluator, get_param_importances
from optuna.trial import FrozenTrial, TrialState

from everfit.search.records import ENOUGH

TREES = 32


def importance(trials: Sequence[FrozenTrial], *, greater: bool) -> dict[str, pd.DataFrame]:
    """Return for each family how much each parameter mattered, the one that mattered most first, as shares of one.

    `spread` is how much of the scores' variance goes with it (fANOVA, Hutter et al. 2014), `top` how much it tells the
    better half of the trials from all (PED-ANOVA, Watanabe et al. 2023). A family with fewer than twelve finished
    trials has an empty table, as such shares would be chance.
    """
    families: dict[str, list[FrozenTrial]] = {}
    for trial in trials:
        if trial.state == TrialState.COMPLETE:
            families.setdefault(str(trial.params["family"]), []).append(trial)
    return {name: _importance(name, done, greater) for name, done in families.items()}


def _importance(family: str, done: Sequence[FrozenTrial], greater: bool) -> pd.DataFrame:
    shares: dict[str, dict[str, float]] = {"spread": {}, "top": {}}
    if len(done) >= ENOUGH and len({trial.value for trial in done}) > 1:
        study = _with(done, greater)
        fanova = FanovaImportanceEvaluator(n_trees=TREES, seed=0)
        shares["spread"] = get_param_importances(study, evaluator=fanova)
        shares["top"] = get_param_importances(study, evaluator=PedAnovaImportanceEvaluator(target_quantile=0.5))
    table = pd.DataFrame(shares, dtype="float64").sort_values("spread", ascending=False)
    return table.rename(index=lambda name: name.removeprefix(f"{family}.")).drop(index="family", errors="ignore")


def _with(trials: Sequence[FrozenTrial], greater: bool) -> optuna.Study:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(direction="maximize" if greater else "minimize")
    study.add_trials(trials)
    return study
