"""The policy, sentence by sentence: one labelled batch, one step."""

import json
from dataclasses import replace

import pytest

from everfit.spec import Refit
from everfit.upkeep.advance import advance, begin, not_done, undo
from everfit.upkeep.measuring import Measured, Paid
from everfit.upkeep.mixing import offset, trust, weights
from everfit.upkeep.state import Level, Mix, State
from everfit.upkeep.taken import done, inherited, refused
from everfit.upkeep.windows import ALL, RECENT, windows_of

POLICY = Refit()
CALM = Level(0.5, 0.04, 400)
WORSE = Paid(gain=-0.2, z=-6.0)


def measured(**changes):
    plain = {"rows": 400, "losses": {ALL: 1.0, RECENT: 1.0}, "plain": 1.0, "moved": 1.0, "offset": 0.0,
             "information": 400.0, "served": CALM, "worth": 0.0}  # fmt: skip
    return Measured(**(plain | changes))


def state(window=None, *, worth=0.0, **changes):
    """Twenty batches old, refits not known to be worth it; one window may differ from a usual one."""
    plain = State(
        begin(POLICY, "regression").tracks, Mix({ALL: 0.5, RECENT: 0.5}), numbers=True, batches=20, worth=worth
    )
    tracks = [replace(track, fitted=18, tried=18, gap=8, before=14, loss=1.0, seen=1.0) for track in plain.tracks]
    tracks = [replace(track, **(changes if track.window == window else {})) for track in tracks]
    return replace(plain, tracks=tuple(tracks), fits=(8, 14, 18), usual=CALM)


def step(before, seen=None, policy=POLICY, **more):
    return advance(before, measured() if seen is None else seen, policy, **more)


@pytest.mark.parametrize(
    ("paid", "gap"),
    [
        (Paid(gain=0.05, z=3.0), 4),
        (Paid(gain=0.001, z=3.0), 8),
        (Paid(gain=0.05, z=0.7), 8),
        (Paid(gain=0.05, z=0.1), 16),
        (Paid(gain=-0.01, z=-1.0), 16),
    ],
)
def test_a_refit_that_pays_halves_the_interval_and_one_that_does_not_doubles_it(paid, gap):
    known = {"gain": paid.gain, "gains": 1.0, "z": min(paid.z, 2.0), "squares": 1.0}
    after, _ = step(state(RECENT, **known), measured(refits={RECENT: paid}))
    assert (after.track(RECENT).gap, after.track(ALL).gap) == (gap, 8)


def test_one_refit_alone_makes_no_interval_shorter():
    after, _ = step(state(RECENT), measured(refits={RECENT: Paid(gain=0.05, z=3.0)}))
    assert after.track(RECENT).gap == 8


def test_an_interval_keeps_within_its_bounds():
    paid, vain = Paid(gain=0.05, z=3.0), Paid(gain=0.0, z=0.0)
    known = {"gain": 0.05, "gains": 1.0, "z": 2.0, "squares": 1.0}
    assert step(state(ALL, gap=4, **known), measured(refits={ALL: paid}))[0].track(ALL).gap == 4
    assert step(state(RECENT, gap=1, **known), measured(refits={RECENT: paid}))[0].track(RECENT).gap == 1
    assert step(state(ALL, gap=16), measured(refits={ALL: vain}))[0].track(ALL).gap == 16


def test_a_refit_of_a_window_that_hardly_counts_does_not_pay():
    ignored = state(RECENT, loss=2.0)
    assert weights(ignored, POLICY)[RECENT] < 0.01
    assert step(ignored, measured(refits={RECENT: Paid(gain=0.05, z=3.0)}))[0].track(RECENT).gap == 16


def test_what_earlier_refits_brought_outweighs_one_bad_day():
    good = state(RECENT, gain=0.2, gains=2.5, z=5.0, squares=1.9)
    assert step(good, measured(refits={RECENT: Paid(gain=-0.01, z=-1.0)}))[0].track(RECENT).gap == 4


def test_intervals_are_short_while_refits_are_known_to_be_worth_it():
    after, _ = step(state(worth=3.0), measured(worth=3.0))
    assert [track.gap for track in after.tracks] == [8, 2]
    after, _ = step(state(worth=1.3), measured(worth=0.0))
    assert [track.gap for track in after.tracks] == [8, 8]


def test_a_window_is_due_when_its_interval_is_over():
    after, plan = step(state(RECENT, gap=3))
    assert plan.refit == (RECENT,)
    assert "3 batch(es) ago" in plan.reasons[0]
    due = after.track(RECENT)
    assert (due.fitted, due.before, due.tried) == (21, 18, 21)
    assert step(after)[1].refit == ()
    assert after.fits == (8, 14, 18)
    assert step(state(ALL, gap=3))[0].fits == (8, 14, 18, 21)


def test_an_alarm_wakes_only_windows_that_have_backed_off():
    loud = measured(served=Level(0.7, 0.04, 400))
    for before in (state(), state(RECENT, gap=2, tried=20)):
        after, plan = step(before, loud)
        assert plan.refit == ((RECENT,) if before.track(RECENT).gap > 2 else ())
        assert after.track(ALL).gap == 8
        assert (after.usual, after.alarmed) == (Level(0.7, 0.04, 400), 21)
    assert step(state(ALL, gap=16), loud)[0].track(ALL).gap == 8
    assert step(state(), measured(served=Level(0.53, 0.04, 400)))[1].refit == ()  # clear, but small
    assert step(state(), measured(served=Level(0.8, 4.0, 40)))[1].refit == ()  # large, but by chance


def test_a_loss_that_jumps_far_begins_another_world_until_windows_lie_in_it_or_it_was_a_passing_thing():
    far = measured(served=Level(0.8, 0.04, 400), losses={ALL: 3.0, RECENT: 2.0}, offset=7.0)
    after, plan = step(replace(state(RECENT, gap=2, tried=20), offsets=((4.0, 400.0),), risen=2), far, risen=True)
    assert plan.refit == (RECENT,)
    assert plan.reasons == ("the loss jumped far, and the model of recent rows learns anew from what came since",)
    assert (after.since, after.risen, after.offsets, after.served.offset) == (1, 3, (), 0.0)
    assert [(track.loss, track.seen) for track in after.tracks] == [(3.0, 1.0), (2.0, 1.0)]
    assert [windows_of(POLICY)[1].rows(100, since) for since in (None, 1, 3, 9)] == [500, 100, 300, 500]
    assert step(after)[0].since == 2
    assert step(after, measured(refits={RECENT: Paid(0.5, 9.0)}))[0].since == 2
    assert step(after, measured(refits={RECENT: Paid(-0.1, -1.0)}))[0].since is None
    for _ in range(POLICY.recent):
        after, _ = step(after)
    assert after.since is None


def test_what_is_usual_is_the_mean_of_late_and_begins_anew_where_the_loss_fell():
    both = CALM.with_more(Level(0.6, 0.09, 400), 0.5)
    assert (both.mean, both.variance, both.rows) == (
        pytest.approx(0.5667, rel=1e-3),
        pytest.approx(0.07556, rel=1e-3),
        600,
    )
    less = Level(0.48, 0.04, 400)
    assert step(state(), measured(served=less))[0].usual == CALM.with_more(less, 0.8)
    lower = Level(0.3, 0.04, 400)
    assert step(state(), measured(served=lower))[0].usual == lower


def test_a_loss_above_that_of_the_promotion_wakes_them_too_and_is_counted():
    after, plan = step(state(), risen=True)
    assert (plan.refit, after.risen) == ((RECENT,), 1)
    assert step(after, risen=True)[0].risen == 2
    assert step(after)[0].risen == 0


def test_weights_follow_the_recent_loss():
    after = state()
    for _ in range(4):
        after, _ = step(after, measured(losses={ALL: 1.2, RECENT: 1.0}))
    share = weights(after, POLICY)
    assert sum(share.values()) == pytest.approx(1)
    assert 0.8 < share[RECENT] < 0.95
    assert after.served.weights == pytest.approx(share, abs=0.1)
    alone, _ = step(begin(POLICY, "regression"), measured(losses={ALL: 1.0}))
    assert weights(alone, POLICY) == {ALL: 1.0, RECENT: 0.0}  # of which nothing is known yet


def test_the_offset_follows_recent_labels_and_is_pulled_to_nothing():
    after = state()
    for off in (0.0, 0.0, 10.0, 10.0):
        after, _ = step(after, measured(offset=off))
    assert 5 < offset(after, POLICY) < 8
    few, _ = step(state(), measured(offset=10.0, information=20.0))
    assert offset(few, POLICY) == pytest.approx(10 * 20 / 220)
    assert offset(after, Refit(offset=False)) == 0


def test_the_offset_is_trusted_as_it_fared():
    assert trust(state()) == 0.5
    good, bad = (step(state(), measured(moved=loss))[0] for loss in (0.8, 1.25))
    assert trust(good) > 0.9
    assert trust(bad) < 0.1


def test_other_weights_or_another_offset_are_due_only_when_they_matter():
    assert not step(state())[1].recalibrate
    assert not step(state(), measured(offset=0.01))[1].recalibrate
    after, plan = step(state(), measured(offset=1.0))
    assert (plan.refit, plan.recalibrate) == ((), True)
    assert after.served.offset == offset(after, POLICY)
    assert step(state(), measured(losses={ALL: 1.5, RECENT: 1.0}))[1].recalibrate


def test_a_refit_that_made_answers_worse_beyond_chance_is_undone():
    after, plan = step(state(RECENT, gap=2, tried=20, fitted=20, before=18), measured(refits={RECENT: WORSE}))
    assert (plan.restore, plan.refit, plan.recalibrate) == ((RECENT,), (), True)
    assert "worse by 20%" in plan.reasons[0]
    back = after.track(RECENT)
    assert (back.fitted, back.before, back.gap, back.tried) == (18, None, 8, 20)
    assert step(after)[1].restore == ()


@pytest.mark.parametrize("paid", [Paid(gain=-0.2, z=-1.5), Paid(gain=-0.01, z=-6.0)])
def test_a_refit_that_may_have_been_unlucky_or_hardly_matters_stays(paid):
    after, plan = step(state(), measured(refits={ALL: paid}))
    assert plan.restore == ()
    assert (after.track(ALL).fitted, after.track(ALL).before) == (18, None)


def test_a_version_that_was_undone_is_not_one_to_compare_with():
    after, _ = step(state(), measured(refits={ALL: WORSE}))
    assert (after.track(ALL).fitted, after.fits) == (14, (8, 14))
    assert undo(replace(state(), fits=(18,)), [ALL], POLICY).fits == (14,)


def test_a_window_that_is_due_again_at_once_learns_rather_than_goes_back():
    again = state(RECENT, gap=1, tried=16, fitted=20, before=18)
    after, plan = step(again, measured(refits={RECENT: WORSE}))
    assert (plan.refit, plan.restore) == ((RECENT,), ())
    assert (after.track(RECENT).fitted, after.track(RECENT).before) == (21, 18)


def test_too_few_rows_change_nothing():
    before = state(RECENT, gap=1)
    assert advance(before, None, POLICY)[0] == before
    assert "too few" in advance(before, None, POLICY)[1].reasons[0]


def test_a_champion_that_shall_not_learn_is_only_measured():
    seen = measured(offset=5.0, losses={ALL: 2.0, RECENT: 1.0}, refits={RECENT: WORSE})
    after, plan = step(state(RECENT, gap=1), seen, Refit(auto=False))
    assert (plan.refit, plan.restore, plan.recalibrate) == ((), (), False)
    assert (after.batches, after.served, after.track(RECENT).fitted) == (21, state().served, 18)


def test_without_a_short_window_one_model_learns_now_and_then():
    policy = Refit(recent=0)
    after, due = begin(policy, "binary"), []
    for at in range(1, 40):
        vain = {} if after.track(ALL).before is None else {ALL: Paid(0.0, 0.0)}
        after, plan = step(after, measured(losses={ALL: 1.0}, refits=vain), policy)
        due += [at] * bool(plan.refit)
    assert due == [4, 12, 28]


def test_what_was_due_and_did_not_take_place_is_due_again():
    before = state(RECENT, gap=2)
    after, plan = step(before, measured(offset=3.0))
    left = not_done(after, before)
    assert plan.refit == (RECENT,)
    assert (left.served, left.fits, left.batches) == (before.served, before.fits, 21)
    assert (left.track(RECENT).fitted, left.track(RECENT).before) == (18, None)
    assert step(left)[1].refit == (RECENT,)


def test_a_refit_that_did_harm_is_undone_again_until_that_takes_place():
    before = state(RECENT, gap=2, tried=20, fitted=20, before=18)
    after, plan = step(before, measured(refits={RECENT: WORSE}))
    held = not_done(after, before)
    assert (held.track(RECENT).fitted, held.track(RECENT).before, held.track(RECENT).gap) == (20, 18, 2)
    assert step(held, measured(refits={RECENT: WORSE}))[1].restore == (RECENT,)
    late = done(held, (), POLICY, plan.restore)
    assert (late.track(RECENT).fitted, late.track(RECENT).before) == (18, None)
    due = replace(before, tracks=(replace(before.track(ALL), gap=3), before.track(RECENT)))
    assert step(due, measured(refits={RECENT: WORSE}))[1].to_dict()["restore"] == [RECENT]


def test_a_refit_that_was_refused_is_not_due_at_once():
    before = state(RECENT, gap=2)
    after, plan = step(before, measured(offset=3.0))
    left = refused(after, before, plan.refit, POLICY)
    assert (left.served, left.fits, left.track(RECENT).fitted) == (before.served, before.fits, 18)
    assert (left.track(RECENT).tried, left.track(RECENT).gap) == (21, 4)
    assert [step(left)[1].refit, step(step(left)[0])[1].refit] == [(), ()]


def test_a_state_goes_through_json_and_comes_back_the_same():
    after = begin(POLICY, "binary")
    for at in range(1, 12):
        seen = measured(offset=at / 10, losses={ALL: 1.0 + at / 50, RECENT: 1.0}, refits={RECENT: Paid(0.1, 2.0)})
        assert Measured.from_dict(json.loads(json.dumps(seen.to_dict()))) == seen
        again = State.from_dict(json.loads(json.dumps(after.to_dict())))
        assert again == after
        assert step(again, seen) == (step(after, seen))
        after, _ = step(after, seen)


def test_another_pipeline_takes_over_windows_with_what_labels_have_said_of_them_but_no_record_of_refits():
    before = state(RECENT, loss=0.5, gain=0.3, gains=2.0, z=4.0, squares=1.5, worth=1.0)
    before = replace(before, offsets=((0.4, 300.0),), plain=2.0, moved=1.0, seen=1.0, risen=3)
    heir = inherited(before)
    assert heir.served == Mix({ALL: 1.0, RECENT: 0.0})
    assert (heir.fits, heir.batches, heir.risen) == ((0,), 20, 0)
    assert {(track.fitted, track.before, track.gains) for track in heir.tracks} == {(0, None, 0.0)}
    learnt = done(heir, [ALL, RECENT], POLICY)
    assert learnt.served.weights == weights(before, POLICY)
    assert learnt.served.move == pytest.approx(done(before, [], POLICY).served.move)
    assert {(track.fitted, track.before) for track in learnt.tracks} == {(20, 0)}
