"""From the journal into the lake: every answer once, whatever crashes in between."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from everfit.features import casts
from everfit.lake import Lake
from everfit.serving.journal import closed
from everfit.settings import Settings
from everfit.spec import ModelSpec

ID, ASKED_AT, LATENCY, SOURCE, ABSTAINED = "prediction_id", "asked_at", "latency_ms", "source", "abstained"


def drain(settings: Settings, spec: ModelSpec, folder: Path) -> int:
    """Hand over what nobody writes to any more, and remove it; return how many answers that were.

    A file is one batch in the lake, under its own name: handed over twice, it is there once.
    """
    lake, total = Lake(settings), 0
    for path, held in closed(folder):
        for version in sorted({entry["version"] for entry in held}):
            rows = frame_of([entry for entry in held if entry["version"] == version])
            lake.record_predictions(spec.name, rows, version=version, batch_digest=path.stem)
        path.unlink()
        total += len(held)
    return total


def frame_of(entries: Sequence[dict[str, Any]]) -> pd.DataFrame:
    """Return answers as rows: the fields that they were asked with, what was said, and the circumstances."""
    said = {
        ID: [entry["id"] for entry in entries],
        ASKED_AT: casts.cast(pd.Series([entry["at"] for entry in entries]), "timestamp"),
        LATENCY: [float(entry["ms"]) for entry in entries],
        SOURCE: [entry["source"] for entry in entries],
        ABSTAINED: [entry.get("abstained", "") for entry in entries],
        "prediction": [entry["prediction"] for entry in entries],
    }
    shares = [
        {f"probability_{name}": share for name, share in entry.get("probabilities", {}).items()} for entry in entries
    ]
    fields = pd.DataFrame([entry["fields"] for entry in entries]).astype(object)
    return pd.concat([fields, pd.DataFrame(said), pd.DataFrame(shares)], axis=1)
