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
