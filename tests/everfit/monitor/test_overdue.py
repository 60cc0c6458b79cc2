from datetime import timedelta

import numpy as np
import pandas as pd
import pytest

from everfit.monitor.overdue import judge

WEEK = timedelta(days=7)
WHEN = pd.Series(pd.date_range("2026-03-01", periods=14 * 24, freq="h"))


def labelled(share):
    """Rows of which this share has a label, the oldest first."""
    return pd.Series(np.arange(len(WHEN)) < share * len(WHEN))


@pytest.mark.parametrize(("share", "says"), [(0.0, "0 of 168 rows"), (0.2, "68 of 168 rows")])
def test_labels_that_should_be_there_and_are_not_are_watched(share, says):
    finding = judge(WHEN, labelled(share), WEEK)
    assert finding.severity == "watch"
    assert finding.text.startswith("labels are overdue")
    assert says in finding.text


def test_labels_that_come_in_time_are_fine_and_the_next_ones_are_said():
    finding = judge(WHEN, labelled(0.5), WEEK)
    assert not finding.speaks
    assert "168 of 168 rows" in finding.text
    assert "168 more are expected from 2026-03-15 00:00 to 2026-03-21 23:00" in finding.text


def test_before_the_first_label_is_due_nothing_is_late_whatever_the_clock_says():
    finding = judge(WHEN[:48], labelled(0)[:48], WEEK)
    assert not finding.speaks
    assert "0 labels are due; 48 more are expected from 2026-03-08" in finding.text


def test_when_every_label_is_there_none_is_waited_for():
    assert "no other is waited for" in judge(WHEN, labelled(1), WEEK).text


def test_rows_without_a_time_cannot_be_judged():
    assert not judge(pd.Series([pd.NaT] * 3), pd.Series([False] * 3), WEEK).judged
