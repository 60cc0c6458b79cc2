"""Why a model says what it says: of a row, of all rows, and in a few rules that say nearly the same.

Raw fields are explained, not encoded columns, and whatever answers: a pipeline, a blend, a portfolio. The shap package
is not used: for such models it has only samplers as well, over one matrix of numbers, and it brings numba along.
"""

from everfit.explanation.explainer import Explainer, Explanation
from everfit.explanation.importance import Importance, importances
from everfit.explanation.overview import Overview, overview
from everfit.explanation.shapley import Shapley, shapley
from everfit.explanation.surrogate import Surrogate, surrogate

__all__ = [
    "Explainer", "Explanation", "Importance", "Overview", "Shapley", "Surrogate", "importances", "overview", "shapley",
    "surrogate",
]  # fmt: skip
