"""Read the YAML and JSON that people write, and know on which line each thing stands.

YAML 1.2, so that `no`, `on` and `yes` stay words. The only door to ruamel.yaml.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from everfit.errors import InputError


@dataclass(frozen=True)
class Document:
    """A parsed file: plain values in `data`, and the lines that they came from."""

    path: Path
    data: Any
    _marked: Any = None

    def place(self, keys: tuple[str | int, ...]) -> str:
        """Return `file:line` of the deepest part of `keys` that exists in the file."""
        node, line = self._marked, None
        for key in keys:
            try:
                mark = node.lc.data[key]
                line, node = mark[0] + 1, node[key]
            except (AttributeError, KeyError, IndexError, TypeError):
                break
        return f"{self.path}:{line}" if line else str(self.path)


def read(path: Path, error: type[InputError] = InputError) -> Document:
    """Read one YAML or JSON file; raise `error`, with the line, when it cannot be parsed."""
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as cause:
        raise error(f"{path} is not UTF-8 text: {cause.reason} at byte {cause.start}.") from cause
    except OSError as cause:
        raise error(f"{path} cannot be read: {cause.strerror}.") from cause
    if path.suffix == ".json":
        return Document(path, _json(path, text, error))
    return _yaml(path, text, error)


def _json(path: Path, text: str, error: type[InputError]) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as cause:
        raise error(f"{path}:{cause.lineno}: {cause.msg}.") from cause


def _yaml(path: Path, text: str, error: type[InputError]) -> Document:
    try:
        marked = YAML(typ="rt").load(text)
        return Document(path, YAML(typ="safe", pure=True).load(text), marked)
    except MarkedYAMLError as cause:
        line = f":{cause.problem_mark.line + 1}" if cause.problem_mark else ""
        raise error(
            f"{path}{line}: this is not valid YAML: {cause.problem or cause.context}.",
            do="Look at the indentation and the quotes on that line.",
        ) from cause
    except YAMLError as cause:
        raise error(f"{path} is not valid YAML: {cause}.") from cause
