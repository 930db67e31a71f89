"""What a fleet needs of a log in addition to a journal: seats, heartbeats and commands.

A *seat* is a session that a node should hold: its log, and the node that writes it. Safety comes
from the token of the claim, which every write checks; heartbeats only decide when to try.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Literal, Protocol, TypeAlias

import attrs

from .._exceptions import JournalError
from .._journal._journal_life import WritesLogs
from .._journal._log_store import LogClaim
from .._log._log_block import LogBlock

__all__ = [
    "CommandKind",
    "FleetCommand",
    "FleetLog",
    "LogNews",
    "NoSuchSession",
    "QueueFull",
    "Seat",
    "Spec",
    "shard_of",
]

CommandKind: TypeAlias = Literal["event", "force", "cancel"]

KEPT_COMMANDS = 512
"""Commands of a session whose keys are remembered; a repeated key is the same command."""
MAX_COMMANDS = 4096
"""Commands of a session that may wait to be read by its owner."""
WAIT = 1.0
"""Seconds that :meth:`FleetLog.wait` waits at most."""


class NoSuchSession(JournalError):
    """The fleet has no session of this name."""


class QueueFull(JournalError):
    """Too many commands of this session wait for its owner."""


@attrs.frozen(slots=True, kw_only=True)
class Spec:
    """What a session was created with."""

    labels: Mapping[str, str] = attrs.field(factory=dict[str, str])
    agent_key: str | None = None
    chat_session_id: str | None = None


@attrs.frozen(slots=True, kw_only=True)
class Seat:
    """A session and its owner: ``node`` holds it; ``None`` means no node does."""

    name: str
    node: str | None
    token: int
    spec: Spec = attrs.field(factory=Spec)


@attrs.frozen(slots=True, kw_only=True)
class FleetCommand:
    """A command in the queue of a session; ``position`` is where the log ended at that time."""

    number: int
    key: str
    kind: CommandKind
    frame: str = attrs.field(repr=False)
    position: int = 0


@attrs.frozen(slots=True, kw_only=True)
class LogNews:
    """The result of :meth:`FleetLog.wait`.

    ``stale`` are logs that cannot be read on from the given position, because of a jump, a
    trimmed beginning or another epoch.
    """

    blocks: Mapping[str, Sequence[LogBlock]] = attrs.field(factory=dict[str, Sequence[LogBlock]])
    commands: Mapping[str, Sequence[FleetCommand]] = attrs.field(
        factory=dict[str, Sequence[FleetCommand]]
    )
    stale: frozenset[str] = frozenset()


class FleetLog(WritesLogs, Protocol):
    """A log that nodes and followers share. Every method raises ``JournalError`` if it fails."""

    @property
    def shards(self) -> int:
        """The number of shards; one reader serves each shard."""
        ...

    def opened(self) -> AbstractAsyncContextManager[None]:
        """Keep the log open within this block. Blocks may overlap."""
        ...

    async def create(self, name: str, spec: Spec) -> bool:
        """Create a session; return whether it was new. An existing session does not change."""
        ...

    async def remove(self, name: str) -> None:
        """Remove a session, its log and its commands; its owner loses it."""
        ...

    async def seats(self) -> Sequence[Seat]:
        """Return all sessions with their owners."""
        ...

    async def seat(self, name: str) -> Seat | None:
        """Return one session with its owner."""
        ...

    async def beat_node(self, node: str, *, lease: float) -> None:
        """Extend the lease of a node to ``lease`` seconds from now."""
        ...

    async def end_node(self, node: str) -> None:
        """End the lease of a node."""
        ...

    async def nodes(self) -> frozenset[str]:
        """Return the nodes whose lease has not expired."""
        ...

    async def seize(self, seat: Seat, node: str) -> LogClaim | None:
        """Claim a log for a node; return ``None`` if its token has changed."""
        ...

    async def release(self, claim: LogClaim) -> None:
        """Release a seat; no node holds it then. Raises ``JournalInUse`` if another does."""
        ...

    async def put_command(self, name: str, key: str, kind: CommandKind, frame: str) -> FleetCommand:
        """Append a command to the queue of a session, or return the earlier command with this key.

        Raises :class:`NoSuchSession` and :class:`QueueFull`.
        """
        ...

    async def commands(self, name: str, after: int, limit: int = 64) -> Sequence[FleetCommand]:
        """Return the commands with a number above ``after``, in order."""
        ...

    async def forget_commands(self, claim: LogClaim, upto: int) -> None:
        """Drop commands up to a number, except the latest ones, whose keys stay known."""
        ...

    async def wait(
        self, shard: int, logs: Mapping[str, int], commands: Mapping[str, int]
    ) -> LogNews:
        """Wait a short time for entries and commands after these positions and numbers.

        Call it from one task per shard.
        """
        ...

    def nudge(self, shard: int) -> None:
        """Let :meth:`wait` of this shard return soon, because its arguments have changed."""
        ...


def shard_of(name: str, shards: int) -> int:
    """Return the shard of a session."""
    return zlib.crc32(name.encode("utf-8", "surrogatepass")) % shards
