"""Write a starter suite from data: rules that a person can read, with the reason for each number beside it."""

import json
import re
from collections.abc import Iterable
from itertools import chain
from typing import Any

import pandas as pd

from everfit.errors import DataError
from everfit.validation import frames
from everfit.validation.editors import SCHEMA_ID
from everfit.validation.proposals import of_column, of_table, personal
from everfit.validation.sample import Proposal, Sample

HEAD = """\
# yaml-language-server: $schema={schema}
# What must be true of every batch, proposed from {rows:,} rows. It is yours to edit:
#   severity: critical    stops the run, and nothing is learnt from the batch (this is the default)
#   severity: warning     is shown, and the run goes on
#   on_fail: quarantine   sets the broken rows aside and goes on with the others
# Delete what is not true, tighten what you know better, add what no sample can show.
# Try it:  everfit suite test {name} --data FILE
name: {name}
"""
WORD = re.compile(r"[A-Za-z_][\w-]*(?: [A-Za-z_][\w-]*)*")
RESERVED = frozenset({"true", "false", "null", "yes", "no", "on", "off", "y", "n"})


def draft(
    frame: pd.DataFrame,
    *,
    name: str,
    time: str | None = None,
    ids: Iterable[str] = (),
    labels: Iterable[str] = (),
    schema: str = f"./{SCHEMA_ID}",
    now: pd.Timestamp | None = None,
) -> str:
    """Propose a suite as YAML text; it holds for the data that it was drafted from.

    `labels` are columns whose values may come later than their rows. `schema` is where editors find the JSON Schema
    of suites. Raise DataError when there are no rows to learn from.
    """
    if frame.empty:
        raise DataError("A suite cannot be drafted from no rows.", do="Give a file that has some.")
    table = frames.plain(frame)
    if time is not None and time in table.columns:
        table = table.sort_values(time, kind="stable", ignore_index=True)
    moment = now or pd.Timestamp.now("UTC").tz_localize(None)
    sample = Sample(table, time, tuple(ids), moment, tuple(labels))
    sections = [_section("the table", of_table(sample))]
    sections += [_section(f"{column}: {_about(table[column])}", of_column(sample, column)) for column in table.columns]
    return "".join(chain([_head(table, name, schema)], filter(None, sections)))


def _head(table: pd.DataFrame, name: str, schema: str) -> str:
    hidden = personal(table)
    lines = f"personal: {_flow(hidden)}  # no report shows a value of these\n" if hidden else ""
    return f"{HEAD.format(schema=schema, rows=len(table), name=name)}{lines}expectations:\n"


def _section(title: str, proposals: Iterable[Proposal]) -> str:
    rules = "".join(map(_rule, proposals))
    return f"\n  # {' '.join(title.split())}\n{rules}" if rules else ""


def _rule(proposal: Proposal) -> str:
    lines = [f"  - type: {proposal.type}", f"    kwargs: {_wrapped(proposal.kwargs)}"]
    if proposal.severity != "critical":
        lines.append(f"    severity: {proposal.severity}")
    if proposal.on_fail:
        lines.append(f"    on_fail: {proposal.on_fail}")
    return "\n".join([*lines, f"    notes: {json.dumps(proposal.notes, ensure_ascii=False)}", ""])


def _about(column: pd.Series) -> str:
    kind = "timestamp" if str(column.dtype).startswith("datetime") else str(column.dtype).rstrip("0123456789")
    words = {"int": "whole number", "float": "number", "str": "text", "bool": "true or false", "object": "mixed"}
    return f"{words.get(kind, kind)}, {column.nunique():,} values, {column.isna().mean():.1%} missing"


def _wrapped(kwargs: dict[str, Any], width: int = 110) -> str:
    """Write kwargs on one line, or one below the other where that line would be too long to read."""
    line = _flow(kwargs)
    if len(line) <= width:
        return line
    return "".join(f"\n      {_flow(key)}: {_listed(value, width)}" for key, value in kwargs.items())


def _listed(value: Any, width: int) -> str:
    if not isinstance(value, list):
        return _flow(value)
    lines = [""]
    for item in value:
        if len(lines[-1]) + len(_flow(item)) > width:
            lines.append("")
        lines[-1] += f"{_flow(item)}, "
    return "[" + "\n        ".join(line.rstrip() for line in lines).rstrip(",") + "]"


def _flow(value: Any) -> str:
    """Write a value as YAML on one line, which is JSON without the quotes that plain words do not need."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_flow(key)}: {_flow(part)}" for key, part in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_flow, value)) + "]"
    if isinstance(value, str) and (value.lower() in RESERVED or not WORD.fullmatch(value)):
        return json.dumps(value, ensure_ascii=False)
    return value if isinstance(value, str) else json.dumps(value)
