"""The pictures of what a model said against what was true: calibration, confusion, residuals."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure

from everfit.report.look import CALM, INK, LINE, SOFT, Picture, drawn, plain
from everfit.search.predicted import Predicted

BINS = 10
CLASSES = 20  # that a confusion matrix shows, the most frequent ones
WRITTEN = 12  # of so many at most the cells have numbers
POINTS = 2_000
BLUES = LinearSegmentedColormap.from_list("everfit", ["#ffffff", "#bcd0f2", CALM, "#12305f"])


def pictures(y: np.ndarray, predicted: Predicted, on: str) -> list[Picture]:
    """Draw calibration and confusion of a classification, residuals of a regression; `on` says of which rows."""
    if predicted.proba is None:
        return [residuals(y, predicted.values, on)]
    return [calibration(y, predicted, on), confusion(y, predicted.values, on)]


def calibration(y: np.ndarray, predicted: Predicted, on: str) -> Picture:
    """Show how often what was said with some probability came true, in bins of equally many rows.

    For two classes that is the positive one's probability; for more, that of the class that was said.
    """
    assert predicted.proba is not None
    assert predicted.classes is not None
    binary = predicted.score is not None
    said = predicted.score if predicted.score is not None else predicted.proba.max(axis=1)
    true = y == (predicted.classes[predicted.positive] if binary else predicted.values)
    mean, share, half, count = _binned(np.asarray(said, dtype="float64"), true)
    away = float(np.average(np.abs(mean - share), weights=count))
    what = f"probability of {predicted.classes[predicted.positive]!s}" if binary else "probability of the class it said"

    def paint(figure: Figure) -> None:
        axes, below = figure.subplots(2, 1, sharex=True, height_ratios=[4, 1])
        axes.plot([0, 1], [0, 1], "--", color=SOFT, linewidth=1.2, label="as it should be")
        axes.errorbar(mean, share, half, fmt="o-", color=CALM, capsize=3, markersize=5, label="as it is, ± 95 %")
        axes.set(ylabel="came true", ylim=(-0.02, 1.02), title=f"Calibration, {on}")
        axes.yaxis.set_major_formatter(lambda share, _: f"{share:.0%}")
        axes.legend(loc="upper left")
        below.hist(said, bins=40, range=(0, 1), color=CALM, alpha=0.8)
        below.set(xlabel=what, ylabel="rows", xlim=(-0.02, 1.02))
        below.xaxis.set_major_formatter(lambda share, _: f"{share:.0%}")

    alt = f"Calibration: on average {away:.1%} between what was said and what came true"
    return Picture("calibration", alt, drawn(paint, 5.5, 4.4))


def _binned(said: np.ndarray, true: np.ndarray) -> tuple[np.ndarray, ...]:
    """Return for each bin the mean of what was said, the share that came true, half its interval, and how many rows."""
    order = np.argsort(said, kind="stable")
    parts = [part for part in np.array_split(order, min(BINS, max(1, len(said) // 20))) if len(part)]
    mean, share = (np.array([of[part].mean() for part in parts]) for of in (said, true))
    count = np.array([len(part) for part in parts])
    centre = (share * count + 2) / (count + 4)  # Agresti and Coull 1998: an interval that is there for 0 and 1 as well
    return mean, share, 1.96 * np.sqrt(centre * (1 - centre) / (count + 4)), count


def confusion(y: np.ndarray, said: np.ndarray, on: str) -> Picture:
    """Show which class was taken for which: the share of each true class, and the count where there is room."""
    labels, counts = np.unique(np.concatenate([y, said]), return_counts=True)
    kept = np.sort(labels[np.argsort(-counts, kind="stable")[:CLASSES]])
    table = np.array([[np.sum((y == true) & (said == guess)) for guess in kept] for true in kept])
    part = "" if len(kept) == len(labels) else f" (the {CLASSES} most frequent of {len(labels)} classes)"
    share = table / np.maximum(1, table.sum(axis=1, keepdims=True))

    def paint(figure: Figure) -> None:
        axes = figure.subplots()
        axes.imshow(share, vmin=0, vmax=1, cmap=BLUES)
        ticks = [_short(label) for label in kept]
        long = max(map(len, ticks)) > 4
        axes.set_xticks(range(len(kept)), ticks, rotation=45 if long else 0, ha="right" if long else "center")
        axes.set_yticks(range(len(kept)), ticks)
        axes.grid(visible=False)
        axes.set(xlabel=f"it said{part}", ylabel="it was", title=f"Confusion, {on}")
        _write(axes, table, share)

    right = float(np.mean(y == said))
    alt = f"Confusion matrix of {len(kept)} classes; {right:.1%} of the rows were said right"
    side = 3.6 + 0.1 * len(kept)
    return Picture("confusion", alt, drawn(paint, side + 0.6, side))


def _write(axes: Axes, table: np.ndarray, share: np.ndarray) -> None:
    if len(table) > WRITTEN:
        return
    size = 9.5 if len(table) <= 6 else 7.5
    for (row, column), count in np.ndenumerate(table):
        text = f"{share[row, column]:.0%}\n{count:,}" if len(table) <= 6 else f"{share[row, column]:.0%}"
        colour = "white" if share[row, column] > 0.55 else INK
        axes.text(column, row, text, ha="center", va="center", color=colour, size=size)


def _short(label: object) -> str:
    text = str(label)
    return text if len(text) <= 16 else f"{text[:15]}…"


def residuals(y: np.ndarray, said: np.ndarray, on: str) -> Picture:
    """Show what was said against what was true, and how far off it was for small and large answers."""
    y, said = np.asarray(y, dtype="float64"), np.asarray(said, dtype="float64")
    off = said - y
    some = np.linspace(0, len(y) - 1, min(len(y), POINTS)).astype(int)

    def paint(figure: Figure) -> None:
        left, right = figure.subplots(1, 2)
        ends = np.quantile(np.concatenate([y, said]), [0.002, 0.998])
        left.plot(y[some], said[some], "o", color=CALM, alpha=0.25, markersize=3.5, mew=0)
        left.plot(ends, ends, "--", color=INK, linewidth=1.2)
        left.set(xlabel="true", ylabel="predicted", title=f"Predicted and true, {on}", xlim=ends, ylim=ends)
        _band(right, said, off)
        right.plot(said[some], off[some], "o", color=CALM, alpha=0.18, markersize=3, mew=0, zorder=1)
        right.axhline(0, color=INK, linestyle="--", linewidth=1.2)
        right.set(xlabel="predicted", ylabel="predicted less true", title="How far off, and where",
                  xlim=np.quantile(said, [0.002, 0.998]), ylim=np.quantile(off, [0.01, 0.99]) * 1.3)  # fmt: skip
        right.legend(loc="upper left")
        plain(left)
        plain(right)

    alt = f"Predictions against true values: half of them are less than {np.median(np.abs(off)):.4g} off"
    return Picture("residuals", alt, drawn(paint, 10.4, 4.4))


def _band(axes: Axes, said: np.ndarray, off: np.ndarray) -> None:
    """Draw the middle of what it was off by, and where four fifths of the rows are, along the predictions."""
    parts = [part for part in np.array_split(np.argsort(said, kind="stable"), BINS) if len(part) > 4]
    if len(parts) < 3:
        return
    at = [np.median(said[part]) for part in parts]
    low, middle, high = (np.array([np.quantile(off[part], share) for part in parts]) for share in (0.1, 0.5, 0.9))
    axes.fill_between(at, low, high, color=LINE, alpha=0.75, linewidth=0, label="four fifths of the rows", zorder=2)
    axes.plot(at, middle, "o-", color="#d55e00", markersize=4, linewidth=1.6, label="the middle", zorder=3)
