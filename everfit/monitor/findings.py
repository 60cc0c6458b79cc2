"""What a signal says: one finding, in plain words, with the numbers that it rests on."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from typing import Literal, Self

from everfit.record import Record

Severity = Literal["fine", "watch", "retrain", "repair"]
SHARES_ONLY = ("null burst", "columns swapped")  # these texts have no value in them


@dataclass(frozen=True)
class Finding(Record):
    """One signal's answer. `judged=False` says that it could not tell, which is neither good nor bad.

    `severity` is what the finding asks for when it `speaks`: to watch, to retrain, or to repair the feed.
    """

    signal: str
    text: str
    severity: Severity = "fine"
    judged: bool = True
    columns: tuple[str, ...] = ()
    statistic: float | None = None
    p_value: float | None = None
    effect: float | None = None

    @property
    def speaks(self) -> bool:
        """Whether it asks for anything."""
        return self.judged and self.severity != "fine"

    @classmethod
    def cannot_judge(cls, signal: str, why: str) -> Self:
        """Say that there is not enough to go by."""
        return cls(signal, why, judged=False)


def without_values(found: Iterable[Finding], personal: Collection[str]) -> tuple[Finding, ...]:
    """Return findings whose texts show no value of a personal column; their columns and numbers stay."""
    return tuple(_hidden(finding) if set(finding.columns) & set(personal) else finding for finding in found)


def _hidden(finding: Finding) -> Finding:
    if finding.signal in SHARES_ONLY:
        return finding
    text = f"{listed(finding.columns)}: {finding.signal}; its values are personal, and no report shows them"
    return replace(finding, text=text)


def finite(value: float, digits: int = 6) -> float | None:
    """Round a number for JSON, which knows neither NaN nor infinity."""
    return float(f"{value:.{digits}g}") if math.isfinite(value) else None


def listed(names: tuple[str, ...] | list[str], shown: int = 5) -> str:
    """Return `a, b, c and 4 more`."""
    head = ", ".join(names[:shown])
    return f"{head} and {len(names) - shown} more" if len(names) > shown else head
