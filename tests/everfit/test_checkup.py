from pathlib import Path

import pandas as pd
import pytest

from everfit import checkup
from everfit.errors import SourceError, SpecError
from everfit.settings import Settings


def test_a_metric_that_does_not_fit_the_target_is_found_before_a_training(tmp_path):
    pd.DataFrame({"x": range(60), "y": ["yes", "no", "perhaps"] * 20}).to_csv(tmp_path / "a.csv", index=False)
    settings = Settings(workspace=tmp_path)
    settings.models.mkdir(parents=True)
    (settings.models / "m.yaml").write_text("name: m\ndata: {source: a.csv, target: y}\nsearch: {metric: rmse}\n")
    with pytest.raises(SpecError, match="'rmse' does not fit a multiclass task") as raised:
        checkup.check(settings, "m")
    assert "log_loss" in str(raised.value)


def test_a_parameter_that_no_family_has_is_found_before_a_training(tmp_path):
    pd.DataFrame({"x": range(60), "y": range(60)}).to_csv(tmp_path / "a.csv", index=False)
    settings = Settings(workspace=tmp_path)
    settings.models.mkdir(parents=True)
    space = "{lightgbm: {num_leafs: [31], scale: [log]}}"  # of amounts, a scale is a parameter too
    (settings.models / "m.yaml").write_text(
        f"name: m\ndata: {{source: a.csv, target: y}}\nsearch: {{space: {space}}}\n"
    )
    with pytest.raises(SpecError, match="has 1 mistake") as raised:
        checkup.check(settings, "m")
    assert "Did you mean 'num_leaves'?" in str(raised.value)


def test_a_suite_that_is_tried_on_broken_data_says_what_is_wrong_with_the_data(tmp_path):
    settings = Settings(workspace=tmp_path)
    settings.expectations.mkdir(parents=True)
    rules = [
        f"{{type: expect_column_median_to_be_between, kwargs: {{column: {name}, min_value: 0}}}}" for name in "abc"
    ]
    (settings.expectations / "s.yaml").write_text(f"expectations: [{', '.join(rules)}]")
    pd.DataFrame({"a": ["x", "y"], "c": [1, 2]}).to_csv(tmp_path / "d.csv", index=False)
    retyped, gone, fine = checkup.try_suite(settings, "s", "d.csv").results
    assert (retyped.outcome, gone.outcome, fine.outcome) == ("error", "error", "passes")
    assert retyped.why == "expect_column_median_to_be_between needs numbers, and 'a' holds text"
    assert gone.why.startswith("there is no column 'b'")


def with_labels(base: Path, where: str) -> Settings:
    """A workspace of one model, whose labels come from somewhere."""
    pd.DataFrame({"id": range(60), "x": range(60), "y": range(60)}).to_csv(base / "a.csv", index=False)
    settings = Settings(workspace=base)
    settings.models.mkdir(parents=True)
    text = f"name: m\ndata: {{source: a.csv, target: y, ids: [id], labels: '{where}'}}\n"
    (settings.models / "m.yaml").write_text(text)
    return settings


def test_labels_that_have_not_come_yet_are_told_and_are_no_mistake(tmp_path):
    settings = with_labels(tmp_path, "returned/*.csv")
    (tmp_path / "returned").mkdir()
    assert "no labels yet: returned/*.csv matches no file" in checkup.check(settings, "m").lines
    (tmp_path / "returned" / "one.csv").write_text("id,y\n1,2\n")
    assert "labels: returned/one.csv" in checkup.check(settings, "m").lines


@pytest.mark.parametrize(
    ("where", "says"), [("returned", "The folder returned holds no file"), ("returned/*", "returned/* matches no file")]
)
def test_a_folder_that_only_explains_itself_holds_no_labels_yet(tmp_path, where, says):
    settings = with_labels(tmp_path, where)
    (tmp_path / "returned").mkdir()
    (tmp_path / "returned" / "README.md").write_text("Labels go here.")
    [line] = [line for line in checkup.check(settings, "m").lines if "labels" in line]
    assert line.startswith(f"no labels yet: {says} that can be read")


def test_labels_in_a_folder_that_does_not_exist_are_a_mistake(tmp_path):
    settings = with_labels(tmp_path, "retrned/*.csv")
    (tmp_path / "returned").mkdir()
    with pytest.raises(SourceError, match=r"retrned does not exist\. Did you mean 'returned'\?"):
        checkup.check(settings, "m")
