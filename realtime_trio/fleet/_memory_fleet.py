"""``MemoryLog``: a fleet within one process, for tests."""

from __future__ import annotations

import itertools
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import final

import attrs
import trio

from .._exceptions import JournalInUse
from .._journal._log_store import LogClaim, LogGap, StoredSnapshot
from .._journal._log_writer import LogWriter
from .._journal._memory_log import MemoryStore
from .._log._log_block import BlockGroup, LogBlock
from ._fleet_log import (
    KEPT_COMMANDS,
    MAX_COMMANDS,
    WAIT,
    CommandKind,
    FleetCommand,
    LogNews,
    NoSuchSession,
    QueueFull,
    Seat,
    Spec,
)

__all__ = ["MemoryLog"]


@attrs.define(slots=True)
class _MemorySeat:
    """What a session has in addition to its log."""

    spec: Spec
    node: str | None = None
    numbers: itertools.count[int] = attrs.field(factory=lambda: itertools.count(1))
    commands: list[FleetCommand] = attrs.field(factory=list[FleetCommand])


@final
class MemoryLog(MemoryStore):
    """A log in memory, shared by the nodes and followers of one ``trio.run``.

    For tests. Its contents end with the process. It uses trio's clock, so leases and takeovers
    also work with a virtual clock.
    """

    full_audio = False
    shards = 1

    def __init__(self) -> None:
        super().__init__()
        self._seats: dict[str, _MemorySeat] = {}
        self._leases: dict[str, float] = {}
        self._moved = trio.lowlevel.ParkingLot()

    def writer(self, claim: LogClaim, *, position: int) -> LogWriter:
        """Return a writer for the log of this claim."""
        return LogWriter(self, claim, position=position, gather=0.0, beats=False)

    @asynccontextmanager
    async def opened(self) -> AsyncGenerator[None, None]:
        """Do nothing: there is no file to open."""
        await trio.lowlevel.checkpoint()
        yield

    def _moved_on(self) -> None:
        self._moved.unpark_all()

    # -- the log, with its followers told --------------------------------------------------

    async def append(self, claim: LogClaim, first: int, groups: Sequence[BlockGroup]) -> int:
        """Append entries."""
        size = await super().append(claim, first, groups)
        self._moved_on()
        return size

    async def put_gap(self, claim: LogClaim, gap: LogGap, snapshot: StoredSnapshot | None) -> None:
        """Replace positions by a gap."""
        await super().put_gap(claim, gap, snapshot)
        self._moved_on()

    # -- seats -----------------------------------------------------------------------------

    async def create(self, name: str, spec: Spec) -> bool:
        """Create a session."""
        await trio.lowlevel.checkpoint()
        if name in self._seats:
            return False
        self._seats[name] = _MemorySeat(spec)
        return True

    async def remove(self, name: str) -> None:
        """Remove a session."""
        await trio.lowlevel.checkpoint()
        self._seats.pop(name, None)
        self.forget(name)
        self._moved_on()

    def _seat(self, name: str, seat: _MemorySeat) -> Seat:
        return Seat(name=name, node=seat.node, token=self.token_of(name), spec=seat.spec)

    async def seats(self) -> Sequence[Seat]:
        """Return all sessions with their owners."""
        await trio.lowlevel.checkpoint()
        return [self._seat(name, seat) for name, seat in self._seats.items()]

    async def seat(self, name: str) -> Seat | None:
        """Return one session with its owner."""
        await trio.lowlevel.checkpoint()
        seat = self._seats.get(name)
        return None if seat is None else self._seat(name, seat)

    async def beat_node(self, node: str, *, lease: float) -> None:
        """Extend the lease of a node."""
        await trio.lowlevel.checkpoint()
        self._leases[node] = trio.current_time() + lease

    async def end_node(self, node: str) -> None:
        """End the lease of a node."""
        await trio.lowlevel.checkpoint()
        self._leases.pop(node, None)

    async def nodes(self) -> frozenset[str]:
        """Return the nodes whose lease has not expired."""
        await trio.lowlevel.checkpoint()
        now = trio.current_time()
        return frozenset(node for node, until in self._leases.items() if until > now)

    async def seize(self, seat: Seat, node: str) -> LogClaim | None:
        """Claim a log for a node."""
        await trio.lowlevel.checkpoint()
        kept = self._seats.get(seat.name)
        if kept is None or self.token_of(seat.name) != seat.token:
            return None
        kept.node = node
        return self.claim_now(seat.name)

    async def release(self, claim: LogClaim) -> None:
        """Release a seat."""
        await self.beat(claim)
        seat = self._seats.get(claim.name)
        if seat is None:
            message = f"the session {claim.name!r} was removed"
            raise JournalInUse(message)
        seat.node = None

    # -- commands --------------------------------------------------------------------------

    async def put_command(self, name: str, key: str, kind: CommandKind, frame: str) -> FleetCommand:
        """Append a command to the queue of a session."""
        await trio.lowlevel.checkpoint()
        seat = self._seats.get(name)
        if seat is None:
            message = f"the fleet has no session {name!r}"
            raise NoSuchSession(message)
        known = next((each for each in seat.commands if each.key == key), None)
        if known is not None:
            return known
        if len(seat.commands) >= MAX_COMMANDS:
            message = f"{MAX_COMMANDS} commands wait for the owner of {name!r}"
            raise QueueFull(message)
        position = self.position_of(name)
        number = next(seat.numbers)
        command = FleetCommand(number=number, key=key, kind=kind, frame=frame, position=position)
        seat.commands.append(command)
        self._moved_on()
        return command

    async def commands(self, name: str, after: int, limit: int = 64) -> Sequence[FleetCommand]:
        """Return the commands with a number above ``after``."""
        await trio.lowlevel.checkpoint()
        return self._commands(name, after, limit)

    def _commands(self, name: str, after: int, limit: int) -> list[FleetCommand]:
        seat = self._seats.get(name)
        found = () if seat is None else seat.commands
        return [each for each in found if each.number > after][:limit]

    async def forget_commands(self, claim: LogClaim, upto: int) -> None:
        """Drop commands except the latest."""
        await self.beat(claim)
        seat = self._seats[claim.name]
        old = [each for each in seat.commands[:-KEPT_COMMANDS] if each.number <= upto]
        seat.commands = seat.commands[len(old) :]

    # -- following -------------------------------------------------------------------------

    async def wait(
        self, shard: int, logs: Mapping[str, int], commands: Mapping[str, int]
    ) -> LogNews:
        """Wait for entries and commands."""
        await trio.lowlevel.checkpoint()
        news = self._look(logs, commands)
        if news is not None:
            return news
        with trio.move_on_after(WAIT):
            await self._moved.park()
        return LogNews()

    def _look(self, logs: Mapping[str, int], commands: Mapping[str, int]) -> LogNews | None:
        blocks: dict[str, Sequence[LogBlock]] = {}
        stale: set[str] = set()
        for name, after in logs.items():
            if self.position_of(name) != after:
                found = self.read_now(name, after, 64)
                if found:
                    blocks[name] = found
                else:
                    stale.add(name)
        asked = {name: self._commands(name, after, 64) for name, after in commands.items()}
        asked = {name: found for name, found in asked.items() if found}
        if blocks or stale or asked:
            return LogNews(blocks=blocks, commands=asked, stale=frozenset(stale))
        return None

    def nudge(self, shard: int) -> None:
        """Let :meth:`wait` return soon."""
        self._moved_on()
