"""What an operator sees, in a real browser on a real training."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from everfit.errors import ValidationStopped
from flows.talk import call
from tasks.states import plainly

pytestmark = [pytest.mark.browser, pytest.mark.slow]
QUIET = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-sync"]  # fmt: skip
MODEL = "name: kiosk\nowner: ada\ndata: {source: rentals.parquet, target: cnt, time: at}\nsearch: {budget: 5s}\n"


@pytest.fixture(scope="module")
def chromium():
    if found := shutil.which("chromium") or shutil.which("chromium-browser"):
        return found
    if os.environ.get("EVERFIT_REQUIRE_ALL") == "1":
        pytest.fail("Chromium is not installed")
    pytest.skip("Chromium is not installed")


@pytest.fixture(scope="module")
def trained(prefect_api, tmp_path_factory):
    """Train a model the way a user does, on the server that the tests share; return its run."""
    folder = tmp_path_factory.mktemp("trained")
    draw = np.random.default_rng(0)
    at = pd.date_range("2026-01-01", periods=800, freq="h")
    temp = draw.normal(10, 5, 800)
    frame = pd.DataFrame({"at": at, "temp": temp, "cnt": 50 + 5 * temp + draw.normal(0, 3, 800)})
    frame.to_parquet(folder / "rentals.parquet")
    (folder / "deployments" / "models").mkdir(parents=True)
    (folder / "deployments" / "models" / "kiosk.yaml").write_text(MODEL)
    environment = os.environ | {"EVERFIT_PREFECT_API": prefect_api, "OMP_NUM_THREADS": "1"}
    command = [str(Path(sys.executable).parent / "everfit"), "train", "kiosk", "--reason", "for the operators"]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (run,) = [r for r in call(f"{prefect_api}/flow_runs/filter", {}) if "kiosk" in r["name"]]
    return run


@pytest.fixture(scope="module")
def failed(prefect_api):
    """A run that a broken batch stopped."""
    from prefect import flow

    @flow(name="train", flow_run_name="train broken")
    @plainly
    def train():
        raise ValidationStopped("broken: 1 batch failed critical rules.", do="Repair the feed.")

    with pytest.raises(ValidationStopped):
        train()
    (run,) = call(f"{prefect_api}/flow_runs/filter", {"flow_runs": {"name": {"any_": ["train broken"]}}})
    return run


def test_an_operator_sees_what_happened_why_and_what_to_do(chromium, prefect_api, trained, failed, tmp_path):
    from playwright.sync_api import sync_playwright

    pages = prefect_api.removesuffix("/api")
    artifacts = {a["key"]: a for a in call(f"{prefect_api}/artifacts/latest/filter", {}) if "kiosk" in a["key"]}
    shown = {
        "data-report": "rentals.parquet",
        "search-progress": "Progress: 100%",
        "leaderboard": "dummy",
        "promotion-verdict": "constant guess",
    }
    asked: set[str] = set()
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=QUIET)
        page = browser.new_page(viewport={"width": 1400, "height": 1000})
        page.on("request", lambda request: asked.add(request.url))
        page.set_default_timeout(30_000)

        page.goto(f"{pages}/runs/flow-run/{trained['id']}")
        page.get_by_text("train kiosk on data v").first.wait_for()
        page.get_by_text("for the operators").first.wait_for()
        page.get_by_text("Promoted", exact=True).first.wait_for()
        page.get_by_text("Artifacts", exact=True).first.click()
        for kind in shown:
            page.get_by_text(f"kiosk-{kind}").first.wait_for()
        page.screenshot(path=tmp_path / "run.png", full_page=True)

        for kind, text in shown.items():
            page.goto(f"{pages}/artifacts/artifact/{artifacts[f'kiosk-{kind}']['latest_id']}")
            page.get_by_text(text).first.wait_for()
            page.screenshot(path=tmp_path / f"{kind}.png")

        page.goto(f"{pages}/runs/flow-run/{failed['id']}")
        page.get_by_text("Details", exact=True).first.click()
        page.get_by_text("broken: 1 batch failed critical rules.").first.wait_for()
        page.get_by_text("Repair the feed.").first.wait_for()
        page.screenshot(path=tmp_path / "failed.png")
        browser.close()
    assert all((tmp_path / f"{name}.png").stat().st_size > 10_000 for name in ("run", "failed", *shown))
    assert {url.split("/")[2] for url in asked} == {pages.removeprefix("http://")}
