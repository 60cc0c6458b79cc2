"""What is watched, when it was, what is kept of it, and what nobody may see of it."""

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from everfit.registry import Loaded
from everfit.spec import ModelSpec
from tasks.build_features import in_time
from tasks.met import Met
from tasks.watch import KEPT, _keep_latest, _overdue, _personal

SUITE = "expectations:\n  - {{type: expect_column_to_exist, kwargs: {{column: x}}}}\npersonal: [{}]\n"


def test_what_one_suite_calls_personal_is_personal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("expectations").mkdir()
    for name, columns in (("one", "email, name"), ("two", "name, phone"), ("none", "")):
        Path(f"expectations/{name}.yaml").write_text(SUITE.format(columns))
    said = {"name": "m", "data": {"source": "d.csv", "target": "y"}}
    assert _personal(ModelSpec.model_validate({**said, "suites": ["one", "two", "none"]})) == {"email", "name", "phone"}
    assert _personal(ModelSpec.model_validate(said)) == frozenset()


def test_the_text_dates_of_a_batch_are_read_in_the_champions_format_and_not_in_that_which_fits_the_batch() -> None:
    card = {"plan": {"columns": [{"name": "day", "format": "%d/%m/%Y"}, {"name": "x", "format": ""}]}}
    loaded = Loaded("m", 1, Path(), None, card, pd.DataFrame(), np.array([], dtype="uint64"))
    said = {"source": "d.csv", "target": "y", "time": "day", "ids": ["x"], "label_delay": "30d"}
    spec = ModelSpec.model_validate({"name": "m", "data": said})
    days = pd.DataFrame({"day": ["02/04/2024", "01/05/2024", "03/04/2024"]})
    assert in_time(spec, days, loaded.format_of("day"))["day"].tolist() == ["02/04/2024", "03/04/2024", "01/05/2024"]
    [finding] = _overdue(spec, loaded, Met(days.assign(y=np.nan), days[:0]))
    assert "from 2024-05-02 00:00 to 2024-05-31 00:00" in finding.text


def test_of_evidentlys_pages_the_latest_are_kept_and_of_ours_all(tmp_path: Path) -> None:
    for age in range(KEPT + 2):
        for name in (f"evidently-{age}.html", f"evidently-{age}.json", f"drift-{age}.html"):
            (tmp_path / name).touch()
            os.utime(tmp_path / name, (1e9 - age, 1e9 - age))
    _keep_latest(tmp_path)
    assert {path.stem for path in tmp_path.glob("evidently-*.*")} == {f"evidently-{age}" for age in range(KEPT)}
    assert len(list(tmp_path.glob("drift-*.html"))) == KEPT + 2
