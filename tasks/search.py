"""Look for the best pipeline within the budget; go on where a training that was killed left off."""

from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict
from time import monotonic

from everfit import registry
from everfit import search as engine
from everfit.errors import Unavailable, first_line
from everfit.ledger import Ledger
from everfit.settings import Settings
from everfit.spec import ModelSpec
from tasks.artifacts import Progress, publish_table
from tasks.build_features import Prepared, read_rows
from tasks.costs import charged
from tasks.given import given, identity
from tasks.hosts import helpers, meeting, part
from tasks.steps import say, step

PAUSE = 10.0  # seconds between two lines of the log
LISTENING = 2.0  # seconds between two looks at whether somebody wants the search to stop


@step
def search(spec: ModelSpec, prepared: Prepared, *, repeats: bool = False) -> engine.Searched:
    """Search on the training side only; the leaderboard lists what failed as well.

    It begins with what won in earlier trainings, as the ledger has it; one that `repeats` another with what that one
    could know. The registry is made ready beside it: one that cannot be reached ends the search at once, not after it.
    """
    rows, settings, name = read_rows(spec, prepared.snapshot).train, Settings(), identity(spec, prepared)
    shared, ledger = meeting(settings, spec.name, name), Ledger.of(settings)
    start = ledger.winners(spec.name, before=prepared.snapshot.version if repeats else None)
    with charged(spec) as bill, ThreadPoolExecutor(1) as beside, helpers(settings, spec, prepared, shared):
        tell = _Teller(spec.name, beside.submit(registry.prepare, settings))
        found = engine.run(
            **given(spec, prepared, rows),
            folder=settings.folder("search", spec.name),
            identity=name,
            shared=shared,
            budget=bill.seconds,
            on_progress=tell,
            stop=_Listener(ledger, spec.name),
            start=start,
        )
        found = bill.settle(found)
    tried = sum(row.status != "baseline" for row in found.leaderboard)
    won = f"{found.family} won among {tried} candidates in {found.seconds:.0f} s, {found.how}"
    _say_how(found, len(start) if spec.search.method == "tpe" else 0)
    publish_table(spec.name, "leaderboard", [asdict(row) for row in found.leaderboard], f"{spec.name}: {won}")
    tell.end(won)
    say(f"{won}; {found.note}" if found.note else won)
    return found


def forget(spec: ModelSpec, prepared: Prepared) -> None:
    """Remove what the search left to be gone on with, now that its result is in the registry."""
    settings = Settings()
    engine.forget(settings.folder("search", spec.name))
    part(meeting(settings, spec.name, identity(spec, prepared)))


def _say_how(found: engine.Searched, earlier: int) -> None:
    """Say what the search began with and what its time went to; `earlier` winners were at hand."""
    if earlier:
        rest = "; the others are not searched any more" if found.warmed < earlier else ""
        say(f"the search began with {found.warmed} of {earlier} earlier winners{rest}")
    if found.hosts:
        say("trials of other machines: " + ", ".join(f"{host} {done}" for host, done in found.hosts.items()))
    if found.stopped_by == "asked":
        say("the search was asked to stop, and ends with the best so far")
    say("cores were busy with " + ", ".join(f"{family} {seconds:.0f} s" for family, seconds in found.spent.items()))


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


class _Listener:
    """Whether a person wants the search to end now, asked of the ledger now and then.

    A ledger that does not answer for a while is no reason to lose a search.
    """

    def __init__(self, ledger: Ledger, model: str) -> None:
        self._ledger, self._model = ledger, model
        self._asked, self._wanted = -LISTENING, False

    def __call__(self) -> bool:
        if not self._wanted and monotonic() - self._asked >= LISTENING:
            self._asked = monotonic()
            try:
                self._wanted = self._ledger.stop_wanted(self._model)
            except Unavailable as silent:
                say(f"nobody can stop the search at the moment: {first_line(silent)}")
        return self._wanted


def told(seen: engine.Progress) -> str:
    """Say in one line how far the search is."""
    best = "no model yet" if seen.best_score is None else f"best {seen.best_score:.4g} ({seen.best_family})"
    failed = f", {seen.failed} failed" if seen.failed else ""
    return f"{seen.done} trials{failed}, {best}, {seen.seconds:.0f} of {seen.allowed:.0f} s"
