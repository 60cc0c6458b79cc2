"""Score rows with the champion."""

from typing import Any

from prefect import flow
from prefect.runtime import deployment, flow_run
from prefect.states import Completed

from everfit.settings import Settings
from everfit.spec import load_spec
from tasks.champion import Champion
from tasks.predict import predict as score
from tasks.predict import wanted
from tasks.states import plainly
from tasks.steps import stopwatch


@flow(name="predict", flow_run_name="predict {model}", persist_result=True)
@plainly
def predict(
    model: str, source: str = "", output: str = "", query: str = "", overwrite: bool = False, workers: int = 0
) -> Any:
    """Write the champion's predictions for every row of a source, and keep them in the lake for the monitor.

    Without `source` and `output` they are those of the model file, once for the same rows and champion. With `query`
    the source is a database, without `source` that of the model file. `workers` are processes; 0 is as many as there
    are cores, and rows for them. Before there is a champion a deployment does nothing.
    """
    spec = load_spec(model, Settings().models)
    if deployment.id and (message := Champion(spec).missing):
        return Completed(name="Skipped", message=message, data=None)
    where = spec.predict.asked(source, query)
    with stopwatch() as seconds:
        scored = score(spec, wanted(spec, where, output, flow_run.scheduled_start_time, overwrite, workers))
    name = "Skipped" if scored.done_before else None
    return Completed(name=name, message=scored.sentence, data=scored.to_dict(seconds))
