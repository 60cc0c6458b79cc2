"""What every signal must pass, and what each is there to see. A new signal needs an entry in PLANTED."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit

from everfit.evaluation import Predicted
from everfit.monitor import estimated, label_shift, multivariate, performance, shifts, staleness
from everfit.monitor.answered import Answered
from everfit.monitor.signals import OF_LABELS, OF_ROWS, SIGNALS, judge
from everfit.monitor.view import View
from everfit.reserved import PREDICTION
from everfit.schema import Schema
from everfit.spec import Monitor

NOW = datetime(2026, 11, 22, 3, tzinfo=UTC)
DAILY = tuple(NOW - timedelta(days=days) for days in range(30, 0, -1))
INPUTS = ["a", "b", "who", "idle"]
CUTS = {"binary": [0.0], "multiclass": [-1.0, 1.0]}
CLASSES = np.array(["no@example.com", "so@example.com", "yes@example.com"], dtype=object)


def rows(count, rng, *, mean=0.0, together=0.5, task="binary", turned=1.0):
    """Rows of a world in which two normal columns and a level make a score, and the score with noise the target."""
    a = mean + rng.normal(size=count)
    b = together * a + (1 - together**2) ** 0.5 * rng.normal(size=count)
    who = rng.choice(["ann@example.com", "bob@example.com", "eve@example.com"], count, p=[0.6, 0.3, 0.1])
    frame = pd.DataFrame({"a": a, "b": b, "who": who, "idle": rng.normal(size=count)})
    noise = rng.logistic(size=count) / 2
    if task == "regression":
        return frame.assign(y=turned * score(frame) + noise * (0.5 + (frame["a"] > 0)))
    return frame.assign(y=CLASSES[np.searchsorted(CUTS[task], turned * score(frame) + noise)])


def score(frame):
    return (frame["a"] + 0.5 * frame["b"] + (frame["who"] == "bob@example.com")).to_numpy()


def champion(task):
    """Return a champion that knows the world's law."""

    def ask(frame):
        if task == "regression":
            return Predicted(score(frame))
        below = np.column_stack([expit(2 * (cut - score(frame))) for cut in CUTS[task]])
        proba = np.diff(below, axis=1, prepend=0.0, append=1.0)
        classes = CLASSES[: proba.shape[1]]
        return Predicted(classes[proba.argmax(axis=1)], proba, classes)

    return ask


def view(past, now, labelled=None, *, task="binary", **change):
    """Look at a batch without labels, and at rows since promotion that have theirs."""
    ask = champion(task)
    heldout, batch = (Answered.by(ask, frame, task, "y") for frame in (past, now.drop(columns="y")))
    known = Answered.nothing() if labelled is None else Answered.by(ask, labelled, task, "y")
    sides = (side.frame.assign(**{PREDICTION: side.said.values}) for side in (heldout, batch))
    policy = Monitor(min_rows=100, min_labels=100, significance=0.05)
    facts = {"arrivals": DAILY, "now": NOW, "past_losses": heldout.losses, "losses": known.losses, **change}
    return View(policy, task, "y", Schema.of(past[INPUTS]), ask, *sides, heldout, batch, known, **facts)


@cache
def equal(seed, task="binary", sizes=(1000, 250, 250)):
    """Look at a batch with its labels, in a world that stays as it is and whose batches come at random moments."""
    rng = np.random.default_rng(seed)
    past, now, labelled = (rows(size, rng, task=task) for size in sizes)
    came = [NOW - timedelta(days=days) for days in rng.exponential(size=30).cumsum()]
    seen = view(past, now, labelled, task=task, arrivals=tuple(reversed(came)))
    return replace(seen, current=seen.current.assign(y=now["y"]))


def moved(seed=0, task="binary", labelled=None, **change):
    rng = np.random.default_rng(seed)
    return view(rows(2000, rng, task=task), rows(500, rng, task=task, **change), labelled, task=task)


def turned_over(seed=0):
    rng = np.random.default_rng(seed)
    return view(rows(2000, rng), rows(500, rng), rows(400, rng, turned=-1.0))


def labelled_as(share, seed=0):
    """Look at a batch in which this share is of the second class, and where the classes look as before."""
    rng = np.random.default_rng(seed)
    past, pool = rows(2000, rng), rows(5000, rng)
    second = pool["y"] == CLASSES[1]
    batch = pd.concat([pool[second].head(round(1000 * share)), pool[~second].head(round(1000 * (1 - share)))])
    return view(past, batch.sample(frac=1, random_state=seed, ignore_index=True))


def target_moved():
    seen = moved(mean=1.5)
    return replace(seen, current=seen.current.assign(y=CLASSES[1]))


def nearer_to_the_cut(seed=0):
    rng = np.random.default_rng(seed)
    pool = rows(5000, rng)
    return view(rows(2000, rng), pool[np.abs(score(pool)) < 0.7].head(500))


PLANTED = {
    shifts.inputs: lambda: moved(mean=1.0),
    shifts.predictions: lambda: moved(mean=1.5),
    shifts.target: target_moved,
    multivariate.judge: lambda: moved(together=-0.5),
    label_shift.judge: lambda: labelled_as(0.2),
    staleness.judge: lambda: replace(equal(0), arrivals=DAILY, now=NOW + timedelta(days=3)),
    performance.judge: turned_over,
    estimated.judge: nearer_to_the_cut,
}


def name_of(signal):
    return f"{signal.__module__.rpartition('.')[2]}.{signal.__name__}"


@pytest.mark.parametrize("signal", SIGNALS, ids=name_of)
class TestContract:
    def test_equal_data_are_silent_at_the_level(self, signal):
        seeds = 20 if signal is multivariate.judge else 200  # that one fits models
        found = [signal(equal(seed)) for seed in range(seeds)]
        assert sum(finding.judged for finding in found) > 0.8 * seeds
        spoke = sum(finding.speaks for finding in found)
        assert spoke <= 0.05 * seeds + 2 * (0.05 * 0.95 * seeds) ** 0.5

    def test_a_planted_shift_is_found_and_only_labels_may_ask_for_a_retraining(self, signal):
        finding = signal(PLANTED[signal]())
        assert finding.speaks
        assert finding.severity == ("retrain" if signal is performance.judge else "watch")

    def test_too_little_cannot_be_judged(self, signal):
        finding = signal(replace(equal(0, sizes=(40, 20, 10)), arrivals=DAILY[:3]))
        assert not finding.judged
        assert finding.text

    def test_no_value_of_a_personal_column_is_shown(self, signal):
        assert "@example.com" not in signal(replace(PLANTED[signal](), personal=frozenset([*INPUTS, "y"]))).text


def test_a_refit_that_knows_another_class_counts_classes_as_the_search_does():
    seen = labelled_as(0.2)
    wider = np.column_stack([seen.batch.said.proba * 0.5, np.full(len(seen.batch), 0.5)])
    said = replace(seen.batch.said, proba=wider, classes=np.array([*CLASSES, "third"]))
    refit = replace(seen, batch=replace(seen.batch, said=said), refitted=True)
    assert label_shift.judge(refit) == label_shift.judge(seen)


@pytest.mark.parametrize("plant", PLANTED.values(), ids=map(name_of, PLANTED))
def test_without_labels_nothing_asks_for_a_retraining_whatever_moved(plant):
    assert {f.severity for f in judge(replace(plant(), losses=np.empty(0), recent=0))} <= {"fine", "watch"}


def test_where_labels_came_alone_only_what_looks_at_labels_is_asked():
    seen = turned_over()
    *asked, season = judge(seen)
    assert len(asked) == len(SIGNALS) == len(OF_ROWS) + len(OF_LABELS)
    assert (season.signal, season.speaks) == ("season", False)
    alone = judge(replace(seen, current=seen.current.iloc[:0], batch=Answered.nothing()))
    assert [finding.signal for finding in alone] == ["performance", "estimated performance"]


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
@pytest.mark.parametrize("signal", [estimated.judge, label_shift.judge], ids=name_of)
def test_answers_of_every_kind_of_task_are_silent_on_equal_data(signal, task):
    found = [signal(equal(seed, task)) for seed in range(20)]
    judged = sum(finding.judged for finding in found)  # an estimate may by chance be far from few labels
    assert judged >= 17 if signal is estimated.judge or task != "regression" else not judged
    assert sum(finding.speaks for finding in found) <= 3


def test_the_estimate_says_how_far_off_it_was_where_labels_are_known_by_now():
    rng = np.random.default_rng(1)
    for task in ("binary", "regression"):
        finding = estimated.judge(moved(task=task, mean=1.0, labelled=rows(3000, rng, task=task)))
        assert finding.judged
        assert "of 3,000 rows whose labels are known by now it says" in finding.text
        off = float(finding.text.rpartition("off by ")[2].rstrip("%"))
        assert abs(off) < 10
    assert finding.effect > 0.2  # numbers of this world are harder above the mean


def test_an_estimate_that_labels_have_shown_to_be_blind_is_none():
    finding = estimated.judge(turned_over())
    assert not finding.judged
    assert "does not see what has changed" in finding.text


def test_a_classifier_is_not_fooled_by_chance_more_often_than_it_should_be():
    statistics = [multivariate.judge(equal(seed, sizes=(600, 200, 10))).statistic for seed in range(30)]
    assert np.sum(np.greater(statistics, 1.645)) <= 0.05 * 30 + 2 * (0.05 * 0.95 * 30) ** 0.5
    assert np.std(statistics) == pytest.approx(1, abs=0.25)


def test_a_classifier_names_the_columns_that_go_together_in_another_way():
    seen = moved(together=-0.5)
    finding = multivariate.judge(seen)
    assert not seen.drift.drifted
    assert set(finding.columns) == {"a", "b"}
    assert "how they go together" in finding.text


def test_a_past_that_always_moves_is_not_told_as_news():
    rng = np.random.default_rng(3)
    weeks = [rows(250, rng, mean=mean) for mean in (0, 2, -1, 1, -2, 0.5, -1.5, 1.5)]
    finding = multivariate.judge(view(pd.concat(weeks, ignore_index=True), rows(250, rng, mean=-1)))
    assert finding.effect > multivariate.MATTERS
    assert not finding.speaks
    assert "the latest past ones from those before with one of 0." in finding.text


@pytest.mark.parametrize("share", [0.2, 0.85])
def test_the_share_of_a_class_is_estimated_from_answers(share):
    finding = label_shift.judge(labelled_as(share))
    assert finding.effect == pytest.approx(abs(share - 0.58), abs=0.05)


def test_classes_that_a_champion_cannot_tell_apart_are_not_counted():
    seen = labelled_as(0.2)
    half = np.full((len(seen.heldout), 2), 0.5)
    blind = replace(seen.heldout, said=replace(seen.heldout.said, proba=half))
    assert not label_shift.judge(replace(seen, heldout=blind)).judged


def test_columns_that_moved_are_named_by_what_they_matter_to_the_champion():
    seen = moved(mean=1.0)
    idle = seen.current.assign(idle=seen.current["idle"] + 5)
    finding = shifts.inputs(replace(seen, current=idle))
    assert finding.columns[0] == "a"
    assert finding.columns[-1] == "idle"
    assert "the champion's loss would rise by" in finding.text


def test_a_batch_whose_moved_columns_hardly_matter_is_told_as_such():
    seen = moved()
    finding = shifts.inputs(replace(seen, current=seen.current.assign(idle=seen.current["idle"] + 5)))
    assert finding.columns == ("idle",)
    assert not finding.speaks
    assert "The champion hardly needs what moved" in finding.text
