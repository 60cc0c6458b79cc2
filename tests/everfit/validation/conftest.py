from pathlib import Path

import numpy as np
import pandas as pd
import pytest


def customers(rows: int = 3000, seed: int = 0) -> pd.DataFrame:
    """A dated table with a column of every kind; another seed is a fresh draw of the same world."""
    rng = np.random.default_rng(seed)
    start = np.datetime64("2026-09-01", "us") + np.timedelta64(31 * seed, "D")
    frame = pd.DataFrame(
        {
            "day": start + np.arange(rows) * np.timedelta64(15, "m"),
            "customer_id": np.arange(rows) + 1_000_000 * seed,
            "amount": rng.lognormal(3, 0.6, rows).round(2),
            "temp": rng.normal(20, 6, rows).round(1),
            "weight": rng.normal(80, 9, rows).round(1),
            "visits": rng.poisson(3, rows),
            "region": rng.choice(["north", "south", "east", "west"], rows),
            "plan": rng.choice(["free", "paid"], rows, p=[0.7, 0.3]),
            "active": rng.random(rows) > 0.3,
        }
    )
    frame.loc[rng.choice(rows, rows // 50, replace=False), "temp"] = np.nan
    return frame


@pytest.fixture
def suites(tmp_path: Path):
    """Write a suite and return its folder."""
    folder = tmp_path / "expectations"
    folder.mkdir()

    def write(text: str, name: str = "s.yaml") -> Path:
        (folder / name).write_text(text)
        return folder

    return write


@pytest.fixture
def frame() -> pd.DataFrame:
    return customers()


@pytest.fixture
def fresh():
    return customers
