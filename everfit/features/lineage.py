"""Columns that are made of other columns: what each is made of, how, and why it was kept."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Operation = Literal["ratio", "difference", "product", "cross", "mean"]
SIGNS = {"ratio": "/", "difference": "-", "product": "*", "cross": "×"}


@dataclass(frozen=True)
class Derived:
    """One column made of raw columns, or for `mean` of one.

    `ratio`, `difference` (in days, of two dates) and `product` are numbers; a `cross` is a category, whose levels are
    pairs of levels; `mean` is what the target does at each level. `gain` is how much it lowered the loss on rows that
    did not learn, as a share of that loss, and `stability` the share of folds in which it did.
    """

    operation: Operation
    columns: tuple[str, ...]
    gain: float = 0.0
    stability: float = 0.0
    reason: str = ""

    @property
    def name(self) -> str:
        """How it is called wherever columns have names."""
        if self.operation == "mean":
            return f"{self.columns[0]}[mean]"
        return f" {SIGNS[self.operation]} ".join(self.columns)
