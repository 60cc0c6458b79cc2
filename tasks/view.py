"""What signals look at: a batch beside what the champion was made from, and what it has met, with its answers."""

from collections.abc import Collection

import pandas as pd

from everfit import evaluation, registry
from everfit.monitor.answered import ROWS, Answered, Ask
from everfit.monitor.counts import sample
from everfit.monitor.means import BLOCKS
from everfit.monitor.reference import heldout_losses
from everfit.monitor.view import View
from everfit.reserved import HELDOUT, LOSS, NEW, PREDICTION, SCORE
from everfit.spec import ModelSpec, Monitor
from tasks.champion import Champion
from tasks.met import Met, labelled, losses
from tasks.silence import arrivals

RECENT = 20_000  # rows that batches are compared with at most, when that is those accepted lately
ASKED = 50_000  # rows of a batch, for what signals compare of predictions


def view_of(
    spec: ModelSpec,
    champion: Champion,
    met: Met,
    frame: pd.DataFrame | None = None,
    since: pd.DataFrame | None = None,
    personal: frozenset[str] = frozenset(),
    unknown: Collection[str] = (),
) -> View:
    """Gather what signals look at: what the champion has met, and the rows of a batch, which were accepted `since`.

    Of a batch with `unknown` inputs only the others are looked at: what a model says of their gaps, it never said.

    A refit has learnt from the held-out rows of its search, so the search's own model is asked about those, and about
    what is compared with them: the answers of another model would be other answers, to the same rows.
    """
    loaded, root = champion.loaded, champion.lineage.root
    known, task, target = losses(spec, loaded, met), loaded.task, spec.data.target
    now = loaded.reference.iloc[:0] if frame is None else frame if unknown else with_predictions(root, frame)
    past, which = (loaded.reference, "") if since is None else _reference(spec, champion, since)

    def ask(rows: pd.DataFrame) -> evaluation.Predicted:
        return evaluation.predict(loaded.pipeline, rows, task, loaded.card["positive"])

    def ask_root(rows: pd.DataFrame) -> evaluation.Predicted:
        return evaluation.predict(root.pipeline, rows, task, root.card["positive"])

    def answered(rows: pd.DataFrame, asks: Ask = ask) -> Answered:
        return Answered.by(asks, sample(rows, ROWS).reset_index(drop=True), task, target)

    held = loaded.reference
    return View(
        policy=_policy(spec, champion, len(known)),
        task=task,
        target=target,
        inputs=loaded.schema.only(set(loaded.card["inputs"]).difference({spec.data.time}, unknown)),
        ask=ask_root,
        reference=past,
        current=now,
        heldout=answered(held[held[HELDOUT].astype(bool) & held[LOSS].notna()], ask_root),
        batch=Answered.nothing() if unknown else answered(now),
        labelled=answered(labelled(spec, met.landed).tail(ROWS)),
        past_losses=heldout_losses(held),
        losses=known["loss"].to_numpy(),
        recent=int(known["new"].sum()),
        arrivals=arrivals(spec),
        personal=personal,
        compared_with=which,
        refitted=root is not loaded,
    )


def _policy(spec: ModelSpec, champion: Champion, known: int) -> Monitor:
    """Return the monitor's policy; once the lineage has met enough labels, the few since a refit may judge it."""
    made, policy = champion.lineage.line[0], spec.monitor
    if made.searched or known + made.beyond < policy.min_labels:
        return policy
    return policy.model_copy(update={"min_labels": min(2 * BLOCKS, policy.min_labels)})


def _reference(spec: ModelSpec, champion: Champion, since: pd.DataFrame) -> tuple[pd.DataFrame, str]:
    """Return the rows that the model file wants batches to be compared with, and their name."""
    loaded = champion.loaded
    training = "the rows that the champion was made from"
    if spec.monitor.reference == "training":
        return loaded.reference, training
    if len(since) < spec.monitor.min_rows:
        return (
            loaded.reference,
            f"{training}: only {len(since):,} were accepted since, {spec.monitor.min_rows:,} needed",
        )
    recent = since.tail(RECENT).drop(columns=NEW).reset_index(drop=True)
    answered = with_predictions(champion.lineage.root, recent).assign(**{HELDOUT: True})
    return answered, f"the {len(recent):,} rows accepted last"


def with_predictions(loaded: registry.Loaded, frame: pd.DataFrame) -> pd.DataFrame:
    """Put beside rows what a model says of them; of more than 50,000 it is asked about so many of them."""
    frame = frame.drop(columns=[PREDICTION, SCORE], errors="ignore")
    asked = sample(frame, ASKED)
    predicted = evaluation.predict(loaded.pipeline, asked, loaded.task, loaded.card["positive"])
    said = {PREDICTION: predicted.values} | ({} if predicted.score is None else {SCORE: predicted.score})
    return pd.concat([frame, pd.DataFrame(said, index=asked.index)], axis=1)
