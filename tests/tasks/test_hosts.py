"""Where machines meet for a search."""

import pytest

from everfit.features import Plan
from everfit.lake import Snapshot
from everfit.search import studies
from everfit.settings import Settings
from everfit.spec import ModelSpec
from tasks.build_features import Prepared
from tasks.hosts import helpers

SPEC = ModelSpec.model_validate({"name": "m", "data": {"source": "x", "target": "y"}, "search": {"budget": "10m"}})
PREPARED = Prepared(Snapshot("m", "/lake/m", 1, "abc", 900, ("one",)), Plan(()), "regression", "mae")


def test_what_the_month_has_left_makes_no_other_search_of_one_that_was_killed(tmp_path, monkeypatch):
    monkeypatch.setenv("EVERFIT_HOME", str(tmp_path))
    monkeypatch.setenv("EVERFIT_SEARCH_STORAGE", f"sqlite:///{tmp_path}/search.db")
    with pytest.raises(KeyboardInterrupt), helpers(Settings(), SPEC, PREPARED, 600, ()) as first:
        raise KeyboardInterrupt
    assert first.leads
    with helpers(Settings(), SPEC, PREPARED, 45, ()) as second:
        assert (second.name, second.files, second.size) == (first.name, first.files, 600)
        assert studies.job_of(second.storage, second.name)["budget"] == 600, "helpers size their trials by it"
