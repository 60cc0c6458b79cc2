"""A backtest in words: the same in the terminal, in Prefect and on the page."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from everfit.backtest.plan import BEST, CALENDAR, EVERY, NEVER, THIS
from everfit.backtest.result import Ahead, Result, Standing, Variant
from everfit.pages import counted

COLUMNS = ("policy", "{metric}", "against this", "p", "fits", "searches", "promoted", "refused", "CPU s")
SHORT_NAMES = {THIS: "this policy", NEVER: "never", EVERY: "every batch", BEST: "best window"}


def headline(result: Result) -> str:
    """Say in one sentence how the policy of the model file fared."""
    this, every = result.policy(THIS), result.policy(EVERY)
    cost = f"at {_share(this.cpu_seconds, every.cpu_seconds)} of the CPU of refitting at every batch"
    if result.share is None:
        return f"Learning again gains hardly anything here; this policy has {_scored(result, this)} {cost}"
    return f"This policy gains {result.share:.0%} of what the best window in hindsight gains, {cost}"


def lines(result: Result) -> list[str]:
    """Return what else is to be known: the others, what was done, what is recommended, and what history cannot show."""
    return [*_beside(result), *_done(result), *recommended(result), *result.notes]


def _beside(result: Result) -> Iterator[str]:
    this, never = result.policy(THIS), result.policy(NEVER)
    rows, batches = sum(span.rows for span in result.spans), counted(result.spans, "batch", "batches")
    yield f"{_scored(result, this)}, {never.score:.4g} without any refit, on {rows:,} rows in {batches}"
    for by in result.ahead:
        if by.of in (CALENDAR, "other"):
            other = result.policy(by.of).title
            way = "ahead of" if by.gain > 0 else "behind"
            much = f"{way} {other} by {abs(by.gain):.3g} on average of the batches ({_sure(by)})"
            yield much if by.gain else f"the same as {other}"


def _sure(by: Ahead) -> str:
    return f"p = {by.p_value:.2g}" if by.shown else f"no more than luck may do: p = {by.p_value:.2g}"


def _done(result: Result) -> Iterator[str]:
    this = result.policy(THIS)
    refused = [deed.batch + 1 for deed in this.deeds if deed.action == "repair"]
    if refused:
        yield f"refused as broken: batch {_listed(refused)}"
    for deed in this.deeds:
        if deed.action == "search":
            came = "its challenger took over" if deed.promoted else "its challenger was refused"
            yield f"search after batch {deed.batch + 1}: {came}: {deed.judged}"


def recommended(result: Result) -> list[str]:
    """Say which other thresholds would have been better beyond luck, if any were tried."""
    if not result.variants:
        return []
    better = [each for each in result.variants if each.better]
    if not better:
        tried = counted(result.variants, "other one")
        return [f"the present thresholds are fine: of {tried}, none is better beyond luck"]
    best, now = min(better, key=lambda each: each.ahead.p_value), result.policy(THIS)
    return [
        f"recommended: {best.key}: {best.value:g} in place of {best.now:g}, alone: {result.metric} {best.score:.4g} "
        f"instead of {now.score:.4g} (p = {best.ahead.p_value:.2g}) with {best.fits} fits instead of {now.fits}"
    ]


def table(result: Result) -> tuple[list[str], list[list[str]]]:
    """Return the columns and a row for each policy, the best first."""
    by = {each.of: each for each in result.ahead}
    rows = [_row(each, by.get(each.name)) for each in ranked(result)]
    return [name.format(metric=result.metric) for name in COLUMNS], rows


def legend(result: Result) -> str:
    """Say what the columns of the table are."""
    late = counted(result.delay, "batch", "batches")
    return (
        f"{result.metric} is over all rows after the warm-up. Against this: the mean gain over this policy, batch by "
        f"batch; p of a one-sided paired test that this policy is better. Labels come {late} late. CPU seconds are of "
        "one core, answers included; the first search is not."
    )


def ranked(result: Result) -> list[Standing]:
    """Return the policies, the best first."""
    return sorted(result.policies, key=lambda each: each.score, reverse=result.greater)


def _row(each: Standing, by: Ahead | None) -> list[str]:
    against = ["", ""] if by is None else [f"{0 - by.gain:+.3g}", f"{by.p_value:.2g}"]
    counts = (each.fits, each.searches, each.promotions, each.refused)
    return [each.title, f"{each.score:.4g}", *against, *map(str, counts), f"{each.cpu_seconds:.1f}"]


def variant(each: Variant) -> list[str]:
    """Return one line of the table of thresholds."""
    verdict = "better" if each.better else "not shown to be better"
    return [each.key, f"{each.now:g}", f"{each.value:g}", f"{each.score:.4g}", f"{each.ahead.gain:+.3g}",
            f"{each.ahead.p_value:.2g}", str(each.fits), f"{each.cpu_seconds:.1f}", verdict]  # fmt: skip


def facts(result: Result) -> dict[str, Any]:
    """Return the result with the words about it, ready for JSON."""
    columns, rows = table(result)
    said = {"headline": headline(result), "lines": lines(result), "columns": columns, "rows": rows,
            "legend": legend(result)}  # fmt: skip
    return {**result.to_dict(), **said, "report": result.page}


def markdown(result: Result) -> str:
    """Write it for the Prefect UI."""
    columns, rows = table(result)
    bars = [f"| {' | '.join(row)} |" for row in (columns, ["---"] * len(columns), *rows)]
    return "\n".join([f"## {result.model}: {headline(result)}", *(f"- {line}" for line in lines(result)), "", *bars])


def short(each: Standing) -> str:
    """Return a policy's name for pictures."""
    return SHORT_NAMES.get(each.name, each.title)


def _scored(result: Result, each: Standing) -> str:
    return f"{result.metric} {each.score:.4g}"


def _share(part: float, whole: float) -> str:
    return f"{part / whole:.0%}" if whole else "all"


def _listed(numbers: list[int]) -> str:
    shown = ", ".join(map(str, numbers[:10]))
    return f"{shown} and {len(numbers) - 10} more" if len(numbers) > 10 else shown
