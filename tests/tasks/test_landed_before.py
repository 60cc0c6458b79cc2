"""A batch that landed stays as it landed, whatever was made stricter since, and one that was refused may come again."""

import os
import shutil
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

import tasks.ingest
from everfit.errors import ValidationStopped
from everfit.lake import Batch, Lake
from everfit.ledger import Ledger
from everfit.schema import Schema
from everfit.settings import Settings
from everfit.sources import Source, open_source
from everfit.spec import ModelSpec
from tasks.ingest import ingest
from tasks.land import land
from tasks.validate import Checked, validate

SPEC = ModelSpec.model_validate({"name": "m", "data": {"source": "d.csv", "target": "y"}, "suites": ["stricter"]})
STRICTER = "expectations:\n  - {type: expect_column_values_to_be_between, kwargs: {column: x, max_value: 1}}\n"


@pytest.fixture
def lake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lake:
    monkeypatch.chdir(tmp_path)
    return Lake(Settings())


def write(count: int = 10, start: int = 0) -> None:
    """Write some rows to the model's own source."""
    pd.DataFrame({"x": range(start, start + count), "y": 1.5}).to_csv("d.csv", index=False)


def staged(lake: Lake, count: int = 10, start: int = 0) -> Batch:
    """Write some rows to the model's own source and stage them."""
    write(count, start)
    [source] = open_source("d.csv", base=Path.cwd())
    return replace(lake.stage("m", source), own=True)


def subjects(kind: str) -> list[str]:
    return [entry.subject for entry in Ledger.of(Settings()).entries("m") if entry.kind == kind]


def test_a_prediction_on_rows_that_are_about_to_land_leaves_them_there(lake):
    batch = staged(lake)
    with tasks.ingest.staged(SPEC, "d.csv") as [same]:
        assert (same.digest, len(lake.read(same))) == (batch.digest, 10)
    assert not same.path.exists()
    assert lake.land(batch, {}).new


@pytest.fixture
def read(lake, monkeypatch) -> list[str]:
    """The files that were read so far, where a file needs no time to settle."""
    monkeypatch.setattr("everfit.sources.files.SETTLED", 0)
    names, stage = [], Lake.stage

    def noted(self: Lake, model: str, source: Source, **how: bool) -> Batch:
        names.append(source.origin)
        return stage(self, model, source, **how)

    monkeypatch.setattr(Lake, "stage", noted)
    return names


def bring(text: str) -> Batch:
    """Put rows into the model's own source, unless they are there, and bring them in, as a run does."""
    path = Path("d.csv")
    if not path.exists() or path.read_text() != text:
        path.write_text(text)
    [batch] = ingest.fn(SPEC)
    land.fn(SPEC, [Checked(batch, {1: "odd"})])
    return batch


ROWS = "x,y\n1,2\n3,4\n"


def test_a_file_that_has_landed_is_not_read_again_until_it_changes(lake, read):
    first, second, third = (bring(ROWS) for _ in range(3))
    assert len(read) == 2  # to land it, and to see that it has
    assert first == second == third
    assert lake.read(third)["x"].tolist() == [1, 3]
    assert lake.read(bring(ROWS + "5,6\n"))["x"].tolist() == [1, 3, 5]
    assert lake.recall("m", first.origin, open_source("d.csv", base=Path.cwd())[0].stamp()) is None


def test_a_file_is_read_again_when_another_takes_its_place_with_its_size_and_its_time(lake, read):
    for _ in range(3):
        bring(ROWS)
    before = Path("d.csv").stat()
    Path("new.csv").write_text(ROWS.replace("1", "7"))
    os.utime("new.csv", ns=(before.st_atime_ns, before.st_mtime_ns))
    Path("new.csv").replace("d.csv")
    assert lake.read(bring(ROWS.replace("1", "7")))["x"].tolist() == [7, 3]


def test_a_file_that_was_just_written_is_read_each_time(lake, read, monkeypatch):
    monkeypatch.setattr("everfit.sources.files.SETTLED", 60 * 10**9)
    for _ in range(3):
        bring(ROWS)
    assert len(read) == 3


def test_what_a_correction_has_replaced_is_not_taken_for_landed(lake):
    first, second = (bring(rows) for rows in (ROWS, ROWS + "5,6\n"))
    for batch in (first, second):
        lake.remember(batch, "a stamp")
        assert lake.recall("m", "d.csv", "a stamp") == (batch if batch == second else None)
    assert lake.recall("m", "d.csv", "another") is lake.recall("m", "d.csv", "") is None


def test_a_rule_that_came_since_refuses_nothing_that_has_landed(lake):
    batch = staged(lake)
    lake.land(batch, {3: "odd"})
    Path("expectations").mkdir()
    Path("expectations/stricter.yaml").write_text(STRICTER)
    assert validate.fn(SPEC, [batch], again=True) == (Checked(batch, {3: "odd"}),)
    assert subjects("validated") == subjects("refused_batch") == []


def test_while_nothing_has_landed_a_refused_batch_stops_every_training(lake):
    Path("expectations").mkdir()
    Path("expectations/stricter.yaml").write_text(STRICTER)
    for _ in range(2):
        with pytest.raises(ValidationStopped, match="m: 1 batch") as stop:
            validate.fn(SPEC, [staged(lake)])
        assert Path(stop.value.page).is_file()
    assert len(subjects("refused_batch")) == 1
    lake.land(staged(lake, 2), {})
    assert validate.fn(SPEC, [staged(lake)]) == ()


def test_what_has_landed_is_not_recorded_as_refused(lake):
    batch = staged(lake)
    land.fn(SPEC, [Checked(batch)])
    land.fn(SPEC, [Checked(staged(lake), refused=("a stricter rule",))])
    assert (subjects("ingested"), subjects("refused_batch")) == ([batch.digest], [])


def test_the_models_own_file_that_grew_replaces_what_it_gave_before_also_when_it_is_named(lake):
    land.fn(SPEC, [Checked(staged(lake))])
    staged(lake, 15)
    land.fn(SPEC, [Checked(batch) for batch in ingest.fn(SPEC, str(Path("d.csv").absolute()))])
    assert lake.snapshot("m").rows == 15


def run(data: str = "", *, again: bool = False) -> None:
    """Bring rows in and land them, as the flows do."""
    land.fn(SPEC, validate.fn(SPEC, ingest.fn(SPEC, data), again=again))


@pytest.fixture
def no_rules(lake) -> None:
    Path("expectations").mkdir()
    Path("expectations/stricter.yaml").write_text(STRICTER.replace("max_value: 1", "max_value: 999"))


@pytest.mark.usefixtures("no_rules")
def test_two_contents_of_another_file_are_two_batches(lake):
    for count in (10, 15):
        write(count)
        Path("d.csv").rename("next.csv")
        run("next.csv", again=True)
    assert lake.snapshot("m").rows == 25


@pytest.mark.usefixtures("no_rules")
@pytest.mark.parametrize("again", [False, True])
def test_a_correction_replaces_what_came_first_under_another_name(lake, again):
    write(10)
    Path("d.csv").rename("named.csv")
    run("named.csv", again=True)
    for count in (10, 10, 8):
        write(count)
        run(again=again)
    assert lake.snapshot("m").rows == 8


def test_an_empty_file_is_refused_like_any_other_and_holds_nothing_up(lake):
    changes = {"data": SPEC.data.model_copy(update={"source": "*"}), "suites": ()}
    spec = SPEC.model_copy(update=changes)
    write()
    for name, text in {"e.csv": "", "f.csv": "x,y\n", "g.parquet": ""}.items():
        Path(name).write_text(text)
    with pytest.raises(ValidationStopped) as stop:
        validate.fn(spec, ingest.fn(spec))
    assert stop.value.details == tuple(f"{name}: it holds no rows: look at what wrote it"
                                       for name in ("e.csv", "f.csv", "g.parquet"))  # fmt: skip
    assert land.fn(spec, validate.fn(spec, ingest.fn(spec))).rows == 10
    assert len(subjects("refused_batch")) == 3


def test_a_correction_of_one_of_two_equal_files_leaves_the_other(lake, caplog):
    spec = SPEC.model_copy(update={"data": SPEC.data.model_copy(update={"source": "*.csv"})})
    staged(lake)
    shutil.copy("d.csv", "e.csv")
    for _ in range(2):
        with caplog.at_level("INFO", "everfit"):
            caplog.clear()
            land.fn(spec, [Checked(batch) for batch in ingest.fn(spec)])
    told = [each.getMessage() for each in caplog.records if not getattr(each, "passing", False)]
    assert [line for line in told if "landed before" in line] == ["2 batches landed before, 20 rows"]
    assert not any("rows from" in line for line in told), "each is not told again"
    staged(lake, 8)
    shutil.move("d.csv", "e.csv")
    land.fn(spec, [Checked(batch) for batch in ingest.fn(spec)])
    assert lake.snapshot("m").rows == 18


@pytest.mark.parametrize("died", [False, True])
def test_a_batch_that_comes_back_after_its_correction_is_recorded_again(lake, died):
    first, other = staged(lake), staged(lake, 8)
    for batch in (first, other):
        land.fn(SPEC, [Checked(batch)])
    again = staged(lake)
    if died:  # after it had landed, before it was recorded
        lake.land(again, {}, replace_origin=True)
        ingest.fn(SPEC)
    else:
        land.fn(SPEC, [Checked(again)])
    ingest.fn(SPEC)
    assert subjects("ingested") == [first.digest, other.digest, f"{first.digest}-2"]


def test_a_column_that_is_not_there_is_told_once_however_many_rules_need_it(lake):
    Path("expectations").mkdir()
    rule = "  - {{type: expect_column_values_to_be_between, kwargs: {{column: {}, max_value: {}}}}}\n"
    rules = [rule.format("x", 5), *(rule.format("gone", most) for most in (1, 2, 3))]
    Path("expectations/stricter.yaml").write_text("expectations:\n" + "".join(rules))
    with pytest.raises(ValidationStopped) as stop:
        validate.fn(SPEC, [staged(lake)])
    one, other = stop.value.details
    assert one == "d.csv: gone: it is not there, and 3 rules need it"
    assert "x: " in other


def test_a_column_of_another_type_is_told_once_and_its_rules_not_at_all(lake, monkeypatch):
    learnt = Schema.from_dict({"x": "string", "y": "number"})
    monkeypatch.setattr("tasks.validate.champion_schema", lambda *_: learnt)
    Path("expectations").mkdir()
    Path("expectations/stricter.yaml").write_text(STRICTER)
    with pytest.raises(ValidationStopped) as stop:
        validate.fn(SPEC, [staged(lake)])
    assert stop.value.details == ("d.csv: x retyped: was string, is number",)
