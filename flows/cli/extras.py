"""Which extra a command needs: said in one line before anything starts, not by a traceback from somewhere inside."""

from importlib.util import find_spec

from everfit.errors import InputError

MODULES = {
    "serve": ("fastapi", "uvicorn", "prometheus_client", "skops"),
    "flows": ("prefect", "great_expectations", "evidently", "mlflow", "skops"),
}


def require(command: str) -> None:
    """Raise InputError where the packages of a command are not installed."""
    extra = "serve" if command == "serve" else "flows"
    if missing := [name for name in MODULES[extra] if find_spec(name) is None]:
        raise InputError(
            f"everfit {command} needs the extra '{extra}', of which {', '.join(missing)} cannot be found: "
            f"pip install 'everfit[{extra}]'",
        )
