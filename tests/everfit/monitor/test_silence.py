from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from everfit import checkup
from everfit.ledger import Ledger
from everfit.monitor import silence
from everfit.monitor.staleness import late
from everfit.settings import Settings
from everfit.spec import ModelSpec

NOW = datetime(2026, 11, 22, 3, tzinfo=UTC)
DAY, HOUR = timedelta(days=1), timedelta(hours=1)


def daily(days, ago=0.0):
    return [NOW - DAY * (ago + at) for at in range(days)]


@pytest.mark.parametrize("intervals", [5, 20, 150])
def test_batches_that_come_at_random_moments_are_no_alarm_more_often_than_the_level_says(intervals):
    rng, alarms = np.random.default_rng(intervals), 0
    for _ in range(400):
        moments = 1e4 * HOUR * rng.exponential(size=intervals + 1).cumsum()  # an hour is nothing beside these
        alarms += late([NOW + moment for moment in moments[:-1]], NOW + moments[-1], 0.05).speaks
    assert alarms <= 0.05 * 400 + 2 * (0.05 * 0.95 * 400) ** 0.5


@pytest.mark.parametrize(("days", "ago", "speaks"), [(30, 1.1, False), (30, 3, True), (7, 2, False), (7, 5, True)])
def test_the_more_is_known_the_sooner_a_feed_that_stands_still_is_noticed(days, ago, speaks):
    finding = late(daily(days, ago), NOW, 0.01)
    assert finding.speaks is speaks
    assert finding.severity == ("watch" if speaks else "fine")


def test_files_of_one_run_came_once_and_few_intervals_say_nothing_of_what_is_usual():
    at_once = [NOW - timedelta(seconds=number) for number in range(50)]
    assert not late(at_once, NOW + 30 * DAY, 0.01).judged
    assert not late([], NOW, 0.01).judged


@pytest.mark.parametrize(
    ("runs", "every", "promoted", "speaks"),
    [
        ([NOW - 2 * HOUR], HOUR, [], False),
        ([NOW - 4 * HOUR], HOUR, [], True),
        ([], HOUR, [NOW - 2 * HOUR], False),
        ([], HOUR, [NOW - 4 * HOUR], True),
        (daily(30, 3), None, [], True),
        (daily(3, 30), None, [], False),
    ],
)
def test_a_monitor_is_dead_after_three_intervals_of_its_schedule_or_longer_than_was_usual(
    runs, every, promoted, speaks
):
    assert silence.judge(runs, NOW, every, promoted).speaks is speaks


def test_whoever_comes_by_hears_that_nobody_watches(tmp_path):
    ledger = Ledger.of(settings := Settings(workspace=tmp_path))
    said = {"name": "m", "data": {"source": "x.csv", "target": "y"}, "monitor": {"every": "1h"}}
    spec = ModelSpec.model_validate(said)
    assert not silence.of(ledger, spec).judged
    ledger.swap_champion("m", expected=None, new=1, actor="ann", at=datetime.now(UTC) - DAY)
    assert "nothing was watched for 24 hours, and monitor.every says 1h" in silence.of(ledger, spec).text
    assert silence.of(ledger, spec).text in "\n".join(checkup._files(settings, spec, 0))
    ledger.record("monitored", "m", actor="everfit", facts={"batches": 0})
    assert not silence.of(ledger, spec).speaks
