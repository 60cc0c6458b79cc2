"""What is said of rows, as columns beside them; a row with a value that cannot be read gets the reason instead."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import pandas as pd
import pyarrow as pa

from everfit import evaluation, registry
from everfit.features import casts
from everfit.personal import HIDDEN
from everfit.reserved import ANSWER, SHARE
from everfit.sources.types import DOUBLE, STRING
from everfit.unread import EXPECTED, shown

WHY = "unanswered"
READ = {"number", "boolean", "timestamp"}  # kinds that not every text can be read as


def fields_of(loaded: registry.Loaded) -> pa.Schema:
    """Return the columns of an answer, the same for every row: those of `as_columns`, and `unanswered`."""
    if loaded.task == "regression":
        return pa.schema([(ANSWER, DOUBLE), (WHY, STRING)])
    classes = np.asarray(loaded.pipeline.classes_).tolist()
    shares = [(f"{SHARE}{label}", DOUBLE) for label in classes]
    return pa.schema([(ANSWER, pa.array(classes).type), *shares, (WHY, STRING)])


def answers_to(loaded: registry.Loaded, frame: pd.DataFrame, personal: Collection[str]) -> pa.Table:
    """Answer the rows of a frame by the model's ordinary way, in the columns of `fields_of`."""
    faults, fields = faults_of(loaded, frame, personal), fields_of(loaded)
    bad = np.zeros(len(frame), dtype=bool)
    bad[list(faults)] = True
    why = pa.array([faults.get(at) for at in range(len(frame))] if faults else pa.nulls(len(frame)), STRING)
    if bad.all():
        return pa.table([*(pa.nulls(len(frame), each.type) for each in fields if each.name != WHY), why], fields)
    asked = frame[~bad] if faults else frame
    said = evaluation.as_columns(evaluation.predict(loaded.pipeline, asked, loaded.task, loaded.card["positive"]))
    columns = [pa.array(said[each.name].to_numpy(), each.type) for each in fields if each.name != WHY]
    if faults:
        at = pa.array(np.cumsum(~bad) - 1, mask=bad)
        columns = [column.take(at) for column in columns]
    return pa.table([*columns, why], fields)


def faults_of(loaded: registry.Loaded, frame: pd.DataFrame, personal: Collection[str]) -> dict[int, str]:
    """Say by its position why a row cannot be read: text in a column that is not about text, which the service refuses.

    A missing value can be read, and so can whatever does not come as text: its type is judged before. The values of
    `personal` columns are not shown.
    """
    found: dict[int, str] = {}
    for each in loaded.card["plan"]["columns"]:
        name, kind = each["name"], each["kind"]
        if kind not in READ or name not in loaded.card["inputs"] or name not in frame or not _is_text(frame[name]):
            continue
        lost = casts.cast(frame[name], kind, each["format"]).isna() & frame[name].notna()
        for at in np.flatnonzero(lost.to_numpy()).tolist():
            before = f"{found[at]}; " if at in found else ""
            value = HIDDEN if name in personal else shown(frame[name].iloc[at])
            found[at] = f"{before}{name}: {value} instead of {EXPECTED[kind]}"
    return found


def _is_text(values: pd.Series) -> bool:
    return isinstance(values.dtype, pd.StringDtype) or values.dtype == object
