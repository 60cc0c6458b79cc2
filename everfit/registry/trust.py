"""Which classes a model file may bring to life. The only door to skops.

skops refuses whatever it does not know; what it may know beyond scikit-learn, numpy and scipy is said here, by
full name. The list inside an MLflow model comes from the model, so it protects nobody and is never read by us.
"""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import skops.io
from skops.io.exceptions import UntrustedTypesFoundException

from everfit.errors import InputError

TRUSTED = frozenset(
    {
        "catboost.core.CatBoostClassifier",
        "catboost.core.CatBoostRegressor",
        "collections.OrderedDict",
        "collections.defaultdict",
        "lightgbm.basic.Booster",
        "lightgbm.sklearn.LGBMClassifier",
        "lightgbm.sklearn.LGBMRegressor",
        "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
        "sklearn.model_selection._split.KFold",
        "sklearn.tree._tree.Tree",
        "xgboost.core.Booster",
        "xgboost.sklearn.XGBClassifier",
        "xgboost.sklearn.XGBRegressor",
        "everfit.features.arithmetic.Arithmetic",
        "everfit.features.assemble.Assemble",
        "everfit.features.averages.Averages",
        "everfit.features.calendar.Calendar",
        "everfit.features.conform.Conform",
        "everfit.features.crosses.Crosses",
        "everfit.features.levels.Levels",
        "everfit.features.levels.OneHot",
        "everfit.features.numbers.Numbers",
        "everfit.features.squash.Squash",
        "everfit.features.text.Text",
        "everfit.models.bent.Bent",
        "everfit.models.blend.Blend",
        "everfit.models.calibrated.Rescaled",
        "everfit.models.calibrated.Stepwise",
        "everfit.models.coded.Coded",
        "everfit.models.doubting.Doubting",
        "everfit.models.named.Named",
        "everfit.models.network.Network",
        "everfit.models.portfolio.Portfolio",
        "everfit.models.reduced.Reduced",
        "everfit.models.scaled.Scaled",
        "everfit.models.tempered.Tempered",
        "everfit.models.weighed.Weighed",
    }
)


def strange(file: Path) -> list[str]:
    """Return the types in a model file that are on no list, neither skops' own nor ours."""
    return sorted(set(named(file)) - TRUSTED)


def named(file: Path) -> list[str]:
    """Return the types in a model file that skops does not know by itself."""
    return list(skops.io.get_untrusted_types(file=file))


def read(data: bytes, what: str) -> Any:
    """Bring a pipeline to life from skops bytes; refuse anything else, and any type that is not on our list."""
    try:
        return skops.io.loads(data, trusted=sorted(TRUSTED))
    except UntrustedTypesFoundException as cause:
        raise InputError(
            f"{what} holds types that everfit does not trust, and was not loaded.",
            details=sorted(set(skops.io.get_untrusted_types(data=data)) - TRUSTED),
            why="A file with a foreign type can run code as it is read.",
            do="Find out who wrote it; a model that everfit registered holds no such types.",
        ) from cause
    except (zipfile.BadZipFile, KeyError, ValueError, TypeError) as cause:
        raise InputError(f"{what} is not a model file that can be read: {cause}") from cause
