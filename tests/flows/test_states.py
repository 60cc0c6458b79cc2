import pytest

from everfit.errors import ValidationStopped
from flows.talk import call
from tasks.states import plainly

ERROR = {
    "what": "churn: 12 rules failed; nothing was learnt.",
    "why": "The batch is in quarantine.",
    "do": "Repair the feed.",
}


def test_a_run_that_failed_on_purpose_says_what_happened_and_what_to_do(prefect_api):
    from prefect import flow, task

    @task
    def validate():
        raise ValidationStopped(**ERROR, details=[f"rule {n}" for n in range(12)], page="report.html")

    @flow(name="fails", flow_run_name="fails on purpose")
    @plainly
    def fails(model: str):
        validate()

    with pytest.raises(ValidationStopped) as raised:
        fails("churn")
    assert raised.value.page == "report.html"
    (run,) = call(f"{prefect_api}/flow_runs/filter", {"flow_runs": {"name": {"any_": ["fails on purpose"]}}})
    assert (run["state"]["type"], run["parameters"]) == ("FAILED", {"model": "churn"})
    lines = run["state"]["message"].splitlines()
    assert (lines[0], *lines[-3:]) == (ERROR["what"], "    and 2 more", ERROR["why"], ERROR["do"])


def test_an_error_of_our_own_stays_as_prefect_tells_it(prefect_api):
    from prefect import flow

    @flow(name="breaks", flow_run_name="breaks")
    @plainly
    def breaks():
        raise KeyError("target")

    with pytest.raises(KeyError):
        breaks()
    (run,) = call(f"{prefect_api}/flow_runs/filter", {"flow_runs": {"name": {"any_": ["breaks"]}}})
    assert "KeyError: 'target'" in run["state"]["message"]
