"""What a search says while it runs and when it is done: in the terminal, the log, the progress bar and the table."""

import logging
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from time import monotonic
from typing import Any

from everfit import evaluation, report
from everfit import search as engine
from tasks.artifacts import LiveTable, Progress, publish_report, publish_table
from tasks.steps import say

PAUSE = 10.0  # seconds between two lines of the log
TABLE_PAUSE = 15.0  # seconds between two looks of the table in the UI


class Teller:
    """Say how far the search is: all the time to the terminal and the progress bar, now and then in log and table."""

    def __init__(
        self, model: str, metric: evaluation.Metric, beside: ThreadPoolExecutor, registry_ready: Future[None]
    ) -> None:
        self._model, self._metric, self._beside, self._registry_ready = model, metric, beside, registry_ready
        self._bar, self._table = Progress(model, "search-progress"), LiveTable(model, "leaderboard")
        self._spoken = self._shown = monotonic()
        self._showing: Future[None] = registry_ready
        self._resumed = 0

    def __call__(self, seen: engine.Progress) -> None:
        """Say how far it is; raise what went wrong with the registry, which is made ready meanwhile."""
        if self._registry_ready.done():
            self._registry_ready.result()
        if seen.resumed > self._resumed:
            self._resumed = seen.resumed
            say(f"resumed a search with {seen.resumed} trials done")
        text, now = told(seen), monotonic()
        say(text, passing=True, seen=seen)
        self._bar.update(seen.seconds / seen.allowed, text)
        if now - self._spoken > PAUSE:
            self._spoken = now
            say(text, seen=seen)
        if now - self._shown > TABLE_PAUSE and self._showing.done() and seen.best_score is not None:
            self._shown = now
            rows = [_standing(each, self._metric) for each in seen.families]
            title = f"{self._model}, so far: {text}"
            self._showing = self._beside.submit(copy_context().run, self._table.show, rows, title)

    def end(self, found: engine.Searched, told: report.Told, earlier: int) -> None:
        """Fill the bar, and say what came out of it, in the log and where operators look; see `say_how`."""
        say_how(found, earlier)
        self._table.show(report.table(found.leaderboard, self._metric.name), f"{self._model}: {told.headline}")
        publish_table(self._model, "lineage", found.plan.lineage(), f"{self._model}: what the columns are made of")
        if found.plan.derived:
            say(f"made of other columns: {', '.join(each.name for each in found.plan.derived)}")
        publish_report(self._model, "search-report", told.headline, report.markdown(told), told.page)
        self._bar.end(told.headline)
        after = f"after {len(found.trials)} trials in {report.duration(found.seconds)}"
        say(f"{told.headline}, {after}; {found.how}")
        for note in told.notes:
            say(note, level=logging.WARNING)


def say_how(found: engine.Searched, earlier: int) -> None:
    """Say what the search began with and what its time went to; `earlier` winners were at hand."""
    if earlier:
        rest = "; the others are not searched any more" if found.warmed < earlier else ""
        say(f"the search began with {found.warmed} of {earlier} earlier winners{rest}")
    if found.hosts:
        say("trials of other machines: " + ", ".join(f"{host} {done}" for host, done in found.hosts.items()))
    if found.stopped_by == "asked":
        say("the search was asked to stop, and ends with the best so far")
    shares = ", ".join(f"{report.named(family)} {seconds:.0f} s" for family, seconds in found.spent.items())
    say(f"cores were busy with {shares}")


def _standing(each: engine.Standing, metric: evaluation.Metric) -> Mapping[str, Any]:
    best = None if each.best is None else float(f"{each.best:.5g}")
    return {"Model": report.named(each.family), f"Best {metric.name}": best, "Trials": each.done,
            "Failed": each.failed, "At work": each.running}  # fmt: skip


def told(seen: engine.Progress) -> str:
    """Say in one line how far the search is."""
    if seen.doing:
        return f"{seen.doing}, {seen.seconds:.0f} of {seen.allowed:.0f} s"
    best = "no model yet"
    if seen.best_score is not None:
        best = f"best {seen.best_score:.4g} ({report.named(seen.best_family)})"
    failed = f", {seen.failed} failed" if seen.failed else ""
    return f"{seen.done} trials{failed}, {best}, {seen.seconds:.0f} of {seen.allowed:.0f} s"
