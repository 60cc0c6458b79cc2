from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from everfit import registry
from everfit.errors import InputError, PromotionRefused, Unavailable
from everfit.registry import files
from everfit.registry.vendor import MlflowClient
from everfit.settings import Settings


@pytest.fixture(scope="module")
def three(tmp_path_factory, migrated, candidate):
    """A workspace with three registered versions; each test has its own ledger."""
    settings = Settings(workspace=tmp_path_factory.mktemp("three"), actor="ann")
    settings.folder()
    (settings.home / "mlflow.db").write_bytes(migrated.read_bytes())
    for number in range(3):
        registry.register(settings, replace(candidate, run_key=f"run-{number}"))
    return settings


@pytest.fixture
def settings(three, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")  # who is down is down the second time as well
    client = MlflowClient(tracking_uri=three.mlflow_uri)
    for name in aliases(three):
        client.delete_registered_model_alias("bike", name)
    client.set_registered_model_alias("bike", "challenger", "3")
    return Settings(**{**three.model_dump(), "ledger_url": f"sqlite:///{tmp_path / 'ledger.db'}"})


def aliases(settings):
    found = MlflowClient(tracking_uri=settings.mlflow_uri).get_registered_model("bike").aliases
    return {name: int(version) for name, version in found.items()}


def promote(settings, ledger, version, expected, **more):
    return registry.promote(settings, ledger, "bike", version, expected=expected, reason="better", **more)


def test_a_promotion_moves_the_ledger_and_then_the_aliases(settings, ledger):
    assert promote(settings, ledger, 1, None).to_dict() == {
        "model": "bike",
        "champion": 1,
        "replaced": None,
        "changed": True,
        "sentence": "bike: v1 became the first champion: better",
    }
    promote(settings, ledger, 2, 1)
    assert ledger.champion("bike") == 2
    assert aliases(settings) == {"champion": 2, "previous": 1, "challenger": 3}
    promote(settings, ledger, 3, 2)
    assert aliases(settings) == {"champion": 3, "previous": 2}


def test_a_promotion_that_lost_the_race_changes_nothing_and_is_recorded_as_refused(settings, ledger):
    promote(settings, ledger, 1, None)
    promote(settings, ledger, 2, 1)
    with pytest.raises(PromotionRefused, match="v2 is champion"):
        promote(settings, ledger, 3, 1)
    assert ledger.champion("bike") == 2
    assert aliases(settings) == {"champion": 2, "previous": 1}
    (refused,) = ledger.entries("bike", kinds=["promotion_refused"])
    assert refused.summary == (
        "v3 was refused; v2 stays champion: v2 took over meanwhile; this version was compared with v1"
    )


def test_a_promotion_asked_for_twice_happens_once(settings, ledger):
    promote(settings, ledger, 1, None)
    again = promote(settings, ledger, 1, None)
    assert not again.changed
    assert "v1 is champion already, promoted on" in again.sentence
    assert len(ledger.entries("bike")) == 1


def test_a_damaged_version_is_never_promoted(settings, ledger, candidate):
    broken = registry.register(settings, replace(candidate, model="broken", run_key="broken"))
    Path(broken.folder, files.MODEL).write_bytes(b"")
    with pytest.raises(InputError, match="broken v1 was altered"):
        registry.promote(settings, ledger, "broken", 1, expected=None, reason="better")
    assert ledger.champion("broken") is None


def test_a_version_that_does_not_exist_is_never_promoted(settings, ledger):
    with pytest.raises(InputError, match="bike has no version 9"):
        promote(settings, ledger, 9, None)
    assert ledger.entries() == []


def test_aliases_that_a_crash_left_behind_are_put_right(settings, ledger):
    promote(settings, ledger, 1, None)
    ledger.swap_champion("bike", expected=1, new=2, actor="ann")  # and here the process died
    assert aliases(settings)["champion"] == 1
    assert registry.sync_aliases(settings, ledger, "bike") == {"champion": 2, "previous": 1, "challenger": 3}
    assert aliases(settings) == {"champion": 2, "previous": 1, "challenger": 3}


def test_a_promotion_repeated_after_such_a_crash_finishes_it(settings, ledger):
    ledger.swap_champion("bike", expected=None, new=1, actor="ann")
    assert not promote(settings, ledger, 1, None).changed
    assert aliases(settings)["champion"] == 1


def test_aliases_of_a_model_that_mlflow_does_not_know_are_nobodys(settings, ledger):
    assert registry.sync_aliases(settings, ledger, "taxi") == {}


def test_somebody_elses_aliases_are_left_alone(settings, ledger):
    MlflowClient(tracking_uri=settings.mlflow_uri).set_registered_model_alias("bike", "holiday", "1")
    promote(settings, ledger, 1, None)
    assert aliases(settings)["holiday"] == 1


def test_a_rollback_brings_the_previous_champion_back(settings, ledger):
    promote(settings, ledger, 1, None)
    promote(settings, ledger, 2, 1)
    back = registry.rollback(settings, "bike", reason="it was worse")
    assert (back.champion, back.replaced, back.changed) == (1, 2, True)
    assert back.sentence == "bike: back to v1 from v2: it was worse"
    assert (aliases(settings)["champion"], "previous" in aliases(settings)) == (1, False)


def test_a_second_rollback_goes_no_further_and_says_so(settings, ledger):
    for before, version in ((None, 1), (1, 2), (2, 3)):
        promote(settings, ledger, version, before)
    registry.rollback(settings, "bike", reason="worse")
    again = registry.rollback(settings, "bike", reason="worse")
    assert (again.champion, again.changed) == (2, False)
    assert "v2 is champion already, rolled back to on" in again.sentence
    assert registry.promote_by_hand(settings, "bike", 1, reason="worse still").champion == 1


def test_of_two_rollbacks_at_the_same_moment_the_second_changes_nothing(settings, ledger, monkeypatch):
    promote(settings, ledger, 1, None)
    promote(settings, ledger, 2, 1)
    first = partial(ledger.swap_champion, "bike", expected=2, new=1, kind="rolled_back", actor="bob")
    monkeypatch.setattr("everfit.registry.loading.verify", lambda *_: first())
    second = registry.rollback(settings, "bike", reason="worse")
    assert (second.champion, second.changed) == (1, False)
    assert aliases(settings)["champion"] == 1


def test_a_rollback_needs_somewhere_to_go(settings, ledger):
    with pytest.raises(InputError, match="bike has no champion yet"):
        registry.rollback(settings, "bike", reason="worse")
    promote(settings, ledger, 1, None)
    with pytest.raises(InputError, match="nothing to go back to"):
        registry.rollback(settings, "bike", reason="worse")


def test_a_person_promotes_what_waits_for_approval(settings, ledger):
    with pytest.raises(InputError, match="no version waits for approval"):
        registry.promote_by_hand(settings, "bike", reason="looks right")
    ledger.once("approval_wanted", "bike", "v2", actor="everfit", facts={"version": 2})
    with pytest.raises(InputError, match="v2 waits for a person's word"):
        registry.require_champion(ledger, "bike")
    assert registry.promote_by_hand(settings, "bike", reason="looks right").champion == 2
    with pytest.raises(InputError, match="no version waits for approval"):
        registry.promote_by_hand(settings, "bike", reason="looks right")
    assert registry.promote_by_hand(settings, "bike", 3, reason="looks right").replaced == 2


def test_a_promotion_while_mlflow_is_down_is_finished_when_it_is_back(settings, ledger):
    down = settings.model_copy(update={"mlflow_uri": "http://127.0.0.1:1"})
    with pytest.raises(Unavailable, match=r"MLflow at http://127\.0\.0\.1:1"):
        promote(down, ledger, 1, None)
    assert ledger.champion("bike") == 1  # decided, and loadable; only the alias is late
    assert promote(settings, ledger, 1, None).changed is False
    assert aliases(settings)["champion"] == 1


def test_a_person_refuses_what_waits_and_the_champion_stays(settings, ledger):
    ledger.once("approval_wanted", "bike", "v2", actor="everfit", facts={"version": 2})
    assert ledger.waiting("bike") == 2
    outcome = registry.refuse_by_hand(settings, "bike", reason="it forgets the winters")
    assert outcome.changed
    assert ledger.waiting("bike") is None
    assert ledger.entries("bike", kinds=["promotion_refused"])[-1].reason == "it forgets the winters"


def wants_approval(ledger, version, champion):
    facts = {"version": version, "champion": champion}
    ledger.once("approval_wanted", "bike", f"v{version}", actor="everfit", facts=facts)


@pytest.mark.parametrize("chosen", [None, 3])
def test_what_waits_takes_over_only_from_the_champion_that_it_was_judged_against(settings, ledger, chosen):
    promote(settings, ledger, 1, None)
    wants_approval(ledger, 3, champion=1)
    promote(settings, ledger, 2, 1)
    with pytest.raises(PromotionRefused) as refused:
        registry.promote_by_hand(settings, "bike", chosen, reason="looks right")
    assert refused.value.exit_code == 4
    assert "v3 did not take over: v2 is champion since" in str(refused.value)
    assert "It was judged against v1 as champion" in str(refused.value)
    assert "everfit train bike" in str(refused.value)
    assert (ledger.champion("bike"), ledger.waiting("bike")) == (2, None)
    assert "compared with v1" in ledger.entries("bike", kinds=["promotion_refused"])[-1].reason
    assert registry.promote_by_hand(settings, "bike", 3, reason="all the same").replaced == 2


def test_what_waits_goes_on_waiting_whoever_else_takes_over(settings, ledger):
    promote(settings, ledger, 1, None)
    wants_approval(ledger, 3, champion=1)
    promote(settings, ledger, 2, 1)
    assert ledger.waiting("bike") == 3
    registry.rollback(settings, "bike", reason="worse")
    assert registry.promote_by_hand(settings, "bike", reason="it is v1 again").champion == 3


def test_a_version_that_was_refused_is_the_challenger_no_more(settings, ledger):
    promote(settings, ledger, 1, None)
    wants_approval(ledger, 3, champion=1)
    assert aliases(settings)["challenger"] == 3
    registry.refuse_by_hand(settings, "bike", reason="it forgets the winters")
    assert aliases(settings) == {"champion": 1}


def test_the_columns_of_a_version_are_read_from_its_card_which_must_be_unaltered(settings, candidate):
    assert registry.schema_of(settings, "bike", 1).to_dict() == candidate.schema
    made = registry.register(settings, replace(candidate, model="other", run_key="other"))
    card = Path(made.folder, files.CARD)
    card.write_text(card.read_text().replace('"amount": "number"', '"amount": "string"'))
    with pytest.raises(InputError, match="other v1 was altered"):
        registry.schema_of(settings, "other", 1)


@pytest.fixture
def deleted(settings, ledger, candidate, request):
    """A model whose champion is its second version, and whose first was deleted in MLflow."""
    name = f"deleted-{request.node.name[:30]}"
    for version, before in ((1, None), (2, 1), (3, None)):
        registry.register(settings, replace(candidate, model=name, run_key=f"{name}-{version}"))
        if version < 3:
            registry.promote(settings, ledger, name, version, expected=before, reason="better")
    MlflowClient(tracking_uri=settings.mlflow_uri).delete_model_version(name, "1")
    return name


def test_a_version_that_was_deleted_in_mlflow_loses_its_alias_and_nothing_else(settings, ledger, deleted, caplog):
    assert registry.sync_aliases(settings, ledger, deleted) == {"champion": 2, "challenger": 3}
    assert [record.getMessage() for record in caplog.records] == [
        f"{deleted} v1, the previous, is not in MLflow: was it deleted?"
    ]


def test_nobody_goes_back_to_a_version_that_was_deleted_in_mlflow(settings, ledger, deleted):
    entries = len(ledger.entries(deleted))
    with pytest.raises(InputError, match=f"{deleted} has no version 1: .* deleted in MLflow") as refused:
        registry.rollback(settings, deleted, reason="worse")
    assert "It has 3, 2." in str(refused.value)
    assert f"everfit promote {deleted} --version NUMBER" in refused.value.do
    with pytest.raises(InputError, match="deleted in MLflow"):
        registry.promote_by_hand(settings, deleted, 1, reason="it was right")
    assert len(ledger.entries(deleted)) == entries


def test_a_rollback_does_not_wait_for_an_mlflow_that_is_down(settings, ledger):
    promote(settings, ledger, 1, None)
    promote(settings, ledger, 2, 1)
    down = settings.model_copy(update={"mlflow_uri": "http://127.0.0.1:1"})
    with pytest.raises(Unavailable):
        registry.rollback(down, "bike", reason="worse")
    assert ledger.champion("bike") == 1
