"""Which policies live side by side, and how each begins."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Literal

from everfit.backtest.asked import PARTS, Asked, name_of
from everfit.backtest.history import History
from everfit.backtest.lives import Fixed, Kept, Life
from everfit.backtest.searching import Model
from everfit.spec import ModelSpec
from everfit.upkeep.windows import windows_of

Kind = Literal["never", "calendar", "window", "kept"]
NEVER, EVERY, THIS, OTHER, CALENDAR, BEST = "never", "every batch", "this policy", "other", "calendar", "best window"
SHORT = 5  # batches


@dataclass(frozen=True)
class Policy:
    """One way to keep a model fit. A window learns after every batch from `rows` rows; a calendar `fits` times in all.

    `spec` is the model file of one that is kept by its rules.
    """

    name: str
    kind: Kind
    title: str
    rows: int | None = None
    fits: int = 0
    spec: ModelSpec | None = None

    @property
    def place(self) -> str:
        """The name of the file that remembers it: the same for the same policy, whatever it is called."""
        said = {key: getattr(self.spec, key).model_dump(mode="json") for key in PARTS} if self.spec else {}
        return name_of(self.kind, self.rows, self.fits, said)

    def begin(self, history: History, model: Model, asked: Asked, personal: Collection[str]) -> Life:
        """Return it as it is before the first batch."""
        if self.spec:
            return Kept(self.spec, history, model, asked, personal)
        count = len(history.batches)
        if self.kind == "calendar":
            return Fixed(history, model, spaced(self.fits, count))
        return Fixed(history, model, range(count) if self.kind == "window" else (), self.rows)


def usual(spec: ModelSpec, history: History, other: ModelSpec | None, title: str) -> list[Policy]:
    """Return the policies that need to know of no other one."""
    short = windows_of(spec.refit)[-1].rows(history.usual) or SHORT * history.usual
    policies = [
        Policy(THIS, "kept", "this policy", spec=spec),
        Policy(NEVER, "never", "never refit"),
        Policy(EVERY, "window", "every batch, all rows"),
        Policy("short window", "window", f"every batch, the last {short:,} rows", rows=short),
        Policy("long window", "window", f"every batch, the last {history.warm:,} rows", rows=history.warm),
    ]
    return [*policies, Policy(OTHER, "kept", title, spec=other)] if other else policies


def calendar(fits: int, batches: int) -> Policy:
    """Return a calendar with so many fits, or as many as so many batches let it have."""
    fits = len(spaced(fits, batches))
    return Policy(CALENDAR, "calendar", f"calendar, {fits} fit{'' if fits == 1 else 's'}", fits=fits)


def spaced(fits: int, batches: int) -> list[int]:
    """Return after which batches a calendar refits, equally spaced: at most once after each but the last.

    >>> spaced(3, 8)
    [1, 3, 5]
    """
    fits = min(fits, batches - 1)
    return [round((at + 1) * batches / (fits + 1)) - 1 for at in range(fits)]


def windows(policies: Sequence[Policy]) -> list[Policy]:
    """Return those of which the best in hindsight is the best window."""
    return [policy for policy in policies if policy.kind == "window"]
