"""What a terminal shows of a search while it runs: the best so far, how it came about, and how each family fares."""

from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Table

if TYPE_CHECKING:
    from everfit.search import Progress, Standing

BARS = "▁▂▃▄▅▆▇█"
WIDTH = 32


class Live:
    """Remembers the best scores of a search, and renders each look at it."""

    def __init__(self) -> None:
        self.best: list[tuple[float, float]] = []  # seconds and score, each time that it got better

    def view(self, text: str, seen: "Progress") -> RenderableType:
        """Return a line for the whole search and one for each family."""
        if self.best and seen.seconds < self.best[-1][0]:
            self.best = []  # another search has begun
        if seen.best_score is not None and (not self.best or self.best[-1][1] != seen.best_score):
            self.best.append((seen.seconds, seen.best_score))
        line = f"{escape(text)}  [blue]{self._line(seen.seconds)}[/]"
        return Group(line, _families(seen)) if seen.families else line

    def _line(self, now: float) -> str:
        """Return the way from the first score to the best, whichever way is up, over the time since the start."""
        if len(self.best) < 2:
            return ""
        (began, first), (_, last) = self.best[0], self.best[-1]
        bars = []
        for step in range(WIDTH):
            at = began + (now - began) * (step + 1) / WIDTH
            score = [score for seconds, score in self.best if seconds <= at][-1]
            bars.append(BARS[round((len(BARS) - 1) * abs(score - first) / abs(last - first))])
        return "".join(bars)


def _families(seen: "Progress") -> Table:
    from everfit.report.words import named

    shown = Table(box=None, pad_edge=False, header_style="dim")
    for name, side in (("", "left"), ("best", "right"), ("trials", "right"), ("failed", "right"), ("", "left")):
        shown.add_column(name, justify=side)  # type: ignore[arg-type]
    for each in seen.families:
        leads = each.family == seen.best_family
        shown.add_row(named(each.family), _score(each), str(each.done or ""), str(each.failed or ""),
                      "[green]" + "● " * each.running + "[/]", style="bold" if leads else "")  # fmt: skip
    return shown


def _score(each: "Standing") -> str:
    return "" if each.best is None else f"{each.best:.4g}"
