"""What a service does beside answering: it follows the champion, and hands over answers to ledger and lake."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from everfit.errors import EverfitError, first_line
from everfit.serving.drain import drain
from everfit.serving.following import Follower
from everfit.serving.journal import Journal
from everfit.serving.metrics import Metrics
from everfit.serving.unkept import Unkept
from everfit.serving.watching import Watch
from everfit.spec import ModelSpec

LOG = logging.getLogger("everfit")
LOOKS = 1.0  # seconds between two looks at who is champion
DRAINS = 30.0  # seconds between two hand-overs to the lake


@dataclass
class Upkeep:
    """Looks at who is champion each second, and hands over what the journal holds twice a minute.

    Each has a thread of its own: a look waits neither for a large request nor for a lake that hangs.
    """

    spec: ModelSpec
    follower: Follower
    journal: Journal
    metrics: Metrics
    unkept: Unkept = field(init=False)
    watch: Watch = field(init=False)
    _threads: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(2, "upkeep"), init=False)

    def __post_init__(self) -> None:
        self.unkept = Unkept(self.journal)
        self.watch = Watch(self.spec.name)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Follow the champion and hand answers over to the lake, until the end; then once more."""
        await self.look()
        tasks = [
            asyncio.create_task(self._every(LOOKS, self.look)),
            asyncio.create_task(self._every(DRAINS, self.hand_over)),
        ]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await asyncio.to_thread(self.follower.stop)
            await self.journal.settle()
            await self.hand_over()

    async def look(self) -> None:
        """Look at who is champion, and at the last judgement of drift; what serves goes on when that fails."""
        try:
            await asyncio.get_running_loop().run_in_executor(self._threads, self._look)
        except EverfitError as cause:
            self.metrics.failed("ledger")
            LOG.warning("%s: who is champion cannot be followed: %s", self.spec.name, first_line(cause))

    def _look(self) -> None:
        self.follower.look()
        served = self.follower.served
        inputs = set(served.loaded.card["inputs"]) - {self.spec.data.time} if served else ()
        if last := self.watch.look(self.follower.ledger, len(inputs)):
            self.metrics.judged(last)

    async def hand_over(self) -> None:
        """Tell the ledger what could not be written, and hand over to the lake what was; neither needs the other."""
        await asyncio.get_running_loop().run_in_executor(self._threads, self._hand_over)

    def _hand_over(self) -> None:
        settings, name = self.follower.settings, self.spec.name
        self.journal.rotate()
        for where, do in (
            ("ledger", lambda: self.unkept.tell(settings, name)),
            ("lake", lambda: drain(settings, self.spec, self.journal.folder)),
        ):
            try:
                do()
            except (EverfitError, OSError) as cause:
                self.metrics.failed(where)
                LOG.warning("%s: the %s waits: %s", name, where, first_line(cause))

    async def _every(self, seconds: float, do: Callable[[], Awaitable[None]]) -> None:
        while True:
            await asyncio.sleep(seconds)
            try:
                await do()
            except Exception:  # the next time may go well, and nobody else would look again
                self.metrics.failed("upkeep")
                LOG.exception("%s: the service goes on without %s", self.spec.name, do)
