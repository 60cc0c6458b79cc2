import numpy as np
import pytest
from scipy.signal import lfilter

from everfit.monitor.performance import compare


def losses(rows, seed, *, mean=1.0, rho=0.0):
    """Positive losses whose logarithms are autocorrelated by `rho`, as those of successive hours are."""
    noise = np.random.default_rng(seed).normal(size=rows + 200) * (1 - rho**2) ** 0.5
    return np.exp(0.7 * lfilter([1], [1, -rho], noise)[200:]) * mean


@pytest.mark.parametrize("rho", [0.0, 0.5, 0.9])
@pytest.mark.parametrize(("before", "after", "recent"), [(2000, 200, None), (4000, 1000, 250)])
def test_equal_losses_are_silent_at_the_level_also_when_neighbours_are_alike(rho, before, after, recent):
    seeds = 300
    spoke = sum(
        compare(
            losses(before, seed, rho=rho),
            losses(after, seed + 10_000, rho=rho),
            level=0.05,
            min_increase=1e-9,
            recent=recent,
        ).speaks
        for seed in range(seeds)
    )
    assert spoke <= 0.05 * seeds + 2 * (0.05 * 0.95 * seeds) ** 0.5


@pytest.mark.parametrize("rows", [300, 3000])
def test_a_risen_loss_speaks(rows):
    finding = compare(losses(4000, 1), losses(rows, 2, mean=1.4))
    assert finding.severity == "retrain"
    assert finding.effect == pytest.approx(0.4, abs=0.12)
    assert "since promotion" in finding.text


def test_a_fallen_loss_is_fine():
    assert not compare(losses(4000, 1), losses(3000, 2, mean=0.5)).speaks


def test_the_level_that_windows_share_is_said_with_the_p_value():
    before, after = losses(4000, 1), losses(500, 44, mean=1.08)
    alone, shared = (compare(before, after[: 300 if alone else None], min_increase=0.02) for alone in (True, False))
    assert "with p < 0.01 matter)" in alone.text
    assert 0.005 < shared.p_value < 0.01, shared.text
    assert not shared.speaks
    assert "2% with p < 0.005 matter, as 2 windows share a level of 0.01)" in shared.text


def test_a_rise_too_small_to_matter_is_fine_however_significant():
    finding = compare(losses(50_000, 1), losses(100_000, 2, mean=1.05))
    assert finding.p_value < 0.001
    assert not finding.speaks


@pytest.mark.parametrize(("risen", "recent"), [(500, None), (500, 500), (500, 6500), (700, 700)])
def test_a_sudden_rise_shows_in_the_latest_rows_however_many_came_with_them(risen, recent):
    current = np.concatenate([losses(6500 - risen, 2), losses(risen, 3, mean=1.6)])
    finding = compare(losses(4000, 1), current, recent=recent)
    assert finding.speaks
    assert "latest" in finding.text


def test_a_complete_reversal_does_not_hide_behind_its_own_step():
    current = np.concatenate([losses(1200, 2, mean=0.5), losses(1500, 3, mean=2.0)])
    assert compare(losses(600, 1, mean=0.5), current, recent=2695).severity == "retrain"


def test_one_absurd_row_is_not_a_decline():
    current = losses(500, 2)
    current[7] = 1e9
    assert not compare(losses(4000, 1), current).speaks


@pytest.mark.parametrize(
    ("before", "after", "why"), [(4000, 150, "150 since promotion, 200 needed"), (20, 500, "only 20 held-out losses")]
)
def test_few_labels_cannot_be_judged(before, after, why):
    finding = compare(losses(before, 1), losses(after, 2, mean=5))
    assert not finding.judged
    assert why in finding.text


def test_rows_without_a_label_do_not_count():
    current = losses(500, 2)
    current[100:] = np.nan
    assert not compare(losses(4000, 1), current).judged


def test_a_perfect_champion_that_begins_to_err_speaks():
    assert compare(np.zeros(1000), np.full(500, 0.2)).speaks
    assert not compare(np.zeros(1000), np.zeros(500)).speaks


@pytest.mark.parametrize(
    ("now", "recent", "back"), [(1.0, 400, True), (1.0, None, False), (1.4, 400, False), (1.0, 500, False)]
)
def test_a_loss_that_had_risen_and_is_usual_again_in_the_newest_batch_is_fine(now, recent, back):
    current = np.concatenate([losses(3000, 2, mean=1.8), losses(400, 3, mean=now)])
    finding = compare(losses(4000, 1), current, recent=recent)
    assert finding.speaks != back
    assert finding.text.endswith("it had risen, and is back") == back


def test_a_loss_that_stays_high_is_hardly_ever_said_to_be_back():
    stays = (losses(1200, seed, mean=1.2) for seed in range(300))
    back = sum("is back" in compare(losses(4000, 999), current, recent=200).text for current in stays)
    assert back <= 0.05 * 300
