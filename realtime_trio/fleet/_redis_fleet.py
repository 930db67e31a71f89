"""``RedisLog``: a fleet on many machines, on Redis Streams.

The keys of a session are ``rt:{SHARD}:SESSION:log`` (a stream of blocks, the id of each is
``<last position>-0``; a gap is an entry ``<last>-1``), ``:own`` (a hash: token, nonce, node,
position, epoch), ``:snap`` (a hash: position to snapshot), ``:cmd`` (a stream of commands) and
``:keys`` (a hash: key to number). The braces put a shard into one slot of a Redis Cluster, so
one read serves a shard.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final, cast, final

import msgspec

from .._exceptions import JournalError, JournalInUse
from .._journal._log_store import LogClaim, LogGap, LogInfo, LogRewound, StoredSnapshot
from .._journal._log_writer import LogWriter
from .._log._log_block import BlockGroup, DamagedBlock, LogBlock, decode_block, encode_blocks
from .._log._state_snapshot import check_snapshot
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
    shard_of,
)
from ._redis_host import RedisHost, check_url, open_host

__all__ = ["RedisLog"]

_NODES: Final = "rt:nodes"
_SHARDS: Final = "rt:shards"
_FENCED_AFTER_REMOVAL: Final = 24 * 3600 * 1000
"""Milliseconds in which a node that held a removed session cannot make it again."""


@final
class RedisLog:
    """The log of a fleet in Redis 6.2 or later, or Valkey, at ``url``.

    ``shards`` must be the same for all processes of a fleet, and never change. ``snapshots`` is the
    number of snapshots kept per session; entries before the oldest are dropped. Opening it raises
    :class:`~realtime_trio.JournalError` if Redis cannot be reached, refuses the login or evicts
    keys (``maxmemory-policy allkeys-*``), and without ``realtime-trio[redis]``.
    """

    full_audio = False

    def __init__(self, url: str, *, shards: int = 64, snapshots: int = 2) -> None:
        if isinstance(shards, bool) or shards < 1:
            message = f"RedisLog.shards must be at least 1, not {shards!r}"
            raise ValueError(message)
        check_url(url)
        self._url = url
        self._snapshots = snapshots
        self.shards: int = shards
        self._hosts: list[RedisHost] = []
        self._held: dict[str, tuple[str, bytes]] = {}
        self._wake = secrets.token_hex(8)
        self._woken: dict[int, str] = {}

    def writer(self, claim: LogClaim, *, position: int) -> LogWriter:
        """Return a writer for the log of this claim."""
        return LogWriter(self, claim, position=position, gather=0.0, beats=False)

    @asynccontextmanager
    async def opened(self) -> AsyncGenerator[None, None]:
        """Connect the log within this block. Blocks may overlap."""
        async with open_host(self._url) as host:
            self._hosts.append(host)
            try:
                yield
            finally:
                self._hosts.remove(host)

    @property
    def _redis(self) -> RedisHost:
        if not self._hosts:
            message = "the log is not open"
            raise JournalError(message)
        return self._hosts[0]  # of blocks within one another, the first is left last

    def _keys(self, name: str, *kinds: str) -> list[str]:
        prefix = f"rt:{{{shard_of(name, self.shards)}}}:{name}:"
        return [prefix + kind for kind in kinds]

    def _sessions(self, shard: int) -> str:
        return f"rt:{{{shard}}}:sessions"

    # -- the log ---------------------------------------------------------------------------

    async def info(self, name: str) -> LogInfo | None:
        """Return the description of a log; ``None`` if there is none."""
        fields = ["pos", "first", "clean", "gaps", "epoch"]
        (own,) = self._keys(name, "own")
        pos, first, clean, gaps, epoch = await self._redis.command("hmget", own, fields)
        if pos is None:
            return None
        rows = cast("list[tuple[int, int, str]]", json.loads(gaps)) if gaps else []
        return LogInfo(
            name=name,
            position=int(pos),
            first=int(first or 1),
            clean=clean == b"1",
            gaps=tuple(LogGap(first=int(a), last=int(b), why=why) for a, b, why in rows),
            epoch=(epoch or b"").decode(),
        )

    async def names(self) -> tuple[str, ...]:
        """Return the names of all logs, the one that was claimed last at the end."""
        found: list[tuple[float, str]] = []
        for shard in await self._used_shards():
            rows = await self._redis.command(
                "zrange", self._sessions(shard), 0, -1, withscores=True
            )
            found += [(float(row.score), row.member.decode()) for row in rows]
        return tuple(name for _, name in sorted(found))

    async def _used_shards(self) -> list[int]:
        members = await self._redis.command("smembers", _SHARDS)
        return sorted(int(member) for member in members)

    async def _use_shard(self, name: str) -> str:
        shard = shard_of(name, self.shards)
        await self._redis.command("sadd", _SHARDS, [str(shard)])
        return self._sessions(shard)

    async def claim(self, name: str) -> LogClaim:
        """Become the writer of a log."""
        sessions = await self._use_shard(name)
        nonce = secrets.token_hex(8)
        keys = [*self._keys(name, "own"), sessions]
        token = await self._redis.script("claim", keys, name, nonce, secrets.token_hex(8))
        return LogClaim(name=name, token=int(token), nonce=nonce)

    async def _fenced(
        self, script: str, claim: LogClaim, kinds: Iterable[str], *args: str | bytes | int
    ) -> None:
        keys = self._keys(claim.name, *kinds)
        if script == "gap":
            keys.append(self._sessions(shard_of(claim.name, self.shards)))
        answer = await self._redis.script(script, keys, claim.token, claim.nonce, *args)
        match answer:
            case b"FENCED":
                message = f"another node writes to the log {claim.name!r} now, or it was removed"
                raise JournalInUse(message)
            case b"GONE":
                message = f"Redis has lost the log {claim.name!r}"
                raise LogRewound(message)
            case b"POSITION":
                message = f"the log {claim.name!r} does not end directly before these entries"
                raise ValueError(message)
            case _:
                return

    async def append(self, claim: LogClaim, first: int, groups: Sequence[BlockGroup]) -> int:
        """Append entries."""
        blocks = list(encode_blocks(first, groups))
        pairs = [value for block in blocks for value in (block.last, block.data)]
        await self._fenced("append", claim, ("own", "log"), first, *pairs)
        return sum(len(block.data) for block in blocks)

    async def put_snapshot(self, claim: LogClaim, snapshot: StoredSnapshot) -> None:
        """Keep a snapshot."""
        await self._fenced("snapshot", claim, ("own", "snap"), snapshot.position, snapshot.data)

    async def put_gap(self, claim: LogClaim, gap: LogGap, snapshot: StoredSnapshot | None) -> None:
        """Replace positions by a gap; restart a log that Redis has lost, with another epoch."""
        node, spec = self._held.get(claim.name, ("", msgspec.json.encode(Spec())))
        await self._use_shard(claim.name)
        await self._fenced(
            "gap",
            claim,
            ("own", "log", "snap"),
            *(gap.first, gap.last, gap.why),
            b"" if snapshot is None else snapshot.data,
            *(secrets.token_hex(8), node, spec, claim.name),
        )

    async def beat(self, claim: LogClaim) -> None:
        """Check that the claim is still valid."""
        await self._fenced("beat", claim, ("own",))

    async def trim(self, claim: LogClaim) -> None:
        """Drop all but the newest snapshots, and the entries before them."""
        await self._fenced("trim", claim, ("own", "log", "snap"), self._snapshots)

    async def close(self, claim: LogClaim) -> None:
        """Mark a clean end."""
        await self._fenced("close", claim, ("own",))

    async def read(self, name: str, after: int, limit: int = 64) -> Sequence[LogBlock]:
        """Return blocks with entries after a position."""
        (log,) = self._keys(name, "log")
        rows = await self._redis.command("xrange", log, f"({after}-1", "+", count=limit)
        return _contiguous(rows, after)[0]

    async def snapshots(self, name: str) -> Sequence[StoredSnapshot]:
        """Return the readable snapshots, the newest first."""
        (snap,) = self._keys(name, "snap")
        rows = cast("dict[bytes, bytes]", await self._redis.command("hgetall", snap))
        found: list[StoredSnapshot] = []
        for position, data in rows.items():
            try:
                check_snapshot(data)
            except DamagedBlock:
                continue
            found.append(StoredSnapshot(position=int(position), data=data))
        return sorted(found, key=lambda each: -each.position)

    # -- seats -----------------------------------------------------------------------------

    async def create(self, name: str, spec: Spec) -> bool:
        """Create a session."""
        sessions = await self._use_shard(name)
        keys = [*self._keys(name, "own"), sessions]
        epoch = secrets.token_hex(8)
        return bool(
            await self._redis.script("create", keys, name, msgspec.json.encode(spec), epoch)
        )

    async def remove(self, name: str) -> None:
        """Remove a session."""
        sessions = self._sessions(shard_of(name, self.shards))
        keys = [*self._keys(name, "own", "log", "snap", "cmd", "keys"), sessions]
        await self._redis.script("remove", keys, name, _FENCED_AFTER_REMOVAL)

    async def seats(self) -> Sequence[Seat]:
        """Return all sessions with their owners."""
        found: list[Seat] = []
        for shard in await self._used_shards():
            rows = await self._redis.script("seats", [self._sessions(shard)], f"rt:{{{shard}}}:")
            found += [
                Seat(
                    name=name.decode(),
                    node=node.decode() or None,
                    token=int(token),
                    spec=msgspec.json.decode(spec, type=Spec),
                )
                for name, node, token, spec in rows
            ]
        return found

    async def seat(self, name: str) -> Seat | None:
        """Return one session with its owner."""
        (own,) = self._keys(name, "own")
        node, token, spec = await self._redis.command("hmget", own, ["node", "token", "spec"])
        if spec is None:
            return None
        return Seat(
            name=name,
            node=(node or b"").decode() or None,
            token=int(token or 0),
            spec=msgspec.json.decode(spec, type=Spec),
        )

    async def beat_node(self, node: str, *, lease: float) -> None:
        """Extend the lease of a node."""
        await self._redis.script("node", [_NODES], node, int(lease * 1e6))

    async def end_node(self, node: str) -> None:
        """End the lease of a node."""
        await self._redis.command("zrem", _NODES, [node])

    async def nodes(self) -> frozenset[str]:
        """Return the nodes whose lease has not expired."""
        rows = await self._redis.script("nodes", [_NODES])
        return frozenset(row.decode() for row in rows)

    async def seize(self, seat: Seat, node: str) -> LogClaim | None:
        """Claim a log for a node."""
        nonce = secrets.token_hex(8)
        keys = self._keys(seat.name, "own")
        token = int(await self._redis.script("seize", keys, seat.token, nonce, node))
        if token == 0:
            return None
        self._held[seat.name] = node, msgspec.json.encode(seat.spec)
        return LogClaim(name=seat.name, token=token, nonce=nonce)

    async def release(self, claim: LogClaim) -> None:
        """Release a seat."""
        self._held.pop(claim.name, None)
        await self._fenced("release", claim, ("own",))

    # -- commands and news -----------------------------------------------------------------

    async def put_command(self, name: str, key: str, kind: CommandKind, frame: str) -> FleetCommand:
        """Append a command to the queue of a session."""
        keys = self._keys(name, "own", "cmd", "keys")
        data = frame.encode("utf-8", "surrogatepass")
        answer = await self._redis.script("command", keys, key, kind, data, MAX_COMMANDS)
        if answer == b"NONE":
            message = f"the fleet has no session {name!r}"
            raise NoSuchSession(message)
        if answer == b"FULL":
            message = f"{MAX_COMMANDS} commands wait for the owner of {name!r}"
            raise QueueFull(message)
        number, position = answer
        return FleetCommand(
            number=int(number), key=key, kind=kind, frame=frame, position=int(position)
        )

    async def commands(self, name: str, after: int, limit: int = 64) -> Sequence[FleetCommand]:
        """Return the commands with a number above ``after``."""
        (queue,) = self._keys(name, "cmd")
        rows = await self._redis.command("xrange", queue, f"({after}-0", "+", count=limit)
        return [_command(row) for row in rows]

    async def forget_commands(self, claim: LogClaim, upto: int) -> None:
        """Drop commands except the latest."""
        await self._fenced("forget", claim, ("own", "cmd", "keys"), upto, KEPT_COMMANDS)

    async def wait(
        self, shard: int, logs: Mapping[str, int], commands: Mapping[str, int]
    ) -> LogNews:
        """Wait for entries and commands."""
        wake = self._wake_key(shard)
        streams = {wake: self._woken.setdefault(shard, "0-0")}
        of_log = {self._keys(name, "log")[0].encode(): name for name in logs}
        of_queue = {self._keys(name, "cmd")[0].encode(): name for name in commands}
        streams.update({key.decode(): f"{logs[name]}-1" for key, name in of_log.items()})
        streams.update({key.decode(): f"{commands[name]}-0" for key, name in of_queue.items()})
        blocks: dict[str, Sequence[LogBlock]] = {}
        asked: dict[str, Sequence[FleetCommand]] = {}
        stale: set[str] = set()
        for key, rows in (await self._redis.read_streams(shard, streams, wait=WAIT)).items():
            if key in of_log:
                name = of_log[key]
                blocks[name], whole = _contiguous(rows, logs[name])
                if not whole:
                    stale.add(name)
            elif key in of_queue:
                asked[of_queue[key]] = [_command(row) for row in rows]
            else:
                self._woken[shard] = rows[-1].identifier.decode()
        return LogNews(blocks=blocks, commands=asked, stale=frozenset(stale))

    def _wake_key(self, shard: int) -> str:
        return f"rt:{{{shard}}}:wake:{self._wake}"

    def nudge(self, shard: int) -> None:
        """Let :meth:`wait` of this shard return soon."""
        if self._hosts:
            wake = self._wake_key(shard)
            self._redis.soon("xadd", wake, {"w": "1"})
            self._redis.soon("pexpire", wake, 60_000)


def _contiguous(rows: Iterable[Any], after: int) -> tuple[list[LogBlock], bool]:  # type: ignore[explicit-any]
    """Return the blocks that follow a position, and whether these were all blocks."""
    found: list[LogBlock] = []
    for row in rows:
        data = row.field_values.get(b"b")
        if data is None:
            return found, False
        try:
            block = decode_block(data)
        except DamagedBlock:
            return found, False
        if block.first > after + 1:
            return found, False
        found.append(block)
        after = block.last
    return found, True


def _command(row: Any) -> FleetCommand:  # type: ignore[explicit-any]
    fields = row.field_values
    return FleetCommand(
        number=int(row.identifier.split(b"-")[0]),
        key=fields[b"key"].decode(),
        kind=cast("CommandKind", fields[b"kind"].decode()),
        frame=fields[b"frame"].decode("utf-8", "surrogatepass"),
        position=int(fields[b"pos"]),
    )
