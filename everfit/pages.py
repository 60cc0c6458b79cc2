"""Turn facts into one HTML file that opens anywhere, years later, without a network.

Every page extends `templates/base.html.jinja`, which holds all style, and imports `templates/parts.html.jinja` for
badges, tables and bars. Template names are paths inside the package: `render("validation/page.html.jinja", ...)`.
"""

from collections.abc import Sized
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from everfit.files import replacing


def render(template: str, path: Path, **facts: Any) -> Path:
    """Write one page atomically: a reader sees the old page or the new one, never half of one."""
    made = facts.pop("made", None) or datetime.now(UTC)
    return write(path, _environment().get_template(template).render(made=made, **facts))


def write(path: Path, text: str) -> Path:
    """Replace a text file in one step; raise InputError when its folder cannot be written."""
    with replacing(path) as half:
        half.write_text(text, encoding="utf-8")
    return path


def number(value: Any) -> str:
    """Write a number for people: thousands apart, four digits that matter; anything else as it is."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    if isinstance(value, int) or (value.is_integer() and abs(value) < 1e15):
        return f"{int(value):,}"
    return f"{value:,.1f}".removesuffix(".0") if 1000 <= abs(value) < 1e15 else f"{value:.4g}"


def counted(things: Sized | int, one: str, many: str = "") -> str:
    """Write `1 rule` or `3 rules`."""
    count = things if isinstance(things, int) else len(things)
    return f"{count:,} {one if count == 1 else many or one + 's'}"


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(number=number, counted=counted)
    return environment
