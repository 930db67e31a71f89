"""The connection to a journal's file: opening, the owner, transactions, closing.

One row names the owner: the process that has the file open for writing, with a heartbeat. Every
write checks it in its own transaction, so a process that was paused cannot overwrite its
successor. At a clean end the WAL is merged into the file, which is then the whole journal.
"""

from __future__ import annotations

import os
import secrets
import socket
import sqlite3
import time
import zlib
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, Literal, TypeAlias

from .._exceptions import JournalError, JournalInUse
from ._log_store import LogClaim

__all__ = ["Durability", "OwnedFile", "name_crc"]

Durability: TypeAlias = Literal["none", "batch", "each"]

APPLICATION_ID: Final = 0x52544A4C
_VERSION: Final = 1
_SYNCHRONOUS: Final = {"none": "OFF", "batch": "NORMAL", "each": "FULL"}
_STALE: Final = 10.0
"""Seconds without a heartbeat after which an owner on another machine counts as gone."""
_SCHEMA: Final = """
CREATE TABLE owner (
    id INTEGER PRIMARY KEY CHECK (id = 1), token TEXT NOT NULL, pid INTEGER NOT NULL,
    host TEXT NOT NULL, began REAL NOT NULL, beat REAL NOT NULL
);
CREATE TABLE sessions (
    id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, crc INTEGER NOT NULL,
    token INTEGER NOT NULL, closed INTEGER, written REAL NOT NULL
);
CREATE TABLE blocks (
    session INTEGER NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL,
    ended REAL NOT NULL, data BLOB NOT NULL
);
CREATE UNIQUE INDEX blocks_by_position ON blocks (session, first);
CREATE INDEX blocks_by_end ON blocks (session, last);
CREATE TABLE gaps (
    session INTEGER NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL, why TEXT NOT NULL
);
CREATE TABLE snapshots (
    session INTEGER NOT NULL, position INTEGER NOT NULL, data BLOB NOT NULL
);
CREATE INDEX snapshots_by_position ON snapshots (session, position);
"""

# Tokens of the files that this process has open for writing: after `kill -9` in a container the
# next process often has the same pid.
_OPEN: Final[set[str]] = set()


class OwnedFile:
    """One connection to the file. Do not use it from two threads at the same time."""

    def __init__(self, path: Path, *, durability: Durability, zstd: bool) -> None:
        self.path = path
        self._durability: Durability = durability
        self._zstd = zstd
        self._connection: sqlite3.Connection | None = None
        self._token = ""
        self._inode: tuple[int, int] | None = None

    # -- opening and closing ---------------------------------------------------------------

    def open(self, *, owner: bool) -> None:
        """Open the file: to write to it, as its owner, or only to read it."""
        try:
            self._open_file(owner=owner)
        except BaseException:
            self._disconnect()
            raise

    def _open_file(self, *, owner: bool) -> None:
        with self._explained("open"):
            if owner:
                self._make_file()
                self._connection = self._connect(self.path.resolve().as_uri())
            else:
                self._check_readable()
                self._connection = self._connect(f"{self.path.resolve().as_uri()}?mode=ro")
            self._check_kind(new=owner and not self.path.stat().st_size)
        if owner:
            with self._explained("open"):
                self._set_up()
            self._become_owner()
            found = self.path.stat()
            self._inode = found.st_dev, found.st_ino

    def _connect(self, uri: str) -> sqlite3.Connection:
        return sqlite3.connect(
            uri, uri=True, timeout=2.0, isolation_level=None, check_same_thread=False
        )

    def _make_file(self) -> None:
        """Create an empty file that only its owner may read, if there is none."""
        with suppress(FileExistsError):
            os.close(os.open(self.path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))

    def _check_readable(self) -> None:
        with self.path.open("rb"):
            pass

    def _check_kind(self, *, new: bool) -> None:
        (application,) = self._one("PRAGMA application_id")
        (version,) = self._one("PRAGMA user_version")
        tables = self._one("SELECT count(*) FROM sqlite_master")[0]
        if new or (application == 0 and tables == 0):
            return
        if application != APPLICATION_ID:
            message = f"{self.path} is an SQLite file, but not a journal of this library"
            raise JournalError(message)
        if version > _VERSION:
            message = f"{self.path} was written by a later version of this library"
            raise JournalError(message)

    def _set_up(self) -> None:
        run = self._db.execute
        run(f"PRAGMA synchronous={_SYNCHRONOUS[self._durability]}")
        if self._one("SELECT count(*) FROM sqlite_master")[0] == 0:
            run("PRAGMA auto_vacuum=INCREMENTAL")
            with self._transaction():
                run(f"PRAGMA application_id={APPLICATION_ID}")
                run(f"PRAGMA user_version={_VERSION}")
                for statement in _SCHEMA.split(";"):
                    run(statement)
        run("PRAGMA journal_mode=WAL")
        run("PRAGMA wal_autocheckpoint=1000")

    def _become_owner(self) -> None:
        token = secrets.token_hex(16)
        with self._explained("open"), self._transaction():
            row = self._db.execute(
                "SELECT CAST(token AS BLOB), pid, CAST(host AS BLOB), beat FROM owner "
                "WHERE typeof(pid) = 'integer' AND typeof(beat) = 'real'"
            ).fetchone()
            other, pid, host, beat = row or (b"", 0, b"", 0.0)
            host = str(host, "utf-8", "replace")
            if row is not None and _alive(str(other, "utf-8", "replace"), pid, host, beat):
                message = (
                    f"process {pid} on {host} writes to the journal {self.path}: "
                    "a journal has one writer"
                )
                raise JournalInUse(message)
            now = time.time()
            self._db.execute(
                "INSERT OR REPLACE INTO owner VALUES (1, ?, ?, ?, ?, ?)",
                (token, os.getpid(), socket.gethostname(), now, now),
            )
        self._token = token
        _OPEN.add(token)

    def beat(self) -> None:
        """Refresh the heartbeat of the owner."""
        with self._writing():
            pass

    def close(self) -> None:
        """Release the file. If nothing failed, it is a single file again."""
        try:
            if self._token and self._connection is not None:
                with suppress(sqlite3.Error):
                    run = self._connection.execute
                    run("DELETE FROM owner WHERE token = ?", (self._token,))
                    run("PRAGMA incremental_vacuum")
                    run("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
                    run("PRAGMA journal_mode=DELETE").fetchall()
        finally:
            self._disconnect()

    def _disconnect(self) -> None:
        _OPEN.discard(self._token)
        self._token = ""
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(sqlite3.Error):
                connection.close()

    # -- helpers ---------------------------------------------------------------------------

    @property
    def _db(self) -> sqlite3.Connection:
        if self._connection is None:
            message = f"the journal {self.path} is not open"
            raise JournalError(message)
        return self._connection

    def _one(self, statement: str, *values: object) -> tuple[int, ...]:
        row: tuple[int, ...] = self._db.execute(statement, values).fetchone()
        return row

    @contextmanager
    def _explained(self, doing: str) -> Generator[None, None, None]:
        try:
            yield
        except (sqlite3.Error, OSError) as exc:
            reason = exc.strerror if isinstance(exc, OSError) and exc.strerror else str(exc)
            message = f"cannot {doing} the journal {self.path}: {reason}"
            raise JournalError(message) from exc

    @staticmethod
    def is_damage(exc: JournalError) -> bool:
        """Whether the file is damaged in a way that :meth:`salvage` can help."""
        cause = exc.__cause__
        return isinstance(cause, sqlite3.DatabaseError) and (
            getattr(cause, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_CORRUPT
        )

    @contextmanager
    def _transaction(self) -> Generator[None, None, None]:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            with suppress(sqlite3.Error):
                self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")

    @contextmanager
    def _writing(self, claim: LogClaim | None = None) -> Generator[int, None, None]:
        """Run a transaction of the owner and the latest claim; yield the number of the session."""
        with self._explained("write"):
            self._check_place()
            with self._transaction():
                done = self._db.execute(
                    "UPDATE owner SET beat = ? WHERE token = ?", (time.time(), self._token)
                )
                if done.rowcount != 1:
                    message = f"another process has taken over the journal {self.path}"
                    raise JournalInUse(message)
                yield 0 if claim is None else self._session(claim)

    def _check_place(self) -> None:
        """Detect a deleted or replaced file, into which SQLite would keep writing."""
        found = self.path.stat()
        if (found.st_dev, found.st_ino) != self._inode:
            message = f"{self.path} was replaced by another file"
            raise JournalError(message)

    def _session(self, claim: LogClaim) -> int:
        row = self._db.execute(
            "SELECT id, token FROM sessions WHERE name = ?", (claim.name,)
        ).fetchone()
        if row is None or row[1] != claim.token:
            message = f"another client is now writing to the log {claim.name!r}"
            raise JournalInUse(message)
        return int(row[0])

    def _number(self, name: str) -> int | None:
        row = self._db.execute("SELECT id, crc FROM sessions WHERE name = ?", (name,)).fetchone()
        return None if row is None or row[1] != name_crc(name) else int(row[0])


def name_crc(name: object) -> int:
    """Return the checksum that is stored with a name."""
    return zlib.crc32(str(name).encode("utf-8", "surrogatepass"))


def _alive(token: str, pid: int, host: str, beat: float) -> bool:
    """Return whether the owner that a file names still has it open."""
    if token in _OPEN:
        return True
    if host != socket.gethostname():
        return abs(time.time() - beat) < _STALE
    if pid == os.getpid():
        return False
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):  # the latter: the number itself is damaged
        return False
    except PermissionError:
        pass
    # The system may have given the number to another process meanwhile.
    return abs(time.time() - beat) < _STALE
