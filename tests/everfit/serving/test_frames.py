"""A column of many records reads as each of its values does alone, whatever it is held in."""

import pandas as pd
import pytest

from everfit.features import casts
from everfit.serving.contract import Contract, Field
from everfit.serving.frames import frame_of


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("number", [1, 2.5, None, float("inf"), -(2**60)]),
        ("number", [1, "2.5", None, True]),
        ("number", [None, None]),
        ("boolean", [True, None, False]),
        ("boolean", [True, "no", 1, None]),
        ("string", ["a", None, "", "007"]),
        ("string", [2**60 + 1, 5.0, "5", None]),
        ("timestamp", ["2026-01-01", "2026-01-01T12:00:00.5+02:00", None, "noon"]),
    ],
)
def test_a_column_reads_as_its_values_do_one_by_one(kind, values):
    frame = frame_of(Contract((Field("x", kind),)), {"x": values})
    alone = [casts.cast(pd.Series([value], dtype=object), kind) for value in values]
    expected = pd.concat(alone, ignore_index=True)
    pd.testing.assert_series_equal(casts.cast(frame["x"], kind), expected, check_names=False)
