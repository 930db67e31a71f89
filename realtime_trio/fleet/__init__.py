"""A fleet: nodes hold the connections, and any other process attaches to their sessions.

Not imported before it is used: ``realtime_trio.fleet`` is loaded on first use.
"""

from __future__ import annotations

from .._journal._log_store import LogClaim, LogInfo, LogRewound, LogStore, StoredSnapshot
from .._log._log_block import BlockGroup, DamagedBlock, LogBlock, decode_block, encode_blocks
from ._fleet import Fleet, open_fleet
from ._fleet_log import (
    FleetCommand,
    FleetLog,
    LogNews,
    NoSuchSession,
    QueueFull,
    Seat,
    Spec,
    shard_of,
)
from ._memory_fleet import MemoryLog
from ._node import Node, NodeHealth, open_node
from ._node_changes import Claimed, Lost, NodeChange, NodeChanges, Released
from ._redis_fleet import RedisLog
from ._remote_receipt import RemoteReceipt
from ._remote_session import RemoteSession, RemoteTurn
from ._seat_run import Claim, Dial
from ._sqlite_fleet import SqliteLog

__all__ = [
    "BlockGroup",
    "Claim",
    "Claimed",
    "DamagedBlock",
    "Dial",
    "Fleet",
    "FleetCommand",
    "FleetLog",
    "LogBlock",
    "LogClaim",
    "LogInfo",
    "LogNews",
    "LogRewound",
    "LogStore",
    "Lost",
    "MemoryLog",
    "NoSuchSession",
    "Node",
    "NodeChange",
    "NodeChanges",
    "NodeHealth",
    "QueueFull",
    "RedisLog",
    "Released",
    "RemoteReceipt",
    "RemoteSession",
    "RemoteTurn",
    "Seat",
    "Spec",
    "SqliteLog",
    "StoredSnapshot",
    "decode_block",
    "encode_blocks",
    "open_fleet",
    "open_node",
    "shard_of",
]
