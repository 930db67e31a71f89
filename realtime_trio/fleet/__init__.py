"""A fleet: nodes hold the connections, and any other process attaches to their sessions.

Not imported before it is used: ``realtime_trio.fleet`` is loaded on first use.
"""

from __future__ import annotations

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
    "Claim",
    "Claimed",
    "Dial",
    "Fleet",
    "FleetCommand",
    "FleetLog",
    "LogNews",
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
    "open_fleet",
    "open_node",
    "shard_of",
]
