"""``open_node``: a process that holds connections to the agents' server for a fleet."""

from __future__ import annotations

import logging
import math
import random
import secrets
from collections import Counter
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import Final, final

import attrs
import trio

from .._exceptions import JournalError
from .._needs_trio import check_trio
from .._session._unwrapping_nursery import unwrapping_nursery
from ._fleet_log import FleetLog, Seat
from ._node_changes import Claimed, Lost, NodeChange, NodeChanges, Released
from ._seat_run import DialFunction, SeatRun
from ._shard_readers import ShardReaders

__all__ = ["Node", "NodeHealth", "open_node"]

_logger: Final = logging.getLogger("realtime_trio.fleet")

_LEASE: Final = 2.0
"""Heartbeats that a node may miss before its sessions are taken over."""
_LEAVE: Final = 1.0
_LOOK: Final = 2.0
"""Seconds after which a node at the latest looks whether its sessions are still its own."""
_AHEAD: Final = 4
"""Sessions that wait to be dialled, for each that is being dialled."""
_AGAIN: Final = (1.0, 2.0, 5.0, 15.0, 60.0)
"""Seconds until this node tries a session again that it could not open."""


@attrs.frozen(slots=True, kw_only=True)
class NodeHealth:
    """The condition of a node.

    ``sessions`` is the number of held sessions, ``open`` the number with a confirmed link.
    ``beat_age`` is the time in seconds since the last heartbeat that the log accepted, or ``None``
    before the first. ``error`` says why the log fails now. ``claims`` counts the sessions that it
    has claimed, ``takeovers`` those of them that a dead node had held, and ``losses`` the sessions
    that another node took over.
    """

    name: str
    sessions: int
    open: int
    capacity: int
    beat_age: float | None
    error: str | None
    draining: bool = False
    claims: int = 0
    takeovers: int = 0
    losses: int = 0


@final
class Node:
    """A node of a fleet; made by :func:`open_node`."""

    def __init__(
        self,
        log: FleetLog,
        dial: DialFunction,
        nursery: trio.Nursery,
        *,
        name: str,
        capacity: int,
        heartbeat: float,
        limiter: trio.CapacityLimiter,
    ) -> None:
        self.name: str = name
        """The name of this node, which no other node has."""
        self._log = log
        self._dial = dial
        self._nursery = nursery
        self._capacity = capacity
        self._heartbeat = heartbeat
        self._limiter = limiter
        self._readers = ShardReaders(log, nursery)
        self._runs: dict[str, SeatRun] = {}
        self._failures: dict[str, tuple[int, float]] = {}
        self._listeners: set[NodeChanges] = set()
        self._claiming = trio.CancelScope()
        self._empty = trio.lowlevel.ParkingLot()
        self._beat_at: float | None = None
        self._looked_at = trio.current_time()
        self._steady_since = math.inf
        self._opened = trio.lowlevel.ParkingLot()
        self._error: JournalError | None = None
        self._draining = False
        self._changes_made: Counter[type] = Counter()
        self._takeovers = 0
        self._random = random.Random(name)

    @property
    def sessions(self) -> tuple[str, ...]:
        """Return the sessions that this node holds."""
        return tuple(self._runs)

    def health(self) -> NodeHealth:
        """Return the condition of the node."""
        error = self._error or self._readers.error or self._write_error()
        beat = self._beat_at
        return NodeHealth(
            name=self.name,
            sessions=len(self._runs),
            open=sum(run.open for run in self._runs.values()),
            capacity=self._capacity,
            beat_age=None if beat is None else trio.current_time() - beat,
            error=None if error is None else str(error),
            draining=self._draining,
            claims=self._changes_made[Claimed],
            takeovers=self._takeovers,
            losses=self._changes_made[Lost],
        )

    def _write_error(self) -> JournalError | None:
        found = (run.write_error for run in self._runs.values())
        return next((error for error in found if error is not None), None)

    @asynccontextmanager
    async def changes(self) -> AsyncGenerator[NodeChanges, None]:
        """Subscribe to the sessions that this node claims, releases and loses.

        The channel ends when the node ends, or when its reader is 4,096 changes behind.
        """
        with NodeChanges() as changes:
            self._listeners.add(changes)
            try:
                yield changes
            finally:
                self._listeners.discard(changes)

    def _emit(self, change: NodeChange) -> None:
        self._changes_made[type(change)] += 1
        if isinstance(change, Claimed):
            self._takeovers += change.took_over is not None
        _logger.info("%s: %s", self.name, change)
        self._listeners = {listener for listener in self._listeners if listener.put(change)}

    # -- claiming --------------------------------------------------------------------------

    async def beat(self) -> None:
        """Send heartbeats until cancelled."""
        while True:
            await self._try_to_beat()
            await trio.sleep(self._heartbeat)

    async def _try_to_beat(self) -> None:
        lease = _LEASE * self._heartbeat
        try:
            await self._log.beat_node(self.name, lease=lease)
        except JournalError as exc:
            self._failed(exc)
        else:
            now = trio.current_time()
            if self._beat_at is None or now - self._beat_at > lease:
                self._steady_since = now
            self._beat_at = now
            self._error = None

    def _failed(self, exc: JournalError) -> None:
        if self._error is None:
            _logger.warning("%s: %s", self.name, exc)
        self._error = exc

    async def claim(self) -> None:
        """Look for sessions that nobody holds, until cancelled or drained."""
        with self._claiming:
            while True:
                try:
                    await self._claim_some()
                except JournalError as exc:
                    self._failed(exc)
                # Jitter: the nodes of a fleet do not all look at the same moment.
                await trio.sleep(self._heartbeat * self._random.uniform(0.3, 0.7))

    async def _claim_some(self) -> None:
        if self._room() <= 0:
            return
        until = trio.current_time() + self._heartbeat
        seats = await self._look()
        alive = await self._log.nodes()
        free = [seat for seat in seats if self._is_free(seat, alive)]
        self._random.shuffle(free)
        while free and self._error is None:
            count = await self._dialled_soon(until)
            async with trio.open_nursery() as nursery:
                for seat in free[:count]:
                    nursery.start_soon(self._seize, seat)
            free = free[count:] if count else []

    async def look(self) -> None:
        """Look whether the sessions are still this node's, until cancelled.

        Claiming looks as well, so this one looks only while the node is full or drains.
        """
        while True:
            await trio.sleep_until(self._looked_at + _LOOK)
            if trio.current_time() >= self._looked_at + _LOOK:
                try:
                    await self._look()
                except JournalError as exc:
                    self._failed(exc)

    async def _look(self) -> Sequence[Seat]:
        """Read all seats, and let the writers of those that are no longer held check their claims.

        Writers of idle sessions do not check them: that would cost more than their events.
        """
        self._looked_at = trio.current_time()
        seats = await self._log.seats()
        by_name = {seat.name: seat for seat in seats}
        for name, run in self._runs.items():
            run.compare(by_name.get(name), self.name)
        return seats

    def _room(self) -> int:
        return self._capacity - len(self._runs)

    async def _dialled_soon(self, until: float) -> int:
        """Return how many sessions can be dialled soon; other nodes claim the rest.

        They are claimed at once: while the first of them open, a node has little time for others.
        """
        most = _AHEAD * int(self._limiter.total_tokens)
        with trio.move_on_at(until):
            while (waiting := sum(not run.open for run in self._runs.values())) >= most:
                await self._opened.park()
            return min(self._room(), most - waiting)
        return 0

    def _is_free(self, seat: Seat, alive: frozenset[str]) -> bool:
        if seat.name in self._runs:
            return False
        _, until = self._failures.get(seat.name, (0, 0.0))
        if trio.current_time() < until:
            return False
        if seat.node is None or seat.node == self.name:
            return True
        return seat.node not in alive and self._may_take_over()

    def _may_take_over(self) -> bool:
        """Whether leases show which nodes are alive: not directly after the log was unreachable.

        Other nodes could not reach it either, so their leases have expired although they are alive.
        """
        return trio.current_time() - self._steady_since >= _LEASE * self._heartbeat

    async def _seize(self, seat: Seat) -> None:
        try:
            claim = await self._log.seize(seat, self.name)
        except JournalError as exc:
            self._failed(exc)
            return
        if claim is None:
            return
        run = SeatRun(
            self._log,
            self._readers,
            seat,
            claim,
            dial=self._dial,
            limiter=self._limiter,
            on_open=self._opened.unpark_all,
        )
        self._runs[seat.name] = run
        self._emit(
            Claimed(session=seat.name, took_over=seat.node if seat.node != self.name else None)
        )
        self._nursery.start_soon(self._hold, seat.name, run)

    async def _hold(self, name: str, run: SeatRun) -> None:
        try:
            end = await run.run()
        finally:
            del self._runs[name]
            self._opened.unpark_all()
            if not self._runs:
                self._empty.unpark_all()
        if end.blames is None:
            self._failures.pop(name, None)
        else:
            count = self._failures.get(name, (0, 0.0))[0]
            count = count + 1 if end.blames == "the session" else 1
            pause = _AGAIN[min(count, len(_AGAIN)) - 1]
            self._failures[name] = count, trio.current_time() + pause
        released = end.kind == "released"
        self._emit((Released if released else Lost)(session=name, why=end.why))

    # -- leaving ---------------------------------------------------------------------------

    async def drain(self) -> None:
        """Claim no more sessions, finish the turns, and release every session.

        Other nodes take them over. May be called inside the block; a second caller waits for
        the same drain. If the caller is cancelled, the node continues to drain.
        """
        self._draining = True
        self._claiming.cancel()
        for run in self._runs.values():
            run.drain()
        await trio.lowlevel.checkpoint()
        while self._runs:
            await self._empty.park()

    def finish(self) -> None:
        """End the channels of changes."""
        for listener in self._listeners:
            listener.finish()


@asynccontextmanager
async def _lease(log: FleetLog, name: str) -> AsyncGenerator[None, None]:
    """End the lease of a node with this block; if the log fails, the lease expires."""
    try:
        yield
    finally:
        with trio.move_on_after(_LEAVE, shield=True):
            try:
                await log.end_node(name)
            except JournalError as exc:
                _logger.warning("%s: %s", name, exc)


@asynccontextmanager
async def open_node(
    log: FleetLog,
    dial: DialFunction,
    *,
    capacity: int = 500,
    name: str | None = None,
    heartbeat: float = 1.0,
    dials: int = 16,
    drain: float = 30.0,
) -> AsyncGenerator[Node, None]:
    """Hold sessions of a fleet: ``async with open_node(log, dial, capacity=500) as node``.

    ``dial`` is called before each connection to a session, and returns the address and the login.
    If it raises, the node releases the session, and a node tries again later. ``capacity`` is the
    maximum number of sessions. A node that misses two heartbeats (``heartbeat`` seconds each)
    counts as dead, and others take its sessions over. At most ``dials`` connections are opened at
    a time, and a few times as many sessions wait for that. ``name`` is for display; it gets a
    unique suffix.

    Leaving the block drains the node within ``drain`` seconds: turns end, and other nodes take
    the sessions over. If the block is cancelled or raises, its connections are closed and its
    lease ends, so that other nodes take the sessions over at once.

    Raises :class:`~realtime_trio.JournalError` if the log cannot be opened, ``ValueError`` for
    numbers that are not positive. If the log fails later, the node continues: see
    ``node.health()``.
    """
    check_trio("fleet.open_node")
    for key, value in (("capacity", capacity), ("heartbeat", heartbeat), ("dials", dials)):
        if not value > 0:
            message = f"{key} must be greater than 0, not {value!r}"
            raise ValueError(message)
    name = f"{name or 'node'}-{secrets.token_hex(3)}"
    async with log.opened(), _lease(log, name), unwrapping_nursery() as nursery:
        node = Node(
            log,
            dial,
            nursery,
            name=name,
            capacity=capacity,
            heartbeat=heartbeat,
            limiter=trio.CapacityLimiter(dials),
        )
        nursery.start_soon(node.beat)
        nursery.start_soon(node.claim)
        nursery.start_soon(node.look)
        try:
            yield node
            with trio.move_on_after(drain):
                await node.drain()
        finally:
            node.finish()
