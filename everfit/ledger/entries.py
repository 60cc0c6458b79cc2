"""One row of the ledger, how it is hashed, and how it reads in one line."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal, get_args

from pydantic_core import to_json

Kind = Literal[
    "ingested",
    "validated",
    "labelled",
    "refused_batch",
    "drift_judged",
    "monitored",
    "retrain_wanted",
    "retrain_started",
    "retrain_finished",
    "retrain_failed",
    "retrain_released",
    "train_started",
    "train_failed",
    "search_started",
    "searched",
    "stop_wanted",
    "registered",
    "promoted",
    "promotion_refused",
    "approval_wanted",
    "rolled_back",
    "predicted",
    "serving_refused",
    "answers_not_kept",
    "answers_set_aside",
    "went_live",
    "canary_started",
    "canary_advanced",
    "canary_finished",
    "canary_reverted",
    "shadow_started",
    "shadow_compared",
    "shadow_stopped",
]
KINDS: tuple[Kind, ...] = get_args(Kind)
GENESIS = "0" * 64
LONGEST_SUMMARY = 300
LONGEST_LINE = 160
TOLD_BEFORE: tuple[Kind, ...] = ("retrain_wanted", "registered")  # with the decision, or the start of the training
NOUNS = {"recalibrate": "recalibration", "refit": "refit", "search": "search"}  # before there were others: retraining

# What a row says when its facts are there; the reason follows after a colon. Kinds without a line say their name.
SAYINGS: dict[str, tuple[str, ...]] = {
    "ingested": ("{good} of {rows} rows taken in, {quarantined} quarantined", "{rows} rows taken in"),
    "labelled": ("{labels} labels taken in",),
    "refused_batch": ("batch of {rows} rows refused",),
    "drift_judged": (
        "judged: {in_short}, decision {subject}",
        "judged: {verdict}, decision {subject}",
        "judged: {verdict}",
    ),
    "monitored": ("{batches} batches judged", "looked"),
    "retrain_wanted": ("{how} wanted",),
    "retrain_started": ("{how} started, attempt {attempt}",),
    "retrain_finished": ("{how} finished with v{version}", "{how} finished"),
    "retrain_failed": ("{how} failed",),
    "retrain_released": ("{how} given back, to be tried again",),
    "train_started": ("training on data v{data_version} started", "training started"),
    "train_failed": ("training failed",),
    "search_started": ("search started, for {cpu_seconds} CPU-seconds at most",),
    "searched": ("search took {cpu_seconds} CPU-seconds",),
    "stop_wanted": ("the search was asked to end with the best so far",),
    "registered": ("v{version} registered",),
    "promoted": ("v{version} took over from v{replaced}", "v{version} became the first champion"),
    "promotion_refused": ("v{version} was refused; v{champion} stays champion", "v{version} was refused"),
    "approval_wanted": ("v{version} waits for approval",),
    "rolled_back": ("back to v{version} from v{replaced}",),
    "serving_refused": ("v{version} cannot serve; v{kept} goes on", "v{version} cannot serve"),
    "answers_not_kept": ("{lost} answers were given and not kept, {refused} requests refused",),
    "answers_set_aside": ("answers that cannot be read are set aside in {file}",),
    "went_live": ("v{version} answers every request",),
    "canary_started": ("v{version} answers {share:.1%} of the requests, v{beside} the others",),
    "canary_advanced": ("v{version} answers {share:.1%} of the requests, v{beside} the others",),
    "canary_finished": ("v{version} answers every request, in place of v{beside}",),
    "canary_reverted": ("v{version} did badly; v{beside} answers every request again",),
    "shadow_started": ("v{version} answers in the background, beside v{beside}",),
    "shadow_compared": ("v{version} compared with v{beside} on {answers} answers",),
    "shadow_stopped": ("v{version} does not answer in the background any more",),
    "predicted": (
        "{rows} rows predicted by v{version}, in {output}, but {unread} that cannot be read",
        "{rows} rows predicted by v{version}, in {output}",
    ),
}


@dataclass(frozen=True)
class Entry:
    """One decision. `facts` is plain JSON; `hash` covers everything above it and the previous row's hash."""

    seq: int
    at: datetime
    kind: Kind
    model: str
    subject: str
    actor: str
    reason: str
    facts: dict[str, Any]
    previous: str
    hash: str

    @property
    def summary(self) -> str:
        """The row in one plain line, with its reasons.

        >>> at = datetime(2026, 3, 1, tzinfo=UTC)
        >>> Entry(7, at, "promoted", "bike", "", "ann", "better", {"version": 4, "replaced": 3}, "", "").summary
        'v4 took over from v3: better'
        """
        return _one_line(self._done, self.reason, LONGEST_SUMMARY)

    @property
    def line(self) -> str:
        """What was done and the first reason for it, unless an earlier row has told that, for a list of many rows."""
        reason, _, more = ("" if self.kind in TOLD_BEFORE else self.reason).partition("; ")
        return _one_line(self._done, f"{reason}; …" if more else reason, LONGEST_LINE)

    @property
    def _done(self) -> str:
        facts = {"subject": self.subject, **self.facts}
        known = {name: value for name, value in facts.items() if value is not None and value != ""}
        known["how"] = NOUNS.get(str(known.get("how")), "retraining")
        for saying in SAYINGS.get(self.kind, ()):
            with suppress(KeyError):
                return saying.format_map(known)
        return self.kind.replace("_", " ")

    def to_dict(self) -> dict[str, Any]:
        """Return the row and its summary as plain JSON."""
        return {**self.__dict__, "at": write_time(self.at), "summary": self.summary}


def _one_line(done: str, reason: str, most: int) -> str:
    line = " ".join(f"{done}: {reason}".split()) if reason else done
    return line if len(line) <= most else line[: most - 1] + "…"


def write_time(at: datetime) -> str:
    """Write a moment in UTC at a fixed width, so that text sorts as time; a naive one is UTC already.

    >>> write_time(datetime(2026, 3, 1, 12))
    '2026-03-01T12:00:00.000000Z'
    """
    aware = at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    return aware.replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def write_facts(facts: Mapping[str, Any]) -> str:
    """Write facts as canonical JSON: sorted keys, no spaces, no NaN (null), whatever numpy or pathlib they hold."""
    return canonical(json.loads(to_json(dict(facts), inf_nan_mode="null", fallback=_plain)))


def canonical(value: Any) -> str:
    """Return the one way to write a JSON value here: sorted keys, no spaces, ASCII only."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def hash_of(row: Mapping[str, Any]) -> str:
    """Hash a row as it is stored, less its own hash: `at` and `facts` count as the exact text in the table."""
    return hashlib.sha256(canonical({k: v for k, v in row.items() if k != "hash"}).encode()).hexdigest()


def entry_of(row: Mapping[str, Any]) -> Entry:
    """Turn a stored row into an entry."""
    at = datetime.fromisoformat(row["at"])
    return Entry(**{**row, "at": at, "facts": json.loads(row["facts"])})


def _plain(value: Any) -> Any:
    item = getattr(value, "item", None)
    return item() if callable(item) else str(value)
