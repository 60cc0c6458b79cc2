"""The pictures of a search: how it went, what it took, how the families compare, and which parameters mattered."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from everfit import search
from everfit.report.board import FAILED, firsts
from everfit.report.look import BAD, INK, SOFT, Picture, drawn, mark_of, only_x, plain
from everfit.report.words import Scale, duration, half_of, named, titled
from everfit.search.predicted import Metric
from everfit.search.records import ENOUGH, Row, Searched

SUBJECTS = 4  # families whose parameters are shown
PARAMETERS = 7
ZOOMED = 7  # of the best families, the axis shows so many whole
HALF, FULL = 5.5, 10.4  # inches, which are a hundred pixels each on the page


def pictures(found: Searched, metric: Metric) -> list[Picture]:
    """Draw what there is something to draw of."""
    made = [leaderboard(found, metric), history(found, metric), spent(found), importance(found, metric)]
    return [picture for picture in made if picture is not None]


def leaderboard(found: Searched, metric: Metric) -> Picture | None:
    """Show each family's best score with its interval."""
    rows, scale = firsts(found.leaderboard)[::-1], Scale.of(found.leaderboard)
    if not rows:
        return None

    def paint(figure: Figure) -> None:
        axes = figure.subplots()
        for at, row in enumerate(rows):
            colour, mark = mark_of(row.family)
            axes.errorbar(row.score or 0.0, at, xerr=half_of(row), fmt=mark, color=colour, ms=7, capsize=3, lw=1.5)
            axes.annotate(scale.interval(row), (1.01, at), xycoords=("axes fraction", "data"), va="center", size=8.5)
        axes.set_yticks(range(len(rows)), [titled(row) for row in rows])
        axes.set_xlabel(f"{metric.name}, with its 95 % interval ({_better(metric)})")
        axes.set_title("The best of each family")
        _zoom(axes, rows)
        plain(axes)
        only_x(axes)

    alt = "The best score of each family: " + "; ".join(f"{titled(r)} {scale.interval(r)}" for r in rows[::-1])
    return Picture("leaderboard", alt, drawn(paint, HALF, 0.9 + 0.3 * len(rows)))


def _zoom(axes: Axes, rows: Sequence[Row]) -> None:
    """Let the axis show the models, not the emptiness up to the constant guess; what is far behind is cut off."""
    models = [row for row in rows if row.score is not None and row.status != "baseline"][-ZOOMED:]
    ends = [row.score + side * half_of(row) for row in models if row.score is not None for side in (-1, 1)]
    if len(models) > 1 and (room := max(ends) - min(ends)) > 0:
        axes.set_xlim(min(ends) - 0.06 * room, max(ends) + 0.06 * room)


def _better(metric: Metric) -> str:
    return "higher is better" if metric.greater else "lower is better"


def history(found: Searched, metric: Metric) -> Picture | None:
    """Show each trial's score when it came in, the best so far, and when trials failed."""
    trials = found.trials.sort_values("ended", kind="stable") if len(found.trials) else found.trials
    done = trials[(trials["status"] == "done") & trials["score"].notna()] if len(trials) else trials
    if done.empty:
        return None
    best = done["score"].cummax() if metric.greater else done["score"].cummin()
    unit, word = (60.0, "minutes") if found.seconds > 300 else (1.0, "seconds")

    def paint(figure: Figure) -> None:
        axes = figure.subplots()
        _dots(axes, done, _ends(done["score"].to_numpy(), metric), unit)
        axes.step([*done["ended"] / unit, found.seconds / unit], [*best, *best.tail(1)], where="post", color=INK,
                  label="best so far")  # fmt: skip
        _marks(axes, trials[trials["status"].isin(FAILED)], unit, "x", BAD, "failed or too late")
        _marks(axes, trials[trials["status"] == "pruned"], unit, "|", SOFT, "given up early")
        _winner(axes, found, unit)
        plain(axes)
        axes.set(xlabel=f"{word} since the start", ylabel=f"{metric.name} ({_better(metric)})", title="How it went")
        axes.set_xlim(0, 1.02 * found.seconds / unit)
        figure.legend(loc="outside right upper")

    way = f"the best so far went from {best.iloc[0]:.4g} to {best.iloc[-1]:.4g}"
    alt = f"{len(done)} trials over {duration(found.seconds)}; {way}"
    return Picture("history", alt, drawn(paint, FULL, 4.2))


def _dots(axes: Axes, done: pd.DataFrame, ends: tuple[float, float], unit: float) -> None:
    """Draw each trial in its family's colour; those beyond an end stand at it."""
    axes.set_ylim(*ends)
    for family, part in done.groupby("family", sort=False):
        colour, mark = mark_of(str(family))
        axes.plot(part["ended"] / unit, part["score"].clip(*ends), mark, color=colour, alpha=0.75, mew=0, clip_on=False,
                  markersize=5 if len(done) > 40 else 7, label=named(str(family)))  # fmt: skip


def _marks(axes: Axes, trials: pd.DataFrame, unit: float, mark: str, colour: str, label: str) -> None:
    """Mark along the bottom when something came to nothing."""
    if len(trials):
        axes.plot(trials["ended"] / unit, np.zeros(len(trials)), mark, color=colour, markersize=6.5, clip_on=False,
                  transform=axes.get_xaxis_transform(), label=label)  # fmt: skip


def _ends(scores: np.ndarray, metric: Metric) -> tuple[float, float]:
    """Return an axis for the better three quarters; very bad scores, drawn at its end, would press all others flat."""
    sign = 1.0 if metric.greater else -1.0
    worst, top = np.quantile(sign * scores, [0.25, 1.0])
    room = (top - worst) or abs(top) / 100 or 1.0
    low, high = sorted((sign * (worst - 0.4 * room), sign * (top + 0.2 * room)))
    return float(low), float(high)


def _winner(axes: Axes, found: Searched, unit: float) -> None:
    """Mark the final score at the end, where it is no trial's."""
    if found.family == "blend" and found.score is not None:
        axes.plot(found.seconds / unit, found.score, mark_of("blend")[1], color=INK, markersize=13, clip_on=False,
                  label="the blend", linestyle="none")  # fmt: skip


def spent(found: Searched) -> Picture | None:
    """Show the seconds that each family took, and what came of them."""
    if not found.spent:
        return None
    families = list(found.spent)[::-1]
    counts, total = found.trials["family"].value_counts(), sum(found.spent.values()) or 1.0

    def paint(figure: Figure) -> None:
        axes = figure.subplots()
        for at, family in enumerate(families):
            seconds, count = found.spent[family], int(counts.get(family, 0))
            axes.barh(at, seconds, color=mark_of(family)[0], height=0.62)
            text = f"  {duration(seconds)}, {seconds / total:.0%}, {count} trial{'' if count == 1 else 's'}"
            axes.annotate(text, (seconds, at), va="center", size=8.5)
        axes.set_yticks(range(len(families)), [named(family) for family in families])
        axes.set(xlabel="seconds of one core", title="What each family took")
        axes.set_xlim(0, 1.45 * max(found.spent.values()))
        only_x(axes)

    alt = "Seconds of one core: " + ", ".join(f"{named(f)} {duration(s)}" for f, s in found.spent.items())
    return Picture("spent", alt, drawn(paint, HALF, 0.9 + 0.3 * len(families)))


def importance(found: Searched, metric: Metric) -> Picture | None:
    """Show for the best families that had enough trials which parameters mattered."""
    tables = {name: table for name, table in search.importance(found, greater=metric.greater).items() if len(table) > 1}
    order = [row.family for row in firsts(found.leaderboard) if row.family in tables][:SUBJECTS]
    if not order:
        return None

    def paint(figure: Figure) -> None:
        figure.subplots(-(-len(order) // 2), min(2, len(order)))
        for axes, family in zip(figure.axes, order, strict=False):
            _bars(axes, tables[family].head(PARAMETERS)[::-1], family)
        for axes in figure.axes[len(order) :]:
            axes.set_axis_off()
        handles, labels = figure.axes[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower left", ncols=2)

    first = ", ".join(f"{named(name)}: {tables[name].index[0]}" for name in order)
    height = 0.4 + 2.6 * -(-len(order) // 2)
    return Picture("importance", f"What mattered most: {first}", drawn(paint, FULL if len(order) > 1 else HALF, height))


def _bars(axes: Axes, table: pd.DataFrame, family: str) -> None:
    places = np.arange(len(table))
    axes.barh(places, table["spread"], color=mark_of(family)[0], alpha=0.85, height=0.55,
              label="how much of the scores' spread goes with it")  # fmt: skip
    axes.plot(table["top"], places, "o", color=INK, mfc="white", markersize=5.5, mew=1.4,
              label="how much it tells good trials from all")  # fmt: skip
    axes.set_yticks(places, [str(name).replace("_", " ") for name in table.index])
    axes.set_title(named(family), color=INK)
    axes.set_xlim(0, 1.05 * max(0.05, float(np.nanmax(table.to_numpy()))))
    axes.xaxis.set_major_formatter(lambda share, _: f"{share:.0%}")
    only_x(axes)


def too_few(found: Searched) -> str:
    """Say that no family had enough trials for a word on its parameters."""
    done = found.trials[found.trials["status"] == "done"] if len(found.trials) else found.trials
    most = done["family"].value_counts().max() if len(done) else 0
    needed = f"{most} at most, where {ENOUGH} are needed"
    return f"No family has finished enough trials to tell which of its parameters matter: {needed}."
