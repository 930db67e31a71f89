"""A fleet: nodes, and sessions that any process attaches to.

Written by tools/doors.py: change the native classes instead.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager

from .._config import ClientConfig
from ..fleet._fleet import Fleet as NativeFleet
from ..fleet._fleet import open_fleet as native_open_fleet
from ..fleet._fleet_log import FleetLog, Seat
from ..fleet._node import Node as NativeNode
from ..fleet._node import NodeHealth
from ..fleet._node import open_node as native_open_node
from ..fleet._node_changes import NodeChange
from ..fleet._node_changes import NodeChanges as NativeNodeChanges
from ..fleet._node_changes import signal_of as nodechanges_signal
from ._channel import Channel
from ._dialling import DialSource, as_dial
from ._door import Door, Mirror
from ._opening import opened
from ._remote import RemoteSession

__all__ = ["Fleet", "Node", "NodeChanges", "open_fleet", "open_node"]


class NodeChanges(Channel[NodeChange]):
    """The sessions that a node claims, releases and loses; made by ``node.changes()``.

    It ends after the last change when the node ends, or when its reader is 4,096 changes behind.
    Several threads may read it: each change goes to one of them.
    """

    def __init__(self, door: Door, native: NativeNodeChanges) -> None:
        super().__init__(door, native, nodechanges_signal(native))
        self._inner = native


class Fleet(Mirror[NativeFleet]):
    """The sessions of a fleet; made by :func:`open_fleet`."""

    def create(
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
        return self._door.call(
            self._native.create,
            name,
            labels=labels,
            agent_key=agent_key,
            chat_session_id=chat_session_id,
        )

    def remove(self, name: str) -> None:
        """Remove a session and its log; the node that holds it closes its connection."""
        self._door.call(self._native.remove, name)

    def sessions(self) -> Sequence[Seat]:
        """Return all sessions, each with the node that holds it."""
        return self._door.call(self._native.sessions)

    def nodes(self) -> frozenset[str]:
        """Return the names of the running nodes."""
        return self._door.call(self._native.nodes)

    def attach(
        self, name: str, *, config: ClientConfig | None = None
    ) -> AbstractContextManager[RemoteSession]:
        """Follow a session: ``with fleet.attach("call-17") as session``.

        The block starts with the state at the end of the log. Any number of processes may attach.
        ``config`` sets the bounds of the lanes. Raises :class:`~realtime_trio.JournalError`
        if there is no such session, or the log fails. Errors of the body are raised unchanged.
        """
        return self._door.block(self._native.attach(name, config=config), RemoteSession, own=True)


class Node(Mirror[NativeNode]):
    """A node of a fleet; made by :func:`open_node`."""

    @property
    def name(self) -> str:
        """The name of this node, which no other node has."""
        return self._door.plain(lambda: self._native.name)

    @property
    def sessions(self) -> tuple[str, ...]:
        """Return the sessions that this node holds."""
        return self._door.plain(lambda: self._native.sessions)

    def health(self) -> NodeHealth:
        """Return the condition of the node."""
        return self._door.plain(lambda: self._native.health())

    def changes(self) -> AbstractContextManager[NodeChanges]:
        """Subscribe to the sessions that this node claims, releases and loses.

        The channel ends when the node ends, or when its reader is 4,096 changes behind.
        """
        return self._door.block(self._native.changes(), NodeChanges)

    def drain(self) -> None:
        """Claim no more sessions, finish the turns, and release every session.

        Other nodes take them over. May be called inside the block; a second caller waits for
        the same drain.
        """
        self._door.call(self._native.drain)


def open_fleet(
    log: FleetLog, *, config: ClientConfig | None = None
) -> AbstractContextManager[Fleet]:
    """Use a fleet from a process that holds no connections: ``with open_fleet(log)``.

    One task per shard in use reads for all sessions that are attached. Leaving the block detaches
    all sessions. Raises :class:`~realtime_trio.JournalError` if the log cannot be opened; errors of
    the body are raised unchanged.
    """
    return opened(native_open_fleet(log, config=config), Fleet)


def open_node(
    log: FleetLog,
    dial: DialSource,
    *,
    capacity: int = 500,
    name: str | None = None,
    heartbeat: float = 1.0,
    dials: int = 16,
    drain: float = 30.0,
) -> AbstractContextManager[Node]:
    """Hold sessions of a fleet: ``with open_node(log, dial, capacity=500) as node``.

    ``dial`` is called before each connection to a session, and returns the address and the login.
    If it raises, the node releases the session, and a node tries again later. ``capacity`` is the
    maximum number of sessions. A node that misses two heartbeats (``heartbeat`` seconds each)
    counts as dead, and others take its sessions over. At most ``dials`` connections are opened at
    a time, and a few times as many sessions wait for that. ``name`` is for display; it gets a
    unique suffix.

    Leaving the block drains the node within ``drain`` seconds: turns end, and other nodes take
    the sessions over. If the block raises, its connections are closed and its
    lease ends, so that other nodes take the sessions over at once.

    Raises :class:`~realtime_trio.JournalError` if the log cannot be opened, ``ValueError`` for
    numbers that are not positive. If the log fails later, the node continues: see
    ``node.health()``.
    """
    return opened(
        native_open_node(
            log,
            as_dial(dial),
            capacity=capacity,
            name=name,
            heartbeat=heartbeat,
            dials=dials,
            drain=drain,
        ),
        Node,
    )
