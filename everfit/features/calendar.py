"""Dates as what repeats in them: the hour, the weekday, the day of the month and of the year."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
import pandas as pd

from everfit.features.columns import ByColumn

DAY = 86_400_000_000  # microseconds
LATEST = 1 - 2**-30  # of a day: what is later would round up to the next day in the year 9999
PERIODS = {"hour": 1.0, "weekday": 7.0, "day": 30.44, "year_day": 365.25}  # in days
HARMONICS = {"hour": 4, "weekday": 3, "day": 1, "year_day": 3}


class Calendar(ByColumn):
    """The repeating parts of each date that vary in the training data, and with `trend` the date itself in days.

    Without `trend` (the column that orders the rows) a part counts only when the data hold one and a half of its
    cycles: with less, the day of the year is the time itself under another name. `cyclic` gives sines and
    cosines, for models that cannot bend a line; `trend` is then scaled as well.
    """

    def __init__(self, cyclic: bool = False, trend: bool = True) -> None:
        self.cyclic = cyclic
        self.trend = trend

    def fit(self, X: Any, y: Any = None) -> Self:
        """Choose the parts of each column that say something."""
        self._remember(X)
        self.parts_: list[list[str]] = []
        self.center_: list[float] = []
        self.scale_: list[float] = []
        self.known_: list[bool] = []
        for column in self._columns(X):
            moments = days(column)
            known = moments[~np.isnan(moments)]
            self.parts_.append(self._useful(known))
            self.known_.append(len(known) > 0)
            self.center_.append(float(known.mean()) if len(known) else 0.0)
            self.scale_.append(float(known.std()) or 1.0 if len(known) else 1.0)
        return self

    def _useful(self, moments: np.ndarray) -> list[str]:
        span = float(np.ptp(moments)) if len(moments) else 0.0
        parts = _parts(moments)
        return [
            name
            for name, values in parts.items()
            if len(values) and np.ptp(values) > 0 and (self.trend or span >= 1.5 * PERIODS[name])
        ]

    def transform(self, X: Any) -> np.ndarray:
        """Return the chosen parts of every column side by side."""
        out: list[np.ndarray] = []
        for at, column in enumerate(self._columns(X)):
            moments = days(column)
            parts = _parts(moments)
            for name in self.parts_[at]:
                out += _waves(parts[name], name) if self.cyclic else [parts[name]]
            if self.trend and not self.known_[at]:
                out.append(np.zeros(len(moments)))
            elif self.trend:
                scaled = np.nan_to_num((moments - self.center_[at]) / self.scale_[at])
                out.append(np.clip(scaled, -3, 3) if self.cyclic else moments)
        return np.column_stack(out) if out else np.empty((X.shape[0], 0))

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """Return `column[hour]` and so on."""
        out: list[str] = []
        for name, parts in zip(self._names(input_features), self.parts_, strict=True):
            for part in parts:
                turns = range(1, HARMONICS[part] + 1)
                waves = [f"{name}[{part} {wave}{k}]" for k in turns for wave in ("sin", "cos")]
                out += waves if self.cyclic else [f"{name}[{part}]"]
            out += [f"{name}[days]"] if self.trend else []
        return np.asarray(out, dtype=object)


def days(column: np.ndarray) -> np.ndarray:
    """Return days since 1970 with their fraction; missing dates are NaN."""
    stamps = np.asarray(column, dtype="datetime64[us]")
    whole, rest = np.divmod(stamps.astype("int64"), int(DAY))
    return np.where(np.isnat(stamps), np.nan, whole + np.minimum(rest / DAY, LATEST))


def _parts(moments: np.ndarray) -> dict[str, np.ndarray]:
    whole = np.floor(moments)
    dates = pd.DatetimeIndex(np.where(np.isnan(moments), np.nan, whole).astype("datetime64[D]").astype("datetime64[s]"))
    return {
        "hour": (moments - whole) * 24,
        "weekday": (whole + 3) % 7,  # the first of January 1970 was a Thursday
        "day": np.asarray(dates.day, dtype="float64"),
        "year_day": np.asarray(dates.dayofyear, dtype="float64"),
    }


def _waves(values: np.ndarray, name: str) -> list[np.ndarray]:
    cycle = {"hour": 24.0, "weekday": 7.0, "day": 31.0, "year_day": 365.25}[name]
    angles = [2 * np.pi * k * values / cycle for k in range(1, HARMONICS[name] + 1)]
    return [np.nan_to_num(wave(angle)) for angle in angles for wave in (np.sin, np.cos)]
