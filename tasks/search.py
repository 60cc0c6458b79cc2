"""Look for the best pipeline within the budget; go on where a training that was killed left off."""

from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict
from time import monotonic

from everfit import registry
from everfit import search as engine
from everfit.settings import Settings
from everfit.spec import ModelSpec
from tasks.artifacts import Progress, publish_table
from tasks.build_features import Prepared, read_rows
from tasks.costs import charged
from tasks.given import given, identity
from tasks.hosts import helpers, meeting, part
from tasks.steps import say, step

PAUSE = 10.0  # seconds between two lines of the log


@step
def search(spec: ModelSpec, prepared: Prepared) -> engine.Searched:
    """Search on the training side only; the leaderboard lists what failed as well.

    The registry is made ready beside it: one that cannot be reached ends the search at once, not after it.
    """
    rows, settings, name = read_rows(spec, prepared.snapshot).train, Settings(), identity(spec, prepared)
    shared = meeting(settings, spec.name, name)
    with charged(spec) as bill, ThreadPoolExecutor(1) as beside, helpers(settings, spec, prepared, shared):
        tell = _Teller(spec.name, beside.submit(registry.prepare, settings))
        found = engine.run(
            **given(spec, prepared, rows),
            folder=settings.folder("search", spec.name),
            identity=name,
            shared=shared,
            budget=bill.seconds,
            on_progress=tell,
        )
        found = bill.settle(found)
    tried = sum(row.status != "baseline" for row in found.leaderboard)
    won = f"{found.family} won among {tried} candidates in {found.seconds:.0f} s, {found.how}"
    shares = ", ".join(f"{family} {seconds:.0f} s" for family, seconds in found.spent.items())
    if found.hosts:
        say("trials of other machines: " + ", ".join(f"{host} {done}" for host, done in found.hosts.items()))
    say(f"cores were busy with {shares}")
    publish_table(spec.name, "leaderboard", [asdict(row) for row in found.leaderboard], f"{spec.name}: {won}")
    tell.end(won)
    say(f"{won}; {found.note}" if found.note else won)
    return found


def forget(spec: ModelSpec, prepared: Prepared) -> None:
    """Remove what the search left to be gone on with, now that its result is in the registry."""
    settings = Settings()
    engine.forget(settings.folder("search", spec.name))
    part(meeting(settings, spec.name, identity(spec, prepared)))


class _Teller:
    """Say how far the search is: all the time to the spinner and the progress bar, now and then in the log."""

    def __init__(self, model: str, registry_ready: Future[None]) -> None:
        self._bar = Progress(model, "search-progress")
        self._registry_ready = registry_ready
        self._spoken = monotonic()
        self._resumed = 0

    def __call__(self, seen: engine.Progress) -> None:
        if self._registry_ready.done():
            self._registry_ready.result()
        if seen.resumed > self._resumed:
            self._resumed = seen.resumed
            say(f"resumed a search with {seen.resumed} trials done")
        text = told(seen)
        say(text, passing=True)
        self._bar.update(seen.seconds / seen.allowed, text)
        if monotonic() - self._spoken > PAUSE:
            self._spoken = monotonic()
            say(text)

    def end(self, text: str) -> None:
        """Fill the bar."""
        self._bar.end(text)


def told(seen: engine.Progress) -> str:
    """Say in one line how far the search is."""
    best = "no model yet" if seen.best_score is None else f"best {seen.best_score:.4g} ({seen.best_family})"
    failed = f", {seen.failed} failed" if seen.failed else ""
    return f"{seen.done} trials{failed}, {best}, {seen.seconds:.0f} of {seen.allowed:.0f} s"
