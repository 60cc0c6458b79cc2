"""What an MLflow run says of a training: first plain records, then logged in one place."""

from __future__ import annotations

import json
import math
import re
import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from everfit import evaluation
from everfit.registry import plots
from everfit.registry.package import TYPES
from everfit.registry.records import Candidate
from everfit.registry.vendor import Dataset, DatasetInput, InputTag, Metric, MlflowClient, Param, RunTag

LONGEST_VALUE = 5_000
LONGEST_DIGEST = 36
BATCH = 1_000


def log(client: MlflowClient, run_id: str, candidate: Candidate, scratch: Path) -> None:
    """Log parameters, scores, the search, the data and the pictures of one training."""
    metrics = [*scores(candidate), *series(candidate)]
    client.log_batch(run_id, params=params(candidate), tags=[RunTag(k, v) for k, v in tags(candidate).items()])
    for start in range(0, len(metrics), BATCH):
        client.log_batch(run_id, metrics=metrics[start : start + BATCH])
    client.log_inputs(run_id, [dataset(candidate)])
    client.log_artifacts(run_id, str(_write_files(candidate, scratch / "run")))


def params(candidate: Candidate) -> list[Param]:
    """Return what was chosen, flat; nested choices get dotted names."""
    said = {"task": candidate.task, "target": candidate.target, "metric": candidate.metric, **_flat(candidate.params)}
    return [Param(_name(key), str(value)[:LONGEST_VALUE]) for key, value in said.items()]


def scores(candidate: Candidate) -> list[Metric]:
    """Return the score of the model under the metric's name, those of the others beside it, and the times."""
    named: dict[str, float] = {}
    for who, score in candidate.scores.items():
        prefix = candidate.metric if who == "challenger" else f"{candidate.metric}.{who}"
        named |= {prefix: score.value, f"{prefix}.low": score.low, f"{prefix}.high": score.high}
    named |= {f"seconds.{step}": taken for step, taken in candidate.seconds.items()}
    now = int(time.time() * 1000)
    return [Metric(_name(key), float(value), now, 0) for key, value in named.items() if _finite(value)]


def series(candidate: Candidate) -> list[Metric]:
    """Return the best score so far, one point for each trial that had a score."""
    best, now = best_so_far(candidate), int(time.time() * 1000)
    return [Metric("best_so_far", float(best[step]), now, step) for step in best.index]


def best_so_far(candidate: Candidate) -> pd.Series[float]:
    """Return the running best of the trials' scores, by the number of the trial."""
    if "score" not in candidate.trials:
        return pd.Series(dtype=float)
    scored = pd.to_numeric(candidate.trials["score"], errors="coerce").reset_index(drop=True).dropna()
    greater = evaluation.metric(candidate.metric).greater
    return scored.cummax() if greater else scored.cummin()


def dataset(candidate: Candidate) -> DatasetInput:
    """Name the rows of the training: MLflow's own digest misses changes in the middle of a table, so ours is given."""
    snapshot = candidate.snapshot
    source = {"path": snapshot.get("uri"), "delta_table_version": snapshot.get("version")}
    schema = {"mlflow_colspec": [{"name": name, "type": TYPES[kind].name} for name, kind in candidate.schema.items()]}
    profile = {"num_rows": snapshot.get("rows"), "num_elements": None}
    entity = Dataset(
        name=candidate.model,
        digest=str(snapshot.get("digest", ""))[:LONGEST_DIGEST],
        source_type="delta_table",
        source=json.dumps(source),
        schema=json.dumps(schema),
        profile=json.dumps(profile),
    )
    return DatasetInput(entity, [InputTag("mlflow.data.context", "training")])


def tags(candidate: Candidate) -> dict[str, str]:
    """Return the labels of the run: the user's, and what data it saw and why it ran."""
    ours = {"everfit.reason": candidate.reason, "everfit.rows_hash": str(candidate.split.get("rows_hash", ""))}
    said = {**candidate.tags, **ours, **data_tags(candidate)}
    return {_name(key): value[:LONGEST_VALUE] for key, value in said.items() if value}


def data_tags(candidate: Candidate) -> dict[str, str]:
    """Return the labels that tie run and version to the data."""
    snapshot = candidate.snapshot
    return {
        "everfit.data_version": str(snapshot.get("version", "")),
        "everfit.data_digest": str(snapshot.get("digest", "")),
    }


def describe(candidate: Candidate) -> str:
    """Return the text that stands beside the version in MLflow, with what plain MLflow needs to be told."""
    numbers = [name for name in candidate.inputs if candidate.schema[name] == "number"]
    lines = [f"{candidate.task} of `{candidate.target}`. {candidate.reason}".strip()]
    for who, score in candidate.scores.items():
        lines.append(f"- {candidate.metric} of {who}: {score.value:.5g} ({score.low:.5g} to {score.high:.5g})")
    if numbers:
        lines.append("MLflow wants whole numbers as floats: `frame.astype({name: float for name in whole_numbers})`.")
    return "\n".join(lines)


def _write_files(candidate: Candidate, folder: Path) -> Path:
    if candidate.pages and candidate.pages.is_dir():
        shutil.copytree(candidate.pages, folder)
    (folder / "plots").mkdir(parents=True, exist_ok=True)
    candidate.trials.to_parquet(folder / "trials.parquet", index=False)
    board = pd.DataFrame([_flat(row) for row in candidate.leaderboard])
    board.to_csv(folder / "leaderboard.csv", index=False)
    (folder / "plan.json").write_text(json.dumps(dict(candidate.plan), indent=1), encoding="utf-8")
    plots.draw(candidate, folder / "plots")
    return folder


def _flat(nested: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in nested.items():
        deeper = isinstance(value, Mapping)
        flat |= _flat(value, f"{prefix}{key}.") if deeper else {f"{prefix}{key}": value}
    return flat


def _name(key: str) -> str:
    """Return a key that MLflow accepts."""
    return re.sub(r"[^\w\-. :/]", "_", key)[:250]


def _finite(value: Any) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)
