"""A policy lives through a small history whose change and whose broken day are known."""

import pickle
import re
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import joblib
import numpy as np
import pandas as pd
import pytest

from everfit import evaluation
from everfit.backtest import page, recommend, run, telling
from everfit.backtest.asked import Asked, with_policy
from everfit.backtest.checks import checked
from everfit.backtest.history import cut, read
from everfit.backtest.lives import Deed, Kept, Performance, Said, together
from everfit.backtest.plan import BEST, CALENDAR, EVERY, NEVER, OTHER, THIS, calendar, spaced
from everfit.backtest.result import Ahead, Result, Variant, ahead
from everfit.errors import DataError, EverfitError, InputError, SpecError
from everfit.upkeep.keeper import Keeper
from everfit.validation import load_suites
from tests.everfit.backtest import planted_history as planted

SUITE = """
name: toy
expectations:
  - type: expect_column_values_to_not_be_null
    kwargs: {column: a}
    on_fail: quarantine
  - type: expect_column_median_to_be_between
    kwargs: {column: b, max_value: 100}
"""
ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> SimpleNamespace:
    """The backtest in one process, and where it left what it remembers."""
    base = tmp_path_factory.mktemp("backtest")
    planted.history().to_parquet(base / "history.parquet", index=False)
    return SimpleNamespace(base=base, home=base / "home", result=planted.lived(base, base / "home"))


def timeless(result: Result, *names: str) -> list[dict]:
    """Return what became of policies but for the seconds that it took, which no seed repeats."""
    plain = [result.policy(name).to_dict() for name in names]
    for each in plain:
        each["seconds"] = each["cpu_seconds"] = None
        for deed in each["deeds"]:
            deed["searched"] = None
    return plain


def worse() -> Variant:
    return Variant("refit.recent", 10, 5, 9.9, 12, 0.4, Ahead(THIS, -0.5, 0.99, 20))


def first_only(story: SimpleNamespace, home: Path) -> Path:
    """Return a home that knows the first model and nothing else."""
    (known,) = story.home.iterdir()
    (home / known.name).mkdir(parents=True)
    shutil.copy(known / "first.joblib", home / known.name)
    return home


def test_a_policy_that_refits_beats_none_where_the_world_changed(story):
    this, never = story.result.policy(THIS), story.result.policy(NEVER)
    assert this.refits >= 5
    assert never.fits == 0
    assert this.score < 0.5 * never.score
    settled = planted.CHANGE - planted.WARM + 7
    assert max(this.scores[settled:]) < 0.05 * min(never.scores[settled:])
    assert story.result.share > 0.8
    equal, most = story.result.policy(CALENDAR), planted.DAYS - planted.WARM - 1
    assert equal.fits == min(this.fits, most)
    assert any("a calendar makes one after each batch" in note for note in story.result.notes) == (this.fits > most)


def test_the_broken_day_is_refused_alone_and_nothing_is_learnt_from_it(story):
    broken = planted.BROKEN - planted.WARM
    for name in (THIS, OTHER):
        refused = [deed for deed in story.result.policy(name).deeds if deed.action == "repair"]
        assert [deed.batch for deed in refused] == [broken]
        assert "a changed unit?" in refused[0].reasons[0]
        assert refused[0].fits == 0
    assert story.result.policy(EVERY).scores[broken + 1] > 1.5 * story.result.policy(THIS).scores[broken + 1]


def test_a_policy_that_does_not_refit_searches_and_its_challenger_is_judged_on_rows_that_neither_knew(story):
    other = story.result.policy(OTHER)
    (search,) = [deed for deed in other.deeds if deed.action == "search"]
    assert search.batch == planted.CHANGE - planted.WARM
    assert (other.refits, other.searches, other.promotions) == (0, 1, 1)
    known = planted.ROWS * (search.batch + planted.WARM)  # with the batch that led to it, without the broken one
    days = -(-known // 5 // planted.ROWS)  # of which the last fifth is held out, in whole days
    assert f"on {days * planted.ROWS} rows" in search.judged
    assert "of v1 on the same rows" in search.judged
    held = [deed for deed in other.deeds if deed.verdict == "retrain" and deed.action == "none"]
    assert all(any("cooldown of 4d" in why for why in deed.blockers) for deed in held)


def test_each_batch_has_a_score_and_a_deed_and_the_best_window_is_the_best(story):
    for each in story.result.policies:
        assert len(each.scores) == len(each.seconds) == planted.DAYS - planted.WARM
    assert [deed.batch for deed in story.result.policy(THIS).deeds] == list(range(planted.DAYS - planted.WARM))
    assert story.result.policy(BEST).score <= story.result.policy(EVERY).score


def test_the_same_seed_gives_the_same_also_with_a_process_for_each_policy(story, tmp_path):
    again = planted.lived(story.base, tmp_path, workers=2, alone=True)
    names = (THIS, NEVER, EVERY, CALENDAR, BEST)
    assert timeless(again, *names) == timeless(story.result, *names)


def test_what_was_killed_goes_on_where_it_was_and_ends_the_same(story, tmp_path):
    home, each = first_only(story, tmp_path), planted.DAYS - planted.WARM
    after = 5 * each + 12  # when the policy that searches, the sixth, has a new champion
    command = [sys.executable, "-m", "tests.everfit.backtest.planted_history", str(story.base), str(home), str(after)]
    assert subprocess.run(command, cwd=ROOT, check=False).returncode == -signal.SIGKILL
    for answers in home.rglob("*.said"):
        answers.write_bytes(answers.read_bytes() + b"half an answer")
    told: list[tuple[float, str, bool]] = []
    again = planted.lived(story.base, home, tell=lambda *each: told.append(each))
    names = (THIS, NEVER, EVERY, OTHER, CALENDAR, BEST)
    assert timeless(again, *names) == timeless(story.result, *names)
    assert len(told) == 6 * each - after + 6  # each of six tells at once what it had done
    assert told[-1] == (1.0, f"searches.yaml: batch by batch, {each} of {each}", True)
    assert sum(milestone for *_, milestone in told) == 6 + 4, "what each had done, and each tenth of what was left"


def kept(story: SimpleNamespace) -> Kept:
    """Return the policy of the model file, before the first batch."""
    (first,) = story.home.glob("*/first.joblib")
    history = cut(planted.spec(), planted.ASKED, planted.history())
    return Kept(planted.spec(), history, joblib.load(first), planted.ASKED)


def live(life: Kept, batches: int) -> list[Deed]:
    history, deeds = life.history, []
    for number in range(batches):
        life.answer(number)
        deeds.append(life.learn(number, history.batches[number].ended))
    return deeds


def test_what_is_remembered_of_a_policy_holds_no_row_and_no_answer(story):
    life = kept(story)
    live(life, 4)
    again = pickle.loads(pickle.dumps(life))
    keeper = again.session.keeper
    rows = (keeper.frame, keeper._rows, keeper._labels, keeper._met[1], again.said)
    assert not any(map(len, rows))
    assert not hasattr(keeper, "_newest")
    again.resume(life.history, life.said)
    pd.testing.assert_frame_equal(keeper._rows, life.session.keeper._rows)
    assert len(together(again.said, life.history)) == 4 * planted.ROWS


def test_a_refit_that_was_refused_is_none(story, monkeypatch):
    monkeypatch.setattr(Keeper, "_learnt", lambda *_: None)
    life = kept(story)
    deeds = [deed for deed in live(life, 4) if deed.action == "refit"]
    assert deeds
    assert all("are of one class" in deed.judged for deed in deeds)
    assert (life.session.labelled, life.performance.beyond) == (4 * planted.ROWS, 0)
    assert len(life.performance.since) == 4


def test_after_refits_the_few_labels_since_may_show_a_rise_as_in_production(story):
    life, spec = kept(story), planted.spec()
    assert spec.monitor.min_labels > planted.ROWS
    live(life, 4)
    history, session = life.history, life.session
    life.performance.refitted()
    frame = history.frame.iloc[history.batches[-1].rows]
    answers = session.keeper.answers(frame)
    (found,) = life.performance(session, frame, -frame["y"].to_numpy(), answers)
    assert (life.performance.beyond, found.severity) == (4 * planted.ROWS, "retrain")
    (first,) = Performance(life.performance.reference)(session, frame, -frame["y"].to_numpy(), answers)
    assert "not enough labels" in first.text


def test_what_is_personal_is_part_of_what_is_asked(story, tmp_path):
    spec, history = planted.spec(), cut(planted.spec(), planted.ASKED, planted.history())
    folders = []
    for personal in ((), ("a",)):
        with run.prepared(spec, history, planted.ASKED, tmp_path, tell=lambda *_: None, personal=personal) as stage:
            folders.append(stage.folder)
    assert folders[0] != folders[1]


def test_labels_that_come_late_are_learnt_from_late(story, tmp_path):
    asked = replace(planted.ASKED, delay=3)
    late = planted.lived(story.base, tmp_path, alone=True, asked=asked)
    assert [deed.batch for deed in late.policy(THIS).deeds] == list(range(planted.DAYS - planted.WARM - 2))
    assert late.policy(THIS).score > story.result.policy(THIS).score
    assert late.policy(THIS).score < 0.8 * late.policy(NEVER).score


def test_the_page_opens_anywhere_and_says_what_the_terminal_says(story, tmp_path):
    by = Ahead(THIS, 0.5, 0.001, 20)
    better = replace(worse(), score=7.9, ahead=by, better=True)
    saved = page.save(tmp_path, replace(story.result, variants=(better, worse())))
    assert "recommended: refit.recent: 10 in place of 5, alone" in "\n".join(telling.lines(saved))
    text = Path(saved.page).read_text()
    assert not re.search(r'(src|href)="(?!data:image/png;base64,)|https?:|@import|url\(', text)
    for line in (telling.headline(saved), *telling.lines(saved), telling.legend(saved)):
        assert line.replace("'", "&#39;").replace(">", "&gt;") in text
    assert {path.stem for path in (tmp_path / "plots").iterdir()} == {"quality", "cost", "frontier"}
    assert Result.from_dict(saved.to_dict()) == saved


def test_thresholds_are_recommended_only_beyond_luck(story):
    changes = recommend.changes(planted.spec())
    assert {change.key for change in changes} >= {"refit.recent", "refit.memory", "monitor.loss_increase"}
    assert len({change.of(planted.spec()).place for change in changes}) == len(changes) > 5
    assert "present thresholds are fine" in telling.recommended(replace(story.result, variants=(worse(),)))[0]
    metric, this = evaluation.metric("mae"), story.result.policy(THIS)
    moved = [replace(this, scores=tuple(s - d for s in this.scores)) for d in (0.1, -0.1)]
    assert [ahead(metric, each, this).shown for each in moved] == [True, False]
    noise = np.random.default_rng(1).normal(0, 1, len(this.scores))
    assert not ahead(metric, replace(this, scores=tuple(np.array(this.scores) + noise - noise.mean())), this).shown


def test_what_suites_refuse_or_set_aside_nobody_learns_from(tmp_path):
    (tmp_path / "toy.yaml").write_text(SUITE)
    frame, day = planted.history(), planted.WARM + 2
    rows = np.flatnonzero(frame["day"] == frame["day"].iloc[day * planted.ROWS])
    frame.loc[rows[:3], "a"] = None
    history = checked(cut(planted.spec(), planted.ASKED, frame), load_suites(("toy",), tmp_path), model="toy")
    assert history.broken == frozenset(rows[:3].tolist())
    assert list(history.refused) == [planted.BROKEN - planted.WARM]
    learnt = history.known(range(len(history.batches)))
    assert len(learnt) == len(frame) - 3 - planted.ROWS
    assert not set(learnt) & {*rows[:3], *np.flatnonzero(frame["b"] > 1000)}


@pytest.mark.parametrize(
    ("asked", "change", "error", "said"),
    [
        ({"batch": "1d"}, {"time": None}, InputError, "names no data.time"),
        ({"batch": "soon"}, {}, InputError, "--batch is 'soon'"),
        ({"batch": "0"}, {}, InputError, "--batch is '0'"),
        ({"batch": "20"}, {"time": None}, InputError, "A batch has 20 rows, and 30 are the fewest"),
        ({"batch": "4w"}, {}, InputError, "1 batch(es) of 4w; 3 are needed"),
        ({"warmup": 1.5}, {}, InputError, "--warmup is 1.5"),
        ({"delay": -1}, {}, InputError, "--delay is -1"),
        ({}, {"target": "z"}, DataError, "no column 'z'"),
    ],
)
def test_what_cannot_be_is_one_clear_error(asked, change, error, said):
    spec = planted.spec()
    spec = spec.model_copy(update={"data": spec.data.model_copy(update=change)})
    with pytest.raises(error, match=re.escape(said)):
        cut(spec, Asked(**asked), planted.history())


def test_a_history_is_cut_by_time_or_by_rows_and_a_moment_is_never_parted():
    spec, frame = planted.spec(), planted.history()
    shuffled = frame.sample(frac=1, random_state=1)
    shuffled.loc[shuffled.index[:7], "y"] = None
    by_week = cut(spec, Asked(batch="1w"), shuffled)
    assert by_week.frame["day"].is_monotonic_increasing
    assert by_week.left_out == 7
    assert by_week.frame["day"].iloc[by_week.warm - 1] < by_week.frame["day"].iloc[by_week.warm]
    assert [batch.ended - batch.began for batch in by_week.batches[:-1]] == [timedelta(days=6)] * 2
    hours = frame.assign(day=frame["day"] + pd.to_timedelta(np.arange(len(frame)) % planted.ROWS * 20, unit="min"))
    assert {batch.began.hour for batch in cut(spec, Asked(batch="3d", warmup=0.31), hours).batches} == {0}
    for batch, count in (("500", 3), ("", 21)):
        days = [set(frame["day"].iloc[each.rows]) for each in cut(spec, Asked(batch=batch), frame).batches]
        assert len(days) == count
        assert not any(one & other for one, other in pairwise(days))
    timeless = spec.model_copy(update={"data": spec.data.model_copy(update={"time": None})})
    assert len(cut(timeless, Asked(), frame).batches) == 25


def test_labels_are_learnt_when_they_exist_and_no_sooner():
    days = cut(planted.spec(), planted.ASKED, planted.history())
    assert days.learnt(0) == days.learnt(1) == tuple((at,) for at in range(len(days.batches)))
    assert days.learnt(3)[:4] == ((), (), (0,), (1,))
    days = replace(days, batches=tuple(batch for at, batch in enumerate(days.batches) if at not in (2, 3, 4)))
    learnt = days.learnt(0, timedelta(days=2))
    assert learnt[:4] == ((), (), (0, 1), ())
    for now, known in enumerate(learnt):
        assert all(days.batches[now].ended >= days.batches[at].ended + timedelta(days=2) for at in known)


def test_labels_that_come_alone_are_joined_by_their_ids(tmp_path):
    whole = planted.history().assign(number=lambda rows: np.arange(len(rows)))
    whole.drop(columns="y").to_parquet(tmp_path / "history.parquet", index=False)
    said = pd.concat([whole[["number", "y"]].head(3).assign(y=-1.0), whole[["number", "y"]].tail(-1)])  # two corrected
    said.to_parquet(tmp_path / "labels.parquet", index=False)
    spec = planted.spec()
    data = spec.data.model_copy(update={"labels": "labels.parquet", "ids": ("number",)})
    history = read(spec.model_copy(update={"data": data}), planted.ASKED, tmp_path)
    assert history.y == pytest.approx([-1.0, *whole["y"].tail(-1)])


def test_each_answer_is_decided_as_it_was_at_its_time():
    frame = planted.history().assign(y=lambda rows: np.where(rows["a"] > 10, "yes", "no"))
    history, classes = cut(planted.spec(), planted.ASKED, frame), np.array(["no", "yes"])
    probabilities = np.array([[0.6, 0.4], [0.9, 0.1]])
    parts = [Said(probabilities, classes, np.array([1, 2])), Said(probabilities, classes)]
    said = together(parts, history)
    assert said.values.tolist() == ["yes", "no", "no", "no"]
    assert said.score.tolist() == [0.4, 0.1, 0.4, 0.1]


def test_too_little_is_refused():
    with pytest.raises(DataError, match="the first model needs 100"):
        cut(planted.spec(), Asked(), planted.history().head(80))


def test_another_policy_is_a_model_file_or_a_part_of_one(tmp_path):
    path, spec = tmp_path / "other.yaml", planted.spec().model_copy(update={"owner": "me"})
    path.write_text("refit: {recent: 9}")
    assert (with_policy(spec, path).refit.recent, with_policy(spec, path).owner) == (9, "me")
    path.write_text("reffit: {recent: 9}")
    with pytest.raises(SpecError, match="Did you mean 'refit'"):
        with_policy(spec, path)
    path.write_text("refit: {recents: 9}")
    with pytest.raises(EverfitError, match=r"other.yaml:1: refit.recents.*Did you mean 'recent'"):
        with_policy(spec, path)


def test_a_calendar_is_equally_spaced():
    assert spaced(3, 8) == [1, 3, 5]
    assert spaced(99, 5) == [0, 1, 2, 3]
    assert spaced(0, 5) == []
    assert [calendar(fits, 5).title for fits in (1, 99)] == ["calendar, 1 fit", "calendar, 4 fits"]
