"""Have a part in a search that another machine leads: the flow that a helper on a work pool runs."""

from typing import Any

from prefect import flow
from prefect.states import Completed

from everfit.search import warm_up
from everfit.search.shared import job_of
from everfit.settings import Settings
from everfit.spec import ModelSpec
from tasks import along as step
from tasks.states import plainly


@flow(name="along", flow_run_name="along {search}")
@plainly
def along(search: str) -> Any:
    """Work for a search until its leader ends it, or is silent."""
    warm_up()
    spec = ModelSpec.model_validate(job_of(Settings().search_storage, search)["spec"])
    done = step.along(spec, search)
    return Completed(message=f"{done} trials done for {search}", data={"done": done})
