"""What the README says is true of the code: its commands, its settings, its files, its exit codes."""

import re
import shlex
from pathlib import Path

import pandas as pd
import pytest
import typer
from ruamel.yaml import YAML

from everfit import documents, errors
from everfit.settings import Settings
from everfit.spec import ModelSpec, Search, Serve, parse_spec
from everfit.validation import load_suite
from flows.cli import app

README = (Path(__file__).parents[1] / "README.md").read_text()
BLOCKS = re.findall(r"```(\w*)\n(.*?)```", README, flags=re.DOTALL)
COMMANDS = sorted(
    set(re.findall(r"(?:^\$ |`|uv run )(everfit [a-z][^`\n|]*?)(?=`|\n|$|  )", README, flags=re.MULTILINE))
)


@pytest.mark.parametrize("said", COMMANDS)
def test_a_command_of_the_readme_exists_with_its_options(said):
    words = [word for word in shlex.split(re.sub(r"\[.*?\]", "", said))[1:] if word != "..."]
    command = typer.main.get_command(app)
    while words and hasattr(command, "commands") and words[0] in command.commands:
        command = command.commands[words.pop(0)]
    assert not hasattr(command, "commands"), f"'{said}' names no command"
    known = {option for parameter in command.params for option in parameter.opts}
    assert {word for word in words if word.startswith("--")} <= known


def test_the_model_file_of_the_readme_is_right(tmp_path):
    (text,) = [text for kind, text in BLOCKS if kind == "yaml" and "data:" in text]
    (tmp_path / "bike-demand.yaml").write_text(text)
    assert parse_spec(documents.read(tmp_path / "bike-demand.yaml")).name == "bike-demand"


def test_the_search_of_the_readme_is_right():
    (text,) = [text for kind, text in BLOCKS if kind == "yaml" and text.startswith("search:")]
    assert Search.model_validate(YAML(typ="safe").load(text)["search"]).max_latency_ms == 10


@pytest.mark.parametrize("key", ["serve", "rollout", "predict"])
def test_what_the_readme_says_of_serving_is_right(key):
    (text,) = [text for kind, text in BLOCKS if kind == "yaml" and text.startswith(f"{key}:")]
    said = YAML(typ="safe").load(text)[key]
    spec = ModelSpec.model_validate({"name": "bike", "data": {"source": "x", "target": "y"}, key: said})
    assert (spec.serve == Serve()) == (key != "serve" or "# the defaults" in text)


def test_the_suite_of_the_readme_is_right(tmp_path):
    (text,) = [text for kind, text in BLOCKS if kind == "yaml" and "expectations:" in text]
    (tmp_path / "bike_demand.yaml").write_text(text)
    assert len(load_suite("bike_demand", tmp_path).rules) == len(YAML(typ="safe").load(text)["expectations"])


def test_the_notebook_of_the_readme_runs(tmp_path, monkeypatch, capsys):
    (code,) = [text for kind, text in BLOCKS if kind == "python"]
    hours = pd.date_range("2026", periods=200, freq="h")
    frame = pd.DataFrame({"datetime": hours, "temp": hours.hour / 2.0, "cnt": 3.5 * hours.hour + 4 * hours.dayofweek})
    frame.to_parquet(tmp_path / "rentals.parquet")
    monkeypatch.chdir(tmp_path)
    exec(code, {})
    assert "later rows judge earlier ones" in capsys.readouterr().out
    assert [path.name for path in tmp_path.iterdir()] == ["rentals.parquet"]


def test_the_list_of_commands_that_answer_in_json_names_each_of_them():
    def taking(command, name=""):
        if hasattr(command, "commands"):
            return {each for word, part in command.commands.items() for each in taking(part, f"{name} {word}".strip())}
        return {name} if any("--json" in parameter.opts for parameter in command.params) else set()

    (told,) = re.findall(r"^(.*\n?.*) take `--json`", README, flags=re.MULTILINE)
    assert set(re.findall(r"`([a-z ]+)`", told)) == taking(typer.main.get_command(app))


def test_the_tree_of_the_readme_names_each_room():
    told = {name for at in re.findall(r"^  (\w+/(?: \w+/)*) ", README, flags=re.MULTILINE) for name in at.split()}
    rooms = {f"{path.parent.name}/" for path in Path(documents.__file__).parent.glob("*/__init__.py")}
    assert rooms - told == {"spec/"}, "which is named among the vocabulary"


def test_the_table_of_settings_names_each_of_them():
    told = set(re.findall(r"^\| `EVERFIT_(\w+)`", README, flags=re.MULTILINE))
    assert told == {name.upper() for name in Settings.model_fields}


def test_the_table_of_exit_codes_names_each_of_them():
    told = {int(code) for code in re.findall(r"^\| (\d) \|", README, flags=re.MULTILINE)}
    raised = {kind.exit_code for kind in vars(errors).values() if hasattr(kind, "exit_code")}
    assert told == raised | {0, 1}
