"""Keep a model fit through somebody else's protocol: one JSON message a line in, one JSON answer a line out.

    stream.py external --name everfit --mode jsonl --cmd 'python tests/benchmarks/stream_adapter.py'

Events are `warmup` (rows with labels), `predict` (a batch without) and `labels` (its labels, one batch late). With
`--every-batch` it is the yardstick instead: the same pipeline, in the same process, fitted again on all rows after
every batch; nothing is checked or judged, and columns are conformed once.

The session has no signal of a risen loss, so that it never searches: faults, refits and weights are what is measured.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
from lightgbm import LGBMClassifier, LGBMRegressor
from sklearn.base import clone
from sklearn.pipeline import Pipeline

from everfit import features
from everfit.backtest.session import Session
from everfit.models.blend import Blend
from everfit.spec import Data, ModelSpec
from everfit.upkeep.keeper import Keeper
from everfit.upkeep.measuring import Answers

TREES: dict[str, Any] = {
    "learning_rate": 0.15, "num_leaves": 31, "min_child_samples": 20, "n_estimators": 60, "n_jobs": 1, "max_bin": 127,
    "verbosity": -1, "random_state": 1, "deterministic": True, "force_row_wise": True,
}  # fmt: skip
WIDE = 50  # columns, beyond which a tree looks at some of them


@dataclass
class Stream:
    """One stream: its model, and the batch that was answered and waits for its labels."""

    target: str
    session: Session
    rows: pd.DataFrame | None = None
    answers: Answers | None = None
    told: int = 0  # fits

    @classmethod
    def begin(cls, spec: dict[str, Any], frame: pd.DataFrame) -> Stream:
        """Fit the model that everything begins with."""
        task, target = _task(spec), spec["target"]
        model = ModelSpec(name="stream", data=_data(spec, frame))
        plan = features.plan(frame, model.data)
        y = _labels(frame[target], task)
        keeper = Keeper(_pipeline(plan, task).fit(frame, y), frame, y, model.refit, task, spec["batch_size"])
        return cls(target, Session(model, keeper, list(plan.inputs)))

    def predict(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Answer a batch."""
        self.rows = frame
        said, self.answers = self.session.answer(frame)
        return _told(said, self.session.keeper.classes)

    def learn(self, labels: pd.Series) -> dict[str, Any]:
        """Take in the labels of the batch that was answered last."""
        assert self.rows is not None
        assert self.answers is not None
        keeper = self.session.keeper
        y = _labels(labels, keeper.task)
        decision = self.session.learn(self.rows, y, self.answers, datetime.now(UTC))
        fits, self.told = keeper.fits - self.told, keeper.fits
        return {
            "retrained": int(decision.action == "refit"),
            "promoted": int(decision.action in ("refit", "recalibrate")),
            "fits": fits,
            "rejected": int(decision.action == "repair"),
            "why": [*decision.reasons, *decision.blockers],
        }


@dataclass
class EveryBatch:
    """The yardstick: one pipeline of all rows, fitted again after every batch."""

    target: str
    task: str
    conform: Pipeline
    model: Pipeline
    rows: pd.DataFrame
    y: np.ndarray
    batch: pd.DataFrame | None = None

    @classmethod
    def begin(cls, spec: dict[str, Any], frame: pd.DataFrame) -> EveryBatch:
        """Fit the model that everything begins with."""
        task = _task(spec)
        whole, y = _pipeline(features.plan(frame, _data(spec, frame)), task), _labels(frame[spec["target"]], task)
        rows = whole[:1].fit_transform(frame)
        return cls(spec["target"], task, whole[:1], whole[1:].fit(rows, y), rows, y)

    def predict(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Answer a batch."""
        self.batch = self.conform.transform(frame)
        if self.task == "regression":
            return _told(self.model.predict(self.batch), None)
        return _told(self.model.predict_proba(self.batch), self.model.classes_)

    def learn(self, labels: pd.Series) -> dict[str, Any]:
        """Take in the labels of the batch that was answered last, and fit."""
        self.rows = pd.concat([self.rows, self.batch], ignore_index=True)
        self.y = np.concatenate([self.y, _labels(labels, self.task)])
        self.model = clone(self.model).fit(self.rows, self.y)
        return {"retrained": 1, "promoted": 1, "fits": 1, "rejected": 0}


def _told(said: np.ndarray, classes: np.ndarray | None) -> pd.DataFrame:
    if classes is None:
        return pd.DataFrame({"prediction": said})
    out = pd.DataFrame({"prediction": classes[said.argmax(axis=1)]})
    return out.assign(score=said[:, 1]) if len(classes) == 2 else out


def _data(spec: dict[str, Any], frame: pd.DataFrame) -> Data:
    """Say what every column is: one that is constant in the warm-up may come to life later."""
    target, drop = spec["target"], (spec["order_col"],)
    columns = frame.columns.drop([target, *drop])
    roles = {name: "numeric" if frame[name].dtype.kind in "fiu" else "categorical" for name in columns}
    return Data(source="-", target=target, drop=drop, roles=roles)


def _task(spec: dict[str, Any]) -> str:
    if spec["task"] != "classification":
        return "regression"
    return "binary" if len(spec["classes"]) == 2 else "multiclass"


def _labels(values: pd.Series, task: str) -> np.ndarray:
    return values.to_numpy(dtype="float64") if task == "regression" else values.to_numpy()


def _pipeline(plan: features.Plan, task: str) -> Pipeline:
    columns = len(plan.used)
    trees = TREES | ({"colsample_bytree": 0.3} if columns > WIDE else {})
    if task == "multiclass":
        trees |= {"num_leaves": 15, "n_estimators": 30}
    model = LGBMRegressor(**trees) if task == "regression" else LGBMClassifier(**trees)
    encoder = features.encoder(plan, "native", task)
    classes = None if task == "regression" else ()
    return Pipeline(
        [
            ("conform", features.conformer(plan)),
            ("model", Blend({"native": encoder}, [(["native"], model, 1.0)], classes)),
        ]
    )


def main() -> None:
    """Answer until the input ends."""
    kind = EveryBatch if "--every-batch" in sys.argv else Stream
    stream: Stream | EveryBatch
    for line in sys.stdin:
        asked = json.loads(line)
        answer: dict[str, Any] = {}
        frame = pq.ParquetFile(asked["data"]).read(use_threads=False).to_pandas(use_threads=False)
        if asked["event"] == "warmup":
            stream = kind.begin(json.loads(Path(asked["spec"]).read_text(encoding="utf-8")), frame)
        elif asked["event"] == "predict":
            stream.predict(frame).to_parquet(asked["out"], index=False)
        else:
            answer = stream.learn(frame[stream.target])
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
