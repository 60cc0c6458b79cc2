import numpy as np
import pandas as pd

from everfit.evaluation import Predicted, Verdict
from everfit.spec import ModelSpec
from tasks.evaluate import costs_of, to_markdown


def test_the_report_says_what_a_row_costs_with_each_model():
    data = {"source": "x.csv", "target": "y", "weight": "w"}
    spec = ModelSpec.model_validate({"name": "churn", "data": data, "search": {"costs": {"yes": 10}}})
    rows = pd.DataFrame({"y": ["no", "yes", "yes"], "w": [2.0, 1.0, 1.0]})
    said = {"challenger": Predicted(np.array(["yes", "yes", "yes"])), "dummy": Predicted(np.array(["no", "no", "no"]))}
    costs = costs_of(spec, rows, said)
    assert costs == {"challenger": 0.5, "dummy": 5.0}
    verdict = Verdict(True, ("better",), (), "roc_auc", costs=costs)
    assert "- a row costs 0.5 with the challenger, 5 with the dummy" in to_markdown("churn", verdict)
    assert costs_of(spec.model_copy(update={"search": spec.search.model_copy(update={"costs": {}})}), rows, said) == {}


def test_the_report_about_a_refit_names_no_challenger_and_shows_no_empty_table():
    what = "recalibration of the same models (weights: all 100%)"
    taken = to_markdown("churn", Verdict(True, (what,), (), "mae", rows=50))
    refused = to_markdown("churn", Verdict(False, (what,), ("worse",), "mae", rows=50))
    assert taken == f"## churn: The new version may take over\n- {what}\n"
    assert refused == f"## churn: The new version is refused\n- {what}\n- worse\n"
