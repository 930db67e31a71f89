"""What the owner repeats behind a snapshot, as its followers see it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import trio
import trio.testing

import realtime_trio as rt
from realtime_trio._core._codec import Codec
from realtime_trio._core._local_events import InputSentEvent
from realtime_trio._journal import _log_writer
from realtime_trio._journal._log_store import LogGap, StoredSnapshot
from realtime_trio._log._log_entries import (
    CommandEntry,
    LogItem,
    ReceiptEntry,
    RemoteEntry,
    local_entry,
)
from realtime_trio._log._log_fold import LogFold
from realtime_trio._log._state_snapshot import StateSnapshot, write_snapshot
from realtime_trio.events import (
    Event,
    NewChatSessionEvent,
    RemoveWorkspaceEvent,
    ResumeChatSessionEvent,
    TextInputEvent,
)
from realtime_trio.fleet import MemoryLog, Spec
from realtime_trio.server import RealtimeServer
from tests.log.stories import header

from .test_fleet import check_follower, served
from .test_fleet import no_threads as no_threads
from .test_followers import NAME, written
from .watched import WatchedLog

PONG = '{"type":"pong"}'
ENDS = '{"type":"user_turn_end"}'
ENDED = frozenset({"sent", "not-sent", "in-doubt"})
STARTS = '{"type":"user_turn_start"}'


def queued(number: int, event: Event) -> CommandEntry:
    return CommandEntry(number, event.type, Codec().encode(event))


@pytest.mark.parametrize("entries", range(2, 70, 3))
async def test_a_snapshot_at_any_moment_ends_no_turn(
    entries: int,
    realtime_server: RealtimeServer,
    autojump_clock: trio.testing.MockClock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A command that is being written is logged once more behind it: no second command."""
    monkeypatch.setattr(_log_writer, "SNAPSHOT_EVERY", entries)
    log = MemoryLog()
    async with served(realtime_server, log) as session:
        for _ in range(2):
            async with session.ask("Hello") as turn:
                pass
            assert isinstance(turn.outcome, rt.TurnCompleted)
        await check_follower(log, session)
    assert await log.snapshots("call-17")


# After the entries of an input that is about to be written: what else the log may say, and how
# the turn ends.
AFTER: dict[str, tuple[Callable[[int], list[LogItem]], type[rt.Outcome]]] = {
    "nothing": (lambda _: [], rt.TurnCompleted),
    "a snapshot": (
        lambda number: [
            queued(1, TextInputEvent(text="Hello")),
            ReceiptEntry(1, "sending"),
            RemoteEntry(number, "reserved"),
            RemoteEntry(number, "cursor"),
        ],
        rt.TurnCompleted,
    ),
    "a forced command": (
        lambda _: [queued(2, NewChatSessionEvent()), ReceiptEntry(2, "sending")],
        rt.TurnFailed,
    ),
}


@pytest.mark.parametrize("after", AFTER)
async def test_only_another_command_kills_the_turn(
    after: str, autojump_clock: trio.testing.MockClock
) -> None:
    """The status of the receipt never goes back, and the pongs are those of the input itself."""
    items, outcome = AFTER[after]
    async with written() as it:
        async with it.session.ask("Hello") as turn:
            receipt = turn.receipt
            number = receipt.number
            await it.write(
                RemoteEntry(number, "accepted"),
                RemoteEntry(number, "reserved"),
                queued(1, TextInputEvent(text="Hello")),
                ReceiptEntry(1, "sending"),
                local_entry(InputSentEvent(ahead=1)),
                RemoteEntry(number, "sending"),
                *items(number),
            )
            assert receipt.status == "sending"
            await it.write(ReceiptEntry(1, "sent"), RemoteEntry(number, "sent"), PONG, PONG, PONG)
            await it.write(ENDS, STARTS)
        assert isinstance(turn.outcome, outcome)
        await check_follower(it.log, it.session)


async def test_a_resume_of_the_session_is_harmless_for_who_attached_later(
    realtime_server: RealtimeServer, autojump_clock: trio.testing.MockClock
) -> None:
    """The current session may stand in the part of the log that a follower only folds."""
    realtime_server.script(rt.testing.turn("Long", rt.testing.wait(5.0), rt.testing.say("done")))
    log = MemoryLog()
    async with served(realtime_server, log), rt.fleet.open_fleet(log) as fleet:
        async with fleet.attach("call-17") as session, session.ask("Long") as turn:
            await trio.sleep(1.0)
            current = session.state.current_session_id
            assert current is not None
            again = await session.send(ResumeChatSessionEvent(session_id=current), force=True)
            await again.sent()
        assert isinstance(turn.outcome, rt.TurnCompleted)
        assert turn.outcome.message is not None


async def test_what_ended_before_the_jump_of_a_lost_owner_stays_so(
    realtime_server: RealtimeServer, autojump_clock: trio.testing.MockClock
) -> None:
    """It was lost before it repeated how commands had ended; nothing is sent again."""
    log = WatchedLog()
    await log.create(NAME, Spec())
    (seat,) = await log.seats()
    claim = await log.seize(seat, "lost")
    assert claim is not None
    event = RemoveWorkspaceEvent(name="w")
    for key in ("early", "sent", "accepted", "unread"):
        await log.put_command(NAME, key, "event", Codec().encode(event))
    items: list[LogItem] = [RemoteEntry(1, "accepted"), RemoteEntry(1, "sent")]
    await log.append(claim, 1, [(1.0, [header(), *items])])
    await log.put_gap(claim, LogGap(first=4, last=5, why="jumped"), None)
    items = [RemoteEntry(2, "accepted"), RemoteEntry(2, "sent"), RemoteEntry(3, "accepted")]
    await log.append(claim, 6, [(1.0, items)])
    whole = write_snapshot(StateSnapshot(position=9, at=1.0, cut=LogFold().cut()))
    snapshot = StoredSnapshot(position=9, data=whole)
    await log.put_gap(claim, LogGap(first=9, last=9, why="jumped"), snapshot)
    async with served(realtime_server, log) as session:
        statuses = {
            key: (await session.send(event, key=key)).status
            for key in ("early", "sent", "accepted", "unread")
        }
        assert statuses == {
            "early": "sent",
            "sent": "sent",
            "accepted": "in-doubt",
            "unread": "in-doubt",
        }
        assert not [each for each in realtime_server.seen if each.type == event.type]
    ends = [each for each in set(log.words()) if each.status in ENDED]
    assert sorted(each.number for each in ends) == [1, 2, 3, 4]
