"""A search in words: what won, by how much, how sure that is, how long it took and why it ended."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from everfit.pages import counted
from everfit.report.board import NUMBERS, cells, columns, failures, shown
from everfit.report.words import Scale, duration, half_of, members, named, titled
from everfit.search.predicted import Metric
from everfit.search.records import Row, Searched

TOLD = "search.json"  # where it is kept
TOP = 10
ENDED = {"budget": "the budget ended it", "trials": "it did all trials that were asked for", "asked": "it was stopped"}


@dataclass(frozen=True)
class Told:
    """What is said of a search, in plain words and bounded, ready for JSON and for any screen."""

    model: str
    headline: str
    lines: tuple[str, ...]
    notes: tuple[str, ...]
    blend: tuple[str, ...]
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    more: int
    failures: tuple[str, ...]
    page: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return asdict(self)


def tell(found: Searched, *, model: str, metric: Metric, page: str = "") -> Told:
    """Put a search into words."""
    board = found.leaderboard
    scale, top = Scale.of(board), shown(board, TOP)
    heads = columns(metric.name)
    rows = [cells(row, scale) for row in top]
    return Told(
        model, headline(found, metric, scale), tuple(lines(found, metric, scale)), tuple(notes(found)),
        tuple(blend(found)), tuple(heads), tuple(tuple(row) for row in rows),
        sum(row.rank is not None for row in board) - len(top), tuple(failures(board)), page,
    )  # fmt: skip


def winner(found: Searched) -> Row | None:
    """Return the line of what was chosen; it need not be the first, as a limit may have ruled that out."""
    same = (row for row in found.leaderboard if row.family == found.family and row.params == found.params)
    return next(same, None)


def headline(found: Searched, metric: Metric, scale: Scale) -> str:
    """Say what won, and its score."""
    won = winner(found)
    if won is None or won.score is None:
        return f"{named(found.family)}, fitted quickly, is all there was time for"
    return f"{titled(won)} won with {metric.name} {scale.interval(won)}"


def lines(found: Searched, metric: Metric, scale: Scale) -> list[str]:
    """Say how far ahead it is and how sure that is, how long it took and why it ended, and whether it repeats."""
    won = winner(found)
    said = [*_ahead(found, won, metric, scale), _ended(found)] if won and won.score is not None else [_ended(found)]
    judged = [f"Judged on {found.how}."] if found.how else []
    return [*said, *judged]


def _ahead(found: Searched, won: Row, metric: Metric, scale: Scale) -> list[str]:
    ranked = [row for row in found.leaderboard if row.rank and row is not won]
    baseline = next((row for row in ranked if row.status == "baseline"), None)
    singles = (row for row in ranked if row.status == "done" and not members(row))
    others = (row for row in ranked if row.status == "done" and row.family != won.family and not members(row))
    rival, what = (next(singles, None), "best single model") if members(won) else (next(others, None), "next family")
    said = []
    if baseline is not None and baseline.score is not None:
        said.append(f"{_by(won, baseline, metric, scale)} a constant guess, which has {scale.score(baseline.score)}.")
    if rival is not None:
        who = f"the {what}, {named(rival.family)} with {scale.interval(rival)}"
        said.append(f"{_by(won, rival, metric, scale)} {who}{_sure(won, rival, metric)}.")
    return said


def _by(won: Row, other: Row, metric: Metric, scale: Scale) -> str:
    assert won.score is not None
    assert other.score is not None
    gain = (won.score - other.score) * (1 if metric.greater else -1)
    if scale.gain(abs(gain)) == scale.gain(0.0):
        return "It is as good as"
    better = "better than" if gain > 0 else "worse, but within the limits, than"
    return f"It is {scale.gain(abs(gain))} {better}"


def _sure(won: Row, other: Row, metric: Metric) -> str:
    """Say in how many folds it was better, the plainest measure of how sure that is; and where it is not."""
    pairs = list(zip(won.scores, other.scores, strict=False))
    if len(pairs) > 1:
        better = sum((ours > theirs) == metric.greater and ours != theirs for ours, theirs in pairs)
        return f", in {better} of {len(pairs)} folds" + ("" if better > 0.75 * len(pairs) else ", which may be chance")
    near = abs((won.score or 0.0) - (other.score or 0.0)) < half_of(won)
    return ", which is less than the interval: it may be chance" if near else ""


def _ended(found: Searched) -> str:
    failed, late = (sum(row.status == status for row in found.leaderboard) for status in ("failed", "timed out"))
    tried = counted(len(found.trials), "trial")
    parts = [f"{failed} failed"] * bool(failed) + [f"{late} ran out of time"] * bool(late)
    lost = f", of which {' and '.join(parts)}" if parts else ""
    return f"It took {duration(found.seconds)} for {tried}{lost}; {ENDED[found.stopped_by]}."


def notes(found: Searched) -> list[str]:
    """Return what is not as it should be."""
    return [f"{each[:1].upper()}{each[1:]}." for each in found.note.split("; ") if each]


def blend(found: Searched) -> list[str]:
    """Say who is in the blend with what weight; nothing of a single model."""
    won = winner(found)
    parts: Sequence[dict[str, Any]] = members(won) if won else ()
    return [f"{each['weight']:.0%} {named(each['family'])} (trial {each['number']})" for each in parts]


def markdown(told: Told) -> str:
    """Write it as bounded Markdown, for Prefect's UI."""
    sides = ["---:" if at in NUMBERS else "---" for at in range(len(told.columns))]
    board = [f"| {' | '.join(map(_cell, row))} |" for row in (told.columns, sides, *told.rows)]
    more = [f"\n…and {told.more} more, which rank below."] if told.more > 0 else []
    parts = [f"## {told.headline}", *_listed("", told.lines), *_listed("Note", told.notes),
             *_listed("The blend", told.blend), "", *board, *more,
             *_listed("Failed or ran out of time", told.failures)]  # fmt: skip
    return "\n".join(parts) + "\n"


def _listed(title: str, items: Sequence[str]) -> list[str]:
    return ["", *([f"**{title}**", ""] if title else []), *(f"- {_cell(item)}" for item in items)] if items else []


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;").replace("`", "'")[:300]


def latest(folder: Path) -> dict[str, Any] | None:
    """Return what was said of the latest search that was saved in a folder or just below it; None without one."""
    saved = max([*folder.glob(TOLD), *folder.glob(f"*/{TOLD}")], key=lambda path: path.stat().st_mtime, default=None)
    return json.loads(saved.read_text(encoding="utf-8")) if saved else None
