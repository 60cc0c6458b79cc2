"""Many records as one frame, each column in the type of its values: they are then cast at once, not one by one."""

from __future__ import annotations

from collections.abc import Mapping
from types import NoneType
from typing import Any

import numpy as np
import pandas as pd

from everfit.serving.contract import Contract


def frame_of(contract: Contract, columns: Mapping[str, list[Any]]) -> pd.DataFrame:
    """Return the values of each field as a column; a mixture stays as it came, and is cast value by value."""
    kinds = {each.name: each.kind for each in contract.fields}
    return pd.DataFrame({name: _column(values, kinds[name]) for name, values in columns.items()})


def _column(values: list[Any], kind: str) -> Any:
    """Return one column. Whole numbers of a text field are no floats: those beyond 2**53 would be others."""
    came = set(map(type, values)) - {NoneType}
    if (kind == "number" and came <= {float, int}) or (kind == "boolean" and came == {bool}):
        return np.array(values, dtype="float64")
    if kind in ("string", "timestamp") and came == {str}:
        return pd.array(values, dtype="str")
    return pd.Series(values, dtype=object)
