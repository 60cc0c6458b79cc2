"""The pictures of a backtest: quality and cost over time, and what quality costs."""

from __future__ import annotations

from itertools import accumulate

import numpy as np
from matplotlib.axes import Axes
from matplotlib.dates import ConciseDateFormatter
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter

from everfit.backtest.plan import BEST, CALENDAR, EVERY, NEVER, THIS
from everfit.backtest.result import Result, Standing
from everfit.backtest.telling import ranked, short
from everfit.report.look import BAD, CALM, INK, LARGE, SOFT, Picture, drawn

STYLES = {  # colour, mark, line
    THIS: (CALM, "*", "-"),
    NEVER: (SOFT, "o", ":"),
    EVERY: ("#d55e00", "s", "--"),
    CALENDAR: ("#b8860b", "D", "-."),
    BEST: ("#009e73", "^", "--"),
}
ANOTHER = ("#7b4fa3", "P", "-")
FULL, HALF = 10.4, 5.5  # inches
DEEDS = {  # what is marked along the bottom
    "refit": ("|", CALM, "refit"),
    "search": ("D", INK, "search"),
    "repair": ("x", BAD, "refused as broken"),
}
BEYOND = 0.1  # of batches, whose worst scores may be beyond the axis


def pictures(result: Result) -> list[Picture]:
    """Draw all of it."""
    return [quality(result), cost(result), frontier(result)]


def quality(result: Result) -> Picture:
    """Show the metric of each batch, and what the policy of the model file did."""
    at = _times(result)

    def paint(figure: Figure) -> None:
        axes = figure.subplots()
        for each in result.policies:
            colour, _, line = STYLES.get(each.name, ANOTHER)
            scores = [np.nan if score is None else score for score in each.scores]
            axes.plot(at, scores, line, color=colour, label=short(each), lw=2.4 if each.name == THIS else 1.4,
                      zorder=3 if each.name == THIS else 2)  # fmt: skip
        _ends(axes, result)
        _deeds(axes, result, at)
        _along(axes, result)
        axes.set(ylabel=f"{result.metric} ({_better(result)})", title="Quality, batch by batch")
        figure.legend(loc="outside right upper")

    alt = f"{result.metric} by batch: " + "; ".join(f"{short(each)} {each.score:.4g} in all" for each in ranked(result))
    return Picture("quality", alt, drawn(paint, FULL, 4.2))


def cost(result: Result) -> Picture:
    """Show how CPU seconds add up."""
    at = _times(result)

    def paint(figure: Figure) -> None:
        axes = figure.subplots()
        for each in result.policies:
            colour, _, line = STYLES.get(each.name, ANOTHER)
            axes.plot(at, list(accumulate(each.seconds)), line, color=colour, label=short(each))
        axes.set(ylabel="CPU seconds so far", title="Cost")
        axes.set_ylim(bottom=0)
        _along(axes, result)
        axes.legend(loc="upper left")

    alt = "CPU seconds: " + "; ".join(f"{short(each)} {each.cpu_seconds:.1f}" for each in result.policies)
    return Picture("cost", alt, drawn(paint, HALF, 4.2))


def frontier(result: Result) -> Picture:
    """Show what quality costs: nobody is both better and cheaper than a policy on the line."""
    best = front(result)

    def paint(figure: Figure) -> None:
        axes = figure.subplots()
        axes.plot([each.cpu_seconds for each in best], [each.score for each in best], color=SOFT, lw=1, zorder=1)
        for each in result.policies:
            colour, mark, _ = STYLES.get(each.name, ANOTHER)
            axes.plot(each.cpu_seconds, each.score, mark, color=colour, ms=15 if each.name == THIS else 9,
                      label=short(each), linestyle="none")  # fmt: skip
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter(lambda seconds, _: f"{seconds:g}")
        axes.margins(0.12)
        if not result.greater:
            axes.invert_yaxis()
        axes.set(
            xlabel="CPU seconds (logarithmic)", ylabel=f"{result.metric}, better upwards", title="What quality costs"
        )
        axes.legend(loc="best")

    alt = "On the frontier: " + ", ".join(
        f"{short(each)} ({result.metric} {each.score:.4g} for {each.cpu_seconds:.1f} s)" for each in best
    )
    return Picture("frontier", alt, drawn(paint, HALF, 4.2))


def front(result: Result) -> list[Standing]:
    """Return the policies that nobody beats in both quality and cost, the cheapest first."""
    best, kept = None, list[Standing]()
    sign = 1 if result.greater else -1
    for each in sorted(result.policies, key=lambda one: (one.cpu_seconds, -sign * one.score)):
        if best is None or sign * each.score > best:
            best = sign * each.score
            kept.append(each)
    return kept


def _ends(axes: Axes, result: Result) -> None:
    """Let the axis show what most batches are about; single ones that are very bad would press all others flat."""
    known = np.array([score for each in result.policies for score in each.scores if score is not None])
    if not len(known) or not np.ptp(known):
        return
    low, high = known.min(), known.max()
    if result.greater:
        low = max(low, np.quantile(known, BEYOND) - 2 * (high - np.quantile(known, BEYOND)))
    else:
        high = min(high, np.quantile(known, 1 - BEYOND) + 2 * (np.quantile(known, 1 - BEYOND) - low))
    room = 0.06 * (high - low)
    axes.set_ylim(low - 1.6 * room, high + room)


def _deeds(axes: Axes, result: Result, at: np.ndarray) -> None:
    """Mark along the bottom what was done about which batch."""
    for action, (mark, colour, label) in DEEDS.items():
        when = at[[deed.batch for deed in result.policy(THIS).deeds if deed.action == action]]
        if len(when):
            axes.plot(when, [0.02] * len(when), mark, color=colour, ms=8, mew=1.8, linestyle="none", label=label,
                      transform=axes.get_xaxis_transform())  # fmt: skip


def _times(result: Result) -> np.ndarray:
    if not result.dated:
        return np.arange(1, len(result.spans) + 1)
    return np.array([span.ended.removesuffix("+00:00") for span in result.spans], dtype="datetime64[us]")


def _along(axes: Axes, result: Result) -> None:
    """Write dates along the bottom, or numbers of batches."""
    if result.dated:
        axes.xaxis.set_major_formatter(ConciseDateFormatter(axes.xaxis.get_major_locator()))  # type: ignore[no-untyped-call]
    axes.set_xlabel("end of the batch" if result.dated else "batch")
    if max(map(abs, axes.get_ylim())) >= LARGE:
        axes.yaxis.set_major_formatter(EngFormatter(sep=""))


def _better(result: Result) -> str:
    return "higher is better" if result.greater else "lower is better"
