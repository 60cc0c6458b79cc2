"""Has a mean risen? Welch's test, on rows whose neighbours may be alike.

Values in the order of time are alike from one row to the next, so that a thousand of them may say no more than
fifty independent ones would. Each mean's error is therefore taken from the means of twenty successive blocks.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import stats

from everfit.monitor.counts import Floats
from everfit.monitor.findings import Finding, Severity, finite

BLOCKS = 20


@dataclass(frozen=True)
class Rise:
    """Two means, Welch's statistic of their difference, and how likely chance alone makes it as high (one-sided)."""

    before: float
    after: float
    statistic: float
    p_value: float

    @property
    def share(self) -> float:
        """The relative rise; a rise from nothing counts as a thousandfold."""
        if self.after <= self.before:
            return (self.after - self.before) / self.before if self.before else 0.0
        return min((self.after - self.before) / self.before, 1e3) if self.before else 1e3

    def finding(self, signal: str, text: str, severity: Severity) -> Finding:
        """Return a signal's finding, which keeps these numbers."""
        return Finding(
            signal,
            text,
            severity,
            statistic=finite(self.statistic),
            p_value=finite(self.p_value),
            effect=finite(self.share),
        )


def rise(before: Floats, after: Floats) -> Rise:
    """Compare the means of two samples, each in the order of time; of an error the larger of two estimates counts."""
    (error_before, freedom_before), (error_after, freedom_after) = squared_error(before), squared_error(after)
    variance = error_before + error_after
    means = float(before.mean()), float(after.mean())
    if not variance:
        return Rise(*means, 0.0, 0.0 if means[1] > means[0] else 1.0)
    freedom = variance**2 / (error_before**2 / freedom_before + error_after**2 / freedom_after)
    statistic = (means[1] - means[0]) / variance**0.5
    return Rise(*means, statistic, float(stats.t.sf(statistic, freedom)))


def squared_error(values: Floats) -> tuple[float, int]:
    """Return the squared error of the mean, and its degrees of freedom.

    Blocks see what neighbours share; where even the blocks are alike, their first autocorrelation says how much.
    """
    blocks = min(BLOCKS, len(values) // 2)
    means = np.array([part.mean() for part in np.array_split(values, blocks)])
    away = means - means.mean()
    alike = float(np.clip(away[1:] @ away[:-1] / max(away @ away, 1e-300), 0, 0.9))
    spread = float(means.var(ddof=1)) / blocks * (1 + alike) / (1 - alike)
    return max(spread, float(values.var(ddof=1)) / len(values)), blocks - 1
