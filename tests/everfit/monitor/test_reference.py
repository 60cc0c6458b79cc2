import numpy as np
import pandas as pd

from everfit.monitor.reference import heldout_losses, make_reference
from everfit.reserved import HELDOUT, LOSS, PREDICTION, SCORE


def rows(first, last):
    return pd.DataFrame({"x": np.arange(first, last, dtype=float), "y": 1.0})


def test_predictions_and_losses_come_only_from_rows_that_were_held_out():
    heldout = rows(800, 1000)
    reference = make_reference(heldout, heldout["x"] * 2, heldout["x"] / 10, learnt=rows(0, 800))
    learnt = reference[~reference[HELDOUT]]
    assert len(reference) == 1000
    assert learnt[[PREDICTION, LOSS]].isna().all(axis=None)
    held = reference[reference[HELDOUT]]
    assert held[PREDICTION].tolist() == (held["x"] * 2).tolist()
    assert heldout_losses(reference).tolist() == (heldout["x"] / 10).tolist()


def test_a_large_reference_is_a_bounded_sample_in_the_order_of_time():
    heldout, learnt = rows(8000, 10_000), rows(0, 8000)
    reference = make_reference(heldout, heldout["x"], heldout["x"], learnt=learnt, limit=1000, seed=1)
    assert len(reference) == 1000
    assert reference[HELDOUT].sum() == 500
    assert reference["x"].is_monotonic_increasing
    pd.testing.assert_frame_equal(
        reference, make_reference(heldout, heldout["x"], heldout["x"], learnt=learnt, limit=1000, seed=1)
    )


def test_held_out_rows_fill_what_few_training_rows_leave():
    heldout = rows(100, 2000)
    reference = make_reference(heldout, heldout["x"], heldout["x"], learnt=rows(0, 100), limit=1000)
    assert (reference[HELDOUT].sum(), len(reference)) == (900, 1000)


def test_a_binary_model_keeps_its_scores():
    heldout = rows(0, 50)
    reference = make_reference(heldout, ["no"] * 50, np.ones(50), score=np.linspace(0, 1, 50))
    assert reference[SCORE].between(0, 1).all()
    assert reference[PREDICTION].eq("no").all()


def test_it_survives_a_parquet_file(tmp_path):
    heldout = rows(80, 100)
    reference = make_reference(heldout, heldout["x"], heldout["x"], learnt=rows(0, 80))
    reference.to_parquet(tmp_path / "reference.parquet")
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "reference.parquet"), reference)
