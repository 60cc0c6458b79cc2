"""Judge one batch by its suites. All rules are judged before anything is said, and failing data never raise."""

import time
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import pandas as pd

from everfit.errors import EverfitError, did_you_mean
from everfit.validation import custom, frames, wording, worker
from everfit.validation.arguments import misfit
from everfit.validation.report import NOT_EMPTY, TOO_MANY_BROKEN, Example, Report, Result
from everfit.validation.suite import Rule, Suite

LIMIT = 600.0
EXAMPLES = 5


def run(
    suites: Iterable[Suite],
    frame: pd.DataFrame,
    *,
    model: str,
    origin: str,
    without: Collection[str] = (),
    now: datetime | None = None,
    limit: float = LIMIT,
) -> Report:
    """Judge a batch; rows are known by their position.

    Rules about a column in `without` are left out: labels that are not known yet, for instance. After `limit` seconds
    the process that judges is killed: where a rule has a pattern or is a team's own, which may run for ever, what was
    not answered becomes an error. Without one, and when the process died, raise Unavailable: nothing was learnt about
    the data.
    """
    started, listed = time.monotonic(), tuple(suites)
    suspects = _suspects(listed)
    table = frames.plain(frame)
    moment = now or datetime.now(UTC)
    results: list[Result] = []
    reasons: dict[int, list[str]] = {}
    skipped = 0
    for suite in listed:
        rules = _applicable(suite, without)
        judged = rules if len(table) else tuple(rule for rule in rules if rule.level == "table")
        skipped += len(suite.rules) - len(judged)
        found = _Run(suite, table, moment, limit - (time.monotonic() - started), suspects).results(judged)
        results += found.results
        for row, reason in found.reasons:
            reasons.setdefault(row, []).append(reason)
    if not len(table):
        results.insert(0, _empty(listed))
    broken = {row: "; ".join(texts) for row, texts in sorted(reasons.items())}
    names = tuple(suite.name for suite in listed)
    seconds = time.monotonic() - started
    return Report(model, origin, len(table), names, tuple(results), broken, skipped, seconds)


@dataclass
class _Found:
    results: list[Result]
    reasons: list[tuple[int, str]]


@dataclass
class _Run:
    suite: Suite
    frame: pd.DataFrame
    now: datetime
    limit: float
    suspects: Sequence[str]

    def results(self, rules: Sequence[Rule]) -> _Found:
        answers = self._answers(rules)
        results = [self._result(rule, answer) for rule, answer in zip(rules, answers, strict=True)]
        pairs = [
            (r, a) for r, a in zip(rules, answers, strict=True) if r.on_fail == "quarantine" and a.get("unexpected")
        ]
        reasons = [(int(row), _reason(rule)) for rule, answer in pairs for row in answer["rows"]]
        share = len({row for row, _ in reasons}) / max(len(self.frame), 1)
        if share > self.suite.max_quarantined:
            results.append(self._too_many(share))
        return _Found(results, reasons)

    def _answers(self, rules: Sequence[Rule]) -> list[dict[str, Any]]:
        """Ask the worker about every rule that the columns allow to judge; the others are errors without asking."""
        answers: dict[int, dict[str, Any]] = {
            n: {"state": "error", "why": why} for n, rule in enumerate(rules) if (why := self._hindrance(rule))
        }
        asked = [n for n in range(len(rules)) if n not in answers]
        calls = [frames.call(rules[n].type, rules[n].kwargs, self.frame, self.now) for n in asked]
        try:
            positions = [at for at, n in enumerate(asked) if rules[n].on_fail == "quarantine"]
            found = self._ask(calls, positions) if calls else []
        except worker.WorkerLost as lost:
            if not (lost.late and self.suspects):
                raise
            why = f"{lost.what} Look first at {', '.join(self.suspects[:3])}."
            found = [{"state": "error", "why": why}] * len(calls)
        except EverfitError as error:
            if error.transient:
                raise
            found = [{"state": "error", "why": str(error)}] * len(calls)
        answers |= dict(zip(asked, found, strict=True))
        return [answers[n] for n in range(len(rules))]

    def _ask(self, calls: list[tuple[str, dict[str, Any]]], name_rows: list[int]) -> list[dict[str, Any]]:
        if self.limit <= 0:
            raise worker.WorkerLost("The time for validation was over before this suite began.", late=True)
        answers: list[dict[str, Any]] = worker.ask(
            "judge",
            custom=custom.files(self.suite.custom),
            limit=self.limit,
            frame=self.frame,
            calls=calls,
            name_rows=name_rows,
        )
        return answers

    def _hindrance(self, rule: Rule) -> str:
        """Say why the columns that came do not let a rule be judged; empty when they do."""
        missing = [column for column in rule.columns if column not in self.frame.columns]
        if rule.level != "table" and missing:
            return f"there is no column '{missing[0]}'.{did_you_mean(missing[0], map(str, self.frame))}"
        return misfit(rule, frames.kind(self.frame[rule.column]) if rule.column in self.frame else None)

    def _result(self, rule: Rule, answer: dict[str, Any]) -> Result:
        hidden = rule.level != "table" and bool(self.suite.personal & set(rule.columns))
        seen = wording.observed(rule.type, _fitting(answer, rule, hidden=hidden))
        return Result(
            suite=self.suite.name,
            type=rule.type,
            column=rule.column,
            expected=wording.rule(rule.type, rule.kwargs),
            severity=rule.severity,
            state=answer["state"],
            observed=seen or (wording.HIDDEN if hidden else "no" if answer["state"] == "fail" else ""),
            on_fail=rule.on_fail,
            unexpected=answer.get("unexpected"),
            examples=() if answer["state"] == "pass" and rule.on_fail == "stop" else _examples(answer, hidden),
            notes=rule.notes,
            why=_hide(answer.get("why", ""), hidden),
            place=rule.place,
        )

    def _too_many(self, share: float) -> Result:
        most = wording.share(self.suite.max_quarantined)
        return Result(
            suite=self.suite.name,
            type=TOO_MANY_BROKEN,
            column="",
            expected=f"at most {most} of the rows to be broken",
            severity="critical",
            state="fail",
            observed=f"{wording.share(share)} of the rows broke a rule that quarantines",
            notes="So many broken rows mean that the batch is broken, not its rows.",
        )


def _applicable(suite: Suite, without: Collection[str]) -> tuple[Rule, ...]:
    """Leave out the rules about some columns; where such a column is one of a set, only that name is left out."""
    kept = []
    for rule in suite.rules:
        if rule.level == "table" and isinstance(rule.kwargs.get("column_set"), list):
            names = [name for name in rule.kwargs["column_set"] if name not in without]
            kept.append(replace(rule, kwargs={**rule.kwargs, "column_set": names}))
        elif not set(rule.columns) & set(without):
            kept.append(rule)
    return tuple(kept)


def _suspects(suites: Sequence[Suite]) -> list[str]:
    """Name what may run for ever: patterns, and what a data team wrote in Python."""
    rules = [rule for suite in suites for rule in suite.rules if "regex" in rule.type or "json_schema" in rule.type]
    patterns = {f"the pattern for {rule.column}" for rule in rules}
    return [*sorted(patterns), *sorted({f"the Python in {suite.custom}" for suite in suites if suite.custom})]


def _empty(suites: Sequence[Suite]) -> Result:
    return Result(
        suite=", ".join(suite.name for suite in suites),
        type=NOT_EMPTY,
        column="",
        expected="at least one row",
        severity="critical",
        state="fail",
        observed="0 rows",
        notes="Rules about values were not judged: on no rows every one of them would hold.",
    )


def _fitting(answer: dict[str, Any], rule: Rule, *, hidden: bool) -> dict[str, Any]:
    """Leave out what may not be shown, and of a set of columns the further ones where these are welcome."""
    details = answer.get("details") or {}
    if "mismatched" in details and rule.kwargs.get("exact_match") is False:
        details = {"mismatched": {**details["mismatched"], "unexpected": []}}
    return {**answer, "details": details, **({"observed": None, "values": []} if hidden else {})}


def _examples(answer: dict[str, Any], hidden: bool) -> tuple[Example, ...]:
    rows, values = answer.get("rows"), answer.get("values") or []
    positions: list[int | None] = [int(row) for row in rows[:EXAMPLES]] if rows is not None else []
    padded = positions + [None] * (len(values) - len(positions))
    texts = [wording.HIDDEN if hidden else wording.value_text(_cells(value)) for value in values]
    return tuple(Example(row, text) for row, text in zip(padded, texts, strict=False))


def _cells(value: Any) -> Any:
    if isinstance(value, dict):
        return ", ".join(f"{name} = {wording.value_text(cell, 30)}" for name, cell in value.items())
    return value


def _reason(rule: Rule) -> str:
    return f"{rule.column}: {wording.rule(rule.type, rule.kwargs)}"


def _hide(why: str, hidden: bool) -> str:
    return "it could not be judged; the message is hidden, as it may show values" if why and hidden else why
