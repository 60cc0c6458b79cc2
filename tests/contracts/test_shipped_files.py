"""Every model file and every suite that is in the repository can be used as it is."""

import json
import tomllib
from pathlib import Path

import pytest

from everfit import scaffold, validation
from everfit.spec import load_spec, model_names

ROOT = Path(__file__).parents[2]
MODELS = ROOT / "deployments" / "models"
SUITES = ROOT / "expectations"


@pytest.mark.parametrize("name", model_names(MODELS))
def test_a_model_file_loads_and_its_suites_are_there(name):
    spec = load_spec(name, MODELS)
    assert set(spec.suites) <= set(validation.suite_names(SUITES))


@pytest.mark.parametrize("name", validation.suite_names(SUITES))
def test_a_suite_builds(name):
    assert validation.load_suite(name, SUITES).rules


@pytest.mark.parametrize("kind", ["model", "suite"])
def test_the_schema_for_editors_is_the_one_of_the_code(kind):
    shipped = json.loads((ROOT / "deployments" / f"{kind}.schema.json").read_text())
    assert shipped == scaffold.schemas()[kind], "everfit schema --write brings it up to date"


def test_no_dependency_may_grow_without_bound():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    needed = [*project["dependencies"], *extras["flows"], *extras["serve"]]
    assert [each for each in needed if "<" not in each] == []
