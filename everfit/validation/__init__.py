"""Rules for data: read strictly, judged by Great Expectations in a process of its own, and shown to people.

    suites = load_suites(["bike"], Path("expectations"))
    report = run(suites, frame, model="bike", origin="rentals.parquet")
    if report.blocking: ...

Nothing here imports Great Expectations, which takes six seconds; `warm_up` starts the process that does.
"""

from everfit.validation.drafting import draft
from everfit.validation.editors import json_schema
from everfit.validation.insisting import insisting
from everfit.validation.loading import load_suite, load_suites, suite_names
from everfit.validation.rendering import to_markdown, write_page
from everfit.validation.report import Example, Report, Result
from everfit.validation.running import run
from everfit.validation.suite import Rule, Suite
from everfit.validation.worker import warm_up

__all__ = [
    "Example",
    "Report",
    "Result",
    "Rule",
    "Suite",
    "draft",
    "insisting",
    "json_schema",
    "load_suite",
    "load_suites",
    "run",
    "suite_names",
    "to_markdown",
    "warm_up",
    "write_page",
]
