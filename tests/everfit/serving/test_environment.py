"""The extra `serve`, as somebody installs it: what is in it, what is not, and that it answers."""

import json
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path
from urllib.error import URLError
from urllib.request import Request, urlopen

import pytest

from flows.ports import listen
from tests.everfit.serving.conftest import RECORD

ROOT = Path(__file__).parents[3]
MODEL_FILE = "name: bike\ndata: {source: x.csv, target: cost, time: when}\n"
ABSENT = {"prefect", "great-expectations", "evidently", "mlflow"}
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def programs(tmp_path_factory):
    """The folder of programs of an environment that has the extra and nothing else."""
    uv, made = shutil.which("uv"), tmp_path_factory.mktemp("environment") / "venv"
    if uv is None:
        pytest.fail("uv is not on the path: pip install uv")
    subprocess.run([uv, "venv", "--quiet", str(made)], cwd=ROOT, check=True)
    subprocess.run([uv, "pip", "install", "--quiet", "--python", str(made), ".[serve]"], cwd=ROOT, check=True)
    return made / "bin"


def test_it_has_what_answers_need_and_none_of_what_trains(programs):
    code = "import importlib.metadata as m, json; print(json.dumps([d.name.lower() for d in m.distributions()]))"
    installed = set(json.loads(_run(programs / "python", "-c", code).stdout))
    assert {"everfit", "fastapi", "uvicorn", "mlflow-skinny"} <= installed
    assert not {name.replace("_", "-") for name in installed} & ABSENT


def test_the_library_alone_imports_neither_the_registry_nor_the_service(programs):
    code = "from everfit import AutoML; import sys; print(sorted({'mlflow', 'skops', 'fastapi'} & set(sys.modules)))"
    assert _run(programs / "python", "-c", code).stdout == "[]\n"


def test_a_command_that_needs_more_says_which_extra_in_one_line(programs):
    said = _run(programs / "everfit", "train", "bike")
    assert (said.returncode, said.stderr.count("\n")) == (2, 1)
    assert said.stderr.startswith("everfit train needs the extra 'flows'")
    assert "pip install 'everfit[flows]'" in said.stderr


def test_it_answers_from_a_champion_that_was_trained_elsewhere_and_ends_when_told(programs, settings, champion):
    settings.models.mkdir(parents=True)
    (settings.models / "bike.yaml").write_text(MODEL_FILE)
    shutil.rmtree(settings.home / "versions")  # another machine knows of it from MLflow alone
    with listen(0) as probe:
        port = probe.getsockname()[1]
    with subprocess.Popen(
        [programs / "everfit", "serve", "bike", "--port", str(port)], cwd=settings.workspace, env=_env()
    ) as service:
        try:
            answer = _ask(f"http://127.0.0.1:{port}/predict")
            service.send_signal(signal.SIGTERM)
            assert service.wait(30) == 0
        finally:
            service.kill()
    assert answer["version"] == champion
    assert isinstance(answer["predictions"][0]["prediction"], float)


def _ask(url, patience=40):
    request = Request(url, json.dumps(RECORD).encode(), {"Content-Type": "application/json"})
    deadline = time.monotonic() + patience
    while True:
        try:
            with urlopen(request) as answer:
                return json.load(answer)
        except URLError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)


def _run(*command):
    return subprocess.run(command, capture_output=True, text=True, env=_env(), cwd="/", check=False)


def _env():
    return {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL_ENV"))}
