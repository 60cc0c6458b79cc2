"""What an operator sees, in a real browser on a real training."""

import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from everfit.errors import ValidationStopped
from everfit.search import pool
from flows.talk import call
from tasks.addresses import announced
from tasks.states import plainly
from tests.flows.test_bad_input import everfit

pytestmark = [pytest.mark.browser, pytest.mark.slow]
QUIET = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-sync"]  # fmt: skip
MODEL = "name: kiosk\nowner: ada\ndata: {source: rentals.parquet, target: cnt, time: at}\nsearch: {budget: 6s}\n"


@pytest.fixture(scope="module")
def chromium():
    if found := shutil.which("chromium") or shutil.which("chromium-browser"):
        return found
    if os.environ.get("EVERFIT_REQUIRE_ALL") == "1":
        pytest.fail("Chromium is not installed")
    pytest.skip("Chromium is not installed")


@pytest.fixture(scope="module")
def trained(moved_to, prefect_api):
    """Train a model and watch a batch the way a user does, on the server that the tests share."""
    settings = moved_to("trained")
    draw = np.random.default_rng(0)
    at = pd.date_range("2026-01-01", periods=1_400, freq="h")
    temp = draw.normal(10, 5, 1_400)
    frame = pd.DataFrame({"at": at, "temp": temp, "cnt": 50 + 5 * temp + draw.normal(0, 3, 1_400)})
    frame[:800].to_parquet("rentals.parquet")
    frame[800:].assign(temp=temp[800:] + 3).drop(columns="cnt").to_parquet("next.parquet")
    settings.models.mkdir(parents=True)
    (settings.models / "kiosk.yaml").write_text(MODEL)
    assert pool.ready(240)  # the imports of a busy machine may take longer than the budget
    bars: list[float] = []
    with announced(settings) as say, pytest.MonkeyPatch.context() as patch, ThreadPoolExecutor() as aside:
        say({"mlflow": "http://127.0.0.1:5000", "reports": "http://127.0.0.1:4280"})
        patch.setenv("EVERFIT_PREFECT_API", prefect_api)
        ended = Event()
        looking = aside.submit(look_at_the_bar, prefect_api, ended, bars)
        try:
            assert everfit("train", "kiosk", "--reason", "for the operators") == 0
        finally:
            ended.set()
        looking.result()
        assert everfit("monitor", "kiosk", "--data", "next.parquet") == 0
    named = {run["name"]: run for run in call(f"{prefect_api}/flow_runs/filter", {})}
    (train,) = (run for name, run in named.items() if name.startswith("train kiosk on data v1"))
    (monitor,) = (run for name, run in named.items() if name.startswith("monitor kiosk"))
    return SimpleNamespace(train=train, monitor=monitor, bars=bars)


def look_at_the_bar(prefect_api, ended, bars):
    """Look at the progress bar now and then, as an operator might, and once more at the end."""
    wanted = {"artifacts": {"key": {"any_": ["kiosk-search-progress"]}}}
    over = False
    while not over:
        over = ended.wait(0.5)
        bars.extend(float(bar["data"]) for bar in call(f"{prefect_api}/artifacts/latest/filter", wanted))


def test_the_progress_bar_moves_while_it_searches(trained):
    assert trained.bars == sorted(trained.bars)
    assert trained.bars[-1] == 100.0
    assert any(0 < bar < 100 for bar in trained.bars)


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
        "data-report": "next.parquet",
        "search-progress": "Progress: 100%",
        "leaderboard": "Constant guess",
        "search-report": "Full report",
        "promotion-verdict": "constant guess",
        "mlflow-run": "MLflow run",
        "drift-verdict": "of temp, ",
    }
    asked: set[str] = set()
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=QUIET)
        page = browser.new_page(viewport={"width": 1400, "height": 1000})
        page.on("request", lambda request: asked.add(request.url))
        page.set_default_timeout(30_000)

        page.goto(f"{pages}/runs/flow-run/{trained.train['id']}")
        page.get_by_text("train kiosk on data v").first.wait_for()
        page.get_by_text("for the operators").first.wait_for()
        page.get_by_text("Promoted", exact=True).first.wait_for()
        page.get_by_text("Artifacts", exact=True).first.click()
        for kind in shown:
            if kind != "drift-verdict":
                page.get_by_text(f"kiosk-{kind}").first.wait_for()
        page.screenshot(path=tmp_path / "run.png", full_page=True)
        page.goto(f"{pages}/runs/flow-run/{trained.monitor['id']}")
        page.get_by_text("monitor kiosk: ").first.wait_for()
        page.get_by_text("data v").first.wait_for()
        page.get_by_text("Artifacts", exact=True).first.click()
        page.get_by_text("kiosk-drift-verdict").first.wait_for()
        page.screenshot(path=tmp_path / "monitor.png", full_page=True)
        page.goto(f"{pages}/runs")
        page.get_by_text("monitor kiosk: ").first.wait_for()
        page.screenshot(path=tmp_path / "runs.png", full_page=True)

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
