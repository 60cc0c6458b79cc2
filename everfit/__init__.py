"""everfit keeps tabular models fit in production.

As a library it is one estimator: `from everfit import AutoML`.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from everfit.automl import AutoML

__all__ = ["AutoML"]


def __getattr__(name: str) -> Any:
    """Import the estimator when it is asked for; a command that needs none must not wait for scikit-learn."""
    if name != "AutoML":
        raise AttributeError(f"module 'everfit' has no attribute {name!r}")
    from everfit.automl import AutoML

    return AutoML
