"""Where the file of a journal is: full disks, places without permission, strange names."""

from __future__ import annotations

import ctypes
import os
import random
import resource
import subprocess
import sys
import tempfile
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
import trio

import realtime_trio as rt
from realtime_trio.server import RealtimeServer, open_server
from realtime_trio.testing import turn

NAME = "call"
NOBODY = 65_534
DISK = 8 * 2**20
LONG = 60_000


@pytest.fixture
def disk(tmp_path: Path) -> Generator[Path, None, None]:
    """A small disk of its own."""
    place = tmp_path / "disk"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={DISK}", "tmpfs", str(place)]
    if sys.platform != "linux" or os.geteuid() or subprocess.call(command, stderr=-3):
        pytest.skip("mounting a small disk takes Linux, and root")
    try:
        yield place
    finally:
        subprocess.check_call(["umount", "--lazy", str(place)])


def read_only(place: Path) -> None:
    """Let nobody write to a disk any more; files may be open."""
    libc = ctypes.CDLL(None, use_errno=True)
    remount_read_only_bound = 32 | 1 | 4096
    done: int = libc.mount(b"tmpfs", bytes(place), b"", remount_read_only_bound, None)
    if done:
        pytest.skip(f"this disk cannot become read-only: {os.strerror(ctypes.get_errno())}")


@pytest.fixture
def place() -> Generator[Path, None, None]:
    """A folder that anybody can enter."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


@contextmanager
def without_privileges() -> Generator[None, None, None]:
    """What root may do, others may not."""
    me = os.geteuid()
    if me == 0:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(me)


def fill(ballast: Path) -> None:
    """Use up the disk."""
    with ballast.open("wb", buffering=0) as file, suppress(OSError):
        while file.write(bytes(4096)):
            pass


def permit(path: Path, mode: int) -> None:
    path.chmod(mode)


async def ask(client: rt.Client, server: RealtimeServer, size: int) -> None:
    """One turn with a question that hardly compresses."""
    server.script(turn(text="Hi"))
    async with client.ask(random.Random(size).randbytes(size // 2).hex()) as asked:
        pass
    assert isinstance(asked.outcome, rt.TurnCompleted)


async def until(reached: Callable[[], bool]) -> None:
    with trio.fail_after(30):
        while not reached():
            await trio.lowlevel.checkpoint()


async def live_through(
    path: Path, harm: Callable[[], object], heal: Callable[[], object] | None = None
) -> str:
    """Talk while the journal cannot be written; what it says meanwhile.

    The client does not mind. ``heal``: writing works again after it, and the log goes on.
    """
    journal = rt.Journal(path)
    async with (
        open_server() as server,
        rt.open_client(server.url, auth="any", journal=journal, name=NAME) as client,
    ):
        await client.ready()
        await ask(client, server, 1000)
        await until(lambda: client.durable_position == journal.statistics().appended)
        harm()
        await ask(client, server, LONG)
        await until(lambda: journal.statistics().error is not None)
        error = str(journal.statistics().error)
        await ask(client, server, 1000)
        assert client.state.sessions
        if heal is not None:
            heal()
            await ask(client, server, 2000)
            appended = journal.statistics().appended
            await until(lambda: (client.durable_position or 0) >= appended)
            assert journal.statistics().error is None
    return error


async def questions(path: Path) -> list[int]:
    """How long each question is that a journal still has."""
    async with rt.open_history(path, name=NAME) as history:
        state = history.at(position=history.last)
    return [
        len(message.content)
        for session in state.sessions.values()
        for message in session.messages
        if message.role == "user" and isinstance(message.content, str)
    ]


# ---- full ------------------------------------------------------------------------------------


async def test_a_full_disk_costs_what_does_not_fit(disk: Path) -> None:
    """The file keeps its prefix."""
    path = disk / "calls.db"
    error = await live_through(path, harm=lambda: fill(disk / "ballast"))
    assert "full" in error
    assert (await questions(path))[:1] == [1000]
    async with rt.open_history(path, name=NAME) as history:
        assert not history.ended_clean


async def test_a_disk_that_was_full_for_a_while_costs_nothing(disk: Path) -> None:
    path, ballast = disk / "calls.db", disk / "ballast"
    error = await live_through(path, harm=lambda: fill(ballast), heal=ballast.unlink)
    assert "full" in error
    assert await questions(path) == [1000, LONG, 1000, 2000]
    async with rt.open_history(path, name=NAME) as history:
        assert history.ended_clean
        assert history.gaps == ()


async def test_a_file_that_may_not_grow_keeps_its_prefix(tmp_path: Path) -> None:
    """A quota, where the disk itself has room."""
    path = tmp_path / "calls.db"
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        error = await live_through(
            path,
            harm=lambda: resource.setrlimit(
                resource.RLIMIT_FSIZE, (path.stat().st_size, limits[1])
            ),
        )
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert error.startswith(f"cannot write the journal {path}: ")
    assert (await questions(path))[:1] == [1000]


# ---- not permitted ---------------------------------------------------------------------------


async def open_and_leave(path: Path) -> None:
    """A client that needs its journal; the server is not asked before that."""
    journal = rt.Journal(path)
    async with rt.open_client("memory://nowhere", auth="any", journal=journal, name=NAME):
        pytest.fail("the journal cannot be used")


async def keep_one_turn(path: Path) -> None:
    journal = rt.Journal(path)
    async with (
        open_server() as server,
        rt.open_client(server.url, auth="any", journal=journal, name=NAME) as client,
    ):
        await client.ready()
        await ask(client, server, 1000)


async def test_a_read_only_disk_is_said_at_the_start_and_can_be_read(disk: Path) -> None:
    path = disk / "calls.db"
    await keep_one_turn(path)
    read_only(disk)
    with pytest.raises(rt.JournalError, match=r"cannot open the journal .*calls\.db: .*read-?only"):
        await open_and_leave(path)
    with pytest.raises(rt.JournalError, match=r"new\.db: Read-only file system"):
        await open_and_leave(disk / "new.db")
    assert await questions(path) == [1000]


async def test_a_folder_without_permission_is_said_at_the_start(place: Path) -> None:
    permit(place, 0o555)
    refused = pytest.raises(rt.JournalError, match=r"calls\.db: Permission denied")
    with without_privileges(), refused:
        await open_and_leave(place / "calls.db")
    assert os.listdir(place) == []


async def test_a_journal_in_a_folder_without_permission_can_be_read(place: Path) -> None:
    path = place / "calls.db"
    await keep_one_turn(path)
    permit(path, 0o444)
    permit(place, 0o555)
    with without_privileges():
        with pytest.raises(rt.JournalError, match=r"cannot open the journal .*calls\.db"):
            await open_and_leave(path)
        assert await questions(path) == [1000]


async def test_a_file_of_somebody_else_is_neither_written_nor_read(place: Path) -> None:
    path = place / "calls.db"
    await keep_one_turn(path)
    permit(path, 0)
    with without_privileges():
        with pytest.raises(rt.JournalError, match=r"calls\.db: Permission denied|unable to open"):
            await open_and_leave(path)
        with pytest.raises(PermissionError, match=r"calls\.db"):
            await questions(path)


# ---- what a client says of a file that it cannot use -------------------------------------------


async def test_a_client_with_a_file_of_something_else_does_not_start(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("buy milk " * 100)
    with pytest.raises(rt.JournalError, match=r"cannot open the journal .*notes\.txt"):
        await open_and_leave(path)
    assert path.read_text() == "buy milk " * 100


async def test_a_second_client_of_a_file_does_not_start(tmp_path: Path) -> None:
    """Another ``Journal`` of the same file; clients of one ``Journal`` share it."""
    path = tmp_path / "calls.db"
    journal = rt.Journal(path)
    async with (
        open_server() as server,
        rt.open_client(server.url, auth="any", journal=journal, name=NAME) as client,
    ):
        with pytest.raises(rt.JournalInUse, match=r"writes to the journal .*calls\.db"):
            await open_and_leave(path)
        await client.ready()
        await ask(client, server, 1000)
    assert await questions(path) == [1000]


# ---- names and numbers -------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["my calls.db", "Gespräch 🌍 #1?%20.db", "-x.db", "a'b\"c;d.db"])
async def test_a_path_of_any_characters_works(name: str, tmp_path: Path) -> None:
    path = tmp_path / "Ordner mit Lücken & 100%" / name
    path.parent.mkdir()
    await keep_one_turn(path)
    assert [each.name for each in path.parent.iterdir()] == [name]
    assert await questions(path) == [1000]


@pytest.mark.parametrize(
    "keep",
    [
        rt.Keep(days=1e300, snapshots=10**30),
        rt.Keep(days=float("inf")),
        rt.Keep(days=1e-9, snapshots=1),
        rt.Keep(snapshots=2**63),
    ],
)
async def test_retention_of_any_size_works(keep: rt.Keep, tmp_path: Path) -> None:
    path = tmp_path / "calls.db"
    for life in range(3):
        journal = rt.Journal(path, keep=keep)
        async with (
            open_server() as server,
            rt.open_client(
                server.url, auth="any", journal=journal, name=NAME, recover=True
            ) as client,
        ):
            await client.ready()
            await ask(client, server, 1000)
            assert journal.statistics().error is None
            if life and (keep.days or 0) > 1:
                assert client.recovered is not None
                assert client.recovered.lost is None
    assert (await questions(path))[-1:] == [1000]
