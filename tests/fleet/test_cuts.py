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
from realtime_trio._log._log_entries import (
    CommandEntry,
    LogItem,
    ReceiptEntry,
    RemoteEntry,
    local_entry,
)
from realtime_trio.events import (
    Event,
    NewChatSessionEvent,
    ResumeChatSessionEvent,
    TextInputEvent,
)
from realtime_trio.fleet import MemoryLog
from realtime_trio.server import RealtimeServer

from .test_fleet import check_follower, served
from .test_fleet import no_threads as no_threads
from .test_followers import written

PONG = '{"type":"pong"}'
ENDS = '{"type":"user_turn_end"}'
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
