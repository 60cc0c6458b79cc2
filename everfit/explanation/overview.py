"""What a version goes by, over all rows: for its artifacts in MLflow, and for whoever asks on the command line."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from everfit.explanation.explainer import Explainer
from everfit.explanation.importance import Importance, importances
from everfit.explanation.surrogate import Surrogate, surrogate
from everfit.files import replacing

FILE = "explanation"


@dataclass(frozen=True)
class Overview:
    """The fields by how much they matter, in units of `scale`, and rules that say nearly the same as the model."""

    scale: str
    importances: tuple[Importance, ...]
    surrogate: Surrogate | None

    @property
    def fidelity(self) -> str:
        """Say how nearly the rules say what the model says."""
        if self.surrogate is None:
            return "There are too few rows for rules that say nearly the same."
        told = self.surrogate
        beside = f", where always saying the same would have {told.baseline:.0%}" if told.measure == "agreement" else ""
        return f"These rules say nearly the same ({told.measure} {told.fidelity:.2f} on rows new to them{beside}):"

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, ready for JSON."""
        return {
            "scale": self.scale,
            "importances": [one.to_dict() for one in self.importances],
            "surrogate": self.surrogate.to_dict() if self.surrogate else None,
        }

    def markdown(self) -> str:
        """Return it as a page of text."""
        rows = [f"| {one.field} | {one.mean:.4g} | {one.low:.4g} to {one.high:.4g} |" for one in self.importances]
        head = f"Mean size of each field's contribution, in units of: {self.scale}."
        rules = [f"- {rule}" for rule in self.surrogate.rules] if self.surrogate else []
        table = ["| field | mean | 95 % |", "|---|---|---|", *rows]
        return "\n".join(["# What the model goes by", "", head, "", *table, "", self.fidelity, "", *rules, ""])

    def save(self, folder: Path) -> None:
        """Write it into a folder, for programs and for people."""
        for ending, text in ((".json", json.dumps(self.to_dict(), indent=1)), (".md", self.markdown())):
            with replacing(folder / f"{FILE}{ending}") as half:
                half.write_text(text, encoding="utf-8")


def overview(explainer: Explainer, rows: pd.DataFrame | None = None, *, hidden: Collection[str] = ()) -> Overview:
    """Look at the answers to rows that were read, by default those of the reference; no rule names a hidden field."""
    said = explainer.predict(explainer.reference.head(1))
    several = said.classes is not None and len(said.classes) > 2
    scale = "probability of the class that is said" if several else explainer.scale(said.classes, said.positive)
    return Overview(scale, tuple(importances(explainer, rows)), surrogate(explainer, rows, hidden=hidden))
