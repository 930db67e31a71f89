"""The file of a journal: SQLite, used by one thread at a time; every method blocks.

Rows are blocks of entries, each with a checksum: SQLite silently drops everything after a damaged
place in its WAL, and its integrity check does not detect a flipped byte in a block.
The positions and names in the rows are checked against the contents of the blocks. A flipped byte
can also change the type of a value, so each value is only used if it has the type of its column.
"""

from __future__ import annotations

import sqlite3
import time
import zlib
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from .._exceptions import JournalError
from .._log._log_block import BlockGroup, DamagedBlock, LogBlock, decode_block, encode_blocks
from .._log._state_snapshot import check_snapshot
from ._log_store import LogClaim, LogGap, LogInfo, StoredSnapshot
from ._owned_file import OwnedFile, name_crc

__all__ = ["JournalFile"]


class JournalFile(OwnedFile):
    """The logs in one file."""

    # -- writing ---------------------------------------------------------------------------

    def claim(self, name: str) -> LogClaim:
        """Become the writer of a log."""
        with self._writing():
            return self._claim(name)

    def _claim(self, name: str) -> LogClaim:
        self._db.execute(
            "INSERT INTO sessions (name, crc, token, closed, written) VALUES (?, ?, 0, 0, ?) "
            "ON CONFLICT (name) DO UPDATE SET crc = excluded.crc",
            (name, name_crc(name), time.time()),
        )
        self._db.execute("UPDATE sessions SET token = token + 1 WHERE name = ?", (name,))
        (token,) = self._one("SELECT token FROM sessions WHERE name = ?", name)
        return LogClaim(name=name, token=token)

    def append(self, claim: LogClaim, first: int, groups: Sequence[BlockGroup]) -> int:
        """Append entries as blocks."""
        size = 0
        blocks = list(encode_blocks(first, groups, zstd=self._zstd))
        with self._writing(claim) as session:
            end = self._last(session)
            if first != end + 1:
                message = f"the log ends at {end}, so the next entry must be {end + 1}, not {first}"
                raise ValueError(message)
            for block in blocks:
                self._insert_block(session, block)
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

    def _insert_block(self, session: int, block: LogBlock) -> None:
        values = (session, block.first, block.last, block.ended, block.data)
        self._db.execute("INSERT INTO blocks VALUES (?, ?, ?, ?, ?)", values)

    def _insert_gap(self, session: int, gap: LogGap) -> None:
        values = (session, gap.first, gap.last, gap.why)
        self._db.execute("INSERT INTO gaps VALUES (?, ?, ?, ?)", values)

    def _insert_snapshot(self, session: int, snapshot: StoredSnapshot) -> None:
        values = (session, snapshot.position, snapshot.data)
        self._db.execute("INSERT INTO snapshots VALUES (?, ?, ?)", values)

    def put_gap(self, claim: LogClaim, gap: LogGap, snapshot: StoredSnapshot | None) -> None:
        """Replace positions by a gap."""
        with self._writing(claim) as session:
            run = self._db.execute
            run("DELETE FROM blocks WHERE session = ? AND last >= ?", (session, gap.first))
            run("DELETE FROM gaps WHERE session = ? AND first >= ?", (session, gap.first))
            run("DELETE FROM snapshots WHERE session = ? AND position >= ?", (session, gap.first))
            self._insert_gap(session, gap)
            if snapshot is not None:
                self._insert_snapshot(session, snapshot)
            run("UPDATE sessions SET closed = NULL WHERE id = ?", (session,))

    def mark_closed(self, claim: LogClaim) -> None:
        """Mark a clean end at the last position."""
        with self._writing(claim) as session:
            self._db.execute(
                "UPDATE sessions SET closed = ? WHERE id = ?", (self._last(session), session)
            )

    def trim(self, claim: LogClaim, *, before: float | None, snapshots: int) -> None:
        """Drop all but the newest snapshots, and entries older than ``before``.

        Entries are only dropped if a snapshot replaces them. One snapshot at the beginning of the
        remaining entries stays, so that all of them can be folded.
        """
        with self._writing(claim) as session:
            run = self._db.execute
            positions = [
                int(row[0])
                for row in run(
                    "SELECT position FROM snapshots WHERE session = ? "
                    "AND typeof(position) = 'integer' ORDER BY position",
                    (session,),
                )
            ]
            base = self._base(session, positions, before) if before is not None else 0
            kept = {*positions[-snapshots:], *([base] if base else [])}
            held = {
                int(row[0])
                for row in run(
                    "SELECT last FROM gaps WHERE session = ? AND typeof(last) = 'integer'",
                    (session,),
                )
            }
            oldest = self._first(session, 0)
            for position in positions:
                # The snapshot after a gap or a trimmed beginning stays as long as its entries.
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
        """Return the newest snapshot with only old entries before it, or 0."""
        (old,) = self._one(
            "SELECT coalesce(max(last), 0) FROM blocks WHERE session = ? AND ended < ? "
            "AND typeof(last) = 'integer'",
            session,
            before,
        )
        return max((position for position in positions if position <= old), default=0)

    def trim_to_snapshots(self, claim: LogClaim, snapshots: int) -> None:
        """Drop all but the newest snapshots, and all entries before them."""
        with self._writing(claim) as session:
            run = self._db.execute
            rows = run(
                "SELECT position FROM snapshots WHERE session = ? ORDER BY position DESC LIMIT ?",
                (session, snapshots),
            ).fetchall()
            base = int(rows[-1][0]) if rows else 0
            run("DELETE FROM snapshots WHERE session = ? AND position < ?", (session, base))
            run("DELETE FROM blocks WHERE session = ? AND last <= ?", (session, base))
            run("DELETE FROM gaps WHERE session = ? AND last <= ?", (session, base))

    def check_claim(self, claim: LogClaim) -> None:
        """Raise ``JournalInUse`` if a claim is no longer the latest."""
        with self._writing(claim):
            pass

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

    # -- damage ----------------------------------------------------------------------------

    def salvage(self) -> Path:
        """Copy everything readable into a new file that replaces this one.

        Returns the path of the damaged file, which is kept next to it.
        """
        kept = [self._readable(name) for name in self._readable_names()]
        self._disconnect()
        aside = self._move_aside()
        self.open(owner=True)
        for name, blocks, gaps, snapshots in kept:
            claim = self.claim(name)
            with self._writing(claim) as session:
                for block in blocks:
                    self._insert_block(session, block)
                for gap in gaps:
                    self._insert_gap(session, gap)
                for snapshot in snapshots:
                    self._insert_snapshot(session, snapshot)
        return aside

    def _readable_names(self) -> tuple[str, ...]:
        with suppress(JournalError):
            return self.names()
        return ()

    def _readable(
        self, name: str
    ) -> tuple[str, list[LogBlock], tuple[LogGap, ...], list[StoredSnapshot]]:
        """Return the rest of a log: its blocks up to the damage, and everything after gaps."""
        gaps: tuple[LogGap, ...] = ()
        first = 1
        with suppress(JournalError):
            info = self.info(name)
            if info is not None:
                gaps, first = info.gaps, info.first
        blocks: list[LogBlock] = []
        kept: list[LogGap] = []
        after = first - 1
        while True:
            more = self.read(name, after, 1024)
            if more:
                blocks += more
                after = more[-1].last
                continue
            gap = next((gap for gap in gaps if gap.first == after + 1), None)
            if gap is None:
                break
            kept.append(gap)
            after = gap.last
        snapshots = [each for each in self.snapshots(name) if each.position <= after]
        return name, blocks, tuple(kept), snapshots[::-1]

    def _move_aside(self) -> Path:
        number = 1
        while (aside := self.path.with_name(f"{self.path.name}.damaged-{number}")).exists():
            number += 1
        with self._explained("repair"):
            self.path.rename(aside)
            for suffix in ("-wal", "-shm"):
                with suppress(FileNotFoundError):
                    Path(f"{self.path}{suffix}").rename(f"{aside}{suffix}")
        return aside

    # -- reading ---------------------------------------------------------------------------

    def _first(self, session: int, default: int) -> int:
        """Return the first position of the blocks."""
        (first,) = self._one(
            "SELECT coalesce(min(first), ?) FROM blocks "
            "WHERE session = ? AND typeof(first) = 'integer'",
            default,
            session,
        )
        return first

    def _last(self, session: int) -> int:
        """Return the last position in use, in blocks, gaps and snapshots."""
        places = (("last", "blocks"), ("last", "gaps"), ("position", "snapshots"))
        return max(
            self._one(
                f"SELECT coalesce(max({column}), 0) FROM {table} "
                f"WHERE session = ? AND typeof({column}) = 'integer'",
                session,
            )[0]
            for column, table in places
        )

    def names(self) -> tuple[str, ...]:
        """Return the names of all logs, the most recently written one last."""
        with self._explained("read"):
            rows = self._db.execute(
                "SELECT CAST(name AS BLOB), crc FROM sessions ORDER BY written, id"
            )
            return tuple(str(name, "utf-8") for name, crc in rows if crc == zlib.crc32(name))

    def info(self, name: str) -> LogInfo | None:
        """Return the description of a log."""
        with self._explained("read"):
            session = self._number(name)
            if session is None:
                return None
            position = self._last(session)
            run = self._db.execute
            gaps = run(
                "SELECT first, last, CAST(why AS BLOB) FROM gaps WHERE session = ? "
                "AND typeof(first) = 'integer' AND typeof(last) = 'integer' ORDER BY first",
                (session,),
            ).fetchall()
            (clean,) = self._one(
                "SELECT coalesce(closed = ?, 0) FROM sessions WHERE id = ?", position, session
            )
            first = self._first(session, position + 1)
        return LogInfo(
            name=name,
            position=position,
            first=min([first, *(gap[0] for gap in gaps)]),
            clean=bool(clean),
            gaps=tuple(
                LogGap(first=gap[0], last=gap[1], why=str(gap[2], "utf-8", "replace"))
                for gap in gaps
            ),
        )

    def read(self, name: str, after: int, limit: int) -> list[LogBlock]:
        """Return blocks with entries after ``after``, up to a gap or a damaged one."""
        found: list[LogBlock] = []
        # Data that SQLite cannot read is as damaged as a block with a wrong checksum.
        with suppress(DamagedBlock, sqlite3.DatabaseError):
            session = self._number(name)
            rows = self._db.execute(
                "SELECT first, last, data FROM blocks WHERE session = ? AND last > ? "
                "AND typeof(data) = 'blob' ORDER BY last LIMIT ?",
                (session, after, limit),
            )
            for first, last, data in rows:
                block = decode_block(data)
                if (block.first, block.last) != (first, last):
                    continue  # it stands elsewhere in the log
                if first > after + 1:
                    break
                found.append(block)
                after = last
        return found

    def snapshots(self, name: str) -> list[StoredSnapshot]:
        """Return the readable snapshots, the newest first."""
        found: list[StoredSnapshot] = []
        with suppress(sqlite3.DatabaseError):
            rows = self._db.execute(
                "SELECT position, data FROM snapshots WHERE session = ? "
                "AND typeof(position) = 'integer' AND typeof(data) = 'blob' "
                "ORDER BY position DESC",
                (self._number(name),),
            )
            for position, data in rows:
                with suppress(DamagedBlock):
                    check_snapshot(data)
                    found.append(StoredSnapshot(position=position, data=data))
        return found
