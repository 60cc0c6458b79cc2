from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from everfit.monitor import faults
from everfit.monitor.counts import apart, quantiles
from everfit.monitor.table import Table
from everfit.schema import Schema
from everfit.spec import SchemaPolicy

START = pd.Timestamp("2026-01-01")


def frame(rows, seed, *, after=0):
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "when": START + pd.to_timedelta(np.arange(after, after + rows), unit="h"),
            "amount": rng.lognormal(3, 0.5, size=rows),
            "degrees": rng.normal(20, 6, size=rows),
            "count": rng.poisson(40, size=rows),
            "level": rng.integers(1, 4, size=rows),
            "region": rng.choice(["north", "south", "east"], size=rows),
        }
    )


PAST = frame(5000, 0)
SCHEMA = Schema.of(PAST)


def find(current, past=PAST, **said):
    said = {"schema": SCHEMA, "time": "when", "now": datetime(2027, 1, 1, tzinfo=UTC), **said}
    return faults.find(past, current, **said)


def good(rows=500, seed=1):
    return frame(rows, seed, after=5000)


def signals(found):
    return {finding.signal for finding in found}


@pytest.mark.parametrize("seed", range(1, 31))
def test_good_batches_of_any_size_pass(seed):
    assert find(good(rows=60 + 50 * seed, seed=seed)) == ()


@pytest.mark.parametrize(
    ("signal", "column", "change"),
    [
        ("unit changed", "amount", lambda c: c * 1000),
        ("unit changed", "amount", lambda c: c / 1000),
        ("unit changed", "degrees", lambda c: c * 1.8 + 32),
        ("null burst", "degrees", lambda c: c.mask(np.arange(len(c)) % 2 == 0)),
        ("null burst", "region", lambda c: c.mask(np.arange(len(c)) % 2 == 0)),
        ("null burst", "degrees", lambda c: pd.Series([None] * len(c), dtype="str")),
        ("constant column", "amount", lambda c: c * 0 + 20),
        ("one value floods", "degrees", lambda c: c.mask(np.arange(len(c)) % 2 == 0, -999)),
        ("unseen values", "region", lambda c: c.map({"north": "N", "south": "S", "east": "E"})),
        ("unseen values", "region", lambda c: c.str.upper() + " "),
    ],
)
def test_a_broken_column_is_named(signal, column, change):
    batch = good()
    (finding,) = find(batch.assign(**{column: change(batch[column])}))
    assert finding.signal == signal
    assert finding.columns == (column,)
    assert finding.severity == "repair"
    assert column in finding.text


@pytest.mark.parametrize(
    ("column", "change", "value"),
    [
        ("amount", lambda c: c * 1000, "median"),
        ("amount", lambda c: c * 0 + 20, "20"),
        ("degrees", lambda c: c.mask(np.arange(len(c)) % 2 == 0, -999), "-999"),
        ("region", lambda c: c + "@example.com", "example.com"),
        ("region", lambda c: c.str.upper(), "NORTH"),
        ("when", lambda c: c + pd.Timedelta(days=5000), "20"),
    ],
)
def test_a_fault_of_a_personal_column_names_it_and_none_of_its_values(column, change, value):
    broken = good().assign(**{column: change(good()[column])})
    (open_,), (hidden,) = find(broken), find(broken, personal={column})
    assert value in open_.text
    assert value not in hidden.text
    assert column in hidden.text
    assert (hidden.signal, hidden.effect) == (open_.signal, open_.effect)


def test_a_column_that_is_mostly_zero_may_be_all_zero_for_a_season():
    snow = np.where(np.arange(len(PAST)) % 25 == 0, np.random.default_rng(0).lognormal(size=len(PAST)), 0.0)
    past = PAST.assign(snow=snow)
    assert find(good(2500).assign(snow=0.0), past, schema=Schema.of(past)) == ()
    (finding,) = find(good(2500).assign(snow=7.0), past, schema=Schema.of(past))
    assert finding.signal == "constant column"


def test_swapped_columns_are_named_as_a_pair():
    batch = good().rename(columns={"amount": "degrees", "degrees": "amount"})
    past = PAST.assign(amount=PAST["amount"] * 10)
    (finding,) = find(batch.assign(degrees=batch["degrees"] * 10), past)
    assert finding.signal == "columns swapped"
    assert set(finding.columns) == {"amount", "degrees"}


def test_a_moderate_shift_is_drift_and_not_a_fault():
    batch = good()
    assert find(batch.assign(amount=batch["amount"] * 1.5, degrees=batch["degrees"] + 10)) == ()


def test_a_feed_that_was_often_half_null_may_be_so_again():
    past = PAST.assign(amount=PAST["amount"].mask((np.arange(len(PAST)) // 500) % 3 == 0))
    batch = good()
    assert find(batch.assign(amount=batch["amount"].mask(np.arange(len(batch)) % 10 < 9)), past) == ()


def test_a_column_that_brings_new_levels_all_the_time_may_do_so_again():
    weeks = (np.arange(5000) // 500).astype(str)
    assert find(good().assign(region="next"), PAST.assign(region=weeks)) == ()


def test_a_missing_column_and_a_retyped_one_are_found_whatever_the_rows():
    batch = good(rows=3).drop(columns="amount").assign(degrees="warm")
    found = find(batch)
    assert {(f.signal, f.columns) for f in found} == {
        ("column removed", ("amount",)),
        ("column retyped", ("degrees",)),
    }
    assert {f.severity for f in found} == {"repair"}


def test_the_model_file_says_what_a_missing_column_leads_to():
    (finding,) = find(good().drop(columns="amount"), on_change=SchemaPolicy(removed="warn"))
    assert finding.severity == "watch"


def test_the_same_rows_again_are_refused():
    assert "repeated rows" in signals(find(PAST.tail(500)))
    doubled = pd.concat([good(50)] * 10, ignore_index=True)
    assert "repeated rows" in signals(find(doubled))


def test_a_handful_of_rows_that_are_alike_is_no_fault():
    assert find(pd.concat([good(1)] * 5, ignore_index=True)) == ()


def test_known_rows_that_come_again_with_others_are_watched():
    batch = pd.concat([PAST.tail(400), good(300)], ignore_index=True)
    (finding,) = find(batch)
    assert (finding.signal, finding.severity) == ("repeated rows", "watch")
    assert "sent again, corrected, or with labels that were late?" in finding.text


SOLD = PAST.assign(order=np.arange(5000), sold=np.random.default_rng(2).normal(size=5000))
TIMES = {"when": lambda c: c["when"] + pd.Timedelta(days=200)}
IDS = {"order": lambda c: c["order"] + 5000}
UNKNOWN = {"sold": None}


def find_sold(current, past=SOLD, schema=SCHEMA, **said):
    return find(current, past, schema=schema, ids=["order"], target="sold", **said)


@pytest.mark.parametrize(
    ("change", "but"),
    [(TIMES | IDS, "ids and times"), (TIMES, "times"), (IDS, "ids"), (TIMES | IDS | UNKNOWN, "ids")],
)
def test_known_rows_under_other_ids_or_times_are_refused(change, but):
    (finding,) = [f for f in find_sold(SOLD[2000:2300].assign(**change)) if f.severity == "repair"]
    assert finding.text == f"300 of 300 rows are copies of rows that came before, but for their {but}; so far 0% were"
    table = Table.of(SOLD[:4000], Schema.of(SOLD))
    find_sold(SOLD[4000:], table)  # what is hashed by now goes on
    assert finding in find_sold(SOLD[2000:2300].assign(**change), table.with_more(table.read(SOLD[4000:])))


@pytest.mark.parametrize(
    "batch",
    [
        SOLD[2000:2300],  # sent again
        SOLD[2000:2300].assign(**UNKNOWN),
        SOLD[2000:2300].assign(**IDS | TIMES, sold=1.5),  # the same inputs, and something else happened
        SOLD[2000:2300].assign(**TIMES | UNKNOWN),  # asked about again
        pd.concat([SOLD[2000:2250], SOLD[:50].assign(amount=21.0)]).assign(**IDS | TIMES),
        SOLD[2000:2001].loc[[2000] * 300].assign(**TIMES | {"order": range(6000, 6300)}),  # a plant stands still
        SOLD[2000:2300].assign(**IDS | TIMES).drop(columns=["order", "when"]),  # nobody can tell
    ],
)
def test_rows_that_may_well_come_again_are_no_copies(batch):
    assert "copied rows" not in signals(find_sold(batch))


@pytest.mark.parametrize(
    ("column", "values"),
    [("day", np.arange(5000) // 14 % 366), ("degrees", np.resize(np.random.default_rng(0).normal(size=700), 5000))],
)
def test_a_calendar_and_rows_that_used_to_come_again_are_no_copies(column, values):
    past = SOLD[["when", "order"]].assign(hour=np.arange(5000) % 14, **{column: values}).assign(**UNKNOWN)
    again = past[2000:2300].assign(**TIMES | IDS)
    schema = Schema.of(past[["when", "hour", column]])
    assert "copied rows" not in signals(find_sold(again, past, schema))


def test_rows_that_always_repeat_are_no_fault():
    names = ["level", "region"]
    assert find(good()[names], PAST[names], schema=Schema.of(PAST[names]), time=None) == ()


def test_rows_no_newer_than_those_known_are_watched():
    (finding,) = find(frame(500, 9, after=4000))
    assert (finding.signal, finding.severity) == ("stale rows", "watch")


@pytest.mark.parametrize(("share", "severity"), [(1.0, "repair"), (0.1, "watch")])
def test_rows_from_the_future_are_found(share, severity):
    batch = good()
    ahead = np.arange(len(batch)) < share * len(batch)
    batch["when"] = batch["when"].mask(ahead, pd.Timestamp("2031-01-01"))
    (finding,) = find(batch)
    assert (finding.signal, finding.severity) == ("rows from the future", severity)


def test_a_rolling_reference_keeps_the_latest_rows_and_samples_the_others():
    recent = good(3000)
    rolled = faults.rolling(PAST, recent, limit=4000)
    assert len(rolled) == 4000
    assert rolled["when"].is_monotonic_increasing
    assert rolled["when"].tail(2000).tolist() == recent["when"].tail(2000).tolist()
    assert rolled.equals(faults.rolling(PAST, recent, limit=4000))


def test_an_empty_batch_is_no_fault_of_values():
    assert find(good().head(0)) == ()


@pytest.mark.parametrize("seed", range(20))
def test_distances_and_quantiles_are_those_of_scipy_and_numpy(seed):
    rng = np.random.default_rng(seed)
    one, two = (np.sort(rng.normal(rng.normal(), 1, size=size).round(seed % 3)) for size in (200, 30))
    expected = stats.ks_2samp(one, two).statistic
    assert [apart(one, two), apart(two, one)] == pytest.approx([expected, expected])
    shares = rng.random(5)
    np.testing.assert_allclose(quantiles(two, shares), np.quantile(two, shares))


def test_a_past_that_is_extended_batch_by_batch_says_what_the_whole_past_says():
    batches = [good(seed=seed).assign(region=lambda f, seed=seed: f["region"] + "ab"[seed % 2]) for seed in range(3)]
    table = Table.of(PAST, SCHEMA)
    for batch in batches:
        find(batch, table)  # what is sorted and hashed by now goes on
        table = table.with_more(table.read(batch))
    whole = faults.rolling(PAST, pd.concat(batches))
    assert len(table.rolled(4000)) == 4000
    np.testing.assert_array_equal(table.ordered, Table.of(whole, SCHEMA).ordered)
    for batch in (good(), batches[1], good().drop(columns="amount"), good().assign(region="new", degrees=1.0)):
        assert find(batch, table) == find(batch, whole)
    assert "repeated rows" in signals(find(batches[1], table))


def test_an_accepted_batch_without_a_column_or_with_another_kind_of_it_is_null_there():
    batch = good().drop(columns="amount").assign(degrees="warm")
    read = Table.of(PAST, SCHEMA).read(batch)
    assert dict(zip(SCHEMA.names, read.nulls, strict=True)) == dict.fromkeys(SCHEMA.names, 0) | {
        "amount": 500, "degrees": 500,
    }  # fmt: skip
