"""What counts as nothing new: the same rows with the same labels, whatever the version of their table."""

from dataclasses import asdict, replace

import pytest

from everfit.lake import Snapshot
from tasks.keep import same_rows

LEARNT = Snapshot("bike", "/lake/bike", 3, "abc", 900, ("one",), labels_version=2, labels_digest="said")


@pytest.mark.parametrize(
    ("change", "same"),
    [
        ({}, True),
        ({"version": 4, "labels_version": 5}, True),
        ({"digest": "abd"}, False),
        ({"labels_digest": "said more"}, False),
        ({"labels_digest": ""}, False),
    ],
)
def test_rows_are_the_same_when_they_and_their_labels_are(change, same):
    assert same_rows(asdict(LEARNT), replace(LEARNT, **change)) is same


def test_a_version_whose_registration_is_not_known_is_like_no_other():
    assert not same_rows({}, LEARNT)
