"""Read suite files strictly: Great Expectations drops what it does not understand, and a dropped rule passes for ever.

Every mistake of a file is found before anything is raised, each with its line and the nearest valid name.
"""

import json
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from everfit import documents
from everfit.errors import SuiteError, did_you_mean
from everfit.schema import Schema
from everfit.validation import custom
from everfit.validation.arguments import misfit, mistakes_in, plain
from everfit.validation.catalogue import Form, core
from everfit.validation.suite import MAX_QUARANTINED, Rule, Suite, columns_of_condition

SUITE_KEYS = ("name", "expectations", "notes", "max_quarantined", "personal", "meta", "id", "suite_parameters")
RULE_KEYS = ("type", "kwargs", "severity", "notes", "on_fail", "id", "meta", "description", "rendered_content")
SEVERITIES = ("critical", "warning", "info")
# These say themselves that a column must be there, so its absence is a failure of the data and not of the suite.
ABOUT_EXISTENCE = {"expect_column_to_exist", "expect_table_columns_to_match_set"}
ABOUT_EXISTENCE |= {"expect_table_columns_to_match_ordered_list"}


def load_suites(
    names: Iterable[str], folder: Path, schema: Schema | None = None, *, personal: Iterable[str] = ()
) -> tuple[Suite, ...]:
    """Load several suites; the SuiteError that it may raise holds the mistakes of all of them.

    Columns in `personal`, those of the model file, are so in each of them.
    """
    suites, failed = [], []
    for name in names:
        try:
            suite = load_suite(name, folder, schema)
            suites.append(replace(suite, personal=suite.personal.union(personal)))
        except SuiteError as error:
            failed.append(error)
    if len(failed) == 1:
        raise failed[0]
    if failed:
        details = [line for error in failed for line in (error.details or (error.what,))]
        raise SuiteError(f"{len(failed)} suites have mistakes.", details=details, do=failed[0].do) from failed[0]
    return tuple(suites)


def load_suite(name: str, folder: Path, schema: Schema | None = None) -> Suite:
    """Load one suite; raise SuiteError with all its mistakes.

    `schema`, when it is known, is what the data have: a rule about another column is a mistake, and so is one that
    compares text with numbers.
    """
    path = find(name, folder)
    reading = _Reading(documents.read(path, SuiteError), folder, schema)
    suite = reading.suite(name)
    if reading.mistakes:
        raise SuiteError(
            f"{path} has {len(reading.mistakes)} mistake(s).",
            details=reading.mistakes,
            do="Every key and type is in `everfit schema --suites`, which editors can complete from.",
            suite=name,
        )
    return suite


def suite_names(folder: Path) -> list[str]:
    """Return the names of all suites in a folder, sorted."""
    return sorted({path.stem for path in folder.glob("*") if path.suffix in (".yaml", ".json")})


def find(name: str, folder: Path) -> Path:
    """Return the file of a suite; raise SuiteError, with the nearest name, when there is none."""
    for ending in (".yaml", ".json"):
        if (path := folder / f"{name}{ending}").is_file():
            return path
    raise SuiteError(
        f"There is no suite '{name}': {folder / name}.yaml does not exist.{did_you_mean(name, suite_names(folder))}",
        do=f"everfit suite draft {name} --data FILE writes one.",
    )


class _Reading:
    """One pass over one file, which collects mistakes and never stops at the first."""

    def __init__(self, document: documents.Document, folder: Path, schema: Schema | None) -> None:
        self.document, self.folder = document, folder
        self.columns = None if schema is None else schema.to_dict()
        self.mistakes: list[str] = []
        self._seen: dict[str, str] = {}
        self._forms: dict[str, Form] | None = None

    def suite(self, name: str) -> Suite:
        data = self.document.data
        if not isinstance(data, dict):
            self._wrong((), "this is no suite: it must be a mapping with a list of expectations")
            return Suite(name, ())
        self._unknown_keys((), data, SUITE_KEYS)
        if data.get("name", name) != name:
            self._wrong(("name",), f"the suite says name: {data['name']}, and its file name says {name}")
        return Suite(
            name,
            self._rules(data.get("expectations")),
            notes=_text(data.get("notes")),
            max_quarantined=self._share(data.get("max_quarantined", MAX_QUARANTINED)),
            personal=frozenset(self._personal(data.get("personal", []))),
            path=self.document.path,
            custom=custom.folder_of(self.folder),
        )

    def _rules(self, listed: Any) -> tuple[Rule, ...]:
        if not isinstance(listed, list) or not listed:
            self._wrong(("expectations",), "there are no expectations, and an empty suite would pass any data")
            return ()
        return tuple(rule for n, entry in enumerate(listed) if (rule := self._rule(("expectations", n), entry)))

    def _rule(self, at: tuple[str | int, ...], entry: Any) -> Rule | None:
        if not isinstance(entry, dict):
            self._wrong(at, "an expectation is a mapping with type and kwargs")
            return None
        self._unknown_keys(at, entry, RULE_KEYS)
        severity = entry.get("severity", "critical")
        if severity not in SEVERITIES:
            self._wrong((*at, "severity"), f"severity cannot be {severity!r}.{did_you_mean(str(severity), SEVERITIES)}")
        form = self._form(at, entry)
        if form is None:
            return None
        kwargs = self._kwargs(at, entry.get("kwargs") or {}, form)
        on_fail = self._on_fail(at, entry, form)
        notes, place = _text(entry.get("notes")), self.document.place(at).removeprefix(f"{self.folder.parent}/")
        rule = Rule(form.type, kwargs, severity, on_fail, notes, place, form.level)
        self._check_columns(at, rule)
        if problem := misfit(rule, (self.columns or {}).get(rule.column)):
            self._wrong(at, problem)
        self._check_twins(at, rule)
        return rule

    def _form(self, at: tuple[str | int, ...], entry: dict[str, Any]) -> Form | None:
        name = entry.get("type")
        if not isinstance(name, str):
            self._wrong(at, "type is needed and missing: it names what is expected")
            return None
        form = core().get(name) or self._all_forms().get(name)
        if form is None:
            usable = [form.type for form in self._all_forms().values() if form.on_pandas]
            self._wrong((*at, "type"), f"there is no expectation '{name}'.{did_you_mean(name, usable)}")
        elif not form.on_pandas:
            self._wrong((*at, "type"), f"{name} works only inside a SQL database, and everfit checks batches in memory")
        else:
            return form
        return None

    def _all_forms(self) -> dict[str, Form]:
        """The core types and those of expectations/custom, which are imported only when a name asks for it."""
        if self._forms is None:
            self._forms = {**core(), **custom.forms(custom.folder_of(self.folder))}
        return self._forms

    def _kwargs(self, at: tuple[str | int, ...], given: Any, form: Form) -> dict[str, Any]:
        if not isinstance(given, dict):
            self._wrong((*at, "kwargs"), "kwargs must be a mapping, such as {column: age}")
            return {}
        kwargs: dict[str, Any] = plain(given)
        for keys, text in mistakes_in(kwargs, form):
            self._wrong((*at, "kwargs", *keys), text)
        return kwargs

    def _on_fail(self, at: tuple[str | int, ...], entry: dict[str, Any], form: Form) -> Any:
        on_fail = entry.get("on_fail", "stop")
        if on_fail not in ("stop", "quarantine"):
            self._wrong((*at, "on_fail"), f"on_fail can only be quarantine, and it says {on_fail!r}")
        elif on_fail == "quarantine" and not form.row_level:
            self._wrong((*at, "on_fail"), f"{form.type} looks at whole columns and can name no rows to quarantine")
        return on_fail

    def _check_columns(self, at: tuple[str | int, ...], rule: Rule) -> None:
        conditions = set(columns_of_condition(rule.kwargs.get("row_condition")))
        named = conditions if rule.type in ABOUT_EXISTENCE else rule.columns
        for column in named:
            if self.columns is not None and isinstance(column, str) and column not in self.columns:
                self._wrong(
                    (*at, "kwargs", "column"), f"there is no column '{column}'.{did_you_mean(column, self.columns)}"
                )

    def _check_twins(self, at: tuple[str | int, ...], rule: Rule) -> None:
        key = json.dumps([rule.type, rule.kwargs], sort_keys=True, default=str)
        if key in self._seen:
            self._wrong(at, f"{rule.type} says the same as {self._seen[key]}; one of them can go")
        self._seen.setdefault(key, rule.place)

    def _share(self, value: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
            self._wrong(("max_quarantined",), f"max_quarantined is a share between 0 and 1, and it says {value!r}")
            return MAX_QUARANTINED
        return float(value)

    def _personal(self, value: Any) -> list[str]:
        if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
            self._wrong(("personal",), "personal is a list of column names")
            return []
        for name in value:
            if self.columns is not None and name not in self.columns:
                self._wrong(("personal",), f"there is no column '{name}'.{did_you_mean(name, self.columns)}")
        return value

    def _unknown_keys(self, at: tuple[str | int, ...], given: dict[str, Any], known: tuple[str, ...]) -> None:
        for key in given:
            if key not in known:
                self._wrong((*at, key), f"there is no key '{key}' here.{did_you_mean(str(key), known)}")

    def _wrong(self, at: tuple[str | int, ...], text: str) -> None:
        self.mistakes.append(f"{self.document.place(at)}: {text}{'' if text.endswith(('.', '?')) else '.'}")


def _text(notes: Any) -> str:
    return " ".join(map(str, notes)) if isinstance(notes, list) else str(notes or "").strip()
