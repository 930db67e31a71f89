"""One process's view of a shared log: it can be away, slow, or lose its answers."""

from __future__ import annotations

import functools
import random
from typing import Any

import trio

from realtime_trio._exceptions import JournalError
from realtime_trio._journal._log_store import LogClaim
from realtime_trio._journal._log_writer import LogWriter
from realtime_trio.fleet import MemoryLog

_SYNC = {"nudge", "opened", "shards", "full_audio"}


class PartitionedLog:
    """A ``FleetLog`` through which one process sees a ``MemoryLog``.

    ``away``: every call fails. ``paused``: every call waits until it ends. ``loses``: the share
    of calls whose answer is lost, though they were done. ``delay``: seconds that a call takes.
    """

    def __init__(self, log: MemoryLog, seed: int = 0) -> None:
        self._log = log
        self._random = random.Random(seed)
        self.away = False
        self.loses = 0.0
        self.delay = 0.0
        self.awake = trio.Event()
        self.awake.set()

    def pause(self) -> None:
        """Let every call wait, as for a process that is stopped."""
        if self.awake.is_set():
            self.awake = trio.Event()

    def wake(self) -> None:
        """Go on."""
        self.awake.set()

    def writer(self, claim: LogClaim, *, position: int) -> LogWriter:
        """A writer that writes through this view."""
        return LogWriter(self, claim, position=position, gather=0.0, beats=False)

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._log, name)
        if name in _SYNC:
            return found

        @functools.wraps(found)
        async def call(*args: object, **kwargs: object) -> object:
            # What a stopped process had begun goes on when it wakes up, whatever happened since.
            with trio.CancelScope(shield=True):
                await self.awake.wait()
            if self.delay:
                await trio.sleep(self._random.uniform(0, self.delay))
            if self.away:
                await trio.lowlevel.checkpoint()
                message = "the log is away"
                raise JournalError(message)
            answer = await found(*args, **kwargs)
            await self.awake.wait()
            if self.loses and self._random.random() < self.loses:
                message = "the answer was lost"
                raise JournalError(message)
            return answer

        return call
