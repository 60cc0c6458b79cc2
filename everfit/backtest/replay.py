"""One policy, from the first batch to the last; killed at any moment, it goes on where it was."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from time import process_time

import joblib

from everfit.backtest.history import History
from everfit.backtest.lives import Deed, Life, Said
from everfit.files import replacing


@dataclass
class Lived:
    """What a policy said of each batch, did once labels were known, and took of CPU seconds, searches included."""

    said: list[Said] = field(default_factory=list)
    deeds: list[Deed] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)


def live(
    begin: Callable[[], Life],
    history: History,
    learnt: Sequence[Sequence[int]],
    *,
    place: Path,
    tick: Callable[[int], None],
) -> Lived:
    """Live through a history, or what is left of it; `place` is the file that remembers.

    What was said lies beside it, in a file that grows. `tick` is told of how many more batches are done.

    Once a batch is over, the labels of those in its `learnt` are known: what is done then shows from the next batch on.
    """
    answers = place.with_suffix(".said")
    lived, life = _remembered(place, answers, history)
    if lived.said:
        tick(len(lived.said))
    if len(lived.said) == len(history.batches):
        return lived
    life = life or begin()
    for number in range(len(lived.said), len(history.batches)):
        started = process_time()
        lived.said.append(life.answer(number))
        with answers.open("ab") as file:
            pickle.dump(lived.said[-1], file)
        deeds = [life.learn(known, history.batches[number].ended) for known in learnt[number]]
        lived.deeds += deeds
        lived.seconds.append(process_time() - started + sum(deed.searched for deed in deeds))
        over = number + 1 == len(history.batches)
        with replacing(place) as half:
            joblib.dump((lived.deeds, lived.seconds, None if over else life), half)
        tick(1)
    return lived


def _remembered(place: Path, answers: Path, history: History) -> tuple[Lived, Life | None]:
    """Return what was done; answers are only ever added to, so those of a batch that was not ended are cut off."""
    if not (place.exists() and answers.exists()):
        answers.unlink(missing_ok=True)
        return Lived(), None
    deeds, seconds, life = joblib.load(place)
    with answers.open("rb+") as file:
        said = [pickle.load(file) for _ in seconds]  # noqa: S301  as far to be trusted as what joblib reads
        file.truncate()
    if life:
        life.resume(history, said)
    return Lived(said, deeds, seconds), life
