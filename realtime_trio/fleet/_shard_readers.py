"""Readers: one task for each shard in use reads what is new for all feeds of this process.

A feed that its owner does not empty in time is left out until that owner has read on by itself:
a slow follower costs the others nothing.
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
    """What is new in one log. ``live``: the reader hands it over; else its owner reads."""

    def __init__(self, readers: ShardReaders, name: str) -> None:
        self._readers = readers
        self.name = name
        self.after: int = 0
        self.live: bool = False
        self.error: JournalError | None = None
        """Why the reader left it out."""
        self._blocks: deque[LogBlock] = deque()
        self._news = trio.Event()

    def join(self, position: int) -> None:
        """Have everything behind a position handed over from now on."""
        self._blocks.clear()
        self.after = position
        self.live, self.error = True, None
        self._readers.nudge(self.name)

    def leave(self, error: JournalError | None = None) -> None:
        """Hand nothing over: the owner reads by itself, after ``error`` once that is over."""
        self.live = False
        self.error = error
        self._news.set()

    def put(self, blocks: Sequence[LogBlock]) -> None:
        """Hand blocks over; for the reader only."""
        for block in blocks:
            if self.live and block.last > self.after:
                self._blocks.append(block)
                self.after = block.last
        if len(self._blocks) > _MOST_BLOCKS:
            self.live = False
        self._news.set()

    async def usable(self) -> None:
        """Wait while the reader of this feed cannot read: the log is away."""
        await self._readers.usable(self.name)

    def take(self) -> LogBlock | None:
        """The next block, ``None`` where there is none now."""
        return self._blocks.popleft() if self._blocks else None

    async def wait(self) -> None:
        """Wait for blocks, or until the owner has to read by itself."""
        while self.live and not self._blocks:
            self._news = trio.Event()
            await self._news.wait()


@final
class CommandFeed:
    """The commands of one session, from a number on."""

    def __init__(self, name: str, after: int) -> None:
        self.name = name
        self.after: int = after
        self._commands: deque[FleetCommand] = deque()
        self._news = trio.Event()

    def put(self, commands: Sequence[FleetCommand]) -> None:
        """Hand commands over; for the reader only."""
        for command in commands:
            if command.number > self.after:
                self._commands.append(command)
                self.after = command.number
        self._news.set()

    async def next(self) -> FleetCommand:
        """The next command."""
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
        """Why the last attempt to read failed; ``None`` once one has succeeded again."""

    async def alive(self) -> frozenset[str]:
        """The nodes that live, as of a second ago at most: all followers share the answer."""
        async with self._asking:
            if trio.current_time() - self._asked_at > _FRESH:
                self._alive = await self._log.nodes()
                self._asked_at = trio.current_time()
        return self._alive

    def _shard(self, name: str) -> int:
        return shard_of(name, self._log.shards)

    def nudge(self, name: str) -> None:
        """Let the reader of a session look again."""
        self._log.nudge(self._shard(name))

    def follow(self, name: str) -> LogFeed:
        """A feed of a log, not live yet."""
        feed = LogFeed(self, name)
        self._add(feed)
        return feed

    def queue(self, name: str, after: int) -> CommandFeed:
        """A feed of the commands behind a number."""
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
        """Read a feed no longer."""
        self._feeds[self._shard(feed.name)].discard(feed)

    async def usable(self, name: str) -> None:
        """Wait while the reader of a session cannot read."""
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
                        feed.leave(exc)  # the store may come back with another log
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
