"""A search that is killed is gone on with: nothing done is lost or done twice, and the end is the same."""

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from everfit import evaluation, features, search
from everfit.search import shelf
from everfit.search.places import USED, place
from everfit.spec import Data, Search
from tests.everfit.search.conftest import table
from tests.everfit.search.troublemakers import Counts

FACTS = ["number", "family", "status", "score", "params", "folds"]
SCRIPT = """
import sys
from pathlib import Path
from tests.everfit.search.test_resume import look
look(Path(sys.argv[1]), on_progress=lambda seen: print(seen.done, flush=True))
"""


def look(folder, spec=None, of=search.run, **more):
    """Search on a small table, by default for seven trials; the fits are counted in a file beside `folder`."""
    frame = table()
    plan = features.plan(frame, Data(source="x", target="y", time="t", drop=("g", "w")))
    families = (Counts(folder.with_suffix(".fits")),)
    more = {"budget": 300, "workers": 2, "families": families, "folder": folder} | more
    more |= {} if "shared" in more else {"identity": "same"}
    metric = evaluation.metric("mae", "regression")
    spec = spec or Search(trials=7, seed=3)
    return of(frame, frame["y"], plan=plan, task="regression", metric=metric, spec=spec, **more)


def fits(folder):
    return Counter(folder.with_suffix(".fits").read_text().splitlines())


@pytest.fixture(scope="module")
def story(tmp_path_factory):
    """Kill a search in its second batch, spoil a file of one trial, and let it be gone on with."""
    top = tmp_path_factory.mktemp("resume")
    folder = top / "killed"
    command = [sys.executable, "-c", SCRIPT, str(folder)]
    env = {**os.environ, "PYTHONPATH": str(Path.cwd())}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=env) as process:
        assert any(int(line) >= 5 for line in process.stdout), "it ended before it could be killed"
        process.kill()
    done = shelf.recorded(folder / "same")
    spoilt = folder / "same" / f"said-{min(done)}-0.npy"
    spoilt.write_bytes(spoilt.read_bytes()[:-1])
    resumed, undisturbed = look(folder), look(top / "whole")
    return SimpleNamespace(folder=folder, top=top, done=done, spoilt=min(done), resumed=resumed, whole=undisturbed)


def test_a_killed_search_with_trials_ends_like_one_that_nobody_disturbed(story):
    assert story.resumed.resumed == len(story.done) - 1
    pd.testing.assert_frame_equal(story.resumed.trials[FACTS], story.whole.trials[FACTS])
    np.testing.assert_array_equal(story.resumed.best.predict(table()), story.whole.best.predict(table()))
    assert story.resumed.repeatable
    assert "repeatable with the same seed" in story.resumed.how


def test_no_trial_that_was_done_is_done_again_unless_its_files_are_broken(story):
    counted, once = fits(story.folder), fits(story.top / "whole")
    params = {number: json.dumps(outcome.params) for number, outcome in story.done.items()}
    assert all(counted[said] == once[said] for number, said in params.items() if number != story.spoilt)
    assert counted[params[story.spoilt]] > once[params[story.spoilt]]


def test_what_is_kept_leaves_when_it_is_forgotten_or_when_another_search_begins(story):
    assert (story.folder / "same").is_dir()
    with place(story.folder, "another"), place(story.folder, "another") as second:
        assert {each.name for each in story.folder.iterdir()} == {"lock", "another", second.folder.name}
        search.forget(story.folder)
        assert (story.folder / "another").is_dir()
    search.forget(story.folder)
    assert [each.name for each in story.folder.iterdir()] == ["lock"]


def test_the_seconds_before_the_kill_are_part_of_the_budget_and_what_time_ends_is_not_repeatable(tmp_path):
    folder = tmp_path / "timed"

    def stop(seen):
        if seen.done >= 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        look(folder, Search(), budget=20, on_progress=stop)
    done = shelf.recorded(folder / "same")
    assert float((folder / "same" / USED).read_text()) > 0
    (folder / "same" / USED).write_text("1000")
    found = look(folder, Search(), budget=20)
    assert found.resumed == len(done) >= 3
    assert found.trials["params"][0] == json.dumps(done[0].params | done[0].learnt)
    assert 15 < found.seconds < 60
    assert not found.repeatable
    assert found.how.endswith("not repeatable, as it ended by time")
