"""Champions that live through planted streams in memory."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from everfit.features.conform import Conform
from everfit.spec import Refit
from everfit.upkeep.advance import advance
from everfit.upkeep.keeper import Keeper, needed
from everfit.upkeep.taken import done
from everfit.upkeep.windows import ALL, RECENT

BATCH = 100
COLUMNS = ["a", "b"]


def rows(batches, seed=0):
    return pd.DataFrame(np.random.default_rng(seed).normal(size=(batches * BATCH, 2)), columns=COLUMNS)


def noise(batches, seed=9):
    return 0.3 * np.random.default_rng(seed).normal(size=batches * BATCH)


def keeper(frame, y, task="regression", **policy):
    model = LinearRegression() if task == "regression" else LogisticRegression()
    conform = Conform(dict.fromkeys(COLUMNS, "number"))
    pipeline = Pipeline([("conform", conform), ("scale", StandardScaler()), ("model", model)]).fit(frame, y)
    return Keeper(pipeline, frame, y, Refit(**policy), task, BATCH)


def live(champion, frame, y):
    """Let it meet a stream batch by batch; return what it said of each, the plans, and the proofs of refits."""
    said, plans, proofs = [], [], []
    for at in range(0, len(y), BATCH):
        batch, truth = frame.iloc[at : at + BATCH], y[at : at + BATCH]
        answers = champion.answers(batch)
        said.append(champion.serve(answers))
        state, plan = advance(champion.state, champion.measure(answers, truth), champion.policy)
        champion.learn(batch, truth, answers)
        proofs.append(champion.act(state, plan.refit))
        plans.append(plan)
    return said, plans, proofs


@pytest.fixture(scope="module")
def moved():
    """The slope turns after ten batches; what was said, the truth, plans, proofs, and the champion at the end."""
    past, frame = rows(10), rows(30, seed=1)
    slope = np.where(np.arange(3000) < 1000, 1.0, -1.0)
    y = slope * frame["a"].to_numpy() + noise(30)
    champion = keeper(past, past["a"].to_numpy() + noise(10, seed=8))
    said, plans, proofs = live(champion, frame, y)
    return np.concatenate(said), y, plans, proofs, champion


def test_a_champion_learns_a_world_that_has_changed(moved):
    said, y, plans, _, champion = moved
    errors = np.abs(said - y).reshape(30, BATCH).mean(axis=1)
    assert errors[:10].mean() < 0.3
    assert errors[10] > 1.2
    assert errors[12:].mean() < 0.3
    assert champion.state.served.weights[RECENT] > 0.9
    assert any(RECENT in plan.refit for plan in plans[10:14])


def test_only_models_that_somebody_needs_are_kept(moved):
    *_, plans, proofs, champion = moved
    assert set(champion.models) == needed(champion.state)
    assert len(champion.models) <= 2 + 2 + len(champion.state.fits)
    due = sum(len(plan.refit) for plan in plans)
    twins = sum("without the newest batch" in proof.reason for each in proofs for proof in each.values())
    assert due <= champion.fits <= due + min(twins, 1) + 1, "what the search made has a twin, another world a trial"


def test_what_serves_is_a_portfolio_that_reads_raw_columns(moved):
    *_, champion = moved
    frame = rows(1, seed=5)
    raw = frame.astype(str)[["b", "a"]].assign(more=1)
    np.testing.assert_allclose(champion.served.predict(raw), champion.serve(champion.answers(frame)))


def test_where_nothing_changes_refits_grow_rare():
    past, frame = rows(10), rows(40, seed=1)
    champion = keeper(past, past["a"].to_numpy() + noise(10, seed=8))
    said, plans, _ = live(champion, frame, frame["a"].to_numpy() + noise(40))
    assert sum(len(plan.refit) for plan in plans[20:]) <= 5
    assert np.abs(np.concatenate(said) - frame["a"].to_numpy()).mean() < 0.1


def test_an_offset_is_answered_without_a_single_fit():
    past, frame = rows(10), rows(3, seed=1)
    champion = keeper(past, past["a"].to_numpy() + noise(10, seed=8), recent=0)
    said, plans, _ = live(champion, frame, y := frame["a"].to_numpy() + 3)
    assert [plan.recalibrate for plan in plans] == [True, True, True]
    assert champion.fits == 0
    off = [np.median(truth - answer) for truth, answer in zip(y.reshape(3, BATCH), said, strict=True)]
    assert off == sorted(off, reverse=True)
    assert off[2] < 0.6 * off[0]


def test_a_refit_on_labels_that_were_wrong_is_undone():
    past, frame = rows(10), rows(5, seed=1)
    y = frame["a"].to_numpy() + noise(5)
    y[300:400] *= -5
    champion = keeper(past, past["a"].to_numpy() + noise(10, seed=8), offset=False)
    _, plans, _ = live(champion, frame, y)
    assert RECENT in plans[3].refit
    assert RECENT in plans[4].restore
    assert plans[4].recalibrate
    assert (champion.state.track(RECENT).fitted, champion.state.track(RECENT).tried) == (2, 4)


def test_a_model_that_learnt_nothing_useful_does_not_take_its_place():
    past, frame, before = rows(10), rows(4, seed=1), slice(3 * BATCH)
    last, y = slice(3 * BATCH, None), frame["a"].to_numpy() + noise(4)
    champion = keeper(past, past["a"].to_numpy() + noise(10, seed=8))
    live(champion, frame[before], y[before])
    champion._labels = np.zeros(len(champion._labels))  # as if a fit had failed
    answers, served = champion.answers(frame[last]), champion.state.served
    state, plan = advance(champion.state, champion.measure(answers, y[last]), champion.policy)
    champion.learn(frame[last], y[last], answers)
    proofs = champion.act(state, plan.refit)
    assert plan.refit == (ALL, RECENT)
    assert not any(proof.ok for proof in proofs.values())
    assert "worse on rows" in proofs[RECENT].reason
    track = champion.state.track(RECENT)
    assert (track.fitted, track.tried, track.gap) == (2, 4, 4)
    assert champion.state.served == served


@pytest.fixture(scope="module")
def third():
    """A class that nobody knew fills a third of the rows from the fourth batch on, and the last ones alone."""
    past, frame = rows(10), rows(20, seed=1)
    y = np.where(frame["a"] > 0, "up", "down").astype(object)
    y[300:][frame["b"].to_numpy()[300:] > 0.5] = "new"
    y[1000:] = "new"
    champion = keeper(past, np.where(past["a"] > 0, "up", "down").astype(object), "binary")
    said, *_ = live(champion, frame, y)
    return said, champion


def test_a_class_that_appears_later_is_learnt_and_answered(third):
    said, champion = third
    assert champion.classes.tolist() == ["down", "new", "up"]
    assert [said[at].shape[1] for at in (0, 3, 9)] == [2, 2, 3]
    told = champion.served.predict(pd.DataFrame({"a": [0.0, 0.0], "b": [3.0, 4.0]}))
    assert told.tolist() == ["new", "new"]


def test_rows_of_one_class_alone_teach_nothing(third):
    _, champion = third
    assert champion.state.track(RECENT).tried > 15
    assert len(champion.models[RECENT, champion.state.track(RECENT).fitted].classes_) > 1


def test_the_first_refit_of_all_rows_is_proven_by_a_twin_and_others_by_share_and_record():
    past, frame = rows(10), rows(12, seed=1)
    champion = keeper(past, past["a"].to_numpy() + noise(10, seed=8))
    slope = 1 + np.arange(12).repeat(BATCH) / 10  # so that learning again pays
    turning = slope * frame["a"].to_numpy() + noise(12)
    *_, proofs = live(champion, frame, turning)
    fresh, first, *later = (each[RECENT] for each in proofs if RECENT in each)
    assert "no weight until labels" in fresh.reason
    whole, *more = (each[ALL] for each in proofs if ALL in each)
    assert "which labels gave it" in first.reason
    assert whole.ok
    assert "without the newest batch" in whole.reason
    assert later
    assert more
    assert all(proof.reason.startswith("its record: +") for proof in (*later, *more))


def test_a_window_whose_refits_did_harm_learns_without_the_newest_batch():
    past, frame = rows(10), rows(4, seed=1)
    champion = keeper(past, past["a"].to_numpy() + noise(10, seed=8))
    live(champion, frame[: 2 * BATCH], frame["a"].to_numpy()[: 2 * BATCH] + noise(2))
    track = replace(champion.state.track(RECENT), gain=-0.1, gains=1.0, z=-2.0, squares=1.0)
    state = done(replace(champion.state, tracks=(champion.state.track(ALL), track), batches=3), [RECENT], Refit())
    last = slice(2 * BATCH, 3 * BATCH)
    champion.learn(frame[last], np.full(BATCH, 9.0))
    before = champion.fits
    champion.act(state, [RECENT])
    assert champion.fits == before + 1
    answers = champion.models[RECENT, champion.state.track(RECENT).fitted].predict(frame[last])
    assert np.abs(answers - frame["a"][last]).max() < 0.5, "nothing of the nines"
