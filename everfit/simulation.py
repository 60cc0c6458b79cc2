"""A simulated stream of bike rentals with a change whose day is known: for the demo and for tests.

Nothing here was measured anywhere. Six stations are counted every hour; rentals follow the hour, the day of the
week, the weather and the temperature. On `CHANGE` a free-ride campaign, until then tried in a few hours only and
with little effect, becomes permanent and the evenings fill up: the world changes, while every single value stays
one that has been seen before.
"""

from datetime import datetime, timedelta
from typing import Any, Literal

import numpy as np
import pandas as pd

START = datetime(2026, 3, 2)  # noqa: DTZ001 - naive times in the lake are UTC
CHANGE = START + timedelta(days=73)
STATIONS = {"harbour": 1.4, "museum": 1.0, "university": 0.8, "station": 1.8, "park": 0.7, "market": 1.1}
Fault = Literal["rows", "unit"]


def rentals(first_day: int, days: int, *, seed: int = 7, fault: Fault | None = None) -> pd.DataFrame:
    """Return hourly rows of `days` days from `first_day` after START; the same arguments give the same rows.

    `fault="rows"` breaks a few rows (a sensor that says -999, rows without a time); `fault="unit"` sends the
    temperature of the whole batch in Fahrenheit.
    """
    hours = pd.date_range(START + timedelta(days=first_day), periods=days * 24, freq="h")
    frame = pd.DataFrame({"hour": hours.repeat(len(STATIONS)), "station": list(STATIONS) * len(hours)})
    dice = np.random.default_rng([seed, first_day])
    day = (frame["hour"] - pd.Timestamp(START)).dt.total_seconds() / 86_400
    clock = frame["hour"].dt.hour
    frame["temperature"] = (
        12
        + 1.5 * np.sin(2 * np.pi * (day - 20) / 180)
        + 5 * np.sin(2 * np.pi * (clock - 9) / 24)
        + dice.normal(0, 2.5, len(frame))
    ).round(1)
    frame["wind"] = dice.gamma(2.0, 6.0, len(frame)).round(1)
    frame["weather"] = dice.choice(["clear", "cloudy", "rain"], len(frame), p=[0.5, 0.35, 0.15])
    frame["holiday"] = ((day.astype(int) % 17) == 11).to_numpy()
    changed = (frame["hour"] >= CHANGE).to_numpy()
    frame["campaign"] = changed | (dice.random(len(frame)) < 0.02)
    frame["rentals"] = dice.poisson(_demand(frame, clock, changed))
    return _break(frame, dice, fault)


def _demand(frame: pd.DataFrame, clock: pd.Series, changed: np.ndarray) -> np.ndarray[Any, np.dtype[np.float64]]:
    working = (frame["hour"].dt.dayofweek < 5) & ~frame["holiday"]
    commute = np.exp(-((clock - 8) ** 2) / 3) + np.exp(-((clock - 17.5) ** 2) / 4)
    leisure = np.exp(-((clock - 14) ** 2) / 18)
    shape = np.where(working, 0.15 + 1.3 * commute + 0.4 * leisure, 0.15 + 1.2 * leisure)
    warm = 0.5 + 0.04 * frame["temperature"].clip(-5, 28)
    sky = frame["weather"].map({"clear": 1.0, "cloudy": 0.9, "rain": 0.45}).to_numpy()
    evening = 1 + 1.6 * np.exp(-((clock - 20) ** 2) / 8)
    campaign = np.where(changed, 1.25 * evening, np.where(frame["campaign"], 1.04, 1.0))
    base = 40 * frame["station"].map(STATIONS).to_numpy() * shape * warm * sky * campaign
    demand: np.ndarray[Any, np.dtype[np.float64]] = np.clip(base * (1 - 0.008 * frame["wind"].to_numpy()), 0.5, None)
    return demand


def _break(frame: pd.DataFrame, dice: np.random.Generator, fault: Fault | None) -> pd.DataFrame:
    if fault == "unit":
        return frame.assign(temperature=(frame["temperature"] * 9 / 5 + 32).round(1))
    if fault == "rows":
        hit = dice.choice(len(frame), size=len(frame) // 25, replace=False)
        frame.loc[hit[::2], "wind"] = -999.0
        frame.loc[hit[1::2], "hour"] = pd.NaT
    return frame
