"""Predictions as tests have them: a frame that is small enough to be in memory."""

from typing import Any

import pandas as pd

from everfit.lake import Lake
from everfit.lake.predictions import to_table


def keep(lake: Lake, model: str, frame: pd.DataFrame, *, version: int, batch_digest: str) -> Any:
    rows = to_table(frame)
    return lake.record_rows(model, rows.schema, rows.to_batches, version=version, digest=batch_digest)
