import re
import shutil
import subprocess
from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pytest

from everfit.monitor import drift, rendering
from everfit.monitor.decision import Evidence, decide
from everfit.monitor.findings import Finding
from everfit.schema import Schema
from everfit.spec import Monitor, Retrain

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")


def judged(columns=3, **change):
    rng = np.random.default_rng(0)
    names = [f"column_{i} <b>|" for i in range(columns)]
    before = pd.DataFrame(rng.normal(size=(1000, columns)), columns=names)
    found = drift.compare(before, before + 1.5, columns=Schema.of(before))
    loss = Finding("performance", "the mean loss rose by 31%", severity="retrain", effect=0.31)
    facts = {"champion": 3, "labels": 900, "findings": (loss, *found.findings()), **change}
    now = datetime(2026, 11, 22, 3, tzinfo=UTC)
    seen = Evidence(model="bike", batch="b" * 64, data_version=7, now=now, rows=1000, **facts)
    return seen, decide(seen, Monitor(), Retrain()), found


def test_the_page_says_the_verdict_first_and_needs_nothing_from_elsewhere(tmp_path):
    seen, decision, found = judged()
    text = rendering.page(tmp_path / "drift.html", seen, decision, found, evidently="evidently.html").read_text()
    assert text.index("Retrain: it starts by itself") < text.index("What to do") < text.index("<table")
    assert 'href="evidently.html"' in text
    assert decision.id in text
    assert "<b>|" not in text
    assert not re.search(r"(src|href)=[\"']https?:", text)
    assert text.count("<svg") == 3


def test_the_page_says_whose_data_version_it_names(tmp_path):
    text = rendering.page(tmp_path / "drift.html", *judged()).read_text()
    assert "version 3, made from data version 7" in text
    assert text.count("data version") == 1


def test_the_page_leads_to_predictions_beside_labels_where_there_is_such_a_report(tmp_path):
    names = {"evidently": "e.html", "performance": "e-performance.html"}
    text = rendering.page(tmp_path / "drift.html", *judged(), **names).read_text()
    assert 'Predictions beside labels in detail: <a href="e-performance.html">' in text
    assert 'Every column in detail: <a href="e.html">' in text
    assert "degraded" not in rendering.page(tmp_path / "drift.html", *judged(), evidently="e.html").read_text()


def test_the_page_says_when_the_report_is_degraded(tmp_path):
    text = rendering.page(tmp_path / "drift.html", *judged(), evidently="Evidently failed: ValueError").read_text()
    assert "degraded" in text
    assert "Evidently failed: ValueError" in text


def test_a_page_without_drift_still_says_the_verdict(tmp_path):
    seen, decision, _ = judged(findings=(), champion=None)
    text = rendering.page(tmp_path / "drift.html", seen, decision).read_text()
    assert "Fine: nothing to do" in text
    assert "no champion yet" in text


def test_wide_tables_are_bounded_on_the_page_and_in_markdown(tmp_path):
    seen, decision, found = judged(columns=150)
    text = rendering.page(tmp_path / "drift.html", seen, decision, found).read_text()
    assert text.count("<svg") == rendering.SHOWN_COLUMNS
    assert "50 more columns" in text
    markdown = rendering.markdown(seen, decision, found)
    assert "and 140 more columns" in markdown
    assert len(markdown) < 5000


def test_markdown_says_verdict_reasons_and_blockers():
    seen, decision, found = judged(labels=10)
    markdown = rendering.markdown(seen, decision, found)
    assert markdown.startswith("## Retrain: held back\n")
    assert "**Held back by**\n\n- 10 labelled rows" in markdown
    assert r"column_0 &lt;b>\|" in markdown


@pytest.mark.browser
@pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")
def test_the_page_opens_in_a_browser_without_a_network(tmp_path):
    seen, decision, found = judged()
    page = rendering.page(tmp_path / "drift.html", seen, decision, found)
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--host-resolver-rules=MAP * ~NOTFOUND", "--dump-dom"]
    shown = subprocess.run([CHROMIUM, *options, page.as_uri()], capture_output=True, text=True, timeout=60, check=True)
    assert "Retrain: it starts by itself" in shown.stdout
