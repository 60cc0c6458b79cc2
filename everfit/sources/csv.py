"""Text tables: comma, semicolon, tab or bar between the values, one header line."""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv
from typing_extensions import override

from everfit.errors import SourceError, first_line
from everfit.sources.base import Block, Untyped, check_names
from everfit.sources.files import Place, disguise
from everfit.sources.numbers import Commas
from everfit.sources.types import Array

BLOCK = 4 << 20
HEADER = 64 << 10
NULLS = ["", "NA", "NaN", "nan", "null", "NULL", "N/A", "n/a", "#N/A"]
DELIMITERS = ",;\t|"
QUOTED = re.compile(r'(?<![^,;\t|\n])"(?:[^"]|"")*"')
FEWEST_COLUMNS, FEWEST_LINES = 3, 2  # fewer may be a text with commas in it


class Csv(Untyped):
    """One CSV or TSV file, plain or .gz. `?` and `None` are text, as they may mean something.

    1,5 is a number between semicolons, and "1,500" one between commas.
    """

    suffixes = (".csv", ".tsv", ".txt")

    def __init__(self, place: Place) -> None:
        super().__init__(place.origin)
        self._place = place
        self._commas = Commas()

    @property
    @override
    def changed(self) -> bool:
        return self._commas.changed

    @override
    def stamp(self) -> str:
        return self._place.stamp()

    @override
    def blocks(self) -> Generator[Block, None, None]:
        self._commas.changed = False
        with self._place.reading():
            delimiter = self._delimiter()
            try:
                yield from self._read(delimiter) if delimiter else ()
            except pa.ArrowInvalid as cause:
                raise self._broken(cause) from cause

    def _read(self, delimiter: str) -> Iterator[Block]:
        text = csv.ConvertOptions(default_column_type=pa.string(), strings_can_be_null=True, null_values=NULLS)
        parse = csv.ParseOptions(delimiter=delimiter, newlines_in_values=True)
        with (
            self._place.stream() as stream,
            csv.open_csv(
                stream, read_options=csv.ReadOptions(block_size=BLOCK), parse_options=parse, convert_options=text
            ) as reader,
        ):
            names = check_names(reader.schema.names, self.origin)
            for batch in reader:
                block = dict(zip(names, batch.columns, strict=True))
                for name, column in block.items():
                    self._refuse_rows_in_a_value(column, name, delimiter, len(names))
                yield {name: self._commas.out_of(column, name, delimiter) for name, column in block.items()}

    def _refuse_rows_in_a_value(self, column: Array, name: str, delimiter: str, width: int) -> None:
        """Raise SourceError when a value holds lines that are rows: two stray quotes make one value of all between."""
        if width < FEWEST_COLUMNS:
            return
        for value in column.filter(pc.match_substring(column, "\n")).to_pylist():
            inner = value.split("\n")[1:-1]
            if len(inner) >= FEWEST_LINES and all(line.count(delimiter) == width - 1 for line in inner):
                raise SourceError(
                    f"{self.origin}: one value of '{name}' holds {value.count(chr(10)):,} lines, among them whole "
                    f"rows; it begins with {value[:40]!r}.",
                    why="A stray quote opens a value that ends at the next one, and all rows between are lost in it.",
                    do='Remove the quotes that nothing closes; a quote inside of a quoted value is written twice: "".',
                )

    def _delimiter(self) -> str:
        """Tell the delimiter by the header line, none where the file is empty; raise SourceError when it is no text."""
        with self._place.stream() as stream:
            head = stream.read(HEADER)
        if kind := disguise(head):
            raise SourceError(f"{self.origin} {kind[0]}.", do=kind[1])
        text = head.decode("utf-8", "replace").lstrip("\ufeff").strip()
        if not text:
            return ""
        header = QUOTED.sub("", text).partition("\n")[0]
        return "\t" if self._place.name.endswith(".tsv") else max(DELIMITERS, key=header.count)

    def _broken(self, cause: pa.ArrowInvalid) -> SourceError:
        if "UTF8" in str(cause).upper().replace("-", ""):
            return SourceError(
                f"{self.origin} is not UTF-8 text.",
                do=f"Save it as UTF-8, from Latin-1 for instance: iconv -f LATIN1 -t UTF-8 {self.origin} > utf8.csv",
            )
        return SourceError(
            f"{self.origin} is not a table of values: {first_line(cause)}",
            do="Every line needs as many values as the header has names; quote values that hold the delimiter.",
        )
