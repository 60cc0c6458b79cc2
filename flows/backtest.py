"""Let the policy of a model file, and others beside it, live through history."""

from datetime import timedelta
from typing import Any

from prefect import flow
from prefect.states import Completed

from everfit.backtest import telling
from everfit.backtest.asked import BUDGET, TRIALS, Asked
from everfit.search import warm_up
from everfit.settings import Settings
from everfit.spec import load_spec
from tasks.backtest import backtest as replay
from tasks.backtest import publish
from tasks.states import plainly
from tasks.steps import stopwatch


@flow(name="backtest", flow_run_name="backtest {model}", persist_result=True)
@plainly
def backtest(
    model: str, data: str = "", batch: str = "", policy: str = "", warmup: float = 0.3, delay: int = 0,
    trials: int = TRIALS, budget: float = BUDGET.total_seconds(), workers: int = 1, recommend: bool = False,
    fresh: bool = False,
) -> Any:  # fmt: skip
    """Say what would have been refused, refitted, searched and promoted, at what quality and cost; nothing changes.

    `batch` is a period or a number of rows, `budget` the seconds of a search; see `everfit.backtest.asked.Asked`.
    """
    spec = load_spec(model, Settings().models)
    warm_up()
    asked = Asked(data, batch, warmup, delay, trials, timedelta(seconds=budget))
    with stopwatch() as seconds:
        result = replay(spec, asked, policy, workers=workers, recommend=recommend, fresh=fresh)
        result = publish(spec, result)
    return Completed(message=telling.headline(result), data={**telling.facts(result), "seconds": seconds})
