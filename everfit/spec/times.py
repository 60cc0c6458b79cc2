"""Durations and cron lines, as a model file writes them."""

import re
from datetime import timedelta
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, PlainSerializer, WithJsonSchema

CRON = {"minute": (0, 59), "hour": (0, 23), "day": (1, 31), "month": (1, 12), "weekday": (0, 7)}
UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}


def parse_duration(value: Any) -> Any:
    """Turn `90s`, `10m`, `1h`, `14d` or `2w` into a timedelta; leave anything else to pydantic."""
    if isinstance(value, str) and (found := re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([smhdw])\s*", value)):
        return timedelta(seconds=float(found[1]) * UNITS[found[2]])
    if (isinstance(value, str) and not value.startswith("P")) or isinstance(value, int | float):
        raise ValueError(f"'{value}' is not a duration; write 90s, 10m, 1h, 14d or 2w")
    return value


def write_duration(value: timedelta) -> str:
    """Write a timedelta the short way, in the largest unit that divides it."""
    seconds = int(value.total_seconds())
    unit = next(u for u in reversed(UNITS) if seconds % UNITS[u] == 0)
    return f"{seconds // UNITS[unit]}{unit}"


def _lasting(value: timedelta) -> timedelta:
    if value < timedelta(seconds=1):
        raise ValueError("a duration must be one second at least")
    return value


def cron(line: str | None) -> str | None:
    """Refuse what can be no cron line; whoever runs the schedule reads it in full."""
    if line is None:
        return None
    parts = line.split()
    numbers = [[int(number) for number in re.findall(r"(?<![/#])\b\d+", part)] for part in parts]
    fits = [low <= n <= high for (low, high), found in zip(CRON.values(), numbers, strict=False) for n in found]
    if len(parts) != len(CRON) or not all(fits):
        said = ", ".join(f"{name} ({low} to {high})" for name, (low, high) in CRON.items())
        raise ValueError(f"it must be five fields: {said}; '0 3 * * 1' is each Monday at three")
    return line


Duration = Annotated[
    timedelta,
    BeforeValidator(parse_duration),
    AfterValidator(_lasting),
    PlainSerializer(write_duration, when_used="json"),
    WithJsonSchema({"type": "string", "pattern": r"^\d+(\.\d+)?[smhdw]$", "examples": ["60s", "1h", "14d"]}),
]
