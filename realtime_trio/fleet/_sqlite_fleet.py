"""``SqliteLog``: a fleet of several processes on one machine, without a server."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final, ParamSpec, TypeVar, final

import trio

from .._journal._log_store import LogClaim
from .._journal._log_writer import LogWriter
from .._journal._threaded_store import ThreadedStore
from ._fleet_log import WAIT, CommandKind, FleetCommand, LogNews, Seat, Spec
from ._shared_file import SharedFile

__all__ = ["SqliteLog"]

P = ParamSpec("P")
T = TypeVar("T")
_POLL: Final = 0.02


@final
class SqliteLog(ThreadedStore[SharedFile]):
    """The log of a fleet in the SQLite file ``path``, for the processes of one machine.

    Followers look for new entries every 20 milliseconds. ``snapshots`` is the number of snapshots
    kept per session. The file holds conversations in clear text, and only its owner may read it.
    Not for network file systems.
    """

    full_audio = False
    shards = 1

    def __init__(self, path: str | os.PathLike[str], *, snapshots: int = 2) -> None:
        self._path = Path(os.fspath(path))
        self._snapshots = snapshots
        self._file = SharedFile(self._path, durability="batch", zstd=False)
        self._reader = SharedFile(self._path, durability="batch", zstd=False)
        self._limiters = trio.CapacityLimiter(1), trio.CapacityLimiter(1)
        self._turn = trio.Lock()
        self._users = 0
        self._version = -1
        self._nudged = False

    def __repr__(self) -> str:
        return f"<SqliteLog {os.fspath(self._path)!r}>"

    def writer(self, claim: LogClaim, *, position: int) -> LogWriter:
        """Return a writer for the log of this claim."""
        return LogWriter(self, claim, position=position, gather=0.005, beats=False)

    @asynccontextmanager
    async def opened(self) -> AsyncGenerator[None, None]:
        """Keep the file open within this block. Blocks may overlap."""
        async with self._turn:
            if self._users == 0:
                await self._run(lambda: self._file.open(owner=True))
                await self._run(lambda: self._reader.open(owner=True))
            self._users += 1
        try:
            yield
        finally:
            with trio.CancelScope(shield=True):
                async with self._turn:
                    self._users -= 1
                    if self._users == 0:
                        with trio.move_on_after(5):
                            await self._run(self._file.close)
                            await self._look(self._reader.close)

    async def _run(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        def run() -> T:
            return call(*args, **kwargs)

        return await trio.to_thread.run_sync(run, limiter=self._limiters[0])

    async def _look(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        def run() -> T:
            return call(*args, **kwargs)

        return await trio.to_thread.run_sync(run, limiter=self._limiters[1])

    # -- the log ---------------------------------------------------------------------------

    async def beat(self, claim: LogClaim) -> None:
        """Check that the claim is still valid."""
        await self._run(self._file.check_claim, claim)

    async def trim(self, claim: LogClaim) -> None:
        """Drop all but the newest snapshots, and the entries before them."""
        await self._run(self._file.trim_to_snapshots, claim, self._snapshots)

    # -- seats -----------------------------------------------------------------------------

    async def create(self, name: str, spec: Spec) -> bool:
        """Create a session."""
        return await self._run(self._file.create, name, spec)

    async def remove(self, name: str) -> None:
        """Remove a session."""
        await self._run(self._file.remove, name)

    async def seats(self) -> Sequence[Seat]:
        """Return all sessions with their owners."""
        return await self._run(self._file.seats)

    async def seat(self, name: str) -> Seat | None:
        """Return one session with its owner."""
        found = await self._run(self._file.seats, name)
        return found[0] if found else None

    async def beat_node(self, node: str, *, lease: float) -> None:
        """Extend the lease of a node."""
        await self._run(self._file.beat_node, node, lease)

    async def end_node(self, node: str) -> None:
        """End the lease of a node."""
        await self._run(self._file.end_node, node)

    async def nodes(self) -> frozenset[str]:
        """Return the nodes whose lease has not expired."""
        return await self._run(self._file.nodes)

    async def seize(self, seat: Seat, node: str) -> LogClaim | None:
        """Claim a log for a node."""
        return await self._run(self._file.seize, seat, node)

    async def release(self, claim: LogClaim) -> None:
        """Release a seat."""
        await self._run(self._file.release, claim)

    # -- commands and news -----------------------------------------------------------------

    async def put_command(self, name: str, key: str, kind: CommandKind, frame: str) -> FleetCommand:
        """Append a command to the queue of a session."""
        return await self._run(self._file.put_command, name, key, kind, frame)

    async def commands(self, name: str, after: int, limit: int = 64) -> Sequence[FleetCommand]:
        """Return the commands with a number above ``after``."""
        return await self._run(self._file.commands, name, after, limit)

    async def forget_commands(self, claim: LogClaim, upto: int) -> None:
        """Drop commands except the latest."""
        await self._run(self._file.forget_commands, claim, upto)

    async def wait(
        self, shard: int, logs: Mapping[str, int], commands: Mapping[str, int]
    ) -> LogNews:
        """Wait for entries and commands."""
        del shard
        with trio.move_on_after(WAIT) as waiting:
            while not waiting.cancelled_caught:
                nudged, self._nudged = self._nudged, False
                version = await self._look(self._reader.version)
                if nudged or version != self._version:
                    self._version = version
                    news = await self._look(self._reader.news, logs, commands)
                    if news is not None:
                        self._nudged = True
                        return news
                await trio.sleep(_POLL)
        return LogNews()

    def nudge(self, shard: int) -> None:
        """Let :meth:`wait` return soon."""
        del shard
        self._nudged = True
