"""JSON Lines: one object per line."""

from __future__ import annotations

import json
import re
from collections.abc import Generator, Iterator
from itertools import islice
from typing import Any

from typing_extensions import override

from everfit.errors import SourceError
from everfit.sources.base import Block, Untyped, check_names
from everfit.sources.files import Place, disguise
from everfit.sources.types import MOMENT
from everfit.sources.values import to_array

BLOCK = 20_000
SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]|\xed[\xa0-\xbf]")


class JsonLines(Untyped):
    """One .jsonl or .ndjson file, plain or .gz. Keys may come and go; a key that is missing is null."""

    suffixes = (".jsonl", ".ndjson")
    guesses = (MOMENT,)

    def __init__(self, place: Place) -> None:
        super().__init__(place.origin)
        self._place = place

    @override
    def stamp(self) -> str:
        return self._place.stamp()

    @override
    def blocks(self) -> Generator[Block, None, None]:
        with self._place.reading(), self._place.stream() as stream:
            if kind := disguise(stream.read(len(b"PAR1"))):
                raise SourceError(f"{self.origin} {kind[0]}.", do=kind[1])
        with self._place.reading(), self._place.lines() as lines:
            rows = self._rows(lines)
            while block := list(islice(rows, BLOCK)):
                keys = dict.fromkeys(key for row in block for key in row)
                names = check_names(list(keys), self.origin)
                yield {name: to_array([row.get(key) for row in block]) for name, key in zip(names, keys, strict=True)}

    def _rows(self, lines: Iterator[bytes]) -> Iterator[dict[str, Any]]:
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            try:
                row = json.loads(line, object_pairs_hook=self._object)
            except (ValueError, RecursionError) as cause:
                raise SourceError(f"{self.origin}:{number}: this line is not JSON: {cause}.") from cause
            if not isinstance(row, dict):
                raise SourceError(f'{self.origin}:{number}: a line must be one JSON object, such as {{"a": 1}}.')
            if SURROGATE.search(line):
                self._refuse_halves(row, number)
            yield row

    def _refuse_halves(self, row: dict[str, Any], number: int) -> None:
        try:
            json.dumps(row, ensure_ascii=False).encode()
        except UnicodeEncodeError as cause:
            raise SourceError(
                f"{self.origin}:{number}: a text holds \\u{ord(cause.object[cause.start]):x}, half of a character.",
                why="A text that was cut within an emoji ends like this, and it cannot be stored.",
                do="Write both halves or none.",
            ) from cause

    def _object(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        row = dict(pairs)
        if len(row) != len(pairs):
            check_names([name for name, _ in pairs], self.origin)
        return row
