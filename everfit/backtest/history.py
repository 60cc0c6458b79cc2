"""History as it came in: rows in the order of time, a warm-up to learn from, and batches after it."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from everfit import evaluation, sources
from everfit.backtest.asked import Asked
from everfit.errors import DataError, InputError
from everfit.evaluation import Metric, Predicted
from everfit.features import casts
from everfit.lake import labels
from everfit.reserved import ORDER
from everfit.schema import Schema
from everfit.search.predicted import of_array
from everfit.search.problem import answers
from everfit.spec import ModelSpec, SqlSource, write_duration
from everfit.upkeep.losses import Floats
from everfit.upkeep.measuring import FEWEST as MEASURED

USUAL = 25  # batches, when nobody says how long one is
FEWEST, MOST = 3, 1_000  # batches
FEWEST_ROWS = 100  # of the warm-up
DAY = timedelta(days=1)
START = datetime(2000, 1, 1, tzinfo=UTC)  # of the clock of rows that have no time
EVERY_ROW = 10**9


@dataclass(frozen=True)
class Batch:
    """The rows from `start` to `stop`, and when they began and ended."""

    start: int
    stop: int
    began: datetime
    ended: datetime

    @property
    def rows(self) -> slice:
        """Which rows of the history it is."""
        return slice(self.start, self.stop)


@dataclass(frozen=True)
class History:
    """Labelled rows in the order of time. The first `warm` are learnt from, the others are lived through in batches.

    `when` are microseconds; None where rows have no dates, and then each batch counts as a day. `left_out` rows have
    no label, or no time. Rows that are `broken` by a suite are answered and never learnt from, and neither are the
    batches that a suite has `refused`, by their number.
    """

    frame: pd.DataFrame
    y: np.ndarray
    when: Floats | None
    task: str
    metric: Metric
    positive: Any
    weight: Floats | None
    warm: int
    batches: tuple[Batch, ...]
    left_out: int = 0
    broken: frozenset[int] = frozenset()
    refused: Mapping[int, tuple[str, ...]] = field(default_factory=dict)

    def sound(self, number: int | None = None) -> np.ndarray:
        """Return which rows of a batch, or of the warm-up, may be learnt from."""
        rows = slice(0, self.warm) if number is None else self.batches[number].rows
        at = np.arange(rows.start, rows.stop)
        return at[~np.isin(at, list(self.broken))] if self.broken else at

    def known(self, numbers: Iterable[int]) -> np.ndarray:
        """Return the rows of the warm-up and of some batches that may be learnt from."""
        kept = (self.sound(number) for number in numbers if number not in self.refused)
        return np.concatenate([self.sound(), *kept])

    @property
    def usual(self) -> int:
        """How many rows a batch usually has."""
        return max(1, int(np.median([batch.stop - batch.start for batch in self.batches])))

    def learnt(self, delay: int, wait: timedelta | None = None) -> tuple[tuple[int, ...], ...]:
        """Return whose labels are known once each batch is over: those of so many batches before, itself with one.

        A delay of none is what labels `wait` by the model file: for the first batch that ends no sooner after theirs.
        """
        ends = [batch.ended for batch in self.batches]
        wait = wait if wait and self.dated else timedelta()
        known = [at + delay - 1 if delay else max(at, bisect_left(ends, end + wait)) for at, end in enumerate(ends)]
        return tuple(tuple(at for at, then in enumerate(known) if then == now) for now in range(len(ends)))

    @property
    def dated(self) -> bool:
        """Whether its clock is that of its rows."""
        return self.when is not None

    def digest(self) -> str:
        """Name what it holds, and what of it may be learnt from."""
        rows = evaluation.hash_of(evaluation.row_hashes(self.frame))
        return "\n".join([rows, str(sorted(self.broken)), str(sorted(self.refused.items()))])

    def score(self, rows: slice, predicted: Predicted) -> float:
        """Return the metric of what was said of some rows; NaN where these do not define it."""
        weight = None if self.weight is None else self.weight[rows]
        return self.metric.score(self.y[rows], predicted, weight)

    def predicted(self, said: Floats, classes: np.ndarray | None, factors: Any = None) -> Predicted:
        """Return what was said, as metrics read it; `factors` of classes decide about labels."""
        fits = classes is not None and factors is not None and len(factors) == len(classes)
        return of_array(said, classes, self.positive, factors if fits else None)


def read(spec: ModelSpec, asked: Asked, base: Path, secrets: sources.Secrets | None = None) -> History:
    """Read a history and cut it; raise InputError, SourceError or DataError when that cannot be done."""
    where: str | SqlSource = asked.data or spec.data.source
    frame = sources.sample(where, base=base, rows=EVERY_ROW, secrets=secrets)
    if spec.data.labels and not (asked.data and spec.data.target in frame):
        alone = sources.sample(spec.data.labels, base=base, rows=EVERY_ROW, secrets=secrets)
        frame = _completed(spec, frame, alone)
    return cut(spec, asked, frame)


def _completed(spec: ModelSpec, frame: pd.DataFrame, alone: pd.DataFrame) -> pd.DataFrame:
    """Join labels that come alone, as production does once all of them are known."""
    target = spec.data.target
    kind = Schema.of(alone[[target]]).to_dict()[target] if target in alone else "string"
    said = labels.read(alone, spec.data, kind, "data.labels")
    return labels.complete(frame, said.assign(**{ORDER: 0}), spec.data)


def cut(spec: ModelSpec, asked: Asked, frame: pd.DataFrame) -> History:
    """Order the rows that have a label and a time, and cut them into a warm-up and batches."""
    evaluation.check_target(frame, spec.data)
    rows = frame[frame[spec.data.target].notna()]
    when = _times(spec, rows)
    if when is not None:
        order = np.argsort(when, kind="stable")
        order = order[~np.isnan(when[order])]
        rows, when = rows.iloc[order], when[order]
    rows = rows.reset_index(drop=True)
    dates = when is not None and casts.kind_of(rows[spec.data.time]) != "number"
    warm = _warm(asked, when, len(rows), dates=dates)
    evaluation.check_target(rows.iloc[:warm], spec.data)
    task = evaluation.infer_task(rows[spec.data.target].iloc[:warm], spec.data)
    edges = _edges(spec, asked, when, warm, len(rows), dates=dates)
    return History(
        frame=rows,
        y=answers(rows[spec.data.target], task),
        when=when if dates else None,
        task=task,
        metric=evaluation.metric(spec.search.metric or evaluation.default_metric(task), task),
        positive=evaluation.positive_class(rows[spec.data.target], spec.data) if task == "binary" else None,
        weight=rows[spec.data.weight].to_numpy(dtype="float64") if spec.data.weight else None,
        warm=warm,
        batches=_batches(edges, when if dates else None),
        left_out=len(frame) - len(rows),
    )


def _times(spec: ModelSpec, rows: pd.DataFrame) -> Floats | None:
    return evaluation.times_of(rows[spec.data.time]) if spec.data.time else None


def _warm(asked: Asked, when: Floats | None, rows: int, *, dates: bool) -> int:
    """Return how many rows come first; those of one time stay together, where batches are periods those of one day."""
    warm = max(FEWEST_ROWS, int(rows * asked.warmup))
    if warm >= rows:
        raise DataError(
            f"The history has {rows:,} row(s) with a label and a time, and the first model needs {FEWEST_ROWS}.",
            why="What comes after them is lived through in batches.",
            do="Give a longer history with --data.",
        )
    if when is None:
        return warm
    last, unit = when[warm - 1], _unit(asked.period) if dates else 0.0
    if not unit:
        return int(np.searchsorted(when, last, side="right"))
    return int(np.searchsorted(when, (last // unit + 1) * unit, side="left"))


def _unit(period: timedelta | None) -> float:
    """Return what batches of a period begin with, in microseconds: a day, or an hour, minute or second if shorter."""
    units = (DAY, timedelta(hours=1), timedelta(minutes=1), timedelta(seconds=1))
    return next((unit / timedelta(microseconds=1) for unit in units if period and unit <= period), 0.0)


def _edges(
    spec: ModelSpec, asked: Asked, when: Floats | None, warm: int, rows: int, *, dates: bool
) -> list[tuple[int, int]]:
    """Return where each batch starts and stops; periods without a row are none."""
    period = asked.period
    if period is None:
        size = int(asked.batch) if asked.batch else max(MEASURED, -(-(rows - warm) // USUAL))
        if size < 1:
            raise InputError(f"--batch is '{asked.batch}'.", do="Give a period (3d, 1w) or a number of rows.")
        starts = _whole(range(warm, rows, size), when)
    else:
        _must_have_dates(spec, asked.batch, dates)
        assert when is not None
        turns = (when[warm:] - when[warm:][:1]) // (period / timedelta(microseconds=1))
        starts = [warm, *(warm + 1 + np.flatnonzero(np.diff(turns))).tolist()] if warm < rows else []
    if not FEWEST <= len(starts) <= MOST:
        few = len(starts) < FEWEST
        size_said = write_duration(period) if period else f"{asked.batch or size} rows"
        raise InputError(
            f"The {rows - warm:,} rows after the warm-up make {len(starts):,} batch(es) of {size_said}; "
            f"{FEWEST if few else MOST:,} {'are needed' if few else 'are the most'}.",
            do=f"Give a {'shorter' if few else 'longer'} --batch{', a smaller --warmup or a longer history' * few}.",
        )
    edges = list(zip(starts, [*starts[1:], rows], strict=True))
    if (usual := int(np.median(np.diff([*starts, rows])))) < MEASURED:
        raise InputError(
            f"A batch has {usual} rows, and {MEASURED} are the fewest that say how good a model is.",
            why="In production the labels of smaller batches wait for the next ones.",
            do="Give a longer --batch.",
        )
    return edges


def _whole(starts: Sequence[int], when: Floats | None) -> list[int]:
    """Move starts to where a new moment begins: labels of a moment are not known while some of it is answered."""
    if when is None:
        return list(starts)
    moved = np.searchsorted(when, when[np.asarray(starts, dtype=int) - 1], side="right")
    return [int(start) for start in np.unique(moved) if start < len(when)]


def _must_have_dates(spec: ModelSpec, batch: str, dates: bool) -> None:
    if dates:
        return
    holds = f"'{spec.data.time}' holds numbers" if spec.data.time else "the model file names no data.time"
    raise InputError(f"--batch {batch} is a period, and {holds}.", do="Give a number of rows, such as --batch 500.")


def _batches(edges: list[tuple[int, int]], when: Floats | None) -> tuple[Batch, ...]:
    if when is None:
        return tuple(Batch(*edge, START + at * DAY, START + (at + 1) * DAY) for at, edge in enumerate(edges))
    return tuple(Batch(a, b, _moment(when[a]), _moment(when[b - 1])) for a, b in edges)


def _moment(microseconds: float) -> datetime:
    return datetime.fromtimestamp(microseconds / 1e6, UTC)
