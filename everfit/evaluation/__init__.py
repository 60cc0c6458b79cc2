"""How good a model is, on which rows, and whether a challenger takes over."""

from everfit.evaluation.columns import as_columns, of_columns
from everfit.evaluation.leaks import leaks
from everfit.evaluation.metrics import METRICS, Metric, cost, default_metric, metric, row_losses
from everfit.evaluation.rows import HASHING, hash_of, is_beyond, row_hashes
from everfit.evaluation.splits import Split, gap_of, split, times_of
from everfit.evaluation.target import check_target, infer_task, positive_class
from everfit.evaluation.verdict import FEWEST_UNITS, Score, Verdict, judge
from everfit.search.predicted import Predicted, as_predicted, predict

__all__ = [
    "FEWEST_UNITS", "HASHING", "METRICS", "Metric", "Predicted", "Score", "Split", "Verdict",
    "as_columns", "as_predicted", "check_target", "cost", "default_metric", "gap_of", "hash_of", "infer_task",
    "is_beyond", "judge", "leaks", "metric", "of_columns", "positive_class", "predict", "row_hashes", "row_losses",
    "split", "times_of",
]  # fmt: skip
