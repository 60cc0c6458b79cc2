from dataclasses import replace
from datetime import UTC, datetime

import pytest

from everfit.monitor.diagnosis import Diagnosis, diagnose
from everfit.monitor.evidence import Evidence
from everfit.monitor.findings import Finding
from everfit.spec import Refit
from everfit.upkeep.advance import begin
from everfit.upkeep.measuring import Measured
from everfit.upkeep.state import Level

LOSS = Finding("performance", "the mean loss rose by 30%", severity="retrain", effect=0.3)
HOLDS = Finding("performance", "the mean loss is what it was", effect=0.01)
UNSURE = Finding.cannot_judge("performance", "not enough labels")
MOVED = Finding("input drift", "2 of 11 columns moved", severity="watch", columns=("temp", "hum"))
STILL = Finding("input drift", "none of 11 columns moved")
UNSEEN = Finding.cannot_judge("input drift", "not enough rows")
ANSWERS = Finding("prediction drift", "the prediction: 20% moved", severity="watch", columns=("_prediction",))
AGAIN = Finding("season", "what moved was like this before", columns=("temp",))
OVERDUE = Finding("labels", "labels are overdue", severity="watch")
STALE = Finding("stale rows", "the newest row is no newer", severity="watch", columns=("hour",))
FAULT = Finding("unit changed", "amount: 100 times what it was", severity="repair", columns=("amount",))

STATE = begin(Refit(), "regression")
ALL, RECENT = (replace(track, loss=1.75, seen=1.75) for track in STATE.tracks)
LATELY = replace(STATE, tracks=(ALL, replace(RECENT, loss=0.9 * 1.75)))  # the recent window was the better one
BACK = Measured(500, {"all": 1.0, "recent": 1.3}, 1.0, 0.9, 0.2, 500.0, Level(0.5, 0.1, 500))


def evidence(*findings, **change):
    now = datetime(2026, 11, 22, 3, tzinfo=UTC)
    return Evidence("bike", "b", 7, now, 1000, champion=3, findings=findings, **change)


@pytest.mark.parametrize(
    ("findings", "name", "words"),
    [
        ((LOSS, MOVED, FAULT), "broken feed", "The feed is broken: amount: 100 times what it was."),
        ((FAULT, FAULT), "broken feed", "(and 1 more)"),
        ((LOSS, MOVED), "the world changed", "rose by 30%, and inputs moved (temp, hum)."),
        ((LOSS, STILL), "the world changed", "what inputs say about the target has changed"),
        ((LOSS, UNSEEN), "the world changed", "whether inputs moved could not be judged"),
        ((LOSS, STILL, ANSWERS), "the world changed", "and prediction drift spoke."),
        ((HOLDS, MOVED), "inputs moved but the model holds", "Inputs moved (temp, hum), but labelled rows"),
        ((UNSURE, MOVED), "not enough evidence", "too few labels have come to say whether the model holds"),
        ((LOSS, MOVED, AGAIN), "season seen before", "like this before. The loss on labelled rows rose by 30%."),
        ((UNSURE, MOVED, AGAIN), "season seen before", "What moved was like this before."),
        ((HOLDS, AGAIN), "nothing unusual", "no rise of the loss"),
        ((LOSS, MOVED, replace(AGAIN, columns=())), "the world changed", "rose by 30%"),
        ((HOLDS, OVERDUE), "not enough evidence", "Labels are overdue."),
        ((HOLDS, STALE), "not enough evidence", "The newest row is no newer."),
        ((LOSS, STILL, STALE), "the world changed", "while no input moved"),
        ((HOLDS, MOVED, STALE), "inputs moved but the model holds", "Inputs moved (temp, hum), but"),
        ((HOLDS, STILL), "nothing unusual", "labelled rows show no rise of the loss"),
        ((UNSURE, STILL), "nothing unusual", "Nothing that could be judged speaks"),
        ((UNSURE, UNSEEN), "not enough evidence", "Nothing could be judged yet."),
        ((), "not enough evidence", "Nothing could be judged yet."),
    ],
)
def test_findings_together_have_one_name_and_one_sentence(findings, name, words):
    found = diagnose(evidence(*findings))
    assert found.name == name
    assert words in found.sentence


def test_the_columns_are_inputs_in_the_order_of_the_findings_each_once():
    later = replace(MOVED, signal="multivariate drift", columns=("wind", "temp"))
    assert diagnose(evidence(HOLDS, MOVED, ANSWERS, later)).columns == ("temp", "hum", "wind")


@pytest.mark.parametrize(
    ("before", "now", "seen"),
    [
        (LATELY, BACK, True),
        (LATELY, replace(BACK, losses={"all": 1.0, "recent": 1.03}), False),  # hardly better
        (LATELY, replace(BACK, losses={"all": 1.12, "recent": 1.3}), True),  # nearly what the recent one used to be
        (LATELY, replace(BACK, losses={"all": 1.2, "recent": 9.9}), False),  # that loses less, and knows neither
        (LATELY, replace(BACK, served=Level(0.5, 8.0, 500)), False),  # better by chance
        (replace(LATELY, tracks=(ALL, RECENT)), BACK, False),  # no worse before, either
        (replace(LATELY, tracks=(ALL, replace(RECENT, loss=0.9, seen=1.0))), BACK, False),  # known of one batch only
        (LATELY, None, False),
        (None, BACK, False),
    ],
)
def test_a_season_was_seen_before_when_all_rows_beat_the_recent_ones_that_had_been_better(before, now, seen):
    for findings in ((LOSS, STILL), (HOLDS, MOVED)):
        found = diagnose(evidence(*findings, upkeep=before, measured=now))
        assert (found.name == "season seen before") is seen
    assert diagnose(evidence(HOLDS, STILL, upkeep=before, measured=now)).name == "nothing unusual"


@pytest.mark.parametrize(("rise", "name"), [(0.5, "season seen before"), (0.51, "the world changed")])
def test_no_season_has_come_back_where_the_loss_has_risen_far(rise, name):
    loss = replace(LOSS, effect=rise)
    for told in (evidence(loss, MOVED, AGAIN), evidence(loss, STILL, upkeep=LATELY, measured=BACK)):
        assert diagnose(told).name == name


def test_where_nothing_is_known_of_an_action_that_is_said():
    told = {one.action: (one.gain, one.expects.partition(":")[0], one.cost) for one in diagnose(evidence()).prospects}
    assert told == {
        "none": (None, "not known", "nothing"),
        "recalibrate": (None, "not known", "no fit"),
        "refit": (None, "not known", "not known: none was timed yet"),
        "search": (None, told["search"][1], "not known: none was timed yet"),
    }
    assert told["search"][1].startswith("not known")


def test_each_action_promises_what_its_like_brought_before_and_costs_what_it_took():
    paid = replace(ALL, gain=0.03, gains=1.5, z=3.0, squares=2.25)
    after = replace(STATE, tracks=(paid, RECENT), plain=2.0, moved=1.9, seen=1.7)
    seen = evidence(LOSS, costs={"recalibrate": 0.4, "refit": 12, "search": 640})
    none, recalibrate, refit, search = diagnose(seen, after).prospects
    assert (none.gain, none.cost) == (0.0, "nothing")
    assert "stays about 30% above" in none.expects
    assert (recalibrate.gain, recalibrate.cost) == (0.05, "about 0.4 s")
    assert "5.0% lower than plain ones" in recalibrate.expects
    assert (refit.gain, refit.cost) == (0.02, "about 12 s")
    assert refit.expects == "earlier refits brought a loss 2.0% lower (all rows, z = 2.0)"
    assert (search.gain, search.cost) == (None, "about 11 min")
    assert "30%, is about the most" in search.expects


def test_a_diagnosis_comes_back_from_json():
    found = diagnose(evidence(LOSS, MOVED, upkeep=LATELY, measured=BACK), LATELY)
    assert Diagnosis.from_dict(found.to_dict()) == found
