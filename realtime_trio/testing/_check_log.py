"""The conformance suite for logs: checks any ``LogStore``."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator, Sequence
from contextlib import AbstractAsyncContextManager, contextmanager
from typing import Final, cast

import trio

from .._exceptions import JournalInUse
from .._journal._log_store import LogClaim, LogGap, LogStore, StoredSnapshot
from .._log._log_block import BlockGroup, LogBlock
from .._log._log_entries import LogItem, ReceiptEntry
from .._log._log_fold import LogFold
from .._log._state_snapshot import StateSnapshot, write_snapshot

__all__ = ["MakeLog", "check_log"]

_CHECK_TIMEOUT: Final = 60.0

MakeLog = Callable[[], AbstractAsyncContextManager[object]]
"""Opens an empty store and cleans it up."""


async def check_log(make_log: MakeLog) -> None:
    """Check that a store for logs fulfils the contract that the journal relies on.

    ``make_log()`` is an async context manager that yields an empty store: an object with the
    methods of ``LogStore``, like the stores of the library. Each check opens a new one. Raises
    ``AssertionError`` for the first broken rule; a check that hangs fails after a minute.
    """
    checks: Sequence[Callable[[LogStore], Awaitable[None]]] = (
        _check_empty,
        _check_append_and_read,
        _check_holes_are_refused,
        _check_an_older_claim_changes_nothing,
        _check_gaps,
        _check_snapshots,
        _check_clean_end,
        _check_logs_are_apart,
        _check_concurrent_appends,
    )
    for check in checks:
        async with make_log() as store:
            with trio.fail_after(_CHECK_TIMEOUT):
                await check(cast("LogStore", store))


@contextmanager
def _refused(expected: type[Exception], what: str) -> Generator[None, None, None]:
    try:
        yield
    except expected:
        return
    message = f"{what} must raise {expected.__name__}"
    raise AssertionError(message)


def _groups(*texts: str, at: float = 1_700_000_000.0) -> list[BlockGroup]:
    items: list[LogItem] = list(texts)
    return [(at, items)]


async def _everything(store: LogStore, name: str, after: int = 0) -> list[LogItem]:
    """Read every entry after a position, a few blocks at a time."""
    found: list[LogItem] = []
    while blocks := await store.read(name, after, 3):
        assert len(blocks) <= 3, "read must not return more blocks than its limit"
        for block in blocks:
            found += _items_behind(block, after)
            after = block.last
    return found


def _items_behind(block: LogBlock, after: int) -> list[LogItem]:
    assert block.first <= after + 1, "read must not skip a position"
    return [item for position, _, item in block.items() if position > after]


async def _check_empty(store: LogStore) -> None:
    assert await store.info("a") is None, "a log must not exist before it is claimed"
    assert await store.names() == ()
    assert not await store.read("a", 0)
    assert not await store.snapshots("a")


async def _check_append_and_read(store: LogStore) -> None:
    claim = await store.claim("a")
    written: list[LogItem] = []
    for number in range(20):
        items = [f"{number}.{i} é 🌍" for i in range(1 + number % 3)]
        more: list[LogItem] = [number << 9, ReceiptEntry(number, "sent")]
        size = await store.append(claim, len(written) + 1, [*_groups(*items), (2.5, more)])
        assert size > 0, "append must return the size of the entries in bytes"
        written += [*items, *more]
    assert await _everything(store, "a") == written
    for after in (1, 7, len(written)):
        assert await _everything(store, "a", after) == written[after:]
    info = await store.info("a")
    assert info is not None
    assert (info.name, info.position, info.first) == ("a", len(written), 1)


async def _check_holes_are_refused(store: LogStore) -> None:
    claim = await store.claim("a")
    await store.append(claim, 1, _groups("1", "2"))
    for first in (0, 1, 2, 4):
        with _refused(ValueError, f"appending at {first} behind position 2"):
            await store.append(claim, first, _groups("x"))
    await store.append(claim, 3, _groups("3"))
    assert await _everything(store, "a") == ["1", "2", "3"]


async def _check_an_older_claim_changes_nothing(store: LogStore) -> None:
    old = await store.claim("a")
    await store.append(old, 1, _groups("1"))
    new = await store.claim("a")
    await _expect_refusals(store, old)
    await store.append(new, 2, _groups("2"))
    await _expect_refusals(store, old)
    assert await _everything(store, "a") == ["1", "2"]
    assert not await store.snapshots("a")
    info = await store.info("a")
    assert info is not None
    assert not info.gaps
    assert not info.clean


async def _expect_refusals(store: LogStore, old: LogClaim) -> None:
    info = await store.info(old.name)
    assert info is not None
    after = info.position + 1
    with _refused(JournalInUse, "append with an older claim"):
        await store.append(old, after, _groups("late"))
    with _refused(JournalInUse, "put_snapshot with an older claim"):
        await store.put_snapshot(old, _snapshot(info.position))
    with _refused(JournalInUse, "put_gap with an older claim"):
        gap = LogGap(first=after, last=after, why="jumped")
        await store.put_gap(old, gap, None)
    with _refused(JournalInUse, "close with an older claim"):
        await store.close(old)


def _snapshot(position: int) -> StoredSnapshot:
    snapshot = StateSnapshot(position=position, at=1.0, cut=LogFold().cut())
    return StoredSnapshot(position=position, data=write_snapshot(snapshot))


async def _check_gaps(store: LogStore) -> None:
    claim = await store.claim("a")
    await store.append(claim, 1, _groups("1", "2"))
    gap = LogGap(first=3, last=10, why="jumped")
    await store.put_gap(claim, gap, _snapshot(10))
    with _refused(ValueError, "appending within a gap"):
        await store.append(claim, 3, _groups("x"))
    await store.append(claim, 11, _groups("11"))
    assert await _everything(store, "a") == ["1", "2"], "read must stop at a gap"
    assert await _everything(store, "a", 10) == ["11"]
    info = await store.info("a")
    assert info is not None
    assert (info.position, info.gaps) == (11, (gap,))
    assert [each.position for each in await store.snapshots("a")] == [10]
    later = LogGap(first=11, last=20, why="jumped")
    for each in (LogGap(first=11, last=15, why="jumped"), later):  # as if an answer was lost
        await store.put_gap(claim, each, None)
    info = await store.info("a")
    assert info is not None
    assert (info.position, info.gaps) == (20, (gap, later)), "put_gap must drop gaps behind it"


async def _check_snapshots(store: LogStore) -> None:
    claim = await store.claim("a")
    for position in range(1, 6):
        await store.append(claim, position, _groups(str(position)))
        await store.put_snapshot(claim, _snapshot(position))
        await store.trim(claim)
    kept = await store.snapshots("a")
    assert kept, "trim must keep the newest snapshot"
    assert kept[0] == _snapshot(5), "snapshots must return the newest first"
    positions = [each.position for each in kept]
    assert positions == sorted(positions, reverse=True)


async def _check_clean_end(store: LogStore) -> None:
    claim = await store.claim("a")
    await store.append(claim, 1, _groups("1"))
    for closed in (False, True, False):
        if closed:
            await store.close(claim)
        info = await store.info("a")
        assert info is not None
        assert info.clean is closed
        if closed:
            await store.beat(claim)
            await store.append(claim, 2, _groups("2"))


async def _check_logs_are_apart(store: LogStore) -> None:
    names = ("a", "B 🌍", "a'; --")
    claims = [await store.claim(name) for name in names]
    for claim in claims:
        await store.append(claim, 1, _groups(claim.name))
    assert set(await store.names()) == set(names)
    for name in names:
        assert await _everything(store, name) == [name]


async def _check_concurrent_appends(store: LogStore) -> None:
    async def write(name: str) -> None:
        claim = await store.claim(name)
        for number in range(1, 9):
            await store.append(claim, number, _groups(f"{name}{number}"))

    async with trio.open_nursery() as nursery:
        for name in "abc":
            nursery.start_soon(write, name)
    for name in "abc":
        assert await _everything(store, name) == [f"{name}{number}" for number in range(1, 9)]
