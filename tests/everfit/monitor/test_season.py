import numpy as np
import pandas as pd
import pytest

from everfit.monitor import drift, season
from everfit.schema import Schema

ROWS = 4_000


def rows(means, seed):
    """Rows whose temperature has these means, one after the other, and another column that stays."""
    rng = np.random.default_rng(seed)
    level = np.repeat(means, ROWS // len(means))
    return pd.DataFrame({"temp": rng.normal(level, 3.0), "other": rng.normal(size=len(level))})


YEAR = rows([0, 10, 20, 10, 0, 10, 20, 20], seed=0)


def judge(past, now, **how):
    found = drift.compare(past, now, columns=Schema.of(past))
    return season.find(past, now, found, **how)


@pytest.mark.parametrize("seed", range(5))
def test_a_winter_like_one_before_is_seen_again_and_a_new_climate_is_not(seed):
    again = judge(YEAR, rows([0], seed=1 + seed))
    assert (again.speaks, again.columns) == (False, ("temp",))
    assert "in the rows from 50% to 62% of the past" in again.text
    never = judge(YEAR, rows([30], seed=1 + seed))
    assert (never.columns, never.text) == ((), "what moved was like this in no part of the past")
    lately = judge(YEAR, rows([20], seed=1 + seed))
    assert (lately.columns, lately.text) == ((), "what moved is as it was in the latest part of the past")


def test_nothing_moved_and_a_short_past_are_told_apart():
    quiet = judge(YEAR, YEAR.sample(1000, random_state=0))
    assert (quiet.columns, quiet.judged) == ((), True)
    short = judge(YEAR.head(1200), rows([30], seed=1))
    assert (short.judged, short.text) == (False, "the past is too short: 1,200 rows have no seasons")
    assert not judge(YEAR, YEAR.head(20)).judged
