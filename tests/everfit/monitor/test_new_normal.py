import pytest

from everfit.monitor import faults, new_normal
from everfit.monitor.findings import Finding
from tests.everfit.monitor.test_faults import find, good


def fault(signal="unit changed", *columns):
    return Finding(signal, "broken", severity="repair", columns=columns or ("degrees",))


FAHRENHEIT = (fault(),)
NULLS = (fault("null burst"),)
COPIES = (Finding("copied rows", "9 of 9 rows are copies", severity="repair"),)
SOUND = (Finding("inputs", "nothing moved"),)


def judged(batch, findings):
    return {"evidence": {"batch": batch, "findings": [finding.to_dict() for finding in findings]}}


def test_the_same_fault_a_fourth_time_is_let_through_and_a_person_is_asked():
    alert, finding = new_normal.let_through(FAHRENHEIT, [FAHRENHEIT] * 3)
    assert alert.signal == "new normal?"
    assert "3 batches in a row had the same fault of degrees" in alert.text
    assert alert.columns == ("degrees",)
    assert {alert.severity, finding.severity} == {"watch"}


def test_what_was_let_through_once_is_let_through_again():
    again = new_normal.let_through(FAHRENHEIT, [FAHRENHEIT] * 3)
    assert new_normal.let_through(FAHRENHEIT, [again, *[FAHRENHEIT] * 3])[0].signal == "new normal?"


@pytest.mark.parametrize(
    "before",
    [
        [],
        [FAHRENHEIT] * 2,
        [NULLS] * 3,
        [(fault("unit changed", "amount"),)] * 3,
        [SOUND, *[FAHRENHEIT] * 3],
        [NULLS, *[FAHRENHEIT] * 3],
        [(fault("validation"),)] * 9,
    ],
)
def test_refusals_of_another_kind_or_other_columns_or_too_few_do_not_count(before):
    assert new_normal.let_through(FAHRENHEIT, before) == FAHRENHEIT


def test_one_new_fault_keeps_the_old_ones_refused():
    both = (*FAHRENHEIT, *NULLS)
    assert new_normal.let_through(both, [FAHRENHEIT] * 3) == both


def test_each_batch_counts_once_by_its_latest_judgement_and_never_for_itself():
    book = [judged("a", NULLS), judged("b", FAHRENHEIT), judged("a", FAHRENHEIT), judged("c", FAHRENHEIT)]
    assert new_normal.earlier(book, "c") == [FAHRENHEIT, FAHRENHEIT]
    assert new_normal.earlier(book, "d") == [FAHRENHEIT] * 3


def test_a_fahrenheit_week_after_three_storms_of_nulls_is_refused_and_the_fourth_one_is_not():
    week = good()
    week = week.assign(degrees=week["degrees"] * 1.8 + 32)
    storm = find(good().assign(degrees=None))
    (hot,) = find(week, before=[storm] * 3)
    assert (hot.signal, hot.severity) == ("unit changed", "repair")
    assert [found.severity for found in find(week, before=[(hot,)] * 3)] == ["watch", "watch"]


def test_copies_are_let_through_as_well_once_three_batches_running_were():
    alert, finding = new_normal.let_through(COPIES, [COPIES] * 3)
    assert "had the same fault, and so has this one" in alert.text
    assert finding.severity == "watch"
    assert new_normal.let_through(COPIES, [COPIES] * 2) == COPIES


def test_a_batch_that_is_broken_in_its_rows_as_well_is_not_let_through():
    week = good().assign(amount=lambda batch: batch["amount"] * 1000, when=good()["when"].max().replace(year=2031))
    found = find(week, before=[find(week)] * 3)
    assert "new normal?" not in {finding.signal for finding in found}
    assert faults.SEVERITIES["block"] in {finding.severity for finding in found}
