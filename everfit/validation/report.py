"""What a validation found: plain records, ready for a page, a terminal or JSON."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from everfit.validation.suite import OnFail, Severity

State = Literal["pass", "fail", "error"]
NOT_EMPTY = "not_empty"
TOO_MANY_BROKEN = "max_quarantined"


@dataclass(frozen=True)
class Example:
    """One row that broke a rule: its position in the batch, and its value as short text."""

    row: int | None
    value: str


@dataclass(frozen=True)
class Result:
    """What became of one rule. An error is neither a pass nor a fail, and stops the run like a critical failure."""

    suite: str
    type: str
    column: str
    expected: str
    severity: Severity
    state: State
    observed: str = ""
    on_fail: OnFail = "stop"
    unexpected: int | None = None
    examples: tuple[Example, ...] = ()
    notes: str = ""
    why: str = ""
    place: str = ""

    @property
    def blocking(self) -> bool:
        """Whether this alone stops the run."""
        return self.state == "error" or (
            self.state == "fail" and self.severity == "critical" and self.on_fail == "stop"
        )

    @property
    def quarantining(self) -> bool:
        """Whether this sent rows to the quarantine."""
        return self.on_fail == "quarantine" and self.state != "error" and bool(self.unexpected)

    @property
    def outcome(self) -> Literal["stops", "error", "quarantines", "warns", "noted", "passes"]:
        """The one word for a table."""
        if self.state == "error":
            return "error"
        if self.blocking:
            return "stops"
        if self.quarantining:
            return "quarantines"
        return "passes" if self.state == "pass" else "noted" if self.severity == "info" else "warns"

    def __str__(self) -> str:
        about = f"{self.column}: " if self.column else ""
        return f"{about}{self.expected}; {self.why if self.state == 'error' else self.observed}"


@dataclass(frozen=True)
class Report:
    """All results of one batch, in the order of the suites. `broken` says which rows go to the quarantine, and why."""

    model: str
    origin: str
    rows: int
    suites: tuple[str, ...]
    results: tuple[Result, ...]
    broken: Mapping[int, str] = field(default_factory=dict, repr=False)
    skipped: int = 0
    seconds: float = 0.0

    @property
    def blocking(self) -> tuple[Result, ...]:
        """What stops the run: critical failures and errors."""
        return tuple(result for result in self.results if result.blocking)

    @property
    def quarantining(self) -> tuple[Result, ...]:
        """What sent rows to the quarantine."""
        return tuple(result for result in self.results if result.outcome == "quarantines")

    @property
    def warnings(self) -> tuple[Result, ...]:
        """What failed and lets the run go on."""
        return tuple(result for result in self.results if result.outcome == "warns")

    @property
    def passed(self) -> tuple[Result, ...]:
        """What held."""
        return tuple(result for result in self.results if result.outcome == "passes")

    @property
    def ok(self) -> bool:
        """Whether the run may go on."""
        return not self.blocking

    @property
    def headline(self) -> str:
        """The verdict as one sentence."""
        if self.blocking:
            return f"Stopped: {_count(len(self.blocking), 'rule')} must hold and did not"
        parts = [f"{_count(len(self.broken), 'row')} quarantined"] if self.broken else []
        parts += [_count(len(self.warnings), "warning")] if self.warnings else []
        return f"Accepted, with {' and '.join(parts)}" if parts else "Accepted: every rule holds"

    def to_dict(self) -> dict[str, Any]:
        """Return everything but the rows, ready for JSON; of the broken rows only their number."""
        return {
            "model": self.model,
            "origin": self.origin,
            "rows": self.rows,
            "ok": self.ok,
            "headline": self.headline,
            "quarantined": len(self.broken),
            "suites": list(self.suites),
            "seconds": round(self.seconds, 3),
            "results": [{**asdict(result), "outcome": result.outcome} for result in self.results],
        }

    @property
    def worst_first(self) -> list[Result]:
        """The results, errors before what stops before what merely warns."""
        return sorted(self.results, key=lambda result: ORDER.index(result.outcome))


ORDER = ("error", "stops", "quarantines", "warns", "noted", "passes")


def _count(number: int, thing: str) -> str:
    return f"{number:,} {thing}{'' if number == 1 else 's'}"
