import numpy as np
import pandas as pd
import pytest

from everfit import evaluation
from everfit.errors import DataError
from everfit.spec import Data

N = 400


@pytest.mark.parametrize(
    ("target", "task"),
    [
        (["no", "yes"] * 200, "binary"),
        ([True, False] * 200, "binary"),
        ([0, 1] * 200, "binary"),
        ([1.0, 2.0] * 200, "binary"),
        (["a", "b", "c", "d"] * 100, "multiclass"),
        ([1, 2, 3, 4] * 100, "multiclass"),
        ([0, 2, 4, 8] * 100, "regression"),
        (range(N), "regression"),
        ([1.5, 2.5, 3.5, 4.5] * 100, "regression"),
        ([1, 2, 3, 4, 5, 6, 7, 8] * 10, "regression"),
    ],
)
def test_the_task_follows_from_what_the_target_holds(target, task):
    assert evaluation.infer_task(pd.Series(target), Data(source="x", target="y")) == task


def test_the_model_file_has_the_last_word_about_the_task():
    said = Data(source="x", target="y", task="regression")
    assert evaluation.infer_task(pd.Series([1, 2, 3, 4] * 100), said) == "regression"


def frame(y=None, **columns):
    return pd.DataFrame({"price": np.arange(float(N)) if y is None else y, "w": 1.0, "t": range(N)} | columns)


@pytest.mark.parametrize(
    ("data", "rows", "says"),
    [
        ({"target": "prise"}, frame(), "Did you mean 'price'"),
        ({"target": "price", "time": "tt"}, frame(), "no column 'tt'"),
        ({"target": "price", "roles": {"q": "drop"}}, frame(), "no column 'q'"),
        ({"target": "price", "personal": ["q"]}, frame(), "no column 'q'"),
        ({"target": "price"}, frame([None] * N), "is empty in all 400 rows"),
        ({"target": "price"}, frame().head(2), "known in 2 row"),
        ({"target": "price"}, frame().head(0), "is empty in all 0 rows"),
        ({"target": "price"}, frame(["a"] * N), "only one class, 'a'"),
        ({"target": "price"}, frame([3.0] * N), "only one value, 3.0"),
        ({"target": "price"}, frame([np.inf, *range(N - 1)]), "infinite in 1 row"),
        ({"target": "price"}, frame(pd.date_range("2020", periods=N)), "holds timestamps"),
        ({"target": "price"}, frame([f"level {i}" for i in range(N)]), "such as 'level 0', too many"),
        ({"target": "price"}, frame([*map(str, range(N - 1)), "n.a."]), "holds numbers and words, 0 and 'n.a.' among"),
        ({"target": "price"}, frame([*["12.5", "3", "8"] * 100, *map(str, range(40, 99)), "?"] + ["4"] * 40), "'?'"),
        ({"target": "price"}, frame([*map(str, range(N))]), "numbers that are text, such as '0'"),
        ({"target": "price", "time": "d"}, frame(d=["2024-01-02", "13.01.2024"] * 200), "in 200 of 400 rows"),
        ({"target": "price", "time": "d"}, frame(d="winter"), "cannot be read as dates of one form in 400 of"),
        ({"target": "price", "time": "d"}, frame(d=True), "cannot be read as dates"),
        ({"target": "price"}, frame(prediction=1), "a column 'prediction'"),
        ({"target": "price", "task": "binary"}, frame(["a", "b", "c", "d"] * 100), "has 4 classes"),
        ({"target": "price", "task": "regression"}, frame(["a", "b"] * 200), "holds text such as 'a'"),
        ({"target": "price", "task": "multiclass"}, frame(), "Say data.task: regression"),
        ({"target": "price", "positive": "yes"}, frame(["no", "yess"] * 200), "Did you mean 'yess'"),
        ({"target": "price"}, frame(["A", "b", "a", "c"] * 100), "has the classes 'A' and 'a', which differ only in"),
        ({"target": "price", "weight": "w"}, frame(w=-1.0), "negative in 400 row"),
        ({"target": "price", "weight": "w"}, frame(w=0.0), "zero in every row"),
        ({"target": "price", "weight": "w"}, frame(w="x"), "holds text"),
    ],
)
def test_data_from_which_nothing_can_be_learnt_say_why(data, rows, says):
    with pytest.raises(DataError) as caught:
        evaluation.check_target(rows, Data(source="x", **data))
    assert says in str(caught.value)
    assert caught.value.exit_code == 2


@pytest.mark.parametrize("target", [[1, 0] * 200, [1.0, None, 0.0, 1.0] * 100, ["a", None, "b", "b"] * 100])
def test_sound_targets_pass(target):
    evaluation.check_target(frame(target), Data(source="x", target="price", weight="w", time="t"))


@pytest.mark.parametrize("target", [["01", "02", "11", "12"] * 100, ["1", "2", "3", "4"] * 100])
def test_codes_written_in_digits_are_classes(target):
    evaluation.check_target(frame(target), Data(source="x", target="price"))


@pytest.mark.parametrize("when", [["2024-01-02", "2024-01-03 10:00"], ["13.01.2024", None], [2001, 2002], [0.5, 1.5]])
def test_times_may_be_dates_of_one_form_or_numbers(when):
    evaluation.check_target(frame(t=when * 200), Data(source="x", target="price", time="t"))


@pytest.mark.parametrize("said", [1, 1.0, "1", True])
def test_the_positive_class_is_found_however_yaml_reads_it(said):
    evaluation.check_target(frame([0.0, 1.0] * 200 if said is not True else [True, False] * 200),
                            Data(source="x", target="price", positive=said))  # fmt: skip


def test_a_class_called_none_is_not_positive_because_nothing_is_said():
    said = Data(source="x", target="injury")
    assert evaluation.positive_class(pd.Series(["None", "Severe"] * 5), said) is None
