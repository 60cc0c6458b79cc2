"""Everything that everfit raises on purpose: what happened, what it means, what to do next.

EverfitError
├── InputError            2  the model file, a name or the data cannot be used as they are
│   ├── SpecError            a model file says something that it may not
│   ├── SuiteError           a suite file says something that it may not
│   ├── SourceError          a source cannot be read
│   │   ├── NoFiles          a folder or glob names no file that can be read, as yet
│   │   └── NotThere         a path does not exist
│   └── DataError            the data were read, and no model can be learnt from them
├── ValidationStopped     3  the rules for the data stopped the run; nothing was learnt
├── PromotionRefused      4  the challenger did not take over
├── BudgetSpent           5  the time allowed ended before there was a result
│   └── MonthSpent           what a model's searches may cost in a month is spent (transient)
└── Unavailable           6  something we depend on is down; time may heal it (transient)

SpecError and DataError are ValueErrors too, which is what scikit-learn expects of an estimator.
"""

import errno
import os
import re
from collections.abc import Iterable
from difflib import get_close_matches
from typing import Any, ClassVar, Self

LONGEST = 500
FULL = (os.strerror(errno.ENOSPC), os.strerror(errno.EDQUOT), "database or disk is full")
COLOURS = re.compile(r"\x1b\[[0-9;]*m")


class EverfitError(Exception):
    """The base of them all.

    `what` happened in one line, `why` it matters, what to `do` next; `details` are listed below the
    first line, ten at most. Any further fact is an attribute. Pickles whole, `facts` included.
    """

    exit_code: ClassVar[int] = 1
    transient: ClassVar[bool] = False
    shown: ClassVar[int] = 10

    def __init__(self, what: str, *, why: str = "", do: str = "", details: Iterable[str] = (), **facts: Any) -> None:
        super().__init__(what)
        self.what, self.why, self.do = what, why, do
        self.details = tuple(details)
        self.facts = facts

    def __getattr__(self, name: str) -> Any:
        facts = self.__dict__.get("facts", {})
        if name in facts:
            return facts[name]
        raise AttributeError(name)

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (type(self), self.__dict__)

    def __str__(self) -> str:
        shown = [
            f"  - {line if len(line) <= LONGEST else line[: LONGEST - 1] + '…'}" for line in self.details[: self.shown]
        ]
        if len(self.details) > self.shown:
            shown.append(f"    and {len(self.details) - self.shown} more")
        return "\n".join(line for line in (self.what, *shown, self.why, self.do) if line)


def _rebuild(cls: type[EverfitError], state: dict[str, Any]) -> EverfitError:
    error = cls.__new__(cls)
    Exception.__init__(error, state["what"])
    error.__dict__.update(state)
    return error


class InputError(EverfitError):
    """What was given cannot be used as it is."""

    exit_code = 2


class SpecError(InputError, ValueError):
    """A model file says something that it may not."""

    shown = 100  # whoever mends a file wants to see every mistake


class SuiteError(InputError):
    """A suite file says something that it may not."""

    shown = 100


class SourceError(InputError):
    """A source cannot be read."""


class NoFiles(SourceError):
    """A folder or glob names no file that can be read, as yet; where files come later that is no mistake."""


class NotThere(SourceError):
    """A path does not exist: it is mistyped, or what was there is gone."""


class DataError(InputError, ValueError):
    """The data were read, and no model can be learnt from them."""


class ValidationStopped(EverfitError):
    """The rules for the data stopped the run; nothing was learnt."""

    exit_code = 3


class PromotionRefused(EverfitError):
    """The challenger did not take over."""

    exit_code = 4


class BudgetSpent(EverfitError):
    """The time allowed ended before there was a result."""

    exit_code = 5


class NotBegun(BudgetSpent):
    """The time allowed ended before anything was tried: the machine is busy with others, or the time is too short."""


class MonthSpent(BudgetSpent):
    """What a model's searches may cost in a calendar month is spent; the same call may go through in the next."""

    transient = True


class Unavailable(EverfitError):
    """Something that we depend on is down; the same call may go through later."""

    exit_code = 6
    transient = True

    @classmethod
    def at(cls, what: str, address: str, cause: BaseException) -> Self:
        """Say which service at which address did not answer."""
        return cls(
            f"{what} at {address} cannot be reached: {first_line(cause)}",
            do="Start it, or correct its address in the environment or .env, and run the same command again.",
            address=address,
        )


def did_you_mean(given: str, known: Iterable[str]) -> str:
    """Return ` Did you mean 'x'?`, or what is known when nothing is near; empty when nothing is known."""
    names = [str(name) for name in known]
    near = get_close_matches(given, names, n=1, cutoff=0.6)
    near = near or [name for name in names if name.lower() == given.lower()]
    if near:
        return f" Did you mean '{near[0]}'?"
    return f" Known: {', '.join(sorted(names)[:20])}." if names else ""


def first_line(error: BaseException, limit: int = 300) -> str:
    """Return the first line of an error's text, bounded and without a full stop, or its type when it says nothing."""
    text = str(error).strip()
    return text.splitlines()[0][:limit].rstrip(".") if text else type(error).__name__


def last_line(error: BaseException, limit: int = 300) -> str:
    """Return the last line of an error's text, where delta-rs names the root of it, as `first_line` does the first.

    >>> last_line(OSError("Generic error\\n \\x1b[31m↳\\x1b[0m No space left on device (os error 28)"))
    'No space left on device (os error 28)'
    """
    lines = COLOURS.sub("", str(error)).strip().splitlines()
    return lines[-1].strip(" ↳")[:limit].rstrip(".") if lines else type(error).__name__


def is_full(cause: BaseException | str) -> bool:
    """Whether a disk had no room, which time may heal. By its words: few who pass it on keep the number."""
    return any(words in str(cause) for words in FULL)
