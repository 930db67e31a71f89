"""The channels and outcomes of a turn, and how errors of several tasks become one."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import trio
import trio.testing

from realtime_trio import events as ev
from realtime_trio._client._client import open_client
from realtime_trio._config import ClientConfig
from realtime_trio._connection._liveness import watch_link
from realtime_trio._core._codec import Codec
from realtime_trio._core._notifications import MessageStreaming
from realtime_trio._core._state import AudioSlice, ControlSlice, TextSlice, TurnRecord
from realtime_trio._core._values import evolve
from realtime_trio._exceptions import ConnectionLost, LaggedError, TurnError
from realtime_trio._handlers import LaneFold
from realtime_trio._lanes._marks import Marks, Slice
from realtime_trio._outbound._outbox import Outbox
from realtime_trio._outbound._receipt import Receipt
from realtime_trio._outbound._turn_gate import TurnGate
from realtime_trio._session._first_cause import first_cause
from realtime_trio._turns._channel import ITEM_COST, MAX_HELD, TurnChannel, weight
from realtime_trio._turns._outcome import (
    Outcome,
    TurnCancelled,
    TurnCompleted,
    TurnFailed,
    TurnLost,
    outcome_of,
)
from realtime_trio._turns._turn_progress import Turn, TurnProgress
from realtime_trio._turns._turn_tracker import TurnTracker
from realtime_trio.events import Lane


async def test_pieces_come_in_order_and_end(autojump_clock: object) -> None:
    """They are buffered from the start; the end comes after them."""
    pieces: TurnChannel[str] = TurnChannel()
    for item in "abc":
        pieces.put(item, 1)
    assert pieces.statistics().depth == 3
    assert pieces.receive_nowait() == "a"
    assert await pieces.receive() == "b"
    pieces.finish()
    pieces.put("late", 4)
    assert [item async for item in pieces] == ["c"]
    with pytest.raises(trio.EndOfChannel):
        await pieces.receive()
    assert pieces.statistics().max_depth == 3


def test_the_size_of_an_item_counts_its_contents() -> None:
    """Its text, and a fixed size for each part, including field names and numbers."""
    assert weight("abc") == ITEM_COST + 3
    assert weight(None) == weight(5) == ITEM_COST
    assert weight({"ab": ["c", {}, 1]}) == 6 * ITEM_COST + 3
    assert weight((("a",) * 10,)) == 12 * ITEM_COST + 10


async def test_a_reader_waits_and_is_woken(autojump_clock: object) -> None:
    """Two readers share the items; a cancelled one takes none."""
    pieces: TurnChannel[int] = TurnChannel()
    got: list[int] = []

    async def read() -> None:
        got.extend([item async for item in pieces])

    with trio.move_on_after(1):
        await pieces.receive()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(read)
        nursery.start_soon(read)
        for item in range(100):
            pieces.put(item)
            if item % 7 == 0:
                await trio.sleep(1)
        pieces.finish()
    assert sorted(got) == list(range(100))


async def test_iterating_lets_others_run(autojump_clock: object) -> None:
    """A checkpoint at least every 32 items."""
    pieces: TurnChannel[int] = TurnChannel()
    for item in range(320):
        pieces.put(item)
    pieces.finish()
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            turns += 1
            await trio.lowlevel.checkpoint()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(count)
        async for _ in pieces:
            pass
        nursery.cancel_scope.cancel()
    assert turns >= 9


async def test_an_unread_channel_ends_at_its_bound(autojump_clock: object) -> None:
    """The bound is in bytes, and the error reports it."""
    pieces: TurnChannel[str] = TurnChannel()
    pieces.put("x", MAX_HELD // 2)
    pieces.put("x", MAX_HELD)
    pieces.put("x", 1)
    with pytest.raises(LaggedError):
        await pieces.receive()


async def test_closing_drops_buffered_items(autojump_clock: object) -> None:
    """A waiting reader gets an error."""
    with TurnChannel[str]() as pieces:
        pieces.put("x", 1)
    with pytest.raises(trio.ClosedResourceError):
        await pieces.receive()
    await pieces.aclose()


@pytest.mark.parametrize(
    ("record", "missed", "expected"),
    [
        (TurnRecord(began=True), False, TurnCompleted),
        (TurnRecord(began=True), True, TurnCompleted),
        (TurnRecord(began=False), False, TurnCompleted),
        (TurnRecord(began=False), True, TurnLost),
        (TurnRecord(began=True, interactions=frozenset("s")), False, TurnFailed),
        (TurnRecord(began=True, interactions=frozenset("s")), True, TurnLost),
        (TurnRecord(began=True, cancelled=True, interactions=frozenset("s")), True, TurnCancelled),
        (TurnRecord(began=True, stop_reason="exception"), False, TurnFailed),
        (TurnRecord(began=True, stop_reason="max_tokens"), False, TurnCompleted),
        (TurnRecord(began=True, prepared=True, errors=("x",)), False, TurnCompleted),
        (TurnRecord(began=True, errors=("x",)), False, TurnFailed),
        (TurnRecord(began=True, errors=("x",)), True, TurnCompleted),
    ],
)
def test_an_outcome_is_read_from_the_record(
    record: TurnRecord, missed: bool, expected: type[Outcome]
) -> None:
    """Cancelled before failed before completed; a gap proves nothing."""
    outcome = outcome_of(record, missed=missed)
    assert type(outcome) is expected
    assert outcome.errors == record.errors


class Queues:
    """Lanes that hold only marks and pass them on request."""

    def __init__(self) -> None:
        self.marks = Marks(self._put, lambda lane: self.slices[lane])
        self.slices: dict[Lane, Slice] = {
            Lane.CONTROL: ControlSlice(),
            Lane.TEXT: TextSlice(),
            Lane.AUDIO: AudioSlice(),
        }
        self._waiting: dict[Lane, list[Callable[[], None]]] = {lane: [] for lane in Lane}

    def _put(self, lane: Lane, run: Callable[[], None]) -> None:
        self._waiting[lane].append(run)

    def go(self, *lanes: Lane) -> None:
        """Let these lanes, or all, pass their waiting marks."""
        for lane in lanes or Lane:
            while self._waiting[lane]:
                self._waiting[lane].pop(0)()


def _tracker() -> tuple[TurnTracker, Queues]:
    queues = Queues()
    return TurnTracker(queues.marks, lambda: None), queues


async def test_a_refusal_counts_when_every_lane_has_reached_it() -> None:
    """Events received before it are handled before it."""
    tracker, queues = _tracker()
    progress = TurnProgress()
    turn = Turn(progress, Receipt("text_input"))
    assert "under way" in repr(turn)
    tracker.killed()
    tracker.begin(progress)
    tracker.refused("no", queues.marks.place())
    queues.go(Lane.TEXT, Lane.CONTROL)
    with pytest.raises(TurnError):
        _ = turn.outcome
    queues.go()
    assert await turn.wait() == TurnFailed(reason="the server refused the input", errors=("no",))
    assert "TurnFailed" in repr(turn)
    progress.decide(TurnCompleted(message=None))
    assert isinstance(turn.outcome, TurnFailed)


def test_a_turn_gets_what_is_between_its_two_marks() -> None:
    """Nothing from the turn before, and nothing after its end."""
    tracker, queues = _tracker()
    progress = TurnProgress()
    note = MessageStreaming(session_id="s", message_id="m", role="assistant", delta="x")
    event = ev.TextDeltaEvent(session_id="s", content="x")

    def hear() -> int:
        tracker.observe(event, (note,), queues.slices[Lane.TEXT])
        return progress.text.statistics().depth

    tracker.begin(progress)
    queues.go()
    assert hear() == 0
    tracker.heard()
    assert hear() == 0
    queues.go()
    assert hear() == 1
    tracker.ended(queues.marks.place())
    assert hear() == 2
    queues.slices[Lane.TEXT] = _with_record(TurnRecord(began=True))
    queues.go()
    assert hear() == 2
    assert progress.outcome == TurnCompleted(message=None)


def _with_record(record: TurnRecord) -> TextSlice:
    return evolve(TextSlice(), rest=evolve(TextSlice().rest, last_turn=record))


def test_a_killed_turn_ends_when_its_events_are_handled() -> None:
    """A forced command ends it; another turn may already run."""
    tracker, queues = _tracker()
    first, second = TurnProgress(), TurnProgress()
    tracker.begin(first)
    tracker.killed()
    tracker.begin(second)
    assert first.outcome is None
    queues.go()
    assert isinstance(first.outcome, TurnFailed)
    assert second.outcome is None


def test_the_end_of_the_client_decides_every_turn() -> None:
    """By a refusal or the record of the text lane; otherwise it is lost."""
    tracker, queues = _tracker()
    recorded, refused, unseen, running, queued = (TurnProgress() for _ in range(5))
    queues.slices[Lane.TEXT] = _with_record(TurnRecord(began=True))
    tracker.begin(recorded)
    tracker.ended(queues.marks.place())
    queues.go(Lane.TEXT)
    tracker.begin(refused)
    tracker.refused("no", queues.marks.place())
    tracker.begin(unseen)
    tracker.ended(queues.marks.place())
    tracker.begin(running)
    tracker.queued(queued, Receipt("text_input"))
    tracker.end("the end")
    outcomes = [each.outcome for each in (recorded, refused, unseen, running, queued)]
    kinds = [TurnCompleted, TurnFailed, TurnLost, TurnLost, TurnLost]
    assert [type(outcome) for outcome in outcomes] == kinds
    queues.go()
    assert [each.outcome for each in (recorded, refused, unseen, running, queued)] == outcomes


def test_text_of_a_custom_event_is_not_the_users() -> None:
    """It has no session to compare with the user's."""
    tracker, queues = _tracker()
    progress = TurnProgress()
    tracker.begin(progress)
    tracker.heard()
    queues.go()
    note = MessageStreaming(session_id="s", message_id="m", role="assistant", delta="x")
    tracker.observe(ev.UnknownEvent(tag="chart", payload={}), (note,), TextSlice())
    assert progress.text.statistics().depth == 0


def test_text_of_a_session_without_an_id_is_the_users() -> None:
    """An event without a session id is handled in its resolved session."""
    tracker, queues = _tracker()
    progress = TurnProgress()
    tracker.begin(progress)
    tracker.heard()
    queues.go()
    fold = LaneFold(Lane.TEXT, TextSlice())
    said: list[ev.ServerEvent] = [
        ev.TextDeltaEvent(content="a"),
        ev.ChatSessionChangedEvent(chat_session=ev.ChatSession(session_id="s")),
        ev.TextDeltaEvent(content="b"),
        ev.TextDeltaEvent(content="not this", session_id="sub", user_session_id="s"),
        ev.MessageEvent(content="c"),
        ev.TextDeltaEvent(content="d\ud83d"),
        ev.UserTurnStartEvent(),
    ]
    for event in said:
        tracker.observe(event, fold.step(event), fold.slice)
    pieces: list[str] = []
    while progress.text.statistics().depth:
        pieces.append(progress.text.receive_nowait())
    assert "".join(pieces) == "abcd\ufffd"


def test_the_bodys_error_wins() -> None:
    """Then a single error, then a flat group; Cancelled only if there is no other."""
    own, other = KeyError("own"), ValueError("other")
    group = ExceptionGroup("g", [other, ExceptionGroup("h", [own])])
    assert first_cause(own, group) is own
    assert first_cause(None, ExceptionGroup("g", [other])) is other
    several = first_cause(None, group)
    assert isinstance(several, ExceptionGroup)
    assert set(several.exceptions) == {own, other}


class Quiet:
    """A link on which nothing arrives."""

    bytes_received = 0
    frames_received = 0
    dead = False


async def test_a_link_without_a_byte_is_dead(autojump_clock: object) -> None:
    """After the pong timeout of a ping; never without a ping."""
    gate = TurnGate()
    box = Outbox(ClientConfig(), Codec(), gate, on_kill=lambda: None, on_input=lambda: None)
    link = Quiet()
    with pytest.raises(ConnectionLost, match="dead"):
        await watch_link(link, box, gate, ClientConfig())
    assert link.dead
    assert trio.current_time() == 40
    await watch_link(Quiet(), box, gate, ClientConfig(ping_interval=None, turn_silence=None))


async def test_an_invalid_address_is_refused_immediately() -> None:
    """Before anything is opened."""
    with pytest.raises(ValueError, match="not both"):
        open_client("ws://h", auth="x", proxy="http://p", open_stream=trio.open_tcp_stream)
    with pytest.raises(ValueError, match="the server url"):
        open_client("nonsense", auth="x")
