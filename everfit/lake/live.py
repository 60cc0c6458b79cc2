"""What a service was asked in one period, as rows of the model's data: a batch like that of a file."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc
from typing_extensions import override

from everfit.lake.answers import CLOSED, kept_as
from everfit.lake.records import LIVE
from everfit.lake.state import State
from everfit.reserved import ASKED_AT, BATCH, ID, PREDICTION_ID, ROW
from everfit.sources import Source
from everfit.sources.types import MOMENT
from everfit.spec import Data


class Live(Source):
    """The answers of a closed period, in the types of the model's data; columns that nobody sends are not there.

    Each row keeps the id of its answer, by which its label may come. One without a time happened when it was asked.
    Personal columns are not there either: their values are gone, or hashes, which are no values of the model's data.
    """

    def __init__(self, predictions: State, period: str, known: pa.Schema, data: Data) -> None:
        super().__init__(f"{LIVE}{int(period.removeprefix(CLOSED))}")
        self._predictions, self._period, self._known, self._data = predictions, period, known, data

    @override
    def stamp(self) -> str:
        return self._period

    @override
    def reader(self) -> pa.RecordBatchReader:
        return self._rows().to_reader()

    @override
    def head(self, rows: int) -> pa.Table:
        return self._rows().slice(0, rows)

    def _rows(self) -> pa.Table:
        held = self._predictions.dataset([self._period]).to_table()
        hidden = {BATCH, ROW, ID, self._data.target, *self._data.personal}
        columns = {ID: held[PREDICTION_ID]}
        for field in self._known:
            name = kept_as(field.name)
            if field.name not in hidden and name in held.column_names:
                columns[field.name] = _as(held[name], field.type)
        time = self._data.time
        if time in columns and columns[time].type == MOMENT:
            columns[time] = pc.coalesce(columns[time], held[ASKED_AT])
        return pa.table(columns)


def _as(column: pa.ChunkedArray, wanted: pa.DataType) -> pa.ChunkedArray:
    """Return a column in another type, or as it is when its values do not fit."""
    if column.null_count == len(column):
        return pa.chunked_array([pa.nulls(len(column), wanted)])
    try:
        return column.cast(wanted)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return column
