"""Let policies live through history side by side, and show what came of it."""

from pathlib import Path

from everfit import validation
from everfit.backtest import page, telling, whole
from everfit.backtest.asked import Asked, with_policy
from everfit.backtest.result import Result
from everfit.settings import Settings
from everfit.spec import ModelSpec
from tasks.artifacts import Progress, publish_report
from tasks.ingest import secret
from tasks.steps import say, step


@step
def backtest(
    spec: ModelSpec, asked: Asked, policy: str = "", *, workers: int = 1, recommend: bool = False, fresh: bool = False
) -> Result:
    """Replay a history; what an earlier run of the same has done is not done again. `policy` names a file."""
    settings, bar = Settings(), Progress(spec.name, "backtest-progress")
    suites = validation.load_suites(spec.suites, settings.expectations, personal=spec.data.personal)

    def tell(share: float, text: str, milestone: bool) -> None:
        say(text, passing=True, milestone=milestone)
        bar.update(share, text)

    result = whole.backtest(
        spec, asked, home=settings.folder("backtests", spec.name), base=settings.workspace,
        other=with_policy(spec, Path(policy)) if policy else None, title=Path(policy).name, workers=workers,
        recommend=recommend, fresh=fresh, suites=suites,
        secrets=secret, tell=tell,
    )  # fmt: skip
    bar.end(telling.headline(result))
    return result


@step
def publish(spec: ModelSpec, result: Result) -> Result:
    """Write the page into the reports of the model, and show it in the Prefect UI; return the result with its place."""
    result = page.save(Settings().reports(spec.name) / "backtest", result)
    publish_report(spec.name, "backtest", telling.headline(result), telling.markdown(result), result.page)
    for line in (telling.headline(result), *telling.lines(result)):
        say(line)
    return result
