import numpy as np
import pandas as pd
import pytest

from everfit.monitor import fault_labels
from everfit.schema import Schema
from everfit.upkeep.state import Level

INPUTS = Schema.from_dict({"x": "number", "z": "number", "word": "string"})


def rows(many, seed, *, noise=0.5, classes=0):
    """Rows whose label follows x, and a word; `changed` is what it would follow in another world."""
    draw = np.random.default_rng(seed)
    frame = pd.DataFrame({"x": draw.normal(size=many), "z": draw.normal(size=many)})
    frame["word"] = draw.choice(["a", "b", None], size=many)
    off = noise * draw.normal(size=many)
    labels = [frame["x"] + (frame["word"] == "a") + off, frame["z"] - (frame["word"] == "a") + off]
    if classes:
        labels = [pd.qcut(each, classes, labels=list("ABCDEF"[:classes])).astype(str) for each in labels]
    return frame.assign(y=labels[0], changed=labels[1])


def find(batch, past, said=None, usual=0.4):
    """Ask about a batch that a champion answered who knows x alone."""
    said = batch["x"].to_numpy() if said is None else said
    y, usual = batch["y"].to_numpy(), Level(usual, 0.1, 900)
    if y.dtype.kind == "f":
        return fault_labels.find(past, batch, INPUTS, "y", said, y, usual)
    truth = np.asarray(y[:, np.newaxis] == np.unique(past["y"]), dtype=float)
    shares = np.stack([-said, *[0 * said] * (truth.shape[1] - 2), said], axis=1)
    return fault_labels.find(past, batch, INPUTS, "y", shares, truth, usual)


def shuffled(batch):
    return batch.assign(y=np.random.default_rng(0).permutation(batch["y"]))


@pytest.mark.parametrize("classes", [0, 2, 4])
def test_labels_of_other_rows_are_found_and_those_of_another_world_are_not(classes):
    past, batch = rows(800, 0, classes=classes), rows(300, 1, classes=classes)
    finding = find(shuffled(batch), past)
    assert finding.severity == "repair"
    assert "joined by a wrong key?" in finding.text
    assert find(batch, past) is None
    assert find(batch.assign(y=batch["changed"]), past) is None
    assert find(batch, past, said=-batch["x"].to_numpy()) is None
    turned = batch.assign(x=np.where(np.arange(300) < 150, batch["x"], -batch["x"]), word=None)
    assert find(turned, past.assign(word=None)) is None


@pytest.mark.parametrize(
    "batch",
    [shuffled(rows(300, 1).assign(y=lambda f: f["y"] / 9)), shuffled(rows(99, 1))],
)
def test_labels_that_hardly_differ_or_are_few_are_not_judged(batch):
    assert find(batch, rows(800, 0)) is None


def test_a_champion_who_never_knew_much_is_not_asked():
    assert find(shuffled(rows(300, 1)), rows(800, 0), usual=0.81) is None


@pytest.mark.parametrize("seed", range(10))
def test_what_is_plain_in_the_past_does_not_hide_in_a_sound_batch_that_the_champion_knows_nothing_of(seed):
    past, batch = (rows(200, each, noise=1.5) for each in (2 * seed, 2 * seed + 1))
    assert find(batch, past, said=np.random.default_rng(seed).normal(size=200)) is None
