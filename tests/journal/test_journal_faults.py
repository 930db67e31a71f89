"""What can happen to the file of a journal, and what is left, and said, afterwards."""

from __future__ import annotations

import os
import random
import re
import socket
import sqlite3
import stat
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
import trio

import realtime_trio as rt
from realtime_trio._core._state import SessionState
from realtime_trio._journal import _owned_file
from realtime_trio._journal._journal import store_of
from realtime_trio._journal._journal_file import JournalFile
from realtime_trio._journal._journal_life import begin_life_in
from realtime_trio._journal._journal_store import JournalStore
from realtime_trio._journal._log_store import LogClaim, StoredSnapshot
from realtime_trio._journal._recovery import recover_log
from realtime_trio._log._log_block import BlockGroup, encode_block
from realtime_trio._log._log_entries import LogItem
from realtime_trio._log._log_fold import LogFold
from realtime_trio._log._state_snapshot import StateSnapshot, digest, write_snapshot
from realtime_trio.server import open_server
from realtime_trio.testing import turn
from tests.log.stories import header

NAME = "call"


def story(count: int) -> list[BlockGroup]:
    """Entries that grow a message, in many groups."""
    text = '{"type": "text_delta", "session_id": "s", "content": "%d "}'
    items: list[LogItem] = [header(), *(text % number for number in range(count - 1))]
    return [(1_700_000_000.0 + i, items[i : i + 10]) for i in range(0, count, 10)]


STORY = story(400)


async def write(path: Path, *, clean: bool = True) -> None:
    """A log of 400 entries in 40 blocks, and a snapshot in its middle."""
    journal = JournalStore(path)
    async with journal.opened():
        claim = await journal.claim(NAME)
        fold = LogFold()
        for group in STORY:
            await journal.append(claim, fold.position + 1, [group])
            fold.apply_groups([group])
            if fold.position == 200:
                snapshot = StateSnapshot(position=200, at=1.0, cut=fold.cut())
                stored = write_snapshot(snapshot)
                await journal.put_snapshot(claim, StoredSnapshot(position=200, data=stored))
        if clean:
            await journal.close(claim)
            return
        # As a kill leaves it: the WAL beside the file, the owner in it.
        copies = {each: each.read_bytes() for each in path.parent.glob(path.name + "*")}
    for copy, data in copies.items():
        copy.write_bytes(data)


def state_at(position: int) -> SessionState:
    """What the first entries fold to."""
    fold = LogFold()
    fold.apply_groups(STORY, until=position)
    return fold.state


def flip(path: Path, chance: random.Random, *, header_bytes: int) -> None:
    """Flip one byte of a file, behind its header."""
    data = bytearray(path.read_bytes())
    place = chance.randrange(header_bytes, len(data))
    data[place] ^= chance.randrange(1, 256)
    path.write_bytes(bytes(data))


def tear(path: Path, chance: random.Random) -> None:
    """Cut a file off."""
    data = path.read_bytes()
    path.write_bytes(data[: chance.randrange(len(data))])


async def judge(path: Path, *, more: bool = False) -> str:
    """A client can go on from whatever is left: a prefix, and what is said of it is true."""
    journal = JournalStore(path)
    with suppress(rt.JournalError):
        return await _judge(journal, more=more)
    with pytest.raises(rt.JournalError, match=re.escape(str(path))):
        await opened(path)
    return "refused"  # the table of contents itself is damaged


async def _judge(journal: JournalStore, *, more: bool) -> str:
    async with journal.opened():
        life = await begin_life_in(journal, NAME, recover=True)
        recovered = life.recovered
        if recovered is None:
            return "empty"
        assert life.state is not None
        lost = recovered.lost
        info = await journal.info(NAME)
        assert info is not None
        read = min([gap.first - 1 for gap in info.gaps], default=recovered.position)
        if lost is not None and lost[0] <= 200 < lost[1]:
            pytest.fail("the snapshot could have been used")
        assert digest(life.state) == digest(state_at(read))
        if lost is not None:
            assert read == lost[0] - 1
        elif recovered.position < 400:
            assert not recovered.clean
        if more:  # it can be written to
            await journal.append(life._claim, recovered.position + 1, STORY[1:3])
    return "whole" if read == 400 else "prefix"


FAULTS: dict[str, Callable[[Path, random.Random], None]] = {
    "flipped": lambda path, chance: flip(path, chance, header_bytes=100),
    "flipped WAL": lambda path, chance: flip(_wal(path), chance, header_bytes=0),
    "torn WAL": lambda path, chance: tear(_wal(path), chance),
}


def _wal(path: Path) -> Path:
    return path.with_name(path.name + "-wal")


@pytest.mark.parametrize("fault", FAULTS)
async def test_a_damaged_file_gives_a_prefix_and_a_true_report(fault: str, tmp_path: Path) -> None:
    ends = set()
    for seed in range(int(os.environ.get("REALTIME_TRIO_SOAK", "6"))):
        chance = random.Random(seed)
        folder = tmp_path / str(seed)
        folder.mkdir()
        path = folder / "calls.db"
        await write(path, clean=fault == "flipped")
        FAULTS[fault](path, chance)
        ends.add(await judge(path))
        assert await judge(path) != "empty"  # what was repaired stays so
        await judge(path, more=True)
    assert fault == "flipped" or "prefix" in ends


async def test_a_flipped_byte_in_a_block_costs_what_is_behind_it(tmp_path: Path) -> None:
    """SQLite does not see it. The snapshot in front of it is used."""
    path = tmp_path / "calls.db"
    await write(path)
    data = bytearray(path.read_bytes())
    block = encode_block(251, [STORY[25]]).data
    data[data.index(block) + len(block) - 3] ^= 1
    path.write_bytes(bytes(data))
    async with JournalStore(path).opened():
        pass
    journal = JournalStore(path)
    async with journal.opened():
        life = await begin_life_in(journal, NAME, recover=True)
        assert life.recovered is not None
        assert (life.recovered.position, life.recovered.lost) == (400, (251, 400))
        assert not life.recovered.clean
        info = await journal.info(NAME)
        assert info is not None
        assert [(gap.first, gap.last, gap.why) for gap in info.gaps] == [(251, 400, "damaged")]
        past = await recover_log(journal, NAME)
        assert past is not None
        assert past.recovered.lost is None
        assert digest(past.fold.state) == digest(state_at(250))


@pytest.mark.parametrize("value", ["'x'", "CAST(x'ff' AS TEXT)", "x'ff'", "0.5"])
@pytest.mark.parametrize(
    "place",
    [
        *("blocks.first", "blocks.last", "blocks.ended", "blocks.data", "gaps.first", "gaps.last"),
        *("gaps.why", "snapshots.position", "snapshots.data", "sessions.closed"),
    ],
)
async def test_a_value_of_another_type_costs_its_row(
    place: str, value: str, tmp_path: Path
) -> None:
    """A flipped byte in the head of a row does that."""
    table, column = place.split(".")
    path = tmp_path / "calls.db"
    await write(path)
    async with JournalStore(path).opened():
        pass
    with sqlite3.connect(path) as connection:
        connection.execute("INSERT INTO gaps VALUES (1, 391, 400, 'jumped')")
        connection.execute("DELETE FROM blocks WHERE first > 390")
        row = f"(SELECT max(rowid) FROM {table})"
        connection.execute(f"UPDATE {table} SET {column} = {value} WHERE rowid = {row}")
    connection.close()
    await judge(path)
    assert await judge(path, more=True) in {"whole", "prefix"}
    journal = JournalStore(path)
    async with journal.opened():
        claim = await journal.claim(NAME)
        await journal.trim(claim)
        assert await journal.snapshots(NAME) or table == "snapshots"


@pytest.mark.parametrize("value", ["'x'", "CAST(x'ff' AS TEXT)", "x'ff'", "1e300", "1 << 60"])
@pytest.mark.parametrize("column", ["token", "pid", "host", "beat"])
async def test_an_owner_that_cannot_be_read_is_gone(
    column: str, value: str, tmp_path: Path
) -> None:
    path = tmp_path / "calls.db"
    await write(path, clean=False)
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE owner SET pid = 1 << 40, beat = 1.0")
        connection.execute(f"UPDATE owner SET {column} = {value}")
    connection.close()
    assert await judge(path) == "whole"


async def test_the_end_of_a_long_log_is_found_by_an_index(tmp_path: Path) -> None:
    """Each append looks for it, and each follower reads behind it."""
    path = tmp_path / "calls.db"
    await write(path)
    with sqlite3.connect(path) as connection:
        plans = [
            connection.execute(f"EXPLAIN QUERY PLAN {query}").fetchall()
            for query in (
                "SELECT max(last) FROM blocks WHERE session = 1 AND typeof(last) = 'integer'",
                "SELECT data FROM blocks WHERE session = 1 AND last > 9 ORDER BY last LIMIT 9",
            )
        ]
    connection.close()
    for plan in plans:
        assert [row[3] for row in plan if "blocks_by_end" not in row[3]] == []


# -- places --------------------------------------------------------------------------------


async def opened(path: Path) -> None:
    async with JournalStore(path).opened():
        pass


async def test_a_journal_is_one_private_file_at_a_clean_end(tmp_path: Path) -> None:
    path = tmp_path / "a folder" / "Gespräch 🌍 #1?.db"
    path.parent.mkdir()
    await write(path)
    assert [each.name for each in path.parent.iterdir()] == [path.name]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert await judge(path) == "whole"


async def test_leaving_a_client_ends_its_journal_cleanly(tmp_path: Path) -> None:
    """Left in the ordinary way or by an error: the next life knows that nothing is missing."""
    journal = rt.Journal(tmp_path / "calls.db")
    recovered: list[rt.Recovered | None] = []

    async def live(url: str, error: Exception | None) -> None:
        async with rt.open_client(
            url, auth="any", journal=journal, name=NAME, recover=True
        ) as client:
            await client.ready()
            recovered.append(client.recovered)
            if error is not None:
                raise error

    async with open_server() as server:
        await live(server.url, None)
        with pytest.raises(ZeroDivisionError):
            await live(server.url, ZeroDivisionError())
        await live(server.url, None)
    assert [each and each.clean for each in recovered] == [None, True, True]


@pytest.mark.parametrize("content", [b"hello, this is no database", b"\0" * 8192])
async def test_a_file_of_something_else_is_left_alone(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_bytes(content)
    with pytest.raises(rt.JournalError, match=r"cannot open the journal .*notes.txt"):
        await opened(path)
    assert path.read_bytes() == content


async def test_another_database_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "other.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE t (x)")
    connection.close()
    with pytest.raises(rt.JournalError, match="is an SQLite file, but not a journal"):
        await opened(path)


async def test_a_journal_of_a_later_version_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "calls.db"
    await write(path)
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version=99")
    connection.close()
    with pytest.raises(rt.JournalError, match="later version"):
        await opened(path)


async def test_a_journal_is_not_damaged_because_the_extra_zstd_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file waits for the extra; it is not repaired."""
    path = tmp_path / "calls.db"
    journal = JournalStore(path, compression="zstd")
    async with journal.opened():
        await journal.append(await journal.claim(NAME), 1, STORY)
    needed = r"needs zstandard: pip install 'realtime-trio\[zstd\]'"
    with monkeypatch.context() as without:
        without.setitem(sys.modules, "zstandard", None)
        with pytest.raises(rt.JournalError, match=needed):
            rt.Journal(path, compression="zstd")
        with pytest.raises(rt.JournalError, match=needed):
            async with rt.open_history(path):
                pass
        with pytest.raises(rt.JournalError, match=needed):
            async with rt.open_client(
                "http://127.0.0.1:1", auth="t", journal=rt.Journal(path), name=NAME, recover=True
            ):
                pass
    later = JournalStore(path)
    async with later.opened():
        found = await recover_log(later, NAME)
    assert found is not None
    assert (found.recovered.position, found.recovered.lost) == (400, None)


async def test_a_place_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    with pytest.raises(rt.JournalError, match="No such file or directory"):
        await opened(tmp_path / "nowhere" / "calls.db")
    with pytest.raises(rt.JournalError, match="cannot open the journal"):
        await opened(tmp_path)


# -- writers -------------------------------------------------------------------------------


async def test_a_second_writer_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "calls.db"
    async with JournalStore(path).opened():
        with pytest.raises(rt.JournalInUse, match=f"process {os.getpid()} on .* writes"):
            await opened(path)
    await opened(path)


async def test_an_owner_elsewhere_counts_while_its_heart_beats(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "calls.db"
    await write(path, clean=False)
    monkeypatch.setattr(socket, "gethostname", lambda: "elsewhere")
    with pytest.raises(rt.JournalInUse):
        await opened(path)
    monkeypatch.setattr(_owned_file, "_STALE", 0.0)
    await opened(path)


async def test_a_process_that_is_alive_here_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "calls.db"
    await write(path, clean=False)
    monkeypatch.setattr(os, "getpid", lambda: -1)
    with pytest.raises(rt.JournalInUse):  # this very process is alive
        await opened(path)


async def test_an_owner_that_was_replaced_cannot_write(tmp_path: Path) -> None:
    path = tmp_path / "calls.db"
    journal = JournalStore(path)
    async with journal.opened():
        claim = await journal.claim(NAME)
        _owned_file._OPEN.clear()  # as if it were another process that is gone
        other = JournalStore(path)
        async with other.opened():
            new = await other.claim(NAME)
            with pytest.raises(rt.JournalInUse, match="has taken over the journal"):
                await journal.append(claim, 1, STORY)
            await other.append(new, 1, STORY)


# -- while it is written -------------------------------------------------------------------


async def talk(
    path: Path, *, harm: Callable[[JournalFile], None], **options: object
) -> JournalStore:
    """A client whose journal is harmed in the middle; the client does not mind."""
    journal = rt.Journal(path, **options)  # type: ignore[arg-type]
    async with open_server() as server:
        server.script(turn(text="one"), turn(text="two"))
        async with rt.open_client(server.url, auth="any", journal=journal, name=NAME) as client:
            await client.ready()
            async with client.ask("first") as asked:
                pass
            assert isinstance(asked.outcome, rt.TurnCompleted)
            await asked.receipt.durable()
            with trio.fail_after(30):  # the receipt was written before its turn was
                while client.durable_position != journal.statistics().appended:
                    await trio.lowlevel.checkpoint()
            harm(store_of(journal)._file)
            async with client.ask(random.Random(1).randbytes(100_000).hex()) as asked:
                pass
            assert isinstance(asked.outcome, rt.TurnCompleted)
            with trio.fail_after(30):
                while journal.statistics().error is None:
                    await trio.lowlevel.checkpoint()
            assert len(client.state.sessions) == 1
    return store_of(journal)


def full(file: JournalFile) -> None:
    """No page more."""
    (pages,) = file._db.execute("PRAGMA page_count").fetchone()
    file._db.execute(f"PRAGMA max_page_count={pages}")


async def test_a_full_disk_does_not_stop_the_client(tmp_path: Path) -> None:
    path = tmp_path / "calls.db"
    journal = await talk(path, harm=full)
    assert "full" in str(journal.statistics().error)
    async with journal.opened():
        past = await recover_log(journal, NAME)
    assert past is not None
    assert not past.recovered.clean
    messages = past.fold.state.sessions[next(iter(past.fold.state.sessions))].messages
    assert [message.content for message in messages][:2] == ["first", "one"]


async def test_a_full_disk_ends_the_client_that_wants_it(tmp_path: Path) -> None:
    with pytest.raises(rt.JournalError, match="full"):
        await talk(tmp_path / "calls.db", harm=full, on_failure="stop")


async def test_a_file_that_vanished_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "calls.db"
    journal = await talk(path, harm=lambda file: file.path.unlink())
    assert "No such file" in str(journal.statistics().error)


async def test_a_file_that_was_replaced_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "calls.db"

    def replace(file: JournalFile) -> None:
        file.path.rename(tmp_path / "away.db")
        file.path.write_bytes(b"")

    journal = await talk(path, harm=replace)
    assert "was replaced by another file" in str(journal.statistics().error)


# -- what is kept --------------------------------------------------------------------------


async def put(journal: JournalStore, claim: LogClaim, fold: LogFold, days: float) -> None:
    """Ten entries of so many days ago, and a snapshot behind them."""
    at = time.time() - days * 86_400
    groups: list[BlockGroup] = [(at, STORY[0][1] if fold.position == 0 else STORY[3][1])]
    await journal.append(claim, fold.position + 1, groups)
    fold.apply_groups(groups)
    snapshot = StateSnapshot(position=fold.position, at=at, cut=fold.cut())
    stored = StoredSnapshot(position=fold.position, data=write_snapshot(snapshot))
    await journal.put_snapshot(claim, stored)
    await journal.trim(claim)


async def test_old_entries_go_and_the_rest_can_be_folded(tmp_path: Path) -> None:
    journal = JournalStore(tmp_path / "calls.db", keep=rt.Keep(days=10, snapshots=2))
    fold = LogFold()
    async with journal.opened():
        claim = await journal.claim(NAME)
        for days in (40, 30, 20, 5, 4, 3, 2):
            await put(journal, claim, fold, days)
        info = await journal.info(NAME)
        assert info is not None
        assert (info.first, info.position) == (31, 70)
        kept = [each.position for each in await journal.snapshots(NAME)]
        assert kept == [70, 60, 30]  # two, and that which the oldest entries follow
        past = await recover_log(journal, NAME)
        assert past is not None
        assert past.fold.state == fold.state
        assert past.recovered.lost is None


async def test_sessions_that_nobody_writes_to_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "calls.db"
    await write(path)
    later = time.time() + 20 * 86_400
    monkeypatch.setattr("realtime_trio._journal._journal_store.time.time", lambda: later)
    async with JournalStore(path, keep=rt.Keep(days=30)).opened():
        pass
    assert await judge(path) == "whole"
    async with JournalStore(path, keep=rt.Keep(days=10)).opened():
        pass
    assert await judge(path) == "empty"


@pytest.mark.parametrize("options", [{"days": 0}, {"days": -1.0}, {"snapshots": 0}])
def test_numbers_that_keep_nothing_are_refused(options: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"Keep\."):
        rt.Keep(**options)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "options",
    [{"durability": "fast"}, {"audio": "some"}, {"compression": "xz"}, {"on_failure": "cry"}],
)
def test_unknown_options_are_refused(options: dict[str, str]) -> None:
    (name,) = options
    with pytest.raises(ValueError, match=f"{name} must be one of"):
        rt.Journal("calls.db", **options)  # type: ignore[arg-type]


def test_a_wrong_use_is_told_at_the_call() -> None:
    url = "memory://nowhere"
    with pytest.raises(ValueError, match="need a journal"):
        rt.open_client(url, auth="any", name="call")
    with pytest.raises(ValueError, match="name of its session"):
        rt.open_client(url, auth="any", journal=rt.Journal("calls.db"))
    with pytest.raises(TypeError, match=r"journal=\.\.\.\) must be realtime_trio.Journal"):
        rt.open_client(url, auth="any", journal="calls.db", name="call")  # type: ignore[arg-type]
