"""The estimator itself."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator
from sklearn.utils import ClassifierTags, RegressorTags, Tags
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted, validate_data

from everfit import evaluation, features, report, search
from everfit.automl import given
from everfit.automl.interrupt import interruptible
from everfit.automl.wording import as_data_error, as_parameters, made
from everfit.errors import DataError, SpecError, did_you_mean
from everfit.spec import LABELLED, Data, Search

LEFT_OUT = "If it is known only after the fact, leave it out of X."
FOR_EVER = 1e9  # seconds; what is more is no budget


def _classifies(model: AutoML) -> bool:
    return str(getattr(model, "task_", model.task)) != "regression"


class AutoML(BaseEstimator):  # type: ignore[misc]
    """Search for the best pipeline on a frame, within a budget that is kept.

    >>> from sklearn.datasets import load_iris
    >>> X, y = load_iris(return_X_y=True, as_frame=True)
    >>> model = AutoML(trials=2, estimators=["linear", "lightgbm"]).fit(X, y)
    >>> model.predict(X.head(1)).tolist()
    [0]

    `task` is `classification` (or `binary`, or `multiclass`) or `regression`; unsaid, it is inferred from the answers,
    and until then scikit-learn takes the model for a classifier. `metric` is a name in `everfit.evaluation.METRICS`, by
    default the one that `everfit train` uses. `budget` is wall time in seconds, or written as `10m`; with `trials` the
    same seed gives the same model. A frame may hold text, dates, categories and gaps; `roles` override what a column
    is taken for. `method` is `tpe`, which is the advice, or `random` or `grid`; `space` says for some families where
    parameters are searched, as {"lightgbm": {"num_leaves": [15, 63], "subsample": {"low": 0.5, "high": 1}}}.
    `positive` is the class that scores of a binary task are about; `costs` are those of missing a row of each class,
    such as {"no": 1, "yes": 10}, and labels follow them. Without `derive`, no columns are made of others. `workers` are
    processes, by default one for each core, which together with this one hold at most `max_memory_gb`.

    After `fit`, `best_` is the fitted pipeline, which reads frames with the columns `names_`; `leaderboard_` and
    `trials_` are frames of what was tried, and `report(path)` writes a page about it; `plan_` says what each column is
    taken for and which were made of others, `task_`, `metric_`, `score_` and `how_` what was judged and how.
    """

    def __init__(
        self, task: str | None = None, metric: str | None = None, budget: float | str | timedelta = 300.0, *,
        trials: int | None = None, costs: Mapping[Any, float] | None = None,
        estimators: Sequence[str] | None = None, roles: Mapping[str, str] | None = None,
        method: str = "tpe", space: Mapping[str, Any] | None = None, positive: Any = None, seed: int = 0,
        workers: int | None = None, max_memory_gb: float | None = None, derive: bool = True,
    ) -> None:  # fmt: skip
        self.task = task
        self.metric = metric
        self.budget = budget
        self.trials = trials
        self.costs = costs
        self.estimators = estimators
        self.roles = roles
        self.method = method
        self.space = space
        self.positive = positive
        self.seed = seed
        self.workers = workers
        self.max_memory_gb = max_memory_gb
        self.derive = derive

    def fit(self, X: Any, y: Any, sample_weight: Any = None, *, time: Any = None, groups: Any = None) -> Self:
        """Search, and keep the best. Rows without an answer are left aside.

        With `time`, later rows judge earlier ones; rows of one of the `groups` stay together. Ctrl-C ends the search
        with the best so far, and pressed again without. Raise DataError when nothing can be learnt from the rows,
        SpecError when a parameter says what cannot be, and BudgetSpent when there was no time for even a quick model;
        warn when the model is less than it should be, or a column of X knows too much about y to be true.
        """
        search.warm_up()
        beside = {"time": time, "groups": groups, "sample_weight": sample_weight}
        with as_parameters(), interruptible() as stop:
            spec, frame = self._search(), self._frame(X, reset=True)
            rows, data = given.read(y, beside, len(frame), task=self.task, positive=self.positive)
            evaluation.check_target(rows, data)
            self.task_, answers = evaluation.infer_task(rows[given.Y], data), rows[given.Y]
            if self.task_ != "regression":
                given.check_labels(answers)
            metric = evaluation.metric(
                str(self.metric) if self.metric is not None else evaluation.default_metric(self.task_), self.task_
            )
            times = evaluation.times_of(rows["time"]) if data.time else None
            plan = features.plan(frame, self._columns())
            plan = replace(plan, warnings=evaluation.leaks(frame, answers, plan, self.task_, time=times, do=LEFT_OUT))
            found = search.run(
                frame, answers, plan=plan, task=self.task_, metric=metric, spec=spec, workers=self.workers,
                time=times,
                group=rows["groups"].to_numpy() if data.group else None,
                weight=rows["sample_weight"].to_numpy(dtype="float64") if data.weight else None,
                positive=evaluation.positive_class(answers, data), stop=stop,
            )  # fmt: skip
            self.positive_ = evaluation.positive_class(answers, data)
        return self._keep(found, metric.name, answers)

    def _keep(self, found: search.Searched, metric: str, answers: pd.Series) -> Self:
        self.metric_, self.best_, self.score_, self.how_ = metric, found.best, found.score, found.how
        self.leaderboard_ = report.frame(found.leaderboard)
        self.trials_, self.plan_, self.searched_ = found.trials, found.plan, found
        if self.task_ != "regression":
            self.classes_ = given.labels(np.asarray(found.best.classes_), answers)
        for text in filter(None, (found.note, *found.plan.warnings)):
            warnings.warn(f"AutoML: {text}", stacklevel=3)
        return self

    def report(self, path: str | Path) -> Path:
        """Write one HTML page about the search, which opens anywhere without a network; return where it is."""
        check_is_fitted(self, "best_")
        return report.write(Path(path), self.searched_, model="AutoML", metric=evaluation.metric(self.metric_))

    def predict(self, X: Any) -> np.ndarray:
        """Return a number or a label for each row."""
        check_is_fitted(self, "best_")
        if self.task_ != "regression":
            return np.asarray(self.classes_[self.decide(self.predict_proba(X))])
        return np.asarray(self.best_.predict(self._frame(X, reset=False)))

    @available_if(_classifies)  # type: ignore[untyped-decorator]
    def decide(self, proba: np.ndarray) -> np.ndarray:
        """Return the position in `classes_` of the label of each row, given its probabilities."""
        check_is_fitted(self, "best_")
        return np.asarray(self.best_[-1].decide(proba))

    @available_if(_classifies)  # type: ignore[untyped-decorator]
    def predict_proba(self, X: Any) -> np.ndarray:
        """Return one probability per row and class, in the order of `classes_`."""
        check_is_fitted(self, "best_")
        return np.asarray(self.best_.predict_proba(self._frame(X, reset=False)))

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Return the metric on other rows, turned so that more is better."""
        check_is_fitted(self, "best_")
        predicted = evaluation.predict(self, X, self.task_, self.positive_)
        answers = given.column(y, given.Y, len(predicted)).to_numpy()
        weight = (
            None if sample_weight is None else given.column(sample_weight, "sample_weight", len(predicted)).to_numpy()
        )
        metric = evaluation.metric(self.metric_)
        return metric.gain(metric.score(answers, predicted, weight))

    def _frame(self, X: Any, *, reset: bool) -> pd.DataFrame:
        """Return rows as a frame whose columns are called as in `fit`; those of an array are x0, x1 and so on."""
        named = isinstance(X, pd.DataFrame)
        fewest = 2 if reset else 1
        checks = {"dtype": None, "ensure_all_finite": False, "ensure_min_samples": fewest} if not named else {}
        with as_data_error():
            X = validate_data(self, X, reset=reset, skip_check_array=named, **checks)
        if reset:
            self.names_ = [str(name) for name in X.columns] if named else [f"x{at}" for at in range(X.shape[1])]
        if not len(X):
            raise DataError("X has no rows.", do="Give one at least.")
        return X.set_axis(self.names_, axis=1).reset_index(drop=True) if named else pd.DataFrame(X, columns=self.names_)

    def _columns(self) -> Data:
        """Return what `features.plan` wants to know; no column of X plays another part."""
        data = made(Data, source="", target="", roles=self.roles)
        for name in data.roles:
            if name not in self.names_:
                hint = did_you_mean(name, self.names_)
                raise SpecError(f"AutoML cannot take roles: no column is called '{name}'.{hint}")
        return data

    def _search(self) -> Search:
        budget: Any = self.budget
        if isinstance(budget, int | float | np.number) and budget < FOR_EVER:
            budget = timedelta(seconds=float(budget))
        if self.workers is not None and self.workers < 1:
            raise SpecError(
                f"AutoML cannot take workers={self.workers}.", do="Give one or more, or none for each core."
            )
        names = (self.estimators,) if isinstance(self.estimators, str) else self.estimators
        metric = self.metric if self.metric in LABELLED else None  # which costs do not go with
        return made(Search, budget=budget, trials=self.trials, seed=self.seed, metric=metric, costs=self.costs,
                    estimators=names and tuple(names), method=self.method, space=self.space,
                    max_memory_gb=self.max_memory_gb, derive=self.derive)  # fmt: skip

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        if _classifies(self):
            tags.estimator_type, tags.classifier_tags = "classifier", ClassifierTags()
        else:
            tags.estimator_type, tags.regressor_tags = "regressor", RegressorTags()
        tags.input_tags.allow_nan = tags.input_tags.string = tags.input_tags.categorical = True
        tags.target_tags.required = True
        return tags
