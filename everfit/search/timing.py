"""How long something takes."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any


def milliseconds(call: Callable[[], Any], times: int) -> list[float]:
    """Call it so many times; return what each call took, without the time in which others had the cores."""
    taken = []
    for _ in range(times):
        began, worked = time.perf_counter(), time.process_time()
        call()
        taken.append(1000 * min(time.perf_counter() - began, time.process_time() - worked))
    return taken
