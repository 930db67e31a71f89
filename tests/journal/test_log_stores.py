"""Every store keeps the same promises."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest.mock import patch

import pytest

from realtime_trio import Keep
from realtime_trio._exceptions import JournalInUse
from realtime_trio._journal._journal_store import JournalStore
from realtime_trio._journal._log_store import LogClaim, LogStore
from realtime_trio._journal._memory_log import MemoryStore
from realtime_trio.testing import check_log


@asynccontextmanager
async def memory() -> AsyncGenerator[LogStore, None]:
    yield MemoryStore()


@asynccontextmanager
async def sqlite() -> AsyncGenerator[LogStore, None]:
    with TemporaryDirectory() as folder:
        journal = JournalStore(Path(folder) / "calls.db", durability="none")
        async with journal.opened():
            yield journal


@asynccontextmanager
async def sqlite_trimmed() -> AsyncGenerator[LogStore, None]:
    with TemporaryDirectory() as folder:
        keep = Keep(days=1000.0, snapshots=1)
        journal = JournalStore(Path(folder) / "calls.db", keep=keep, compression="zstd")
        async with journal.opened():
            yield journal


@pytest.mark.parametrize("make", [memory, sqlite, sqlite_trimmed])
async def test_a_store_keeps_its_promises(make: object) -> None:
    await check_log(make)  # type: ignore[arg-type]


async def test_the_suite_finds_a_store_that_forgets_its_claims() -> None:
    log = MemoryStore()

    async def claim(name: str) -> LogClaim:
        claimed = await MemoryStore.claim(log, name)
        log._logs[name].token = 1
        return LogClaim(name=claimed.name, token=1)

    @asynccontextmanager
    async def forgetful() -> AsyncGenerator[LogStore, None]:
        log._logs.clear()
        yield log

    with (
        patch.object(log, "claim", claim),
        pytest.raises(AssertionError, match="append with an older claim"),
    ):
        await check_log(forgetful)


async def test_a_memory_log_says_who_writes() -> None:
    log = MemoryStore()
    old = await log.claim("a")
    await log.claim("a")
    with pytest.raises(JournalInUse, match="another client is now writing to the log 'a'"):
        await log.beat(old)
