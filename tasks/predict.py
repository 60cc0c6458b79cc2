"""Score rows with the champion, and keep what was said."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from everfit import evaluation, registry
from everfit.errors import InputError, ValidationStopped
from everfit.files import replacing
from everfit.lake import Batch, Lake
from everfit.ledger import Ledger
from everfit.reserved import ROW
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

    Raise InputError without a champion or with a file that cannot be written, ValidationStopped when the columns
    changed in a way that the model file blocks. What was said is kept once the file is there, and not before.
    """
    target = Path(output)
    if target.suffix not in WRITERS:
        raise InputError(f"Predictions cannot be written to '{output}'.", do="Name a .parquet or a .csv file.")
    settings = Settings()
    lake, ledger = Lake(settings), Ledger.of(settings)
    version = registry.require_champion(ledger, spec.name)
    champion = load_champion(spec, settings, version)
    warnings = [text for batch in batches for text in _check_columns(spec, champion.schema, batch.schema)]
    asked = [_ask(champion, batch.origin, lake.read(batch)) for batch in batches]
    _write(pd.concat([rows for rows, _ in asked], ignore_index=True), target)
    for batch, (rows, answers) in zip(batches, asked, strict=True):
        names = [name for name in (*spec.data.ids, spec.data.time) if name in rows]  # by which a label will find it
        kept = rows[[*names, *answers]]
        lake.record_predictions(spec.name, kept, version=version, batch_digest=batch.digest)
    scored = Scored(spec.name, version, sum(batch.rows for batch in batches), output, tuple(warnings))
    ledger.record(
        "predicted", spec.name, actor=settings.actor, facts={"rows": scored.rows, "version": version, "output": output}
    )
    say(scored.sentence)
    return scored


def _ask(champion: registry.Loaded, origin: str, frame: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """Return the rows with the champion's answers beside them, and the names of these."""
    said = as_frame(evaluation.predict(champion.pipeline, frame, champion.task, champion.card["positive"]))
    if taken := [name for name in said if name in frame]:
        raise InputError(f"{origin} has a column '{taken[0]}' already.", do="Drop it, or rename it.")
    return pd.concat([frame.drop(columns=ROW), said], axis=1), [str(name) for name in said]


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
    return evaluation.Predicted(said["prediction"].to_numpy(dtype=classes.dtype), proba, classes)


def _check_columns(spec: ModelSpec, learnt: Schema, came: Schema) -> tuple[str, ...]:
    """Judge the columns of rows to score by the same policy as those of training data; labels may be missing."""
    known_later = {spec.data.target, spec.data.weight, spec.data.group}
    warned, blocked = judge_changes(learnt, came, spec.data.on_change, but=known_later)
    if blocked:
        raise ValidationStopped(
            f"{spec.name}: these rows do not have the columns that the champion learnt from.",
            details=map(str, blocked),
            do="Repair the source, or say in data.on_change of the model file that this is allowed.",
        )
    warnings = tuple(map(str, warned))
    for warning in warnings:
        say(warning)
    return warnings


def _write(frame: pd.DataFrame, target: Path) -> None:
    with replacing(target) as half:
        WRITERS[target.suffix](frame, half, index=False)
