"""Have a part in a search that another machine leads: the flow that a helper on a work pool runs."""

from typing import Any

from prefect import flow
from prefect.states import Completed

from everfit.search import warm_up
from tasks import along as work
from tasks.states import plainly


@flow(name="along", flow_run_name="along {search}")
@plainly
def along(search: str) -> Any:
    """Work for a search until its leader ends it, or is silent."""
    warm_up()
    done = work.along(search)
    return Completed(message=f"{done} trials done for {search}", data={"done": done})
