"""What happened, in plain words: what all signals say together, where each by itself says little.

Moved inputs alone say nothing about a model and a risen loss alone nothing about its cause; both together do. That a
season has come back shows in the inputs, or in the windows: when the model of all rows beats one of the latest rows
that had been the better one, and answers about as well as that one used to, then rows like these were there longer ago.
Where the loss has risen far no season has come back: what was there before would have been learnt.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from everfit.monitor.evidence import Evidence
from everfit.monitor.findings import Finding, listed
from everfit.monitor.prospects import Prospect, prospects
from everfit.monitor.season import SIGNAL
from everfit.record import Record
from everfit.upkeep.due import FAR
from everfit.upkeep.measuring import Measured
from everfit.upkeep.state import State
from everfit.upkeep.windows import ALL

Name = Literal[
    "broken feed",
    "the world changed",
    "season seen before",
    "inputs moved but the model holds",
    "nothing unusual",
    "not enough evidence",
]

INPUTS, NO_INPUTS = "input drift", ("prediction drift", "target drift", "label shift")
MOVES = (INPUTS, "multivariate drift", "new normal?", *NO_INPUTS)
COLUMNS = 10
SEEN = 1.5  # faded batches that a window has been judged by, without which it has no past: two, as they are faded
AHEAD = 0.05  # of the loss, by which the model of all rows must be better
ERRORS = 2.0  # standard errors of the mean loss that this must be, too
AS_USUAL = 0.25  # of the loss, by which it may be above what the better one used to lose


@dataclass(frozen=True)
class Diagnosis(Record):
    """What happened, in a few words and in a sentence, with the columns that matter most, and what may be expected."""

    name: Name
    sentence: str
    columns: tuple[str, ...] = ()
    prospects: tuple[Prospect, ...] = ()

    @property
    def told(self) -> str:
        """Name and sentence in one line."""
        return f"{self.name}: {self.sentence}"


def diagnose(evidence: Evidence, after: State | None = None) -> Diagnosis:
    """Tie findings together. `after` is the state after the labels of this batch, where there is one."""
    name, sentence = _what_happened(evidence)
    return Diagnosis(name, sentence[:1].upper() + sentence[1:], _columns(evidence.spoken), prospects(evidence, after))


def _what_happened(evidence: Evidence) -> tuple[Name, str]:
    if evidence.faults:
        more = f" (and {len(evidence.faults) - 1} more)" if len(evidence.faults) > 1 else ""
        return "broken feed", f"The feed is broken: {evidence.faults[0]}{more}. Nothing is learnt from this batch."
    if season := _season(evidence):
        return "season seen before", f"{season} {_rise(evidence)}." if evidence.risen else season
    if evidence.risen:
        return "the world changed", _changed(evidence)
    return _unless_risen(evidence)


def _season(evidence: Evidence) -> str:
    """Say by what rows like these were seen before; empty when they were not, or when nothing speaks at all."""
    loss = evidence.performance
    if not evidence.spoken or (evidence.risen and loss and (loss.effect or 0.0) > FAR):
        return ""
    if window := _older_is_better(evidence.upkeep, evidence.measured):
        return (
            f"Rows like these were there longer ago: the model of all rows beats that of {window} rows here, which had "
            "been the better one. Its weight grows by itself."
        )
    found = _of(evidence, SIGNAL)
    return f"{found.text}." if found and found.columns else ""


def _changed(evidence: Evidence) -> str:
    inputs, moved = _of(evidence, INPUTS), _moved(evidence)
    rise = _rise(evidence)
    if moved:
        return f"{rise}, and {_what(moved)}."
    if inputs and inputs.judged:
        return f"{rise} while no input moved: what inputs say about the target has changed."
    return f"{rise}; whether inputs moved could not be judged."


def _rise(evidence: Evidence) -> str:
    loss = evidence.performance
    return f"The loss on labelled rows rose{f' by {loss.effect:.0%}' if loss and loss.effect else ''}"


def _unless_risen(evidence: Evidence) -> tuple[Name, str]:
    """Say what other signals mean where labels do not say that the loss has risen."""
    holds, moved = evidence.performance is not None, _moved(evidence)
    if moved and holds:
        return "inputs moved but the model holds", f"{_what(moved)}, but labelled rows show no rise of the loss."
    if moved:
        return "not enough evidence", f"{_what(moved)}, and too few labels have come to say whether the model holds."
    if evidence.spoken:
        return "not enough evidence", f"{evidence.spoken[0].text}."
    if holds:
        return "nothing unusual", "Nothing speaks, and labelled rows show no rise of the loss."
    if any(finding.judged for finding in evidence.findings):
        return "nothing unusual", "Nothing that could be judged speaks; too few labels say whether the loss holds."
    return "not enough evidence", "Nothing could be judged yet."


def _older_is_better(before: State | None, now: Measured | None) -> str:
    """Return the window that was best of late and is beaten here by the model of all rows; empty if there is none.

    To lose less badly is not enough: the loss must be about what that window's was of late. It must be beaten by more
    than chance: the error of the mean loss is more than that of the difference of two losses of the same rows, as these
    are alike.
    """
    if before is None or now is None or not now.served.mean:
        return ""
    known = {track.window: track.loss / track.seen for track in before.tracks if track.seen >= SEEN}
    known = {window: loss for window, loss in known.items() if window in now.losses}
    if ALL not in known:
        return ""
    best = min(known, key=known.__getitem__)
    error = (now.served.variance / now.served.rows) ** 0.5 / now.served.mean
    ahead = 1 - now.losses[ALL] / max(now.losses[best], 1e-12)
    holds = now.losses[ALL] <= (1 + AS_USUAL) * known[best]
    return best if holds and ahead > max(AHEAD, ERRORS * error) else ""


def _moved(evidence: Evidence) -> tuple[Finding, ...]:
    """Return what speaks of other values; the rest speaks of silence, such as labels that are overdue or stale rows."""
    return tuple(finding for finding in evidence.spoken if finding.signal in MOVES)


def _what(moved: tuple[Finding, ...]) -> str:
    columns = _columns(moved)
    if columns:
        return f"inputs moved ({listed(columns)})"
    return f"{' and '.join(dict.fromkeys(finding.signal for finding in moved))} spoke"


def _columns(found: tuple[Finding, ...]) -> tuple[str, ...]:
    """Return the input columns that findings name, in their order, which begins with those that matter most."""
    named = (column for finding in found if finding.signal not in NO_INPUTS for column in finding.columns)
    return tuple(dict.fromkeys(named))[:COLUMNS]


def _of(evidence: Evidence, signal: str) -> Finding | None:
    return next((finding for finding in evidence.findings if finding.signal == signal), None)
