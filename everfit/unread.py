"""What is said of a value that cannot be read, in the same words over HTTP and of a file."""

from __future__ import annotations

from reprlib import Repr
from typing import Any

EXPECTED = {
    "number": "a number, or null",
    "boolean": "true, false, or null",
    "string": "text, or null",
    "timestamp": "a date such as 2026-03-01T12:00, or null",
}
LONGEST = 80


def shown(value: Any) -> str:
    """Return the beginning of a value, however large or deep it is.

    >>> shown("warm"), len(shown([["x" * 100] * 100] * 100))
    ("'warm'", 80)
    """
    short = Repr()
    short.maxstring = short.maxlong = short.maxother = LONGEST
    short.maxlevel = 2
    text = short.repr(value)
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"
