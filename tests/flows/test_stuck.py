"""A batch that cannot be judged now is told at the end, and holds back none of the others."""

from everfit.errors import Unavailable
from flows import monitor


def test_the_others_are_judged_and_two_in_a_row_end_it_all(monkeypatch):
    def follow(_, __, ___, batch):
        if batch.startswith("bad"):
            raise Unavailable(f"{batch} ended the process that judges.")
        return batch

    monkeypatch.setattr(monitor, "_follow", follow)
    stuck = []
    assert monitor._follow_all(None, None, {}, ["a", "bad 1", "b", "bad 2", "bad 3", "c"], stuck) == ["a", "b"]
    assert [cause.what for cause in stuck] == [f"bad {n} ended the process that judges." for n in (1, 2, 3)]
