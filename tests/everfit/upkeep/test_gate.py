"""The gate of a refit: each window's fresh model in its place beside the others, judged on the newest rows."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from sklearn.dummy import DummyRegressor
from sklearn.linear_model import LinearRegression, LogisticRegression

from everfit.models.portfolio import said
from everfit.spec import Refit
from everfit.upkeep.advance import begin
from everfit.upkeep.gate import NOTHING_NEW, ONE_CLASS, SILENT, Newest, judge, takes_over
from everfit.upkeep.state import Mix
from everfit.upkeep.windows import ALL, RECENT

DICE = np.random.default_rng(0)
ROWS = pd.DataFrame({"x": DICE.normal(0, 3, 300)})
Y = 3 * ROWS["x"].to_numpy() + DICE.normal(0, 1, 300)
BEGUN = begin(Refit(), "regression")
STATE = replace(BEGUN, tracks=tuple(replace(track, before=0, fitted=4, tried=4) for track in BEGUN.tracks))
BOTH = replace(STATE, served=Mix({ALL: 0.5, RECENT: 0.5}))


class Broken(LinearRegression):
    """A model that diverged."""

    def predict(self, X):
        return np.full(len(X), np.nan)


def fitted(model, rows=slice(250)):
    return model.fit(ROWS[rows], Y[rows])


def newest(**changes):
    """Fifty rows that the models of both windows have not learnt from."""
    rows, model = ROWS[250:], fitted(LinearRegression())
    plain = {"rows": rows, "y": Y[250:], "members": dict.fromkeys((ALL, RECENT), said(model, rows)), "classes": None}
    return Newest(**(plain | changes))


def proof(model, *, state=STATE, window=ALL, of=None, twin=lambda _: fitted(LinearRegression())):
    return judge(of or newest(), state, {window: model}, twin)[window]


def test_the_same_on_newer_rows_is_proven_by_a_twin_and_what_has_no_weight_by_labels_to_come():
    fresh = fitted(LinearRegression(), slice(None))
    assert proof(fresh).ok
    assert proof(fresh).reason.startswith("not worse: without the newest batch it has ")
    assert proof(fitted(DummyRegressor()), window=RECENT).reason == SILENT


def test_what_only_does_well_on_rows_that_it_learnt_from_is_refused():
    overfit = fitted(LinearRegression(), slice(250, None))
    got = proof(overfit, twin=lambda _: fitted(DummyRegressor()))
    assert not got.ok
    assert got.reason.startswith("worse: without the newest batch")


@pytest.mark.parametrize(
    ("case", "because"),
    [
        ({"model": None}, ONE_CLASS),
        ({"model": Broken().fit(ROWS, Y)}, "50 of its answers are no numbers"),
        ({"model": Broken().fit(ROWS, Y), "window": RECENT}, "50 of its answers are no numbers"),
        ({"model": fitted(DummyRegressor())}, "worse on rows that it learnt from"),
        ({"model": fitted(LinearRegression()), "of": newest(fresh=False)}, NOTHING_NEW),
        ({"model": fitted(LinearRegression()), "twin": lambda _: None}, ONE_CLASS),
    ],
)
def test_what_failed_or_cannot_be_proven_is_refused(case, because):
    got = proof(**case)
    assert not got.ok
    assert got.reason.startswith(because)


def test_a_record_spares_the_twin():
    known = replace(STATE, tracks=tuple(replace(track, gain=0.1, gains=2.0) for track in STATE.tracks))
    got = proof(fitted(LinearRegression()), state=known, of=newest(fresh=False), twin=None)
    assert got.reason == "its record: +5.0% of the loss by earlier refits"


def test_the_share_that_labels_gave_to_a_refit_is_a_record_of_its_window():
    tracks = tuple(replace(track, before=2) for track in STATE.tracks)
    got = proof(fitted(LinearRegression()), state=replace(BOTH, tracks=tracks), window=RECENT, twin=None)
    assert got.ok
    assert got.reason == "its share of 50%, which labels gave it"


def test_the_small_share_that_came_with_a_search_needs_no_twin_and_is_no_record():
    small = replace(BOTH, served=Mix({ALL: 0.95, RECENT: 0.05}))
    got = proof(fitted(LinearRegression()), state=small, window=RECENT, twin=None)
    assert got.ok
    assert got.reason == "its share of 5%, which can do little harm until labels judge it"


def test_after_refits_that_did_harm_the_model_itself_must_do_without_the_newest_batch():
    tracks = tuple(replace(track, gain=-0.1, gains=1.0, z=-2.0, squares=1.0) for track in STATE.tracks)
    doubted = replace(STATE, tracks=tracks)
    assert proof(fitted(LinearRegression()), state=doubted, twin=None).reason.startswith(
        "not worse: without the newest"
    )
    assert proof(fitted(DummyRegressor()), state=doubted, twin=None).reason.startswith("worse: without the newest")
    assert proof(fitted(LinearRegression()), state=doubted, of=newest(fresh=False)).reason == NOTHING_NEW


def test_other_weights_are_not_judged_as_if_a_fit_had_made_them():
    of = newest(members={ALL: said(fitted(LinearRegression()), ROWS[250:]), RECENT: np.zeros(50)})
    same = fitted(LinearRegression())
    assert proof(same, state=BOTH, of=of).ok
    assert takes_over(of, STATE.served, BOTH.served, {ALL: same}).startswith("worse on rows that it learnt from")
    assert not takes_over(of, BOTH.served, STATE.served, {})


def test_a_class_that_only_the_fresh_model_knows_counts():
    y = np.where(ROWS["x"] > 0, "up", "down").astype(object)
    y[250:][ROWS["x"][250:] > 3] = "new"
    old, fresh = (LogisticRegression().fit(ROWS[rows], y[rows]) for rows in (slice(250), slice(None)))
    of = newest(y=y[250:], members={ALL: old.predict_proba(ROWS[250:])}, classes=old.classes_)
    assert of.losses(STATE.served, {ALL: fresh}).mean() < 0.8 * of.losses(STATE.served).mean()
