"""All policies over one history, in turn or each in a process of its own; what was done is not done again."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context, parent_process
from pathlib import Path
from queue import Empty
from shutil import rmtree
from threading import Thread
from typing import Any

import joblib

from everfit import search
from everfit.backtest import plan, searching
from everfit.backtest.asked import Asked, name_of
from everfit.backtest.history import History
from everfit.backtest.plan import Policy
from everfit.backtest.replay import Lived, live
from everfit.backtest.searching import Model
from everfit.errors import InputError, Unavailable
from everfit.files import replacing
from everfit.locks import locked
from everfit.spec import ModelSpec

Tell = Callable[[float, str, bool], None]  # how far it is, from 0 to 1, what is being done, whether a log should say it
LOOK = 0.2  # seconds between two looks at what processes have done
SEARCH = 0.2  # of the whole, about, is the first search
POLICIES = 0.5  # of it, about, is done when policies have lived and other thresholds have not


@dataclass(frozen=True)
class Stage:
    """What all policies have in common, and the folder that remembers them."""

    history: History
    model: Model
    asked: Asked
    folder: Path
    learnt: tuple[tuple[int, ...], ...]
    personal: frozenset[str] = frozenset()

    def live(self, policy: Policy, tick: Callable[[int], None]) -> Lived:
        """Let a policy live through the history, or what is left of it."""
        begin = partial(policy.begin, self.history, self.model, self.asked, self.personal)
        place = self.folder / f"{policy.place}.joblib"
        return live(begin, self.history, self.learnt, place=place, tick=tick)


@contextmanager
def prepared(
    spec: ModelSpec, history: History, asked: Asked, home: Path, *, tell: Tell, personal: Collection[str] = (),
    fresh: bool = False,
) -> Iterator[Stage]:  # fmt: skip
    """Yield the stage, with its first model; `home` has a folder for each thing that is asked.

    Raise InputError when another process is at the same one, and BudgetSpent when the search finds no model. `fresh`
    forgets what was done before.
    """
    said = spec.model_dump(mode="json", include={"name", "data", "search", "evaluation"})
    folder = home / name_of(said, asked.to_dict(), history.digest(), sorted(personal))
    with locked(folder / "lock", wait=False) as mine:
        if not mine:
            raise InputError(f"Another process is at this very backtest, in {folder}.", do="Wait until it has ended.")
        if fresh:
            for path in folder.glob("*.joblib"):
                path.unlink()
        model, learnt = _first(spec, history, asked, folder, tell), history.learnt(asked.delay, spec.data.label_delay)
        yield Stage(history, model, asked, folder, learnt, frozenset(personal))


def _first(spec: ModelSpec, history: History, asked: Asked, folder: Path, tell: Tell) -> Model:
    place = folder / "first.joblib"
    if place.exists():
        model: Model = joblib.load(place)
        return model

    def told(seen: search.Progress) -> None:
        share = SEARCH * min(1.0, seen.done / asked.trials)
        tell(share, f"the first model: {seen.done} of {asked.trials} trials", False)

    tell(0.0, f"the first model: a search of {asked.trials} trials", True)
    model = searching.first(spec, history, asked, folder / "search", told)
    with replacing(place) as half:
        joblib.dump(model, half)
    rmtree(folder / "search", ignore_errors=True)
    return model


def lived(
    stage: Stage, policies: Sequence[Policy], *, workers: int, tell: Tell, part: tuple[float, float] = (SEARCH, 1.0)
) -> dict[str, Lived]:
    """Return what became of each policy, by name; it is some `part` of the whole."""
    each, done, (start, end) = len(stage.history.batches), Counter[str](), part

    def tick(title: str, batches: int) -> None:
        before = done[title]
        done[title] += batches
        share = start + (end - start) * done.total() / (len(policies) * each)
        tenth = 10 * done[title] // each > 10 * before // each
        tell(share, f"{title}: batch by batch, {done[title]} of {each}", tenth)

    if workers > 1:
        return _beside(stage, policies, workers, tick)
    return {policy.name: stage.live(policy, partial(tick, policy.title)) for policy in policies}


def _beside(
    stage: Stage, policies: Sequence[Policy], workers: int, tick: Callable[[str, int], None]
) -> dict[str, Lived]:
    """Give each policy a process; what these say of batches is passed on from here."""
    context = get_context("spawn")  # threads of libraries do not survive a fork
    told, stop = context.Queue(), context.Event()
    with ProcessPoolExecutor(min(workers, len(policies)), context, _settle, (stage, told, stop)) as pool:
        futures = {policy.name: pool.submit(_live, policy) for policy in policies}
        open_: set[Future[Lived]] = set(futures.values())
        try:
            while open_:
                done, open_ = wait(open_, timeout=LOOK, return_when=FIRST_COMPLETED)
                for title, batches in _waiting(told):
                    tick(title, batches)
                for future in done:
                    future.result()
        except BrokenProcessPool as cause:
            raise Unavailable(
                "A process of the backtest has died, perhaps for want of memory.",
                do="Run the same command again, with fewer --workers: what was done is kept.",
            ) from cause
        finally:
            stop.set()  # with the batch that each is at, where this one ends early
            pool.shutdown(wait=False, cancel_futures=True)
        return {name: future.result() for name, future in futures.items()}


def _waiting(told: Any) -> Iterable[tuple[str, int]]:
    while True:
        try:
            yield told.get_nowait()
        except Empty:
            return


_here: dict[str, Any] = {}  # of a process that lives through policies


def _settle(stage: Stage, told: Any, stop: Any) -> None:
    _here.update(stage=stage, told=told, stop=stop)
    Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """End when whoever started this process is killed: nobody would read what it does."""
    parent = parent_process()
    if parent:
        parent.join()
        os._exit(1)


def _live(policy: Policy) -> Lived:
    def tick(batches: int) -> None:
        _here["told"].put((policy.title, batches))
        if _here["stop"].is_set():
            raise InterruptedError("the backtest was stopped")

    found: Lived = _here["stage"].live(policy, tick)
    return found


def all_policies(
    stage: Stage, spec: ModelSpec, *, other: ModelSpec | None, title: str, workers: int, tell: Tell, until: float = 1.0
) -> tuple[list[Policy], dict[str, Lived]]:
    """Return all policies and what became of them; the calendar has as many fits as `spec`, if it can."""
    policies = plan.usual(spec, stage.history, other, title)
    became = lived(stage, policies, workers=workers, tell=tell, part=(SEARCH, until))
    equal = plan.calendar(sum(deed.fits for deed in became[plan.THIS].deeds), len(stage.history.batches))
    return [*policies, equal], became | lived(stage, [equal], workers=1, tell=lambda *_: None)
