"""How long something takes."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any


def milliseconds(call: Callable[[], Any], times: int) -> list[float]:
    """Call it so many times; return what each call took."""
    taken = []
    for _ in range(times):
        began = time.perf_counter()
        call()
        taken.append(1000 * (time.perf_counter() - began))
    return taken
