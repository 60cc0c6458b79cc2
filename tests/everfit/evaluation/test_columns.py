from types import SimpleNamespace

import numpy as np
import pytest

from everfit import evaluation


@pytest.mark.parametrize("classes", [["no", "yes"], [0, 1, 2]])
def test_what_was_predicted_reads_back_from_what_was_kept_with_the_same_losses(classes):
    proba = np.random.default_rng(0).dirichlet(np.ones(len(classes)), 20)
    known = np.array(classes)
    said = evaluation.Predicted(known[proba.argmax(axis=1)], proba, known)
    back = evaluation.of_columns(evaluation.as_columns(said), "multiclass", SimpleNamespace(classes_=known))
    truth = np.random.default_rng(1).choice(known, 20)
    assert back.values.tolist() == said.values.tolist()
    losses = [evaluation.row_losses("multiclass", truth, each).tolist() for each in (said, back)]
    assert losses[0] == losses[1]
