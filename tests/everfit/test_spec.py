from datetime import timedelta
from pathlib import Path

import pytest

from everfit import scaffold
from everfit.errors import InputError, SpecError
from everfit.settings import Settings
from everfit.spec import ModelSpec, SqlSource, load_spec
from everfit.spec.predict import Predict


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


@pytest.mark.parametrize("every", ["0s", "0.5s", "PT0.5S"])
def test_nothing_lasts_less_than_a_second(tmp_path, every):
    with pytest.raises(SpecError, match="every: a duration must be one second at least"):
        load(tmp_path, f"monitor: {{every: {every}}}")


def test_costs_are_read_by_the_names_of_classes_and_do_not_go_with_metrics_of_labels(tmp_path):
    assert load(tmp_path, "search: {costs: {7: 10, no: 2, true: 3}}").search.costs == {"7": 10, "no": 2, "True": 3}
    for line, says in (
        ("search: {metric: f1_macro, costs: {yes: 10}}", "search.costs: costs decide which labels are said"),
        ("search: {costs: {yes: 0}}", "search.costs.yes: Input should be greater than 0"),
    ):
        with pytest.raises(SpecError, match=says):
            load(tmp_path, line)


SPELT_OUT = [
    "postgresql://u:hunter2@h/db",
    "postgresql://u:hunter2@${HOST}/db",
    "postgresql://${ANN}:hun/ter2@h/db",
    "postgresql://u@h/db?password=hunter2",
    "postgresql://u@h/db?sslmode=require&sslpassword=hunter2",
    "mssql+pyodbc://?odbc_connect=DRIVER%3Dx%3BPWD%3Dhunter2",
    "s3://KEY:hunter2@bucket/x.parquet",
    "https://store/x.csv?sig=hunter2",
    "https://store/x.csv?access_token=${A}hunter2",
]


@pytest.mark.parametrize("url", SPELT_OUT)
@pytest.mark.parametrize("place", ["source: '{}'", "source: {{url: '{}', query: q}}", "source: a, labels: '{}'"])
def test_a_secret_that_is_spelt_out_is_a_mistake_that_nobody_repeats(tmp_path, place, url):
    (tmp_path / "bike.yaml").write_text(f"name: bike\ndata: {{target: y, ids: [n], {place.format(url)}}}")
    with pytest.raises(
        SpecError, match=r"1 mistake\(s\).*\n.*bike.yaml:2: data.(source|labels): .*write \${NAME}"
    ) as told:
        load_spec("bike", tmp_path)
    assert "ter2" not in str(told.value) + str(told.value.__cause__)


def test_a_mistake_of_another_kind_does_not_repeat_a_secret_either(tmp_path):
    (tmp_path / "bike.yaml").write_text("name: bike\ndata: postgresql://u:hunter2@h/db")
    with pytest.raises(SpecError) as told:
        load_spec("bike", tmp_path)
    assert "hunter2" not in str(told.value) + str(told.value.__cause__)


def test_no_model_file_is_written_with_a_secret(tmp_path):
    settings = Settings(workspace=tmp_path)
    with pytest.raises(InputError, match="holds a password") as told:
        scaffold.create(settings, "m", "s3://KEY:hunter2@bucket/x.csv", "y", time=None, budget="1m", force=False)
    assert "hunter2" not in str(told.value)
    assert not list(tmp_path.rglob("*.yaml"))


def test_a_model_file_names_the_data_that_were_looked_at(tmp_path, monkeypatch):
    (tmp_path / "d.csv").write_text("y,x\n" + "".join(f"{n % 7}.5,{n}\n" for n in range(60)))
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    settings = Settings(workspace=tmp_path)
    scaffold.create(settings, "m", "d.csv", "y", time=None, budget="1m", force=False)
    assert load_spec("m", settings.models).data.source == "d.csv"


@pytest.mark.parametrize(
    "url",
    [
        "${URL}",
        "prefect://secret/shop",
        "postgresql://u@h:5432/db",
        "postgresql://u:${PASSWORD}@${HOST}/db?sslmode=require&password=${PASSWORD}",
        "s3://${KEY}:${SECRET}@bucket/x.parquet",
        "http://store:8080/day@noon.csv",
        "data/secret=yes/day?.csv",
        "sqlite:///shop.db?mode=ro",
    ],
)
def test_a_secret_that_is_referred_to_is_none(tmp_path, url):
    (tmp_path / "bike.yaml").write_text(f"name: bike\ndata: {{source: '{url}', target: y}}")
    assert load_spec("bike", tmp_path).data.source == url


@pytest.mark.parametrize("line", ["0 3 * * 1", "*/15 * * * *", "0 3 1,15 jan-jun MON#2", "0 0 L * 7", "59 23 31 12 0"])
def test_a_schedule_is_a_cron_line(tmp_path, line):
    assert load(tmp_path, f"retrain: {{schedule: '{line}'}}").retrain.schedule == line


@pytest.mark.parametrize(
    "line", ["mondays", "0 3 * * 8", "60 3 * * *", "0 24 * * *", "0 3 0 * *", "0 3 * *", "* * * 1-13 *"]
)
def test_a_schedule_that_is_none_is_a_mistake_in_the_file(tmp_path, line):
    with pytest.raises(SpecError, match=r"bike.yaml:3: retrain.schedule: it must be five fields"):
        load(tmp_path, f"retrain: {{schedule: '{line}'}}")


@pytest.mark.parametrize(
    ("space", "told"),
    [
        ("{lightgbm: {num_leaves: 31}}", "space.lightgbm.num_leaves: it must be a list of values, or {low: ..., high"),
        ("{lightgbm: {num_leaves: {low: 9, high: 3}}}", "num_leaves.high: it must be above low, which is 9"),
        ("{lightgbm: {num_leaves: {low: 9, hihg: 13}}}", "num_leaves.hihg: there is no such key"),
        ("{lightgbm: {num_leaves: []}}", "num_leaves: Tuple should have at least 1 item"),
        ("{mlp: {depth: [1]}}", "search.space: 'mlp' is not among search.estimators"),
        ("{lightgb: {depth: [1]}}", "search.space.lightgb: Input should be 'lightgbm'"),
    ],
)
def test_a_space_is_lists_and_ranges_of_families_that_may_be_tried(tmp_path, space, told):
    with pytest.raises(SpecError) as raised:
        load(tmp_path, f"search: {{estimators: [lightgbm], space: {space}}}")
    assert told in str(raised.value)


@pytest.mark.parametrize(
    ("said", "mistake"),
    [
        ("schedule: '0 3 * * *', output: p.csv", "predict: a schedule needs an input and an output"),
        ("schedule: daily, input: a.csv, output: p.csv", "predict.schedule: it must be five fields"),
        ("input: 's3://KEY:hunter2@bucket/x.csv'", "predict.input: it holds a password, spelt out"),
        ("max_unread: 2", "predict.max_unread: Input should be less than or equal to 1"),
    ],
)
def test_a_mistake_about_what_is_scored_by_the_calendar_is_one_in_the_file(tmp_path, said, mistake):
    with pytest.raises(SpecError, match=f"bike.yaml:3: {mistake}"):
        load(tmp_path, f"predict: {{{said}}}")


def test_a_query_without_a_database_is_one_to_that_of_the_file():
    by_file = Predict(input=SqlSource(url="${BIKE_DB}", query="SELECT 1"))
    assert by_file.asked("", "SELECT 2") == SqlSource(url="${BIKE_DB}", query="SELECT 2")
    assert by_file.asked("sqlite:///other.db", "SELECT 2").url == "sqlite:///other.db"
    assert by_file.asked("rides.parquet", "") == "rides.parquet"
    with pytest.raises(InputError, match="does not say which database is meant"):
        Predict(input="rides.parquet").asked("", "SELECT 2")
