import numpy as np
import pandas as pd
import pytest


@pytest.fixture
def rows():
    """Every kind of column, with gaps in each."""
    chance = np.random.default_rng(0)
    n = 300
    frame = pd.DataFrame(
        {
            "number": chance.normal(size=n),
            "whole": chance.integers(0, 60, n).astype("float64"),
            "flag": chance.random(n) > 0.5,
            "colour": chance.choice(["red", "green", "blue", "Größe"], n),
            "town": [f"town {i}" for i in chance.integers(0, 80, n)],
            "day": pd.date_range("2020-01-01", periods=n, freq="31h").astype("datetime64[us]"),
            "written": pd.date_range("2021-01-01", periods=n, freq="7h").strftime("%Y-%m-%d %H:%M:%S"),
            "title": [f"the {a} of night {i}" for i, a in enumerate(chance.choice(["cat", "dog", "king"], n))],
            "y": chance.normal(size=n),
        }
    )
    for at, name in enumerate(frame.columns[:-1]):
        if name != "flag":
            frame.loc[frame.index % 11 == at, name] = None
    return frame
