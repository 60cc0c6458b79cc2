import numpy as np
import pandas as pd

from everfit.evaluation import is_beyond

KNOWN = pd.DataFrame({"x": [1, 2, 2], "s": ["a", None, None], "_row": [0, 1, 2], "_batch": "old"})


def test_a_file_that_grew_has_only_its_new_rows_beyond_what_is_known():
    grown = pd.DataFrame({"x": [9, 2, 1, 2], "s": ["z", None, "a", None], "_row": range(4)})
    assert is_beyond(grown, KNOWN).tolist() == [True, False, False, False]


def test_one_copy_more_than_is_known_is_new():
    assert is_beyond(pd.DataFrame({"x": [2.0, 2.0, 2.0], "s": [None] * 3}), KNOWN).tolist() == [False, False, True]


def test_columns_that_only_one_side_has_do_not_count():
    assert is_beyond(pd.DataFrame({"x": [1, 7], "new": [5, 5]}), KNOWN).tolist() == [False, True]


def test_where_nothing_is_known_everything_is_new():
    assert np.all(is_beyond(pd.DataFrame({"x": [1, 1]}), pd.DataFrame()))
