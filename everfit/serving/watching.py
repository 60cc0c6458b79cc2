"""What the metrics tell of the model beside its requests: the last verdict about drift, and how late the log is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic, time
from typing import Any, Self

from everfit.ledger import Entry, Ledger
from everfit.serving.journal import ENDING

EVERY = 60.0  # seconds between two looks at the ledger: verdicts come by the hour
VERDICTS = ("fine", "watch", "retrain", "data fault: repair the feed")
INPUTS, LOSS = "input drift", "performance"  # signals of the monitor
NAN = float("nan")


@dataclass(frozen=True)
class Judged:
    """A verdict about a version: share of its inputs that moved, relative rise of its loss, seconds since 1970.

    NaN is what could not be judged.
    """

    verdict: str
    version: int | None
    share: float
    rise: float
    at: float

    @classmethod
    def of(cls, entry: Entry, inputs: int) -> Self:
        """Read it from the ledger, for a model of so many inputs."""
        evidence: dict[str, Any] = entry.facts["evidence"]
        said: Mapping[str, Any] = {each["signal"]: each for each in evidence["findings"] if each["judged"]}
        share = min(1.0, len(said[INPUTS]["columns"]) / inputs) if INPUTS in said and inputs else NAN
        rise = said.get(LOSS, {}).get("effect")
        at, verdict = entry.at.timestamp(), entry.facts["verdict"]
        return cls(verdict, evidence["champion"], share, NAN if rise is None else float(rise), at)


@dataclass
class Watch:
    """Reads the last verdict about a model now and then."""

    model: str
    _last: int = field(default=0, init=False)
    _looked: float = field(default=-EVERY, init=False)

    def look(self, ledger: Ledger, inputs: int) -> Judged | None:
        """Return a verdict that was not known; None too when the ledger was asked only a moment ago.

        Raise Unavailable when it does not answer.
        """
        if monotonic() - self._looked < EVERY:
            return None
        self._looked = monotonic()
        new = ledger.entries(self.model, kinds=["drift_judged"], after=self._last, limit=1)
        if not new:
            return None
        self._last = new[-1].seq
        return Judged.of(new[-1], inputs)


def log_lag(folder: Path) -> float:
    """Return the age in seconds of the oldest file of answers that is not in the lake yet; 0 when there is none.

    A file's age is that of its last answer, and the one in use is let go every half minute: that much may be missing.
    """
    times = []
    for path in folder.glob(f"*{ENDING}"):
        try:
            times.append(path.stat().st_mtime)
        except FileNotFoundError:  # it is in the lake by now
            continue
    return max(0.0, time() - min(times)) if times else 0.0
