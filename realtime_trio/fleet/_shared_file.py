"""The file of a ``SqliteLog``: the tables of a journal, and those of a fleet. Unlike a journal's
file, it has no owner: several processes of one machine write to it, each to the logs that it has
claimed. Every method blocks.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from typing import Final, cast, final

import msgspec

from .._journal._journal_file import JournalFile
from .._journal._log_store import LogClaim
from .._journal._owned_file import name_crc
from ._fleet_log import (
    KEPT_COMMANDS,
    MAX_COMMANDS,
    CommandKind,
    FleetCommand,
    LogNews,
    NoSuchSession,
    QueueFull,
    Seat,
    Spec,
)

__all__ = ["SharedFile"]

_TABLES: Final = """
CREATE TABLE IF NOT EXISTS nodes (node TEXT PRIMARY KEY, until REAL NOT NULL);
CREATE TABLE IF NOT EXISTS seats (
    name TEXT PRIMARY KEY, spec BLOB NOT NULL, node TEXT, commands INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS removed (name TEXT PRIMARY KEY, token INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS commands (
    name TEXT NOT NULL, number INTEGER NOT NULL, key TEXT NOT NULL, kind TEXT NOT NULL,
    frame TEXT NOT NULL, position INTEGER NOT NULL, PRIMARY KEY (name, number)
);
CREATE UNIQUE INDEX IF NOT EXISTS commands_by_key ON commands (name, key)
"""
_COMMAND: Final = "SELECT number, key, kind, frame, position FROM commands WHERE name = ?"


@final
class SharedFile(JournalFile):
    """One connection to the file of a fleet, for one thread at a time."""

    def _become_owner(self) -> None:
        """Do nothing: the file has no owner; a claim owns a log."""
        with self._explained("open"), self._transaction():
            for statement in _TABLES.split(";"):
                self._db.execute(statement)

    @contextmanager
    def _writing(self, claim: LogClaim | None = None) -> Generator[int, None, None]:
        with self._explained("write"):
            self._check_place()
            with self._transaction():
                yield 0 if claim is None else self._session(claim)

    def _claim(self, name: str) -> LogClaim:
        """Claim a log; the claims of a removed one stay invalid."""
        self._db.execute(
            "INSERT OR IGNORE INTO sessions (name, crc, token, closed, written) "
            "SELECT name, ?, token, 0, ? FROM removed WHERE name = ?",
            (name_crc(name), time.time(), name),
        )
        return super()._claim(name)

    # -- seats -----------------------------------------------------------------------------

    def create(self, name: str, spec: Spec) -> bool:
        """Create a session."""
        with self._writing():
            done = self._db.execute(
                "INSERT OR IGNORE INTO seats VALUES (?, ?, NULL, 0)",
                (name, msgspec.json.encode(spec)),
            )
            return done.rowcount == 1

    def remove(self, name: str) -> None:
        """Remove a session."""
        with self._writing():
            run = self._db.execute
            run(
                "INSERT OR REPLACE INTO removed SELECT name, token FROM sessions WHERE name=?",
                (name,),
            )
            number = self._number(name)
            for table in ("blocks", "gaps", "snapshots"):
                run(f"DELETE FROM {table} WHERE session = ?", (number,))
            for table in ("sessions", "seats", "commands"):
                run(f"DELETE FROM {table} WHERE name = ?", (name,))

    def seats(self, name: str | None = None) -> list[Seat]:
        """Return all sessions, or one."""
        with self._explained("read"):
            rows = self._db.execute(
                "SELECT seats.name, node, coalesce(sessions.token, removed.token, 0), spec "
                "FROM seats LEFT JOIN sessions USING (name) LEFT JOIN removed USING (name) "
                "WHERE ?1 IS NULL OR seats.name = ?1",
                (name,),
            ).fetchall()
        return [
            Seat(
                name=row[0], node=row[1], token=row[2], spec=msgspec.json.decode(row[3], type=Spec)
            )
            for row in rows
        ]

    def beat_node(self, node: str, lease: float) -> None:
        """Extend the lease of a node."""
        with self._writing():
            self._db.execute(
                "INSERT OR REPLACE INTO nodes VALUES (?, ?)", (node, time.time() + lease)
            )

    def end_node(self, node: str) -> None:
        """End the lease of a node."""
        with self._writing():
            self._db.execute("DELETE FROM nodes WHERE node = ?", (node,))

    def nodes(self) -> frozenset[str]:
        """Return the nodes whose lease has not expired."""
        with self._explained("read"):
            rows = self._db.execute("SELECT node FROM nodes WHERE until > ?", (time.time(),))
            return frozenset(str(row[0]) for row in rows)

    def seize(self, seat: Seat, node: str) -> LogClaim | None:
        """Claim a log for a node."""
        with self._writing():
            found = self.seats(seat.name)
            if not found or found[0].token != seat.token:
                return None
            self._db.execute("UPDATE seats SET node = ? WHERE name = ?", (node, seat.name))
            return self._claim(seat.name)

    def release(self, claim: LogClaim) -> None:
        """Release a seat."""
        with self._writing(claim):
            self._db.execute("UPDATE seats SET node = NULL WHERE name = ?", (claim.name,))

    # -- commands --------------------------------------------------------------------------

    def put_command(self, name: str, key: str, kind: CommandKind, frame: str) -> FleetCommand:
        """Append a command to the queue of a session."""
        with self._writing():
            run = self._db.execute
            known = run(f"{_COMMAND} AND key = ?", (name, key)).fetchone()
            if known is not None:
                return _command(known)
            row = run("SELECT commands FROM seats WHERE name = ?", (name,)).fetchone()
            if row is None:
                message = f"the fleet has no session {name!r}"
                raise NoSuchSession(message)
            (waiting,) = self._one("SELECT count(*) FROM commands WHERE name = ?", name)
            if waiting >= MAX_COMMANDS:
                message = f"{MAX_COMMANDS} commands wait for the owner of {name!r}"
                raise QueueFull(message)
            number = int(row[0]) + 1
            position = self._position(name)
            run("UPDATE seats SET commands = ? WHERE name = ?", (number, name))
            run(
                "INSERT INTO commands VALUES (?, ?, ?, ?, ?, ?)",
                (name, number, key, kind, frame, position),
            )
        return FleetCommand(number=number, key=key, kind=kind, frame=frame, position=position)

    def commands(self, name: str, after: int, limit: int) -> list[FleetCommand]:
        """Return the commands with a number above ``after``."""
        with self._explained("read"):
            rows = self._db.execute(
                f"{_COMMAND} AND number > ? ORDER BY number LIMIT ?", (name, after, limit)
            )
            return [_command(row) for row in rows]

    def forget_commands(self, claim: LogClaim, upto: int) -> None:
        """Drop commands except the latest."""
        with self._writing(claim):
            self._db.execute(
                "DELETE FROM commands WHERE name = ?1 AND number <= ?2 AND number <= "
                "(SELECT commands - ?3 FROM seats WHERE name = ?1)",
                (claim.name, upto, KEPT_COMMANDS),
            )

    # -- following -------------------------------------------------------------------------

    def _position(self, name: str) -> int:
        number = self._number(name)
        return 0 if number is None else self._last(number)

    def version(self) -> int:
        """Return a number that changes with every commit of another connection."""
        with self._explained("read"):
            return self._one("PRAGMA data_version")[0]

    def news(self, logs: Mapping[str, int], commands: Mapping[str, int]) -> LogNews | None:
        """Return the entries after these positions; ``None`` if there are none."""
        with self._explained("read"):
            blocks = {
                name: self.read(name, after, 64)
                for name, after in logs.items()
                if self._position(name) != after
            }
        stale = frozenset(name for name, found in blocks.items() if not found)
        asked = {name: self.commands(name, after, 64) for name, after in commands.items()}
        asked = {name: found for name, found in asked.items() if found}
        if not blocks and not asked:
            return None
        return LogNews(
            blocks={name: found for name, found in blocks.items() if found},
            commands=asked,
            stale=stale,
        )


def _command(row: sqlite3.Row | tuple[object, ...]) -> FleetCommand:
    number, key, kind, frame, position = cast("tuple[int, str, CommandKind, str, int]", row)
    return FleetCommand(number=number, key=key, kind=kind, frame=frame, position=position)
