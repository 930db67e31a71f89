"""The file of a journal: SQLite, used by one thread at a time; every method blocks.

Rows are blocks of entries, each with its own checksum: SQLite drops what follows a damaged
place of its WAL without a word, and its integrity check does not see a flipped byte in a block.
The positions and names that rows have beside are checked against what is in the blocks.

One row names the owner: the process that has the file open for writing, with a heartbeat. Every
write checks it in its own transaction, so a process that was paused cannot write over its
successor. At a clean end the WAL goes back into the file, which is then the whole journal.
"""

from __future__ import annotations

import os
import secrets
import socket
import sqlite3
import time
import zlib
from collections.abc import Generator, Iterable, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, Literal, TypeAlias, final

from .._exceptions import JournalError, JournalInUse
from .._log._log_block import BlockGroup, DamagedBlock, LogBlock, decode_block, encode_block
from .._log._state_snapshot import check_snapshot
from ._log_store import LogClaim, LogGap, LogInfo, StoredSnapshot

__all__ = ["Durability", "JournalFile"]

Durability: TypeAlias = Literal["none", "batch", "each"]

APPLICATION_ID: Final = 0x52544A4C
_VERSION: Final = 1
_SYNCHRONOUS: Final = {"none": "OFF", "batch": "NORMAL", "each": "FULL"}
_STALE: Final = 10.0
"""Seconds without a heartbeat after which an owner on another machine counts as gone."""
BLOCK_ENTRIES: Final = 512

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


@final
class JournalFile:
    """One connection to the file. Not for two threads at once."""

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
        """Make an empty file that only its owner may read, where there is none."""
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
            message = f"{self.path} is an SQLite file, but no journal of this library"
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
            row = self._db.execute("SELECT token, pid, host, beat FROM owner").fetchone()
            if row is not None and _alive(*row):
                message = (
                    f"process {row[1]} on {row[2]} writes to the journal {self.path}: "
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
        """Say that the owner is alive."""
        with self._writing():
            pass

    def close(self) -> None:
        """Give the file up. If nothing failed, it is one file again."""
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
        """A transaction of the owner and of the latest claim; gives the number of the session."""
        with self._explained("write"):
            self._check_place()
            with self._transaction():
                done = self._db.execute(
                    "UPDATE owner SET beat = ? WHERE token = ?", (time.time(), self._token)
                )
                if done.rowcount != 1:
                    message = f"another process has taken the journal {self.path} over"
                    raise JournalInUse(message)
                yield 0 if claim is None else self._session(claim)

    def _check_place(self) -> None:
        """SQLite writes on into a file that was deleted or replaced; this finds out."""
        found = self.path.stat()
        if (found.st_dev, found.st_ino) != self._inode:
            message = f"{self.path} was replaced by another file"
            raise JournalError(message)

    def _session(self, claim: LogClaim) -> int:
        row = self._db.execute(
            "SELECT id, token FROM sessions WHERE name = ?", (claim.name,)
        ).fetchone()
        if row is None or row[1] != claim.token:
            message = f"another client writes to the log {claim.name!r} now"
            raise JournalInUse(message)
        return int(row[0])

    def _number(self, name: str) -> int | None:
        row = self._db.execute("SELECT id, crc FROM sessions WHERE name = ?", (name,)).fetchone()
        return None if row is None or row[1] != _crc(name) else int(row[0])

    # -- writing ---------------------------------------------------------------------------

    def claim(self, name: str) -> LogClaim:
        """Become the writer of a log."""
        with self._writing():
            self._db.execute(
                "INSERT INTO sessions (name, crc, token, closed, written) VALUES (?, ?, 0, 0, ?) "
                "ON CONFLICT (name) DO UPDATE SET crc = excluded.crc",
                (name, _crc(name), time.time()),
            )
            self._db.execute("UPDATE sessions SET token = token + 1 WHERE name = ?", (name,))
            (token,) = self._one("SELECT token FROM sessions WHERE name = ?", name)
        return LogClaim(name=name, token=token)

    def append(self, claim: LogClaim, first: int, groups: Sequence[BlockGroup]) -> int:
        """Append entries as blocks."""
        size = 0
        blocks = list(_cut(first, groups, zstd=self._zstd))
        with self._writing(claim) as session:
            end = self._last(session)
            if first != end + 1:
                message = f"the log ends at {end}, and these entries begin at {first}"
                raise ValueError(message)
            for block in blocks:
                self._db.execute(
                    "INSERT INTO blocks VALUES (?, ?, ?, ?, ?)",
                    (session, block.first, block.last, block.ended, block.data),
                )
                size += len(block.data)
            self._db.execute(
                "UPDATE sessions SET closed = NULL, written = ? WHERE id = ?",
                (time.time(), session),
            )
        return size

    def put_snapshot(self, claim: LogClaim, snapshot: StoredSnapshot) -> None:
        """Keep a snapshot."""
        with self._writing(claim) as session:
            self._insert_snapshot(session, snapshot)

    def _insert_snapshot(self, session: int, snapshot: StoredSnapshot) -> None:
        values = (session, snapshot.position, snapshot.data)
        self._db.execute("INSERT INTO snapshots VALUES (?, ?, ?)", values)

    def put_gap(self, claim: LogClaim, gap: LogGap, snapshot: StoredSnapshot | None) -> None:
        """Give up positions."""
        with self._writing(claim) as session:
            run = self._db.execute
            run("DELETE FROM blocks WHERE session = ? AND last >= ?", (session, gap.first))
            run(
                "DELETE FROM snapshots WHERE session = ? AND position >= ?",
                (session, gap.first),
            )
            run("INSERT INTO gaps VALUES (?, ?, ?, ?)", (session, gap.first, gap.last, gap.why))
            if snapshot is not None:
                self._insert_snapshot(session, snapshot)
            run("UPDATE sessions SET closed = NULL WHERE id = ?", (session,))

    def mark_closed(self, claim: LogClaim) -> None:
        """Mark a clean end, at the position where it is."""
        with self._writing(claim) as session:
            self._db.execute(
                "UPDATE sessions SET closed = ? WHERE id = ?", (self._last(session), session)
            )

    def trim(self, claim: LogClaim, *, before: float | None, snapshots: int) -> None:
        """Drop snapshots but the newest, and what is older than ``before``.

        Entries go only where a snapshot stands for them. One snapshot at the beginning of what
        is left stays, so that all of it can be folded.
        """
        with self._writing(claim) as session:
            run = self._db.execute
            positions = [
                int(row[0])
                for row in run(
                    "SELECT position FROM snapshots WHERE session = ? ORDER BY position",
                    (session,),
                )
            ]
            base = self._base(session, positions, before) if before is not None else 0
            kept = {*positions[-snapshots:], *([base] if base else [])}
            held = {int(row[0]) for row in run("SELECT last FROM gaps WHERE session=?", (session,))}
            (oldest,) = self._one("SELECT coalesce(min(first), 0) FROM blocks WHERE session=?", session)
            for position in positions:
                # What a gap or a trimmed beginning is read on from stays as long as its entries.
                needed = position > base and (position in held or position == oldest - 1)
                if position not in kept and not needed:
                    run(
                        "DELETE FROM snapshots WHERE session = ? AND position = ?",
                        (session, position),
                    )
            if base:
                run("DELETE FROM blocks WHERE session = ? AND last <= ?", (session, base))
                run("DELETE FROM gaps WHERE session = ? AND last <= ?", (session, base))

    def _base(self, session: int, positions: Sequence[int], before: float) -> int:
        """The newest snapshot with nothing but old entries in front of it, or 0."""
        (old,) = self._one(
            "SELECT coalesce(max(last), 0) FROM blocks WHERE session = ? AND ended < ?",
            session,
            before,
        )
        return max((position for position in positions if position <= old), default=0)

    def forget_old(self, before: float) -> None:
        """Drop sessions that were not written to since ``before``."""
        with self._writing():
            rows = self._db.execute("SELECT id FROM sessions WHERE written < ?", (before,))
            for (number,) in rows.fetchall():
                for table in ("blocks", "gaps", "snapshots"):
                    self._db.execute(f"DELETE FROM {table} WHERE session = ?", (number,))
                self._db.execute("DELETE FROM sessions WHERE id = ?", (number,))
        with self._explained("compact"):
            self._db.execute("PRAGMA incremental_vacuum(4096)").fetchall()

    # -- reading ---------------------------------------------------------------------------

    def _last(self, session: int) -> int:
        """The last position in use, in blocks, gaps and snapshots."""
        return self._one(
            "SELECT max(coalesce((SELECT max(last) FROM blocks WHERE session = ?1), 0), "
            "coalesce((SELECT max(last) FROM gaps WHERE session = ?1), 0), "
            "coalesce((SELECT max(position) FROM snapshots WHERE session = ?1), 0))",
            session,
        )[0]

    def names(self) -> tuple[str, ...]:
        """The names of all logs, the one that was written to last at the end."""
        with self._explained("read"):
            rows = self._db.execute("SELECT name, crc FROM sessions ORDER BY written, id")
            return tuple(str(name) for name, crc in rows if crc == _crc(name))

    def info(self, name: str) -> LogInfo | None:
        """What there is of a log."""
        with self._explained("read"):
            session = self._number(name)
            if session is None:
                return None
            position = self._last(session)
            run = self._db.execute
            gaps = run(
                "SELECT first, last, why FROM gaps WHERE session = ? ORDER BY first", (session,)
            ).fetchall()
            (closed,) = self._one("SELECT coalesce(closed, -1) FROM sessions WHERE id=?", session)
            (first,) = self._one(
                "SELECT coalesce(min(first), ?) FROM blocks WHERE session = ?",
                position + 1,
                session,
            )
        return LogInfo(
            name=name,
            position=position,
            first=min([first, *(gap[0] for gap in gaps)]),
            clean=closed == position,
            gaps=tuple(LogGap(first=gap[0], last=gap[1], why=gap[2]) for gap in gaps),
        )

    def read(self, name: str, after: int, limit: int) -> list[LogBlock]:
        """Blocks with entries behind ``after``, up to a gap or a damaged one."""
        found: list[LogBlock] = []
        # What SQLite cannot read is as damaged as a wrong checksum.
        with suppress(DamagedBlock, sqlite3.DatabaseError):
            session = self._number(name)
            rows = self._db.execute(
                "SELECT first, last, data FROM blocks WHERE session = ? AND last > ? "
                "ORDER BY first LIMIT ?",
                (session, after, limit),
            )
            for first, last, data in rows:
                block = decode_block(data)
                if (block.first, block.last) != (first, last) or first > after + 1:
                    break
                found.append(block)
                after = last
        return found

    def snapshots(self, name: str) -> list[StoredSnapshot]:
        """The snapshots that can be read, the newest first."""
        found: list[StoredSnapshot] = []
        with suppress(sqlite3.DatabaseError):
            rows = self._db.execute(
                "SELECT position, data FROM snapshots WHERE session = ? ORDER BY position DESC",
                (self._number(name),),
            )
            for position, data in rows:
                with suppress(DamagedBlock):
                    check_snapshot(data)
                    found.append(StoredSnapshot(position=position, data=data))
        return found


def _cut(first: int, groups: Iterable[BlockGroup], *, zstd: bool) -> Iterable[LogBlock]:
    """Entries as blocks of a few hundred."""
    part: list[BlockGroup] = []
    count = 0
    for group in groups:
        part.append(group)
        count += len(group[1])
        if count >= BLOCK_ENTRIES:
            yield encode_block(first, part, zstd=zstd)
            first, part, count = first + count, [], 0
    if part:
        yield encode_block(first, part, zstd=zstd)


def _crc(name: object) -> int:
    return zlib.crc32(str(name).encode("utf-8", "surrogatepass"))


def _alive(token: str, pid: int, host: str, beat: float) -> bool:
    """Whether the owner that a file names still has it open."""
    if token in _OPEN:
        return True
    if host != socket.gethostname():
        return abs(time.time() - beat) < _STALE
    if pid == os.getpid():
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    # The system may have given the number to another process meanwhile.
    return abs(time.time() - beat) < _STALE
