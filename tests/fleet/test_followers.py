"""What a follower makes of every kind of entry, and of a log that says little or nothing."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import attrs
import msgspec
import pytest
import trio
import trio.testing

import realtime_trio as rt
from realtime_trio._journal._log_store import LogClaim, LogGap, StoredSnapshot
from realtime_trio._log._log_block import encode_block
from realtime_trio._log._log_entries import (
    AudioEntry,
    CommandEntry,
    LogItem,
    RawTextEntry,
    RemoteEntry,
    ResetEntry,
    UserSessionEntry,
    short_audio,
)
from realtime_trio._log._log_fold import LogFold
from realtime_trio._log._state_snapshot import StateSnapshot, write_snapshot
from realtime_trio.fleet import MemoryLog, RemoteSession, Spec
from tests.log.stories import header

from .test_fleet import check_follower
from .test_fleet import no_threads as no_threads

NAME = "call-17"
DELTA = '{"type":"text_delta","session_id":"s1","role":"assistant","content":"%s"}'


class Written:
    """A session whose log the test writes."""

    def __init__(self, log: MemoryLog, claim: LogClaim, session: RemoteSession) -> None:
        self.log, self.claim, self.session = log, claim, session
        self.position = 0

    async def write(self, *items: LogItem) -> None:
        """Append entries, and let the follower have them."""
        await self.log.append(self.claim, self.position + 1, [(1.0, list(items))])
        self.position += len(items)
        await self.session.reached(self.position)

    async def jump(self, last: int, data: bytes | None = None) -> None:
        """Give up positions; the state behind them is empty."""
        whole = write_snapshot(StateSnapshot(position=last, at=1.0, cut=LogFold().cut()))
        snapshot = StoredSnapshot(position=last, data=whole if data is None else data)
        gap = LogGap(first=self.position + 1, last=last, why="jumped")
        await self.log.put_gap(self.claim, gap, snapshot)
        self.position = last


@asynccontextmanager
async def written() -> AsyncGenerator[Written, None]:
    log = MemoryLog()
    async with rt.fleet.open_fleet(log) as fleet:
        await log.create(NAME, Spec())
        (seat,) = await log.seats()
        claim = await log.seize(seat, "n1")
        assert claim is not None
        async with fleet.attach(NAME) as session:
            with trio.fail_after(60):
                yield Written(log, claim, session)


async def test_every_kind_of_entry_is_fed(autojump_clock: trio.testing.MockClock) -> None:
    async with written() as it:
        await it.write(
            UserSessionEntry("s1"),
            DELTA % "one",
            RawTextEntry((DELTA % "two").encode()),
            short_audio(b"\0\1\0\2"),
            AudioEntry(b"\0\1\0\2"),
            CommandEntry(1, "of a later version", "{"),
        )
        assert it.session.statistics().text.events == 2
        await check_follower(it.log, it.session)
        await it.write(ResetEntry())
        await check_follower(it.log, it.session)


async def test_a_damaged_block_is_told(autojump_clock: trio.testing.MockClock) -> None:
    async with written() as it:
        await it.write(DELTA % "one")
        block = encode_block(2, [(1.0, [DELTA % ("two" * 100)])])
        kept = it.log._logs[NAME]
        kept.blocks.append(attrs.evolve(block, data=block.data[:-9] + bytes(9)))
        kept.position = 2
        it.log.nudge(0)
        while it.session.error is None:  # noqa: ASYNC110
            await trio.sleep(0.1)
        assert "cannot be read" in it.session.error
        assert it.session.position == 1


async def test_a_damaged_snapshot_is_passed_over(autojump_clock: trio.testing.MockClock) -> None:
    async with written() as it:
        jumps = it.session.subscribe(rt.Jumped)
        await it.write(DELTA % "one")
        await it.jump(9)
        await it.log.put_snapshot(it.claim, StoredSnapshot(position=9, data=b"no snapshot"))
        jump = await jumps.receive()
        assert (jump.first, jump.last, jump.why) == (2, 9, "jumped")
        await it.write(DELTA % "two")


async def test_a_command_of_which_a_jump_says_nothing_is_in_doubt(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """What the entries behind the snapshot say is known; the rest is not."""
    async with written() as it:
        known, unknown = [await it.session.send_text(text) for text in ("known", "unknown")]
        waiting = await it.session.send_text("waiting")
        later = await it.session.send_text("later")
        await it.write(RemoteEntry(known.number, "accepted"))
        await it.jump(9)
        await it.write(RemoteEntry(known.number, "sent"), RemoteEntry(waiting.number, "accepted"))
        assert unknown.status == "queued"
        await it.write(RemoteEntry(waiting.number, "cursor"))
        await known.sent()
        with pytest.raises(rt.InDoubt, match="the log"):
            await unknown.sent()
        await waiting.accepted()
        assert later.status == "queued"
        again = await it.session.send_text("known", key=known.key)
        assert again.status == "sent"


async def test_a_turn_across_a_jump_is_lost(autojump_clock: trio.testing.MockClock) -> None:
    """Its beginning may be in the part that is missing."""
    async with written() as it:
        async with it.session.ask("Hello") as turn:
            number = turn.receipt.number
            await it.write(RemoteEntry(number, "accepted"))
            await it.jump(9)
            await it.write(RemoteEntry(number, "sent"), RemoteEntry(number, "cursor"))
        assert isinstance(turn.outcome, rt.TurnLost)
        await turn.receipt.sent()


async def test_leaving_ends_what_waits(autojump_clock: trio.testing.MockClock) -> None:
    async with written() as it:
        receipt = await it.session.send_text("Hello")
    with pytest.raises(rt.ClosedError):
        await receipt.sent()
    with pytest.raises(rt.ClosedError):
        await receipt.accepted()


@pytest.mark.parametrize("rounds", range(8))
async def test_leaving_while_an_entry_arrives_is_no_error(
    autojump_clock: trio.testing.MockClock, rounds: int
) -> None:
    """The lanes may end before the task that feeds them learns that it is cancelled."""
    for _ in range(8):  # trio orders the tasks of a round at random
        async with written() as it:
            await it.write(DELTA % "one")
            two: list[LogItem] = [DELTA % "two"]
            await it.log.append(it.claim, it.position + 1, [(1.0, two)])
            for _ in range(rounds):
                await trio.lowlevel.checkpoint()


async def test_a_log_that_fails_in_the_middle_of_a_block_feeds_nothing_twice(
    autojump_clock: trio.testing.MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where another node begins, the follower asks the log who it is."""
    async with written() as it:
        seat = it.log.seat

        async def fail(name: str) -> None:
            monkeypatch.setattr(it.log, "seat", seat)
            message = f"no answer for {name}"
            raise rt.JournalError(message)

        await it.write(DELTA % "one")
        await trio.testing.wait_all_tasks_blocked()
        (place,) = await it.log.seats()
        it.claim = await it.log.seize(place, "n2") or it.claim
        monkeypatch.setattr(it.log, "seat", fail)
        await it.write(DELTA % "two", msgspec.structs.replace(header(), fresh=False), DELTA % "3")
        await check_follower(it.log, it.session)
        assert it.session.owner == "n1"
        await it.write(DELTA % "four")
        assert it.session.owner == "n2"
