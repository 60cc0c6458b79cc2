"""What a search is told: the same on each machine that has a part in it."""

import hashlib
import json
from importlib.metadata import version
from typing import Any

import pandas as pd

from everfit import evaluation
from everfit.spec import ModelSpec
from tasks.build_features import Prepared


def given(spec: ModelSpec, prepared: Prepared, rows: pd.DataFrame) -> dict[str, Any]:
    """Return the arguments of a search that follow from the model file and the rows to learn from."""
    data = spec.data
    return {
        "frame": rows,
        "y": rows[data.target],
        "plan": prepared.plan,
        "task": prepared.task,
        "metric": evaluation.metric(prepared.metric, prepared.task),
        "spec": spec.search,
        "time": evaluation.times_of(rows[data.time]) if data.time else None,
        "group": rows[data.group].to_numpy() if data.group else None,
        "weight": rows[data.weight].to_numpy() if data.weight else None,
        "gap": evaluation.gap_of(spec),
        "positive": prepared.positive,
    }


def identity(spec: ModelSpec, prepared: Prepared) -> str:
    """Name all that decides what a search finds: rows, their split and roles, the model file, everfit itself."""
    snapshot = prepared.snapshot
    facts = {
        "rows": [snapshot.digest, snapshot.batches, snapshot.labels_digest],
        "plan": prepared.plan.to_dict(),
        "judged by": [prepared.task, prepared.metric, prepared.positive],
        "said": spec.model_dump(mode="json", include={"data", "search", "evaluation"}),
        "everfit": version("everfit"),
    }
    return hashlib.blake2b(json.dumps(facts, default=str).encode(), digest_size=8).hexdigest()
