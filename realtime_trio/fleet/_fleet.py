"""``open_fleet``: a process that creates sessions and attaches to them."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import cast, final

from .._config import ClientConfig
from .._needs_trio import check_trio
from .._session._unwrapping_nursery import outliving_nursery, unwrapping_nursery
from ._fleet_log import FleetLog, NoSuchSession, Seat, Spec
from ._follower import Follower
from ._remote_session import RemoteSession
from ._shard_readers import ShardReaders

__all__ = ["Fleet", "open_fleet"]


@final
class Fleet:
    """The sessions of a fleet; made by :func:`open_fleet`."""

    def __init__(self, log: FleetLog, readers: ShardReaders, config: ClientConfig) -> None:
        self._log = log
        self._readers = readers
        self._config = config

    async def create(
        self,
        name: str,
        *,
        labels: Mapping[str, str] | None = None,
        agent_key: str | None = None,
        chat_session_id: str | None = None,
    ) -> bool:
        """Create a session; a node claims it and opens its connection.

        Return whether it was new; an existing session does not change. ``labels`` are for the
        nodes' dial function. Raises :class:`~realtime_trio.JournalError` if the log fails.
        """
        _check_name(name)
        spec = Spec(labels=dict(labels or {}), agent_key=agent_key, chat_session_id=chat_session_id)
        return await self._log.create(name, spec)

    async def remove(self, name: str) -> None:
        """Remove a session and its log; the node that holds it closes its connection."""
        await self._log.remove(name)

    async def sessions(self) -> Sequence[Seat]:
        """Return all sessions, each with the node that holds it."""
        return await self._log.seats()

    async def nodes(self) -> frozenset[str]:
        """Return the names of the running nodes."""
        return await self._log.nodes()

    @asynccontextmanager
    async def attach(
        self, name: str, *, config: ClientConfig | None = None
    ) -> AsyncGenerator[RemoteSession, None]:
        """Follow a session: ``async with fleet.attach("call-17") as session``.

        The block starts with the state at the end of the log. Any number of processes may attach.
        ``config`` sets the bounds of the lanes. Raises :class:`~realtime_trio.JournalError`
        if there is no such session, or the log fails. Errors of the body are raised unchanged.
        """
        seat = await self._log.seat(name)
        if seat is None:
            message = f"the fleet has no session {name!r}: create it first"
            raise NoSuchSession(message)
        follower = Follower(self._log, self._readers, seat, config or self._config)
        await follower.begin()
        async with unwrapping_nursery() as nursery:
            nursery.start_soon(follower.hold)
            try:
                yield RemoteSession(self._log, follower)
            finally:
                follower.leave()


@asynccontextmanager
async def open_fleet(
    log: FleetLog, *, config: ClientConfig | None = None
) -> AsyncGenerator[Fleet, None]:
    """Use a fleet from a process that holds no connections: ``async with open_fleet(log)``.

    One task per shard in use reads for all sessions that are attached. Leaving the block detaches
    all sessions. Raises :class:`~realtime_trio.JournalError` if the log cannot be opened; errors of
    the body are raised unchanged.
    """
    check_trio("fleet.open_fleet")
    async with log.opened(), outliving_nursery() as nursery:
        yield Fleet(log, ShardReaders(log, nursery), config or ClientConfig())


def _check_name(name: str) -> None:
    if not isinstance(cast("object", name), str) or not name or set(name) & set("{}"):
        message = f"the name of a session must be a non-empty str without braces, not {name!r}"
        raise ValueError(message)
