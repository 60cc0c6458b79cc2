"""Names and numbers as people write them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import floor, isfinite, log10
from statistics import median
from typing import Any

from everfit.search.records import Row

NAMES = {  # those that are not just their key with spaces
    "lightgbm": "LightGBM",
    "catboost": "CatBoost",
    "xgboost": "XGBoost",
    "hist_boosting": "Histogram boosting",
    "linear": "Linear model",
    "mlp": "Neural network",
    "network": "Deep network",
    "neighbors": "Nearest neighbours",
    "dummy": "Constant guess",
}


def named(family: str) -> str:
    """Return what people call a family."""
    return NAMES.get(family, family.replace("_", " ").capitalize())


def titled(row: Row) -> str:
    """Return what people call a line of the leaderboard."""
    return f"Blend of {len(row.params['members'])}" if "members" in row.params else named(row.family)


def members(row: Row) -> list[dict[str, Any]]:
    """Return the parts of a blend, the heaviest first: family, weight, number of the trial; none of a single model."""
    return sorted(row.params.get("members", ()), key=lambda each: -float(each["weight"]))


@dataclass(frozen=True)
class Scale:
    """How scores of one search are written: with so many decimals that an interval's half has about two digits."""

    decimals: int

    @classmethod
    def of(cls, rows: Sequence[Row]) -> Scale:
        """Choose by the intervals of the best rows; by the scores where there is none."""
        halves = [half for row in rows[:10] if (half := half_of(row))]
        known = halves or [abs(row.score) / 100 for row in rows[:10] if row.score]
        return cls(min(6, max(0, 2 + floor(0.5 - log10(median(known))))) if known else 4)

    def score(self, value: float | None) -> str:
        """Write a score; a dash for none."""
        return f"{value:,.{self.decimals}f}" if value is not None and isfinite(value) else "–"

    def gain(self, value: float) -> str:
        """Write a difference of scores, with one decimal more: two rounded scores may say another one."""
        return f"{value:,.{self.decimals + bool(self.decimals)}f}"

    def interval(self, row: Row) -> str:
        """Write a score with half of its interval, such as 0.8534 ± 0.0123."""
        half = half_of(row)
        return f"{self.score(row.score)} ± {self.score(half)}" if half else self.score(row.score)


def half_of(row: Row) -> float:
    """Return half of a score's 95 % interval; 0 where none is known."""
    if row.score is None or row.low is None or row.high is None:
        return 0.0
    half = (row.high - row.low) / 2
    return half if isfinite(half) else 0.0


def duration(seconds: float) -> str:
    """Write a time for people: 38 s, 12 min 5 s, 1 h 3 min."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s" if seconds >= 10 else f"{seconds:.1f} s"
    minutes, left = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} min {left} s" if left else f"{minutes} min"
    return f"{minutes // 60} h {minutes % 60} min"


def cost(value: float | None, decimals: int) -> str:
    """Write a cost with as many decimals as all of its kind; a dash for none."""
    if value is None or not isfinite(value):
        return "–"
    least = 10.0**-decimals
    return f"{value:,.{decimals}f}" if value >= least or value == 0 else f"< {least:g}"


def happened(row: Row) -> str:
    """Say in words what became of a trial; empty when it simply was done."""
    if row.status == "baseline":
        return "what every model has to beat"
    if row.status in ("failed", "timed out"):
        return f"{row.status}: {row.reason}" if row.reason else row.status
    return row.reason
