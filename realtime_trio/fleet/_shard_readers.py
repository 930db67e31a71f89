"""Readers: one task for each shard in use reads new entries for all feeds of this process.

A feed that its owner does not empty in time is skipped until the owner has caught up alone, so a
slow follower does not delay others.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from typing import Final, final

import trio

from .._exceptions import JournalError
from .._log._log_block import LogBlock
from ._fleet_log import FleetCommand, FleetLog, shard_of

__all__ = ["CommandFeed", "LogFeed", "ShardReaders"]

_MOST_BLOCKS: Final = 64
_PAUSE: Final = 0.2
_FRESH: Final = 1.0


@final
class LogFeed:
    """New entries of one log: delivered by the reader while ``live``, else read by the owner."""

    def __init__(self, readers: ShardReaders, name: str) -> None:
        self._readers = readers
        self.name = name
        self.after: int = 0
        self.live: bool = False
        self.error: JournalError | None = None
        """Why the reader skips this feed."""
        self._blocks: deque[LogBlock] = deque()
        self._news = trio.Event()

    def join(self, position: int) -> None:
        """Let the reader deliver everything after a position from now on."""
        self._blocks.clear()
        self.after = position
        self.live, self.error = True, None
        self._readers.nudge(self.name)

    def leave(self, error: JournalError | None = None) -> None:
        """Stop the delivery: the owner reads the log, once ``error`` is over."""
        self.live = False
        self.error = error
        self._news.set()

    def put(self, blocks: Sequence[LogBlock]) -> None:
        """Deliver blocks; only the reader calls this."""
        for block in blocks:
            if self.live and block.last > self.after:
                self._blocks.append(block)
                self.after = block.last
        if len(self._blocks) > _MOST_BLOCKS:
            self.live = False
        self._news.set()

    async def usable(self) -> None:
        """Wait while the reader of this feed cannot reach the log."""
        await self._readers.usable(self.name)

    def take(self) -> LogBlock | None:
        """Return the next block; ``None`` if there is none now."""
        return self._blocks.popleft() if self._blocks else None

    async def wait(self) -> None:
        """Wait for blocks, or until the owner must read the log."""
        while self.live and not self._blocks:
            self._news = trio.Event()
            await self._news.wait()


@final
class CommandFeed:
    """New commands of one session."""

    def __init__(self, name: str, after: int) -> None:
        self.name = name
        self.after: int = after
        self._commands: deque[FleetCommand] = deque()
        self._news = trio.Event()

    def put(self, commands: Sequence[FleetCommand]) -> None:
        """Deliver commands; only the reader calls this."""
        for command in commands:
            if command.number > self.after:
                self._commands.append(command)
                self.after = command.number
        self._news.set()

    async def next(self) -> FleetCommand:
        """Wait for the next command and return it."""
        await trio.lowlevel.checkpoint()
        while not self._commands:
            self._news = trio.Event()
            await self._news.wait()
        return self._commands.popleft()


@final
class ShardReaders:
    """The reader tasks of one node or one ``open_fleet`` block."""

    def __init__(self, log: FleetLog, nursery: trio.Nursery) -> None:
        self._log = log
        self._nursery = nursery
        self._feeds: dict[int, set[LogFeed | CommandFeed]] = {}
        self._failing: dict[int, trio.Event] = {}
        self._asking = trio.Lock()
        self._asked_at = -math.inf
        self._alive: frozenset[str] = frozenset()
        self.error: JournalError | None = None
        """Why the last read failed; ``None`` after one that succeeded."""

    async def alive(self) -> frozenset[str]:
        """Return the live nodes, at most a second old: all followers share the answer."""
        async with self._asking:
            if trio.current_time() - self._asked_at > _FRESH:
                self._alive = await self._log.nodes()
                self._asked_at = trio.current_time()
        return self._alive

    def _shard(self, name: str) -> int:
        return shard_of(name, self._log.shards)

    def nudge(self, name: str) -> None:
        """Let the reader of a session read now."""
        self._log.nudge(self._shard(name))

    def follow(self, name: str) -> LogFeed:
        """Open a feed of a log, which is not live yet."""
        feed = LogFeed(self, name)
        self._add(feed)
        return feed

    def queue(self, name: str, after: int) -> CommandFeed:
        """Open a feed of the commands after a number."""
        feed = CommandFeed(name, after)
        self._add(feed)
        self.nudge(name)
        return feed

    def _add(self, feed: LogFeed | CommandFeed) -> None:
        shard = self._shard(feed.name)
        if shard in self._feeds:
            self._feeds[shard].add(feed)
            return
        self._feeds[shard] = {feed}
        self._nursery.start_soon(self._read, shard)

    def drop(self, feed: LogFeed | CommandFeed) -> None:
        """Close a feed."""
        self._feeds[self._shard(feed.name)].discard(feed)

    async def usable(self, name: str) -> None:
        """Wait while the reader of a session cannot reach the log."""
        while self._shard(name) in self._failing:
            await self._failing[self._shard(name)].wait()

    async def _read(self, shard: int) -> None:
        feeds = self._feeds[shard]
        while feeds:
            try:
                await self._read_once(shard, feeds)
            except JournalError as exc:
                self.error = exc
                self._failing.setdefault(shard, trio.Event())
                for feed in feeds:
                    if isinstance(feed, LogFeed):
                        feed.leave(exc)  # the store may return with another log
                await trio.sleep(_PAUSE)
            else:
                self.error = None
                self._usable(shard)
        del self._feeds[shard]
        self._usable(shard)

    def _usable(self, shard: int) -> None:
        failed = self._failing.pop(shard, None)
        if failed is not None:
            failed.set()

    async def _read_once(self, shard: int, feeds: set[LogFeed | CommandFeed]) -> None:
        logs: dict[str, int] = {}
        commands: dict[str, int] = {}
        for feed in feeds:
            if isinstance(feed, CommandFeed):
                commands[feed.name] = min(feed.after, commands.get(feed.name, feed.after))
            elif feed.live:
                logs[feed.name] = min(feed.after, logs.get(feed.name, feed.after))
        news = await self._log.wait(shard, logs, commands)
        for feed in tuple(feeds):
            if isinstance(feed, CommandFeed):
                feed.put(news.commands.get(feed.name, ()))
                continue
            found = news.blocks.get(feed.name)
            if found and feed.live:
                feed.put(found)
            if feed.name in news.stale and feed.name in logs and feed.live:
                feed.leave()
