"""What every source is: an origin, and rows as a stream of Arrow batches in the lake's types."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Generator, Iterator, Mapping, Sequence
from contextlib import closing
from typing import ClassVar

import pyarrow as pa
from typing_extensions import override

from everfit.errors import SourceError
from everfit.reserved import RESERVED
from everfit.sources.types import (
    NULL,
    STRING,
    WRITTEN,
    Array,
    DataType,
    duplicates,
    join,
    parse,
    read_text,
    to_lake,
    widen,
)

Block = Mapping[str, Array]
Secrets = Callable[[str], str]


class Widened(Exception):
    """A later block did not fit the types of the first ones; the next `reader()` has the types that fit all."""


class Source(ABC):
    """Where one batch comes from.

    `origin` names it without any secret. `typed` sources say themselves what a column is (Parquet); the others
    are read for it. Memory does not grow with the number of rows. One that is `whole` is all that lies in a folder.
    """

    typed: ClassVar[bool] = True
    whole: ClassVar[bool] = False

    def __init__(self, origin: str) -> None:
        self.origin = origin

    def stamp(self) -> str:
        """Tell what the source holds now from what it held and will hold; empty where only reading tells."""
        return ""

    @abstractmethod
    def reader(self) -> pa.RecordBatchReader:
        """Stream the rows; raise SourceError or Unavailable, or Widened while streaming: then call it once more."""

    @abstractmethod
    def head(self, rows: int) -> pa.Table:
        """Return about the first `rows` rows without reading on."""


class Typed(Source):
    """A source that says itself what its columns are."""

    @override
    def head(self, rows: int) -> pa.Table:
        reader, kept, count = self.reader(), [], 0
        for batch in reader:
            kept.append(batch)
            count += batch.num_rows
            if count >= rows:
                break
        return pa.Table.from_batches(kept, reader.schema).slice(0, rows)


class Untyped(Source):
    """A source whose columns get their types from what they hold.

    The types come from the first block. When a later one contradicts them, the rest is read for types only, and the
    file once more.
    """

    typed = False
    guesses: ClassVar[tuple[DataType, ...]] = WRITTEN

    def __init__(self, origin: str) -> None:
        super().__init__(origin)
        self._types: dict[str, DataType] = {}

    @property
    def changed(self) -> bool:
        """Whether blocks that went out would be written in another way by now."""
        return False

    @abstractmethod
    def blocks(self) -> Generator[Block, None, None]:
        """Yield the columns of some thousand rows at a time, as they were written."""

    @override
    def reader(self) -> pa.RecordBatchReader:
        return self._stream(self._types)

    def as_text(self, names: Collection[str], came: pa.Schema) -> pa.RecordBatchReader:
        """Stream the same rows, these columns as they are written, and the others in the types in which they came."""
        return self._stream({column.name: STRING if column.name in names else column.type for column in came})

    def _stream(self, types: Mapping[str, DataType]) -> pa.RecordBatchReader:
        blocks = self.blocks()
        typing = Typing(self.guesses, types)
        try:
            first = typing.fit(next(blocks, {}))
        except BaseException:
            blocks.close()
            raise

        def batches() -> Iterator[pa.RecordBatch]:
            with closing(blocks):
                yield first
                for block in blocks:
                    batch = typing.fit(block)
                    if not typing.wider:
                        yield batch
            if typing.wider:
                self._types = typing.types
            if typing.wider or self.changed:
                raise Widened(self.origin)

        return pa.RecordBatchReader.from_batches(first.schema, batches())

    @override
    def head(self, rows: int) -> pa.Table:
        typing, kept, count = Typing(self.guesses, {}), list[Block](), 0
        with closing(self.blocks()) as blocks:
            for block in blocks:
                kept.append(block)
                count += typing.fit(block).num_rows
                if count >= rows:
                    break
        if self.changed:
            return self.head(rows)
        if not kept:
            return pa.table({})
        return pa.Table.from_batches([typing.fit(block) for block in kept]).slice(0, rows)


class Typing:
    """The types of columns, learnt block by block. `wider` when a block needed more than the first one said."""

    def __init__(self, guesses: Sequence[DataType], types: Mapping[str, DataType]) -> None:
        self._guesses = guesses
        self._first = not types
        self.types = dict(types)
        self.wider = False

    def fit(self, block: Block) -> pa.RecordBatch:
        """Return the block in the types that hold so far, having widened them where it has to be."""
        for name in block:
            if name not in self.types:
                self.types[name] = NULL
                self.wider |= not self._first
        rows = len(next(iter(block.values()))) if block else 0
        columns = {name: self._settle(name, block.get(name), rows) for name in self.types}
        self._first = False
        return pa.record_batch(list(columns.values()), schema=pa.schema(list(self.types.items())))

    def _settle(self, name: str, came: Array | None, rows: int) -> Array:
        known = self.types[name]
        if came is None or came.null_count == len(came):
            return pa.nulls(rows, known)
        array = to_lake(came, name)
        if known in (STRING, *self._guesses) and (quick := parse(array, known)) is not None:
            return quick
        read = read_text(array, self._guesses)
        self.types[name] = join(known, read.type)
        self.wider |= self.types[name] != known and not self._first
        return widen(array if self.types[name] == STRING else read, self.types[name])


def check_names(names: Sequence[str], origin: str) -> list[str]:
    """Return usable column names; raise SourceError when two are the same, or one is what everfit calls its own.

    A name that is empty gets a number.
    """
    named = [str(name).strip() or f"unnamed_{n}" for n, name in enumerate(names)]
    if twice := duplicates(named):
        raise SourceError(
            f"{origin} has more than one column named {', '.join(repr(name) for name in twice[:10])}.",
            why="A rule, a role or a feature must name exactly one column.",
            do="Rename or remove one of them in the source.",
        )
    if taken := [name for name in named if name.lower() in RESERVED]:
        raise SourceError(
            f"{origin} has a column named {taken[0]}, which everfit needs itself.", do="Rename it in the source."
        )
    return named


def no_rows(origin: str) -> SourceError:
    """Say that a source has columns and nothing in them."""
    return SourceError(f"{origin} holds no rows.", do="Look at what wrote it.")
