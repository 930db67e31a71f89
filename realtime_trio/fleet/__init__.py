"""A fleet: nodes hold the connections, everything else attaches to sessions from anywhere."""

from __future__ import annotations

from ._memory_fleet import MemoryLog
from ._redis_fleet import RedisLog
from ._sqlite_fleet import SqliteLog

__all__ = ["MemoryLog", "RedisLog", "SqliteLog"]
