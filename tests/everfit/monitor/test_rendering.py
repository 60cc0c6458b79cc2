import re
import shutil
import subprocess
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pytest

from everfit.monitor import blend, drift, rendering, telling
from everfit.monitor.decision import Evidence, decide
from everfit.monitor.findings import Finding
from everfit.monitor.headline import DOES, headline, in_short
from everfit.monitor.shifts import of_inputs
from everfit.schema import Schema
from everfit.spec import Monitor, Refit, Retrain
from everfit.upkeep.advance import advance, begin
from everfit.upkeep.measuring import Measured
from everfit.upkeep.state import Level, Mix

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")

SAME = Measured(500, {"all": 1.0, "recent": 9.0}, 1.0, 1.0, 0.0, 500.0, Level(0.5, 0.1, 500))
DUE = replace(begin(Refit(), "regression"), batches=1)


def judged(columns=3, **change):
    rng = np.random.default_rng(0)
    names = [f"column_{i} <b>|" for i in range(columns)]
    before = pd.DataFrame(rng.normal(size=(1000, columns)), columns=names)
    found = drift.compare(before, before + 1.5, columns=Schema.of(before))
    loss = Finding("performance", "the mean loss rose by 31%", severity="retrain", effect=0.31)
    facts = {"champion": 3, "labels": 900, "findings": (loss, of_inputs(found)), **change}
    now = datetime(2026, 11, 22, 3, tzinfo=UTC)
    seen = Evidence(**{"model": "bike", "batch": "b" * 64, "data_version": 7, "now": now, "rows": 1000, **facts})
    return seen, decide(seen, Monitor(), Retrain()), found


def test_the_page_says_the_verdict_first_and_needs_nothing_from_elsewhere(tmp_path):
    seen, decision, found = judged()
    text = rendering.page(tmp_path / "drift.html", seen, decision, found, evidently="evidently.html").read_text()
    assert text.index("Retrain: a search starts by itself") < text.index("What to do") < text.index("<table")
    assert 'href="evidently.html"' in text
    assert decision.id in text
    assert "<b>|" not in text
    assert not re.search(r"(src|href)=[\"']https?:", text)
    assert text.count("<svg") == 3


def lived(batches):
    """A champion that answered for so many labelled batches: the last evidence and decision, and the ledger's facts."""
    state, facts = begin(Refit(), "regression"), []
    for at in range(batches):
        measured = Measured(500, {"all": 1.0, "recent": 1.2 - at / 20}, 1.0, 0.9, at - 2.0, 500.0, Level(0.5, 0.1, 500))
        seen, decision, found = judged(batch=f"{at}" * 64, upkeep=state, measured=measured, costs={"refit": 12})
        facts.append({"evidence": seen.to_dict(), "decision": decision.to_dict()})
        state = decision.upkeep
    return seen, decision, found, facts


def test_the_page_shows_the_diagnosis_what_each_action_promises_and_the_blend_over_time(tmp_path):
    seen, decision, found, facts = lived(6)
    old = {**facts[0], "evidence": {**facts[0]["evidence"], "upkeep": None}}
    mixes = blend.history([old, *facts])
    assert [batch[0] for batch, _ in mixes] == list("012345")
    assert mixes[-1][1] == seen.upkeep.served, "what a decision leads to may be refused"
    text = rendering.page(tmp_path / "drift.html", seen, decision, found, history=mixes).read_text()
    done = f"Retrain: {DOES[decision.action]}"
    order = [done, "the world changed", "What to do", "Actions", "Signals", "Blend", "Columns"]
    assert [text.index(words) for words in order] == sorted(text.index(words) for words in order)
    assert "over the last 6 decisions" in text
    assert text.count("rows</title>") == sum(share > 0 for _, mix in mixes for share in mix.weights.values())
    assert "about 12 s" in text
    assert f"batch {'5' * 12}: answers moved by {seen.upkeep.served.move:+.3g}" in text
    assert len(text) < 40_000


def test_the_bars_of_the_blend_fill_the_picture_however_long_the_past_is():
    mixes = [(f"{at}", Mix({"all": 0.25, "recent": 0.75}, offset=(-1.0) ** at, trust=at / 99)) for at in range(100)]
    drawn = blend.picture(mixes)
    assert (drawn.windows, drawn.decisions) == (("all", "recent"), blend.SHOWN)
    assert max(bar.x + bar.width for bar in drawn.bars) <= blend.WIDTH
    assert {bar.height for bar in drawn.bars if bar.window == 1} == {0.75 * blend.SHARES}
    moves = [bar for bar in drawn.bars if bar.window is None]
    assert (drawn.most, max(bar.height for bar in moves)) == (1.0, blend.MOVES / 2)
    assert all((bar.y < blend.MIDDLE) == ("+" in bar.title) for bar in moves)
    assert all(blend.SHARES < bar.y <= bar.y + bar.height <= blend.HEIGHT for bar in moves)
    assert blend.picture(mixes[:1]) is None


def test_the_next_refit_is_counted_from_the_last_one_also_when_that_was_undone():
    tried = replace(DUE, batches=9)
    tried = replace(tried, tracks=tuple(replace(track, gap=4.0, fitted=2, tried=8) for track in tried.tracks))
    assert [(one.age, one.left) for one in blend.standings(tried)] == [(7, 3), (7, 3)]
    after, plan = advance(replace(tried, batches=8), SAME, Refit())
    assert plan.reasons[0].endswith(f"in {min(one.left for one in blend.standings(after))} batch(es)")


@pytest.mark.parametrize(("again", "why"), [(False, "Too few new labels"), (True, "were weighed before")])
def test_the_page_says_why_no_window_was_measured(again, why, tmp_path):
    seen, decision, _ = judged(upkeep=DUE, again=again)
    text = rendering.page(tmp_path / "drift.html", seen, decision).read_text()
    assert why in text
    assert ("Too few new labels" in text) is not again


def test_a_decision_of_before_there_were_diagnoses_has_a_page_too(tmp_path):
    seen, decision, found = judged()
    old = replace(decision, diagnosis=None, wanted=None)
    text = rendering.page(tmp_path / "drift.html", seen, old, found).read_text()
    assert "Retrain: a search starts by itself" in text
    assert "Actions" not in text
    assert "Diagnosis" not in telling.markdown(seen, old, found)


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"findings": ()}, "Fine: nothing to do"),
        ({"findings": (Finding("labels", "overdue", severity="watch"),)}, "Watch: labels"),
        ({"findings": (Finding("null burst", "x", severity="repair"),)}, "Data fault: repair the feed"),
        ({"findings": (), "upkeep": DUE, "measured": SAME}, "Fine: the champion learns again from newer rows"),
        ({"findings": (), "upkeep": DUE, "measured": SAME, "waiting": 4}, "Fine: a refit is held back"),
        ({"upkeep": begin(Refit(), "regression"), "measured": SAME}, "Retrain: refits are at work"),
    ],
)
def test_the_headline_says_how_the_model_is_and_what_is_done(change, line):
    seen, decision, _ = judged(**change)
    assert headline(decision) == line
    head = f"bike: batch {seen.batch[:12]}, 1,000 rows, champion v3, decision {decision.id}"
    assert telling.markdown(seen, decision).startswith(f"## {line}\n\n{head}\n")


COOLING = {"retrained": (datetime(2026, 11, 22, 2, tzinfo=UTC),), "labels": 12}
VAIN = replace(DUE, risen=5)


@pytest.mark.parametrize(
    ("change", "title", "blockers", "held"),
    [
        ({"findings": (), "upkeep": DUE, "measured": SAME, **COOLING}, "stands against a refit now", 0, False),
        ({"findings": (), "upkeep": DUE, "measured": SAME, "waiting": 4}, "holds the refit back", 1, True),
        ({"findings": (), **COOLING}, "stands against a search now", 2, False),
        ({"upkeep": VAIN, "measured": SAME, **COOLING}, "holds the search back", 2, True),
        ({"findings": (Finding("null burst", "x", severity="repair"),)}, "stands against learning", 1, False),
    ],
)
def test_what_stands_in_the_way_says_in_whose_and_is_told_wherever_it_holds_something_back(
    change, title, blockers, held, tmp_path
):
    seen, decision, _ = judged(**change)
    assert len(decision.blockers) == blockers
    text = rendering.page(tmp_path / "drift.html", seen, decision).read_text()
    assert f"<h3>What {title}</h3>" in text
    assert (
        (f"**What {title}**\n\n- {decision.blockers[0][:20]}" in telling.markdown(seen, decision))
        if held
        else ("**What" not in telling.markdown(seen, decision).replace("**What to do", ""))
    )


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"findings": ()}, "fine"),
        ({"findings": (Finding("null burst", "x", severity="repair"),)}, "data fault: repair the feed"),
        ({"findings": (), "upkeep": DUE, "measured": SAME}, "fine, refit of recent rows"),
        ({"findings": (), "upkeep": DUE, "measured": SAME, "waiting": 4}, "fine, a refit is held back"),
        ({}, "retrain, search"),
        ({"upkeep": begin(Refit(), "regression"), "measured": SAME}, "retrain, refits are at work"),
    ],
)
def test_in_short_the_verdict_comes_with_what_is_done(change, line):
    assert in_short(judged(**change)[1]) == line


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
    markdown = telling.markdown(seen, decision, found)
    assert "and 140 more columns" in markdown
    assert len(markdown) < 5000


def test_markdown_says_verdict_reasons_and_blockers():
    seen, decision, found = judged(labels=10)
    markdown = telling.markdown(seen, decision, found)
    assert markdown.startswith("## Retrain: a search is held back\n")
    assert "**Diagnosis: the world changed.** The loss on labelled rows rose by 31%" in markdown
    assert "| search | not known before it has run" in markdown
    assert "| performance | retrain | the mean loss rose by 31% |" in markdown
    assert "**What holds the search back**\n\n- 10 labelled rows" in markdown
    assert r"column_0 &lt;b>\|" in markdown


@pytest.mark.browser
@pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")
def test_the_page_opens_in_a_browser_without_a_network(tmp_path):
    seen, decision, found = judged()
    page = rendering.page(tmp_path / "drift.html", seen, decision, found)
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--host-resolver-rules=MAP * ~NOTFOUND", "--dump-dom"]
    shown = subprocess.run([CHROMIUM, *options, page.as_uri()], capture_output=True, text=True, timeout=60, check=True)
    assert "Retrain: a search starts by itself" in shown.stdout
