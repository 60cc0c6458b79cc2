"""Look at a model before it costs anything: its file, its suites, and a sample of its data."""

from dataclasses import dataclass
from typing import Any

from everfit import evaluation, features, search, sources, validation
from everfit.errors import EverfitError, NoFiles, first_line
from everfit.ledger import Ledger
from everfit.monitor import silence
from everfit.schema import Schema
from everfit.settings import Settings
from everfit.spec import ModelSpec, SqlSource, load_spec
from everfit.validation import Report

SAMPLE = 50_000


@dataclass(frozen=True)
class Checkup:
    """What was found: a line for each thing that was looked at, and the report on the sample."""

    model: str
    lines: tuple[str, ...]
    report: Report | None

    @property
    def exit_code(self) -> int:
        """0 when the sample passes, 3 when a critical rule stops it."""
        return 3 if self.report and self.report.blocking else 0

    def to_dict(self) -> dict[str, Any]:
        """Return the findings ready for JSON."""
        return {
            "model": self.model,
            "ok": self.exit_code == 0,
            "found": list(self.lines),
            "sample": self.report.to_dict() if self.report else None,
        }


def check(settings: Settings, name: str) -> Checkup:
    """Check one model; raise SpecError, SuiteError, SourceError or DataError for what is wrong with its files."""
    model = load_spec(name, settings.models)
    if not sources.readable_here(model.data.source):
        suites = validation.load_suites(model.suites, settings.expectations, personal=model.data.personal)
        return Checkup(
            name, (*_files(settings, model, len(suites)), "data: behind a Prefect secret; not read here"), None
        )
    frame = sources.sample(model.data.source, base=settings.workspace, rows=SAMPLE)
    evaluation.check_target(frame, model.data)
    task = evaluation.infer_task(frame[model.data.target], model.data)
    metric = evaluation.metric(model.search.metric or evaluation.default_metric(task), task)
    whole = len(frame) < SAMPLE  # a class may be rarer than a sample shows
    asked = model.search if whole else model.search.model_copy(update={"costs": {}})
    search.check(asked, frame[model.data.target].dropna(), task=task, metric=metric.name)
    suites = validation.load_suites(model.suites, settings.expectations, Schema.of(frame), personal=model.data.personal)
    report = validation.run(suites, frame, model=name, origin=str(model.data.source))
    plan = features.plan(frame, model.data)
    time = evaluation.times_of(frame[model.data.time]) if model.data.time else None
    lines = (
        *_files(settings, model, len(suites)),
        f"data: {len(frame):,} rows and {frame.shape[1]} columns read; {task} of {model.data.target}",
        f"sample: {report.headline}",
        *evaluation.leaks(frame, frame[model.data.target], plan, task, time=time),
    )
    return Checkup(name, lines, report)


def try_suite(settings: Settings, name: str, data: str) -> Report:
    """Run one suite on the head of some data; a column that is gone or of another type is a fault of the data."""
    suites = validation.load_suites((name,), settings.expectations)
    frame = sources.sample(data, base=settings.workspace, rows=SAMPLE)
    return validation.run(suites, frame, model=name, origin=data)


def _files(settings: Settings, model: ModelSpec, suites: int) -> tuple[str, ...]:
    right = f"model file: deployments/models/{model.name}.yaml is right"
    labels = [_labels(settings, model.data.labels)] if model.data.labels else []
    return (right, f"suites: {suites} build", *labels, *_watched(settings, model))


def _watched(settings: Settings, model: ModelSpec) -> tuple[str, ...]:
    """Say when the model was watched last, where that can be judged: a monitor that is dead cannot say so itself."""
    try:
        found = silence.of(Ledger.of(settings), model)
    except EverfitError as unread:
        return (f"monitor: unknown, {first_line(unread)}",)
    return (f"monitor: {found.text}",) if found.judged else ()


def _labels(settings: Settings, where: str | SqlSource) -> str:
    """Say what there is of labels that come alone; where files come later, there may be none yet."""
    if not sources.readable_here(where):
        return "labels: behind a Prefect secret; not read here"
    try:
        found = [source.origin for source in sources.open_source(where, base=settings.workspace)]
    except NoFiles as none:
        return f"no labels yet: {first_line(none)}"
    return f"labels: {found[0]}{f' and {len(found) - 1:,} more' if found[1:] else ''}"
