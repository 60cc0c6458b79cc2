"""The images and the stack, as far as they can be judged without a Docker engine."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from ruamel.yaml import YAML

ROOT = Path(__file__).parents[2]
HERE = ROOT / "deployments"
COMPOSE = YAML(typ="safe").load((HERE / "compose.yaml").read_text())
PROJECT, BUILD = (tomllib.loads((ROOT / "pyproject.toml").read_text())[key] for key in ("project", "build-system"))
WRITABLE = {"/var/lib/everfit", "/srv/everfit", "/tmp"}


@pytest.mark.parametrize("command", [
    ["hadolint", "Dockerfile"],
    ["check-jsonschema", "--builtin-schema", "vendor.compose-spec", "compose.yaml"],
])  # fmt: skip
def test_a_linter_finds_nothing(command):
    program = Path(sys.executable).with_name(command[0])
    said = subprocess.run([program, *command[1:]], cwd=HERE, capture_output=True, text=True, check=False)
    assert said.returncode == 0, said.stdout + said.stderr


def test_the_images_pin_what_the_project_allows():
    lines = (HERE / "constraints.txt").read_text().splitlines()
    pins = {each.name: each for each in map(Requirement, filter(lambda line: line[0] != "#", lines))}
    extras = PROJECT["optional-dependencies"]
    needs = [*BUILD["requires"], *PROJECT["dependencies"], *extras["serve"], *extras["flows"], *extras["postgres"]]
    for needed in map(Requirement, needs):
        (pinned,) = pins[needed.name].specifier
        assert pinned.version in needed.specifier, needed
    assert not re.search(r"https?://|--index", "\n".join(lines))
    for installs in re.findall(r"pip (?:install|wheel) .*", (HERE / "Dockerfile").read_text()):
        assert "--constraint deployments/constraints.txt" in installs or "--no-deps --no-build-isolation" in installs


def test_the_builder_is_given_what_it_copies():
    let = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    copied = re.findall(r"^COPY (?!--from)(.*) \S+$", (HERE / "Dockerfile").read_text(), flags=re.MULTILINE)
    assert {path for line in copied for path in line.split()} == let
    assert all((ROOT / path).exists() for path in let)


def test_whatever_is_ours_runs_without_rights_and_writes_only_where_it_says():
    ours = {name: each for name, each in COMPOSE["services"].items() if name != "postgres"}
    assert len(ours) == 5
    for each in ours.values():
        assert (each["init"], each["read_only"], each["tmpfs"], each["cap_drop"]) == (True, True, ["/tmp"], ["ALL"])
        mounts = [volume.split(":") for volume in each.get("volumes", []) if not volume.endswith(":ro")]
        assert {target for _, target in mounts} <= WRITABLE


def test_the_readme_says_where_the_runner_can_write_predictions():
    (output,) = re.findall(r"`predict.output` as `(\S+)/said", (ROOT / "README.md").read_text())
    assert f"shared:{output}" in COMPOSE["services"]["runner"]["volumes"]


def test_nobody_starts_before_the_tables_are_made():
    waits = {name: each.get("depends_on", {}) for name, each in COMPOSE["services"].items()}
    assert waits["migrate"] == {"postgres": {"condition": "service_healthy"}}
    done = {"migrate": {"condition": "service_completed_successfully"}}
    assert waits["prefect"] == waits["mlflow"] == done
    for name in ("runner", "serving"):
        assert waits[name]
        assert all(COMPOSE["services"][other]["healthcheck"] for other in waits[name])


def test_each_setting_of_the_stack_is_told_and_what_must_be_said_in_the_readme_too():
    example = (HERE / "env.example").read_text()
    must = re.findall(r"^(\w+)=", example.split("\n\n")[1], flags=re.MULTILINE)
    (said,) = re.findall(r"^cp deployments/env.example.*$", (ROOT / "README.md").read_text(), flags=re.MULTILINE)
    assert "EVERFIT_SERVE_TOKENS" in must
    assert set(must) <= set(re.findall(r"\w+", said))
    asked = set(re.findall(r"\$\{(\w+)", (HERE / "compose.yaml").read_text()))
    assert asked | {"EVERFIT_HASH_KEY"} <= set(re.findall(r"^(?:# )?(\w+)=", example, flags=re.MULTILINE))


def test_only_what_scores_and_answers_is_told_the_secrets():
    told = {name for name, each in COMPOSE["services"].items() if ".env" in str(each.get("env_file"))}
    assert told == {"runner", "serving"}
