"""Look for the best pipeline within the budget."""

from dataclasses import asdict
from time import monotonic

from everfit import evaluation
from everfit import search as engine
from everfit.settings import Settings
from everfit.spec import ModelSpec
from tasks.artifacts import Progress, publish_table
from tasks.build_features import Prepared, read_rows
from tasks.steps import say, step


@step
def search(spec: ModelSpec, prepared: Prepared) -> engine.Searched:
    """Search on the training side only; the leaderboard lists what failed as well."""
    rows = read_rows(spec, prepared.snapshot).train
    shown = Progress(spec.name, "search-progress")
    spoken = monotonic()

    def follow(seen: engine.Progress) -> None:
        nonlocal spoken
        text = told(seen)
        say(text, passing=True)
        shown.update(seen.seconds / seen.allowed, text)
        if monotonic() - spoken > 10:
            spoken = monotonic()
            say(text)

    data = spec.data
    found = engine.run(
        rows,
        rows[data.target],
        plan=prepared.plan,
        task=prepared.task,
        metric=evaluation.metric(prepared.metric, prepared.task),
        spec=spec.search,
        time=evaluation.times_of(rows[data.time]) if data.time else None,
        group=rows[data.group].to_numpy() if data.group else None,
        weight=rows[data.weight].to_numpy() if data.weight else None,
        positive=prepared.positive,
        folder=Settings().folder("search"),
        on_progress=follow,
    )
    publish_table(spec.name, "leaderboard", [asdict(row) for row in found.leaderboard], f"{spec.name}: leaderboard")
    shown.update(1.0, f"{found.family} won in {found.seconds:.0f} s")
    tried = sum(row.status != "baseline" for row in found.leaderboard)
    say(f"{found.family} won among {tried} candidates in {found.seconds:.0f} s, {found.how}. {found.note}".rstrip())
    return found


def told(seen: engine.Progress) -> str:
    """Say in one line how far the search is."""
    best = "no model yet" if seen.best_score is None else f"best {seen.best_score:.4g} ({seen.best_family})"
    failed = f", {seen.failed} failed" if seen.failed else ""
    return f"{seen.done} trials{failed}, {best}, {seen.seconds:.0f} of {seen.allowed:.0f} s"
