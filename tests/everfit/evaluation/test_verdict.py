import json
import time

import numpy as np
import pytest
from scipy.signal import lfilter

from everfit.evaluation import METRICS, Predicted, judge, metric

CHANCE = np.random.default_rng(0)
N = 800
TRUTH = CHANCE.normal(size=N) * 10
NOISE = CHANCE.normal(size=N)
LABELS = np.where(TRUTH + NOISE * 5 > 0, "yes", "no")


def numbers(error):
    return Predicted(TRUTH + error * NOISE)


def labels(error, seed=1):
    score = 1 / (1 + np.exp(-(TRUTH + np.random.default_rng(seed).normal(size=N) * error) / 10))
    classes = np.array(["no", "yes"])
    return Predicted(classes[(score > 0.5).astype(int)], np.column_stack([1 - score, score]), classes)


DUMMY = Predicted(np.zeros(N))


def verdict(challenger=1.0, rival=None, **change):
    said = {"challenger": numbers(challenger), "dummy": DUMMY}
    if rival is not None:
        said["champion"] = numbers(rival)
    return judge("mae", TRUTH, said, **change)


def test_the_first_model_takes_over_when_it_beats_the_constant_guess():
    first = verdict()
    assert first.promote
    assert "there is no champion" in first.reasons
    assert first.scores["challenger"].low < first.scores["challenger"].value < first.scores["challenger"].high


def test_even_the_first_model_must_beat_the_constant_guess():
    refused = judge("mae", TRUTH, {"challenger": Predicted(NOISE * 2), "dummy": DUMMY})
    assert not refused.promote
    assert "not shown to be better than the dummy" in refused.blockers[0]


def test_a_better_challenger_takes_over():
    better = verdict(1.0, 1.3, champion="v3")
    assert better.promote
    assert better.difference.low > 0
    assert better.p_value < 0.05
    assert "of v3 on the same rows" in better.reasons[1]


def test_a_champion_that_is_worse_than_a_constant_guess_is_told_whoever_wins():
    lost = verdict(20.0, 30.0, champion="v3")
    assert not lost.promote
    assert any("v3 itself is worse than a constant guess" in reason for reason in lost.reasons)
    assert not any("itself" in reason for reason in verdict(1.0, 1.3, champion="v3").reasons)


def test_a_champion_that_no_row_can_judge_refuses_and_the_others_still_get_their_scores():
    refused = verdict(champion="v3", stale=True, unjudged="v3 has learnt from every row that could judge it")
    assert (refused.promote, refused.reasons) == (False, ())
    assert refused.blockers == ("v3 has learnt from every row that could judge it",)
    assert list(refused.scores) == ["dummy", "challenger"]


@pytest.mark.parametrize(
    ("challenger", "champion", "stale", "promote", "says"),
    [
        (1.0, 1.0, False, False, "and the champion is not stale"),
        (1.0, 1.0, True, True, "not worse"),
        (1.005, 1.0, True, True, "not worse"),
        (1.3, 1.0, True, False, "worse by more than the margin of 1%"),
        (1.3, 1.0, False, False, "worse by more than the margin of 1%"),
    ],
)
def test_not_worse_is_enough_only_while_the_champion_is_stale(challenger, champion, stale, promote, says):
    # a champion named in the mapping only
    said = judge("mae", TRUTH, {"challenger": numbers(challenger), "champion": numbers(champion), "dummy": DUMMY},
                 stale=stale, why_stale="40 days old")  # fmt: skip
    assert said.promote is promote
    assert any(says in line for line in (*said.reasons, *said.blockers))
    assert not promote or any("40 days old" in line for line in said.reasons)


@pytest.mark.parametrize(("rows", "worse"), [(12, 1.3), (300, 1.1), (300, 1.3)])
def test_few_rows_do_not_let_a_worse_challenger_pass_as_not_worse(rows, worse):
    promoted = 0
    for seed in range(60):
        chance = np.random.default_rng(seed)
        truth, ours, theirs = chance.normal(size=(3, rows))
        said = {
            "challenger": Predicted(10 * truth + worse * ours),
            "champion": Predicted(10 * truth + theirs),
            "dummy": Predicted(np.zeros(rows)),
        }
        promoted += judge("mae", 10 * truth, said, stale=True, seed=seed).promote
    assert promoted <= 6  # a one-sided test at 5 % errs that often, and now and then a little more


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"challenger": None}, "challenger gave no predictions"),
        ({"dummy": None}, "dummy gave no predictions"),
        ({"champion": None}, "champion gave no predictions"),
        ({"challenger": Predicted(TRUTH[:5])}, "5 predictions for 800 rows"),
        ({"challenger": Predicted(np.where(TRUTH > 9, np.nan, TRUTH))}, "no numbers in"),
        ({"champion": Predicted(np.full(N, np.inf))}, "champion gave predictions that are no numbers in 800"),
        ({"challenger": Predicted(np.array(["x"] * N))}, "failed"),
    ],
)
def test_the_gate_stays_closed_when_anything_is_missing(change, says):
    said = judge("mae", TRUTH, {"challenger": numbers(1.0), "dummy": DUMMY} | change)
    assert not said.promote
    assert says in said.blockers[0]


def test_a_champion_that_is_named_and_not_there_refuses():
    assert verdict().promote  # nobody named one
    named = judge("mae", TRUTH, {"challenger": numbers(1.0), "dummy": DUMMY}, champion="v3")
    assert named.blockers == ("champion gave no predictions",)


@pytest.mark.parametrize(
    ("rows", "says"), [(slice(0, 4), "4 evaluation row"), (LABELS == "yes", "are of one class, 'yes'")]
)
def test_rows_that_cannot_judge_refuse_in_words(rows, says):
    y = LABELS[rows]
    take = np.arange(N)[rows]
    refused = judge("roc_auc", y, {"challenger": labels(1).take(take), "dummy": labels(99).take(take)})
    assert not refused.promote
    assert says in refused.blockers[0]


@pytest.mark.parametrize("name", [each.name for each in METRICS if "binary" in each.tasks])
def test_every_classification_metric_can_judge(name):
    flat = np.column_stack([np.full(N, 0.5), np.full(N, 0.5)])
    dummy = Predicted(LABELS[:1].repeat(N), flat, np.array(["no", "yes"]))
    said = {"challenger": labels(0.5), "champion": labels(14), "dummy": dummy}
    assert judge(name, LABELS, said).promote
    assert not judge(name, LABELS, said | {"challenger": labels(14), "champion": labels(0.5)}).promote


@pytest.mark.parametrize("name", [each.name for each in METRICS if "regression" in each.tasks])
def test_every_regression_metric_can_judge(name):
    better = judge(name, TRUTH + 100, {who: Predicted(100 + p.values) for who, p in
                   {"challenger": numbers(0.5), "champion": numbers(1), "dummy": DUMMY}.items()})  # fmt: skip
    assert better.promote
    assert better.metric == name
    assert (better.scores["challenger"].value > better.scores["champion"].value) is metric(name).greater


@pytest.mark.parametrize("name", ["roc_auc", "average_precision"])
def test_no_interval_of_a_ranking_metric_passes_one(name):
    said = {"challenger": labels(0.3), "dummy": labels(99)}
    nearly = np.where(TRUTH > 0, "yes", "no")
    score = judge(name, nearly, said).scores["challenger"]
    assert score.low < score.value < score.high == 1


def test_two_equal_models_rarely_pass_for_different():
    promoted = 0
    for seed in range(60):
        chance = np.random.default_rng(seed)
        y = chance.normal(size=200) * 5
        said = {who: Predicted(y + chance.normal(size=200)) for who in ("challenger", "champion")}
        promoted += judge("mae", y, said | {"dummy": Predicted(np.zeros(200))}, seed=seed).promote
    assert promoted <= 8  # 3 expected at the level of 5 %


def test_neighbours_in_time_share_their_luck():
    chance = np.random.default_rng(0)
    drift = np.repeat(chance.normal(size=20), 50)
    said = {"challenger": Predicted(np.zeros(1000)), "champion": Predicted(drift * 0.2), "dummy": Predicted(drift + 9)}
    wide, narrow = (judge("mae", drift, said, ordered=ordered).difference for ordered in (True, False))
    assert wide.high - wide.low > 1.5 * (narrow.high - narrow.low)


def test_two_equal_models_rarely_pass_for_different_where_their_luck_lasts():
    promoted = 0
    for seed in range(200):
        shocks = np.random.default_rng(seed).normal(size=(2, 2200))
        ours, theirs = 50 + lfilter([1], [1, -0.9], shocks)[:, 200:]
        said = {"challenger": Predicted(ours), "champion": Predicted(theirs), "dummy": Predicted(np.full(2000, 99.0))}
        promoted += judge("mae", np.zeros(2000), said, ordered=True, seed=seed).promote
    assert promoted <= 24  # 10 at the level of 5 %, and blocks of this length come near to it


def test_weights_count():
    weight = np.where(np.arange(N) < 400, 1.0, 0.0)
    mixed = Predicted(np.where(weight > 0, TRUTH, TRUTH + 99))
    assert verdict(1.0).promote
    said = {"challenger": mixed, "champion": numbers(1.0), "dummy": DUMMY}
    assert judge("mae", TRUTH, said, weight=weight).promote
    assert not judge("mae", TRUTH, said).promote


def test_a_verdict_is_repeatable_and_becomes_json():
    one, two = verdict(1.0, 1.01, seed=3), verdict(1.0, 1.01, seed=3)
    assert one == two
    assert json.loads(json.dumps(one.to_dict()))["scores"]["champion"]["value"] > 0


def test_a_million_rows_are_judged_in_seconds():
    y = np.tile(TRUTH > 0, 1250)
    score = np.tile(1 / (1 + np.exp(-TRUTH / 20)), 1250)
    both = Predicted(score > 0.5, np.column_stack([1 - score, score]), np.array([False, True]))
    flat = Predicted(score > 2, np.full((len(y), 2), 0.5), np.array([False, True]))
    said = {"challenger": both, "champion": both, "dummy": flat}
    began = time.process_time()
    assert not judge("roc_auc", y, said).promote
    assert time.process_time() - began < 20


def test_rows_of_one_group_share_their_luck_and_widen_the_interval():
    draw = np.random.default_rng(0)
    groups = np.repeat(np.arange(20), 50)
    y = draw.normal(size=20)[groups] + 5
    predictions = {
        "challenger": Predicted(y + draw.normal(size=20)[groups]),
        "dummy": Predicted(np.full(len(y), y.mean() + 3)),
    }
    alone, together = (judge("mae", y, predictions, groups=each).scores["challenger"] for each in (None, groups))
    assert together.value == alone.value
    assert together.high - together.low > 3 * (alone.high - alone.low)


def grouped(seed, count, champion=True):
    """Two models that are equally good, whose luck is the same in all rows of a group."""
    draw, groups = np.random.default_rng(seed), np.repeat(np.arange(count), 5)
    y = draw.normal(size=len(groups)) * 20
    said = {"dummy": Predicted(np.zeros(len(y))), "challenger": Predicted(y + draw.normal(size=count)[groups])}
    if champion:
        said["champion"] = Predicted(y + draw.normal(size=count)[groups])
    return judge("mae", y, said, groups=groups, seed=seed)


@pytest.mark.parametrize("champion", [True, False])
@pytest.mark.parametrize("count", [2, 9])
def test_few_groups_prove_nothing_however_many_rows_they_have(count, champion):
    refused = grouped(0, count, champion)
    assert not refused.promote
    assert f"{count} group(s) judge, and 10 are needed to prove anything" in refused.blockers[0]
    assert "raise evaluation.holdout" in refused.blockers[0]
    assert "leave data.group out" in refused.blockers[0]


def test_one_group_alone_is_no_proof_either():
    said = {"challenger": numbers(1.0), "champion": numbers(1.3), "dummy": DUMMY}
    assert "1 group(s) judge" in judge("mae", TRUTH, said, groups=np.full(N, "a")).blockers[0]


def test_as_many_groups_as_are_needed_err_as_often_as_the_level_says():
    promoted = sum(grouped(seed, 10).promote for seed in range(600))
    assert promoted <= 40  # 30 expected at the level of 5 %, and 11 more are twice its standard error


def test_rows_without_a_weight_do_not_help_to_judge():
    weight = (np.arange(N) < 9).astype(float)
    assert "9 evaluation row(s) have a weight, and 10 are needed" in verdict(weight=weight).blockers[0]


def test_ten_rows_are_enough_for_what_is_plain():
    take = np.arange(10)
    said = {"challenger": numbers(0.1).take(take), "champion": numbers(2).take(take), "dummy": DUMMY.take(take)}
    assert judge("mae", TRUTH[:10], said).promote
    assert judge("mae", TRUTH[:10], said, ordered=True).promote


def test_a_comparison_that_breaks_refuses_and_leaves_its_trace_in_the_log(monkeypatch, caplog):
    monkeypatch.setattr("everfit.evaluation.resample.draws_of", lambda *_, **__: {}["a bug"])
    refused = verdict(1.0, 1.3, champion="v3")
    assert not refused.promote
    assert refused.blockers == ("the comparison failed: KeyError: 'a bug'",)
    assert caplog.records[-1].exc_info[0] is KeyError
