"""Numbers as people write them into text files: 1.234,5 between semicolons, "1,234.5" between commas."""

from __future__ import annotations

import pyarrow.compute as pc

from everfit.sources.types import Array

WHOLE = r"(?:0|[1-9]\d*)"  # 007 is a code
DECIMAL = rf"^\s*[+-]?(?:{WHOLE}|[1-9]\d{{0,2}}(?:\.\d{{3}})+)?(?:,\d+)?\s*$"
THOUSANDS = rf"^\s*[+-]?(?:{WHOLE}|[1-9]\d{{0,2}}(?:,\d{{3}})+)(?:\.\d+)?\s*$"


class Commas:
    """Takes the commas out of numbers, column by column.

    The first rows in which a column has a comma say what commas mean there, and nothing is touched unless every value
    fits: in a semicolon file a comma is a decimal one, elsewhere one of thousands if it can be. A column that breaks
    its own rule later on is left as text. `changed` says that rows which went out before would be read in another way
    by now: 1.234 is 1234 once 1.234,5 has come. Then the file is to be read again.
    """

    def __init__(self) -> None:
        self._meaning: dict[str, str] = {}  # a pattern; empty for text
        self._dotted: set[str] = set()  # columns that had 1.234 before any comma
        self.changed = False

    def out_of(self, text: Array, name: str, delimiter: str) -> Array:
        """Return a column of text with its numbers written as 1234.5, or as it is."""
        if name not in self._meaning:
            if not _any(text, ","):
                self._dotted |= {name} if delimiter != "," and _any(text, ".") else set()
                return text
            patterns = {";": (DECIMAL,), ",": (THOUSANDS,)}.get(delimiter, (THOUSANDS, DECIMAL))
            self._meaning[name] = next((pattern for pattern in patterns if _all(text, pattern)), "")
            self.changed |= name in self._dotted and self._meaning[name] == DECIMAL
        elif self._meaning[name] and not _all(text, self._meaning[name]):
            self._meaning[name], self.changed = "", True
        return _plain(text, self._meaning[name])


def _any(text: Array, mark: str) -> bool:
    return bool(pc.any(pc.match_substring(text, mark)).as_py())


def _all(text: Array, pattern: str) -> bool:
    return bool(pc.all(pc.match_substring_regex(text, pattern)).as_py())


def _plain(text: Array, pattern: str) -> Array:
    if pattern == DECIMAL:
        return pc.replace_substring(pc.replace_substring(text, ".", ""), ",", ".")
    return pc.replace_substring(text, ",", "") if pattern == THOUSANDS else text
