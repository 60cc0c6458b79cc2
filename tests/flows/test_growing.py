"""A source that grows brings its old rows again; only the new ones say something about the champion."""

from collections.abc import Callable
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from everfit import scaffold
from everfit.ledger import Ledger
from everfit.settings import Settings

MODEL = "orders"


def orders(count: int, seed: int) -> pd.DataFrame:
    """Rows whose first half of the columns say something about the last."""
    rng = np.random.default_rng(seed)
    x, shop = rng.normal(size=count), rng.choice(["north", "south"], size=count)
    y = 3 * x + (shop == "north") + rng.normal(scale=0.5, size=count)
    return pd.DataFrame({"x": x, "shop": shop, "note": np.nan, "y": y})


@pytest.fixture(scope="module")
def story(moved_to: Callable[[str], Settings]) -> SimpleNamespace:
    """Train on a file, let it grow twice, correct two rows of it, and keep the evidence of each look at it.

    The champion has learnt from one of the two, and was judged by the other since. One of its columns is empty at
    first, and holds text from the second time on.
    """
    from flows.monitor import monitor
    from flows.train import train

    settings = moved_to("growing")
    file = orders(1500, 0)
    file.to_csv("orders.csv", index=False)
    scaffold.create(settings, MODEL, "orders.csv", "y", time=None, budget="4m", force=False)
    path = settings.models / f"{MODEL}.yaml"
    path.write_text(path.read_text().replace("{budget: 4m}", "{budget: 4m, trials: 1, estimators: [linear]}"))
    with path.open("a") as file_of_model:
        file_of_model.write("refit: {auto: false}\n")  # so that the champion is the same until it is searched for
    train(MODEL)
    for seed, count, note in ((1, 800, np.nan), (2, 300, "gift")):
        file = pd.concat([file, orders(count, seed).assign(note=note)], ignore_index=True)
        file.to_csv("orders.csv", index=False)
        monitor(MODEL)
    file.assign(y=file["y"].mask(file.index.isin([0, 2000]), 0.0)).to_csv("orders.csv", index=False)
    monitor(MODEL)
    for slope, seed in ((-3, 3), (9, 4)):  # twice the world moves, and the second alarm comes within the cooldown
        moved = orders(700, seed)
        file = pd.concat([file, moved.assign(y=slope * moved["x"], note="gift")], ignore_index=True)
        file.to_csv("orders.csv", index=False)
        monitor(MODEL)
    path.write_text(path.read_text().replace("cooldown: 1d", "cooldown: 1s"))
    monitor(MODEL)
    judged = Ledger.of(settings).entries(MODEL, kinds=["drift_judged"])
    return SimpleNamespace(
        evidence=[entry.facts["evidence"] for entry in judged[:3]],
        moved=[(entry.facts["evidence"], entry.facts["decision"]) for entry in judged[3:]],
        ledger=Ledger.of(settings),
    )


def test_only_rows_that_the_source_did_not_have_before_are_judged(story):
    assert [evidence["rows"] for evidence in story.evidence] == [800, 300, 2]


def test_no_row_that_the_champion_learnt_from_counts_as_labelled_since_and_none_counts_twice(story):
    assert [evidence["labels"] for evidence in story.evidence] == [800, 1100, 1101]
    measured = [evidence["measured"] and evidence["measured"]["rows"] for evidence in story.evidence]
    assert measured == [800, 300, None]


def test_rows_that_come_again_with_a_file_that_grew_are_no_finding(story):
    signals = {finding["signal"] for evidence in story.evidence for finding in evidence["findings"]}
    assert "repeated rows" not in signals


def test_a_retraining_that_was_held_back_is_judged_again_on_the_new_rows_only(story):
    assert [(evidence["rows"], decision["action"]) for evidence, decision in story.moved] == [
        (702, "search"),  # with the rows that had been corrected, and are what they were again
        (700, "none"),
        (700, "search"),
    ]
    (_, held) = story.moved[1]
    assert any("cooldown" in blocker for blocker in held["blockers"])
    assert len(story.ledger.entries(MODEL, kinds=["retrain_started"])) == 2
