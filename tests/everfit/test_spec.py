from datetime import timedelta
from pathlib import Path

import pytest

from everfit.errors import SpecError
from everfit.spec import ModelSpec, load_spec


def load(folder: Path, *lines: str) -> ModelSpec:
    """Read a model file of a few lines beside its source and target."""
    (folder / "bike.yaml").write_text("\n".join(["name: bike", "data: {source: a.csv, target: y}", *lines]))
    return load_spec("bike", folder)


def test_everything_but_source_and_target_has_a_default(tmp_path):
    spec = load(tmp_path)
    assert (spec.search.budget, spec.promotion.approval, spec.retrain.schedule) == (timedelta(minutes=5), "auto", None)


def test_every_mistake_is_told_at_once_with_its_line_and_the_nearest_name(tmp_path):
    with pytest.raises(SpecError) as raised:
        load(tmp_path, "serach: {budget: 5m}", "retrain: {cooldown: soon}")
    told = str(raised.value)
    assert "2 mistake(s)" in told
    assert "search" in told
    assert "bike.yaml:4" in told
    assert "'soon' is not a duration" in told


@pytest.mark.parametrize("line", ["0 3 * * 1", "*/15 * * * *", "0 3 1,15 jan-jun MON#2", "0 0 L * 7", "59 23 31 12 0"])
def test_a_schedule_is_a_cron_line(tmp_path, line):
    assert load(tmp_path, f"retrain: {{schedule: '{line}'}}").retrain.schedule == line


@pytest.mark.parametrize(
    "line", ["mondays", "0 3 * * 8", "60 3 * * *", "0 24 * * *", "0 3 0 * *", "0 3 * *", "* * * 1-13 *"]
)
def test_a_schedule_that_is_none_is_a_mistake_in_the_file(tmp_path, line):
    with pytest.raises(SpecError, match=r"bike.yaml:3: retrain.schedule: it must be five fields"):
        load(tmp_path, f"retrain: {{schedule: '{line}'}}")
