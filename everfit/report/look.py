"""How pictures look: the colours of our pages, told apart also without colour. The door to matplotlib."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter

INK, SOFT, LINE, WASH, CALM, BAD = "#1b2230", "#5a6475", "#d5dae2", "#f0f2f6", "#2f5fb3", "#b3261e"
DPI = 120
LARGE = 10_000
STYLE: dict[Any, Any] = {
    "font.size": 9.5, "font.family": "DejaVu Sans", "text.color": INK, "axes.labelcolor": SOFT, "axes.edgecolor": LINE,
    "axes.titlesize": 10.5, "axes.titleweight": "bold", "axes.titlelocation": "left", "axes.titlecolor": INK,
    "axes.spines.top": False, "axes.spines.right": False, "axes.axisbelow": True, "axes.grid": True,
    "grid.color": WASH, "grid.linewidth": 1.0, "xtick.color": SOFT, "ytick.color": SOFT, "xtick.labelcolor": INK,
    "ytick.labelcolor": INK, "legend.frameon": False, "legend.fontsize": 8.5, "figure.facecolor": "white",
    "lines.linewidth": 1.8, "svg.fonttype": "none",
}  # fmt: skip

# Okabe and Ito's colours, which nearly everybody can tell apart, and some more; each has a mark of its own.
FAMILIES = {
    "lightgbm": ("#0072b2", "o"),
    "catboost": ("#d55e00", "s"),
    "xgboost": ("#009e73", "^"),
    "hist_boosting": ("#56b4e9", "v"),
    "random_forest": ("#b8860b", "D"),
    "extra_trees": ("#e69f00", "d"),
    "linear": ("#cc79a7", "P"),
    "mlp": ("#7b4fa3", "h"),
    "network": ("#4b2e83", "H"),
    "neighbors": ("#6b7280", "p"),
    "blend": (INK, "*"),
}
OTHER = (SOFT, "o")


@dataclass(frozen=True)
class Picture:
    """A PNG, and what it shows for who cannot see it."""

    name: str
    alt: str
    png: bytes


def drawn(paint: Callable[[Figure], None], width: float = 7.6, height: float = 4.0) -> bytes:
    """Return the PNG of what is painted on a figure of so many inches."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(width, height), layout="constrained")
        paint(figure)
        file = BytesIO()
        figure.savefig(file, dpi=DPI, format="png", metadata={"Software": None})
    return file.getvalue()


def mark_of(family: str) -> tuple[str, str]:
    """Return a family's colour and mark, the same on every picture."""
    return FAMILIES.get(family, OTHER)


def plain(axes: Axes) -> None:
    """Write large numbers as 500k and 1.5M, not as multiples of 1e6."""
    for axis, ends in ((axes.xaxis, axes.get_xlim()), (axes.yaxis, axes.get_ylim())):
        if max(map(abs, ends)) >= LARGE:
            axis.set_major_formatter(EngFormatter(sep=""))


def only_x(axes: Axes) -> None:
    """Leave out what a list of names at the left does not need."""
    axes.grid(visible=False, axis="y")
    axes.spines["left"].set_visible(False)
    axes.tick_params(axis="y", length=0)
