"""Score rows with the champion."""

from typing import Any

from prefect import flow
from prefect.states import Completed

from everfit.settings import Settings
from everfit.spec import load_spec
from tasks.ingest import staged
from tasks.predict import predict as score
from tasks.states import plainly
from tasks.steps import stopwatch


@flow(name="predict", flow_run_name="predict {model}: {source}", persist_result=True)
@plainly
def predict(model: str, source: str, output: str) -> Any:
    """Write the champion's predictions for every row of a source, and keep them in the lake for the monitor."""
    spec = load_spec(model, Settings().models)
    with stopwatch() as seconds, staged(spec, source) as batches:
        scored = score(spec, batches, output)
    return Completed(message=scored.sentence, data=scored.to_dict(seconds))
