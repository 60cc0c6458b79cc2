"""Score rows with the champion, and keep what was said."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from everfit import evaluation, registry
from everfit.errors import InputError, ValidationStopped
from everfit.lake import Batch, Lake
from everfit.ledger import Ledger
from everfit.schema import Schema, judge_changes
from everfit.settings import Settings
from everfit.spec import ModelSpec
from tasks.champion import load_champion
from tasks.steps import say, step

WRITERS: dict[str, Callable[..., None]] = {".parquet": pd.DataFrame.to_parquet, ".csv": pd.DataFrame.to_csv}


@dataclass(frozen=True)
class Scored:
    """What was predicted, by which version, and where it went."""

    model: str
    version: int
    rows: int
    output: str
    warnings: tuple[str, ...]

    @property
    def sentence(self) -> str:
        """Say it in one line."""
        return f"{self.rows:,} rows predicted by {self.model} v{self.version}, in {self.output}"

    def to_dict(self, seconds: dict[str, float]) -> dict[str, Any]:
        """Return it ready for JSON."""
        return {**asdict(self), "seconds": seconds}


@step
def predict(spec: ModelSpec, batches: Sequence[Batch], output: str) -> Scored:
    """Write the input's rows, in their order, with the prediction beside them; the file is whole or not there.

    Raise InputError without a champion or with a file type that cannot be written, ValidationStopped when the
    columns changed in a way that the model file blocks.
    """
    target = Path(output)
    if target.suffix not in WRITERS:
        raise InputError(f"Predictions cannot be written to '{output}'.", do="Name a .parquet or a .csv file.")
    settings = Settings()
    lake, ledger = Lake(settings), Ledger.of(settings)
    version = registry.require_champion(ledger, spec.name)
    champion = load_champion(spec, settings, version)
    parts: list[pd.DataFrame] = []
    warnings: list[str] = []
    for batch in batches:
        warnings += _check_columns(spec, champion.schema, batch.schema)
        frame = lake.read(batch)
        if "prediction" in frame:
            raise InputError(f"{batch.origin} has a column 'prediction' already.", do="Drop it, or rename it.")
        said = as_frame(evaluation.predict(champion.pipeline, frame, champion.task, champion.card["positive"]))
        names = [name for name in (*spec.data.ids, spec.data.time) if name in frame]  # by which a label will find it
        kept = pd.concat([frame[names], said], axis=1)
        lake.record_predictions(spec.name, kept, version=version, batch_digest=batch.digest)
        parts.append(pd.concat([frame.drop(columns="_row"), said], axis=1))
    _write(pd.concat(parts, ignore_index=True), target)
    for batch in batches:
        lake.discard(batch)
    scored = Scored(spec.name, version, sum(map(len, parts)), output, tuple(warnings))
    ledger.record(
        "predicted", spec.name, actor=settings.actor, facts={"rows": scored.rows, "version": version, "output": output}
    )
    say(scored.sentence)
    return scored


def as_frame(predicted: evaluation.Predicted) -> pd.DataFrame:
    """Return `prediction`, and for classification one `probability_<class>` per class."""
    said = pd.DataFrame({"prediction": predicted.values})
    if predicted.proba is not None and predicted.classes is not None:
        for at, label in enumerate(predicted.classes):
            said[f"probability_{label}"] = predicted.proba[:, at]
    return said


def as_predicted(loaded: registry.Loaded, said: pd.DataFrame) -> evaluation.Predicted:
    """Read back what `as_frame` wrote."""
    if loaded.task == "regression":
        return evaluation.Predicted(said["prediction"].to_numpy(dtype="float64"))
    classes = loaded.pipeline.classes_
    proba = said[[f"probability_{label}" for label in classes]].to_numpy(dtype="float64")
    return evaluation.Predicted(classes[proba.argmax(axis=1)], proba, classes)


def _check_columns(spec: ModelSpec, learnt: Schema, came: Schema) -> tuple[str, ...]:
    """Judge the columns of rows to score by the same policy as those of training data; labels may be missing."""
    known_later = {spec.data.target, spec.data.weight, spec.data.group}
    warned, blocked = judge_changes(learnt, came, spec.data.on_change, but=known_later)
    if blocked:
        raise ValidationStopped(
            f"{spec.name}: these rows do not have the columns that the champion learnt from.",
            details=blocked,
            do="Repair the source, or say in data.on_change of the model file that this is allowed.",
        )
    for warning in warned:
        say(warning)
    return warned


def _write(frame: pd.DataFrame, target: Path) -> None:
    half = target.with_name(f".{target.name}.half{target.suffix}")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        WRITERS[target.suffix](frame, half, index=False)
        half.replace(target)
    except OSError as cause:
        half.unlink(missing_ok=True)
        raise InputError(
            f"{target} cannot be written: {cause.strerror}.", do="Name a folder that is writable."
        ) from cause
