"""Look for the best pipeline within the budget; go on where a training that was killed left off."""

import logging
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import monotonic

from everfit import evaluation, registry, report
from everfit import search as engine
from everfit.errors import Unavailable, first_line
from everfit.ledger import Ledger
from everfit.settings import Settings
from everfit.spec import ModelSpec
from tasks.build_features import Prepared, read_rows
from tasks.claim import run_key
from tasks.given import given, identity
from tasks.hosts import helpers, part
from tasks.spending import charged
from tasks.steps import say, step
from tasks.telling import Teller

LISTENING = 2.0  # seconds between two looks at whether somebody wants the search to stop


@step
def search(spec: ModelSpec, prepared: Prepared, *, repeats: bool = False) -> engine.Searched:
    """Search on the training side only; the leaderboard lists what failed as well.

    It begins with what won in earlier trainings, as the ledger has it; one that `repeats` another with what that one
    could know. The registry is made ready beside it: one that cannot be reached ends the search with the first trial.
    """
    rows, settings = read_rows(spec, prepared.snapshot).train, Settings()
    ledger = Ledger.of(settings)
    metric = evaluation.metric(prepared.metric, prepared.task)
    start = ledger.winners(spec.name, before=prepared.snapshot.version if repeats else None)
    with (
        charged(spec) as bill,
        ThreadPoolExecutor(1) as beside,
        helpers(settings, spec, prepared, bill.seconds, start) as shared,
    ):
        tell = Teller(spec.name, metric, beside, beside.submit(registry.prepare, settings))
        found = engine.run(
            **given(spec, prepared, rows),
            folder=settings.folder("search", spec.name),
            identity=identity(spec, prepared),
            shared=shared,
            budget=bill.seconds,
            on_progress=tell,
            stop=_Listener(ledger, spec.name),
            start=start,
        )
        found = bill.settle(found)
    for each in found.plan.warnings:
        if each not in prepared.plan.warnings:
            say(each, level=logging.WARNING)
    tell.end(found, _report(spec.name, found, metric), len(start) if spec.search.method == "tpe" else 0)
    return found


def forget(spec: ModelSpec) -> None:
    """Remove what the search left to be gone on with, now that its result is in the registry.

    What cannot be removed is a warning: the training has done its work.
    """
    settings = Settings()
    try:
        engine.forget(settings.folder("search", spec.name))
        part(settings, spec.name)
    except Exception as problem:  # noqa: BLE001 - see above
        say(f"the files of the search could not be removed: {first_line(problem)}", level=logging.WARNING)


def folder_of(model: str) -> Path:
    """Return where the report of this run's search is."""
    return Settings().reports(model) / f"search-{run_key().replace('/', '-')}"


def _report(model: str, found: engine.Searched, metric: evaluation.Metric) -> report.Told:
    """Draw the report. It is for people: one that cannot be drawn is a warning, never the end of a training."""
    try:
        return report.save(folder_of(model), found, model=model, metric=metric)
    except Exception as problem:  # noqa: BLE001 - see above
        say(f"the report of the search could not be made: {first_line(problem)}", level=logging.WARNING)
        return report.tell(found, model=model, metric=metric)


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
