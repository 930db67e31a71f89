"""What a log does for a fleet, beside what a journal needs: seats, heartbeats, commands.

A *seat* is a session that some node should hold: its log, and who writes it. Safety comes from
the token of the claim, which every write checks; heartbeats only decide when to try.
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
    """A session and its owner: ``node`` holds it, ``None`` for nobody."""

    name: str
    node: str | None
    token: int
    spec: Spec = attrs.field(factory=Spec)


@attrs.frozen(slots=True, kw_only=True)
class FleetCommand:
    """A command in the queue of a session. Numbers grow; ``position`` is where the log was."""

    number: int
    key: str
    kind: CommandKind
    frame: str = attrs.field(repr=False)
    position: int = 0


@attrs.frozen(slots=True, kw_only=True)
class LogNews:
    """What :meth:`FleetLog.wait` found.

    ``stale`` are logs that went on in a way that cannot be read on from the position: a jump, a
    trimmed beginning, another epoch.
    """

    blocks: Mapping[str, Sequence[LogBlock]] = attrs.field(factory=dict[str, Sequence[LogBlock]])
    commands: Mapping[str, Sequence[FleetCommand]] = attrs.field(
        factory=dict[str, Sequence[FleetCommand]]
    )
    stale: frozenset[str] = frozenset()


class FleetLog(WritesLogs, Protocol):
    """A log that nodes and followers share. Every method raises ``JournalError`` for failures."""

    @property
    def shards(self) -> int:
        """Into how many shards the sessions are spread; one reader serves a shard."""
        ...

    def opened(self) -> AbstractAsyncContextManager[None]:
        """The log is open within this block. Blocks may overlap."""
        ...

    async def create(self, name: str, spec: Spec) -> bool:
        """Make a session; tells whether it was new. What it has stays as it was."""
        ...

    async def remove(self, name: str) -> None:
        """Forget a session, its log and its commands; its owner loses it."""
        ...

    async def seats(self) -> Sequence[Seat]:
        """All sessions and who holds them."""
        ...

    async def seat(self, name: str) -> Seat | None:
        """One session and who holds it."""
        ...

    async def beat_node(self, node: str, *, lease: float) -> None:
        """A node lives, for the next ``lease`` seconds at least."""
        ...

    async def end_node(self, node: str) -> None:
        """A node has left."""
        ...

    async def nodes(self) -> frozenset[str]:
        """The nodes whose lease holds."""
        ...

    async def seize(self, seat: Seat, node: str) -> LogClaim | None:
        """Claim a log for a node, unless its token has moved on; ``None`` then."""
        ...

    async def release(self, claim: LogClaim) -> None:
        """Give the seat back: nobody holds it. ``JournalInUse`` if another does already."""
        ...

    async def put_command(self, name: str, key: str, kind: CommandKind, frame: str) -> FleetCommand:
        """Append a command to the queue of a session; one with a known key is the one before.

        Raises :class:`NoSuchSession` and :class:`QueueFull`.
        """
        ...

    async def commands(self, name: str, after: int, limit: int = 64) -> Sequence[FleetCommand]:
        """Commands with a number above ``after``, in order."""
        ...

    async def forget_commands(self, claim: LogClaim, upto: int) -> None:
        """Drop commands up to a number, but the latest, whose keys are still known."""
        ...

    async def wait(
        self, shard: int, logs: Mapping[str, int], commands: Mapping[str, int]
    ) -> LogNews:
        """Wait for entries and commands behind these positions and numbers, a moment at most.

        For one task per shard.
        """
        ...

    def nudge(self, shard: int) -> None:
        """Let :meth:`wait` of this shard return soon: what it waits for has changed."""
        ...


def shard_of(name: str, shards: int) -> int:
    """The shard of a session."""
    return zlib.crc32(name.encode("utf-8", "surrogatepass")) % shards
