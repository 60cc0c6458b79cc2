"""What a version keeps of its making: later batches are judged by it."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
from sklearn.neighbors import KNeighborsRegressor
from sklearn.pipeline import make_pipeline

from everfit.monitor.reference import heldout_losses
from everfit.reserved import HELDOUT
from everfit.spec import ModelSpec
from tasks.register import _reference


def test_copies_of_training_rows_say_nothing_of_how_well_new_rows_are_predicted() -> None:
    draw = np.random.default_rng(0)
    frame = pd.DataFrame({"x": draw.normal(size=300)}).assign(y=lambda rows: 3 * rows["x"] + draw.normal(size=300))
    train, fresh = frame[:200], frame[200:]
    rows = SimpleNamespace(train=train, test=pd.concat([train[:40], fresh], ignore_index=True))
    best = make_pipeline(KNeighborsRegressor(1)).fit(train[["x"]], train["y"])
    prepared = SimpleNamespace(task="regression", positive=None)
    spec = ModelSpec.model_validate({"name": "m", "data": {"source": "d.csv", "target": "y"}})
    pipeline = SimpleNamespace(predict=lambda rows: best.predict(rows[["x"]]))
    kept = _reference(spec, prepared, SimpleNamespace(best=pipeline), rows)  # type: ignore[arg-type]
    assert kept[HELDOUT].sum() == 140
    losses = heldout_losses(kept)
    assert len(losses) == 100
    assert losses.min() > 0  # a copy's neighbour is itself
