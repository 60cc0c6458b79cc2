"""Expectations that a data team wrote in Python, in expectations/custom/*.py.

They are imported by the process that runs Great Expectations, never by this one; what comes back is their forms.
"""

from pathlib import Path

from everfit.validation import worker
from everfit.validation.catalogue import Form, form_of


def folder_of(suites: Path) -> Path | None:
    """Return the folder of custom expectations beside the suites, if it holds any."""
    folder = suites / "custom"
    return folder if any(folder.glob("*.py")) else None


def files(folder: Path | None) -> tuple[Path, ...]:
    """Return the Python files of a folder, in order."""
    return tuple(sorted(folder.glob("*.py"))) if folder else ()


def forms(folder: Path | None) -> dict[str, Form]:
    """Import the files once and return what they add; raise SuiteError, naming the file, when one is broken."""
    if folder is None:
        return {}
    found = worker.ask("custom_forms", custom=files(folder))
    return {name: form_of(name, summary, schema, level) for name, summary, schema, level in found}
