"""Subscriptions: how to receive from them, their overflow rules, and how they end."""

from __future__ import annotations

import gc
import itertools
import threading
from typing import Any

import pytest
import trio
import trio.testing

from realtime_trio import events as ev
from realtime_trio._core._audio_format import AudioFormat
from realtime_trio._core._notifications import (
    AudioOutput,
    CancelConfirmed,
    MessageComplete,
    MessageStreaming,
    Notification,
    ResponseCancelled,
    SystemNotification,
)
from realtime_trio._core._shell_notifications import AudioGap, Lagged
from realtime_trio._exceptions import ClosedError, LaggedError
from realtime_trio._lanes import _overflow
from realtime_trio._lanes._buffer import Buffer
from realtime_trio._lanes._buffers import (
    BlockBuffer,
    CoalesceBuffer,
    DropOldestBuffer,
    make_buffer,
)
from realtime_trio._lanes._overflow import Block, Coalesce, DropOldest, Latest, Overflow
from realtime_trio._lanes._reader import SubscriptionReader
from realtime_trio._lanes._subscription import LaneView
from realtime_trio.events import Lane
from tests.lanes.flow import (
    CANCELLED,
    ERROR,
    TURN_START,
    Steps,
    delta,
    drain,
    frame,
    make,
    running,
    texts,
)

RULES: list[Overflow] = [Coalesce(), Block(1000), DropOldest(1000), DropOldest(seconds=9), Latest()]


def bound_bytes(monkeypatch: pytest.MonkeyPatch, most: int) -> None:
    """Let every buffer hold at most so many bytes."""
    for module in ("_buffer", "_buffers"):
        monkeypatch.setattr(f"realtime_trio._lanes.{module}.MAX_BYTES", most)


# -- receiving -----------------------------------------------------------------------------


async def test_receive_is_always_a_checkpoint() -> None:
    """Whether or not an item is available."""
    async with running() as pipeline:
        notes = pipeline.subscribe(lane=Lane.TEXT)
        pipeline.feed_nowait([delta()])
        await trio.testing.wait_all_tasks_blocked()
        with trio.testing.assert_checkpoints():
            await notes.receive()
        pipeline.feed_nowait([delta()])
        with trio.testing.assert_checkpoints():
            await notes.receive()


async def test_receive_nowait() -> None:
    """An item, or WouldBlock."""
    async with running() as pipeline:
        notes = pipeline.subscribe(lane=Lane.TEXT)
        with pytest.raises(trio.WouldBlock):
            notes.receive_nowait()
        pipeline.feed_nowait([delta("Hi")])
        await trio.testing.wait_all_tasks_blocked()
        assert texts([notes.receive_nowait()]) == ["Hi"]


async def test_a_cancelled_receive_loses_nothing() -> None:
    """Cancelled before, while waiting, and with an item available."""
    async with running() as pipeline:
        notes = pipeline.subscribe(lane=Lane.TEXT)
        for feed in (False, True):
            if feed:
                pipeline.feed_nowait([delta("a")])
                await trio.testing.wait_all_tasks_blocked()
            with trio.CancelScope() as scope:
                scope.cancel()
                await notes.receive()
            assert scope.cancelled_caught
        with trio.CancelScope() as waiting:
            async with trio.open_nursery() as nursery:

                @nursery.start_soon
                async def cancel() -> None:
                    await trio.testing.wait_all_tasks_blocked()
                    waiting.cancel()

                assert texts([await notes.receive()]) == ["a"]
                await notes.receive()
        assert waiting.cancelled_caught
        pipeline.feed_nowait([delta("b")])
        assert texts([await notes.receive()]) == ["b"]


@pytest.mark.parametrize("_again", range(20))
async def test_cancelled_in_the_same_round_as_the_item(_again: int) -> None:
    """Woken and cancelled at once: the item is either received or still there."""
    async with running() as pipeline:
        notes = pipeline.subscribe(lane=Lane.TEXT)
        got: list[Notification] = []

        async def receive() -> None:
            got.append(await notes.receive())

        with trio.CancelScope() as scope:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(receive)
                await trio.testing.wait_all_tasks_blocked()
                pipeline.feed_nowait([delta("a")])
                await trio.lowlevel.cancel_shielded_checkpoint()
                scope.cancel()
        await trio.testing.wait_all_tasks_blocked()
        assert texts([*got, *drain(notes)]) == ["a"]


@pytest.mark.parametrize("_again", range(20))
async def test_a_receive_that_took_an_item_cannot_be_cancelled(_again: int) -> None:
    """Between taking an available item and returning it, a receive cannot be cancelled."""
    async with running() as pipeline:
        notes = pipeline.subscribe(lane=Lane.TEXT)
        pipeline.feed_nowait([delta("a")])
        await trio.testing.wait_all_tasks_blocked()
        got: list[Notification] = []
        scope, begun = trio.CancelScope(), False

        async def receive() -> None:
            nonlocal begun
            with scope:
                begun = True
                got.append(await notes.receive())

        async with trio.open_nursery() as nursery:
            nursery.start_soon(receive)
            while not begun:
                await trio.lowlevel.checkpoint()
            scope.cancel()
        assert texts([*got, *drain(notes)]) == ["a"]


async def test_only_one_task_receives_at_a_time() -> None:
    """Two tasks that share a subscription would each get half: an error at the call."""
    async with running() as pipeline:
        notes = pipeline.subscribe(lane=Lane.TEXT)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(notes.receive)
            await trio.testing.wait_all_tasks_blocked()
            with pytest.raises(trio.BusyResourceError):
                await notes.receive()
            pipeline.feed_nowait([delta()])


async def test_a_woken_receiver_without_an_item_waits_again() -> None:
    """Another task took the item first."""
    async with running() as pipeline:
        notes = pipeline.subscribe(lane=Lane.TEXT)
        got: list[Notification] = []
        async with trio.open_nursery() as nursery:

            @nursery.start_soon
            async def receive() -> None:
                got.append(await notes.receive())

            await trio.testing.wait_all_tasks_blocked()
            reader: SubscriptionReader = notes._reader
            reader.wake()  # as a put does, but the item is gone before the task runs
            await trio.testing.wait_all_tasks_blocked()
            assert not got
            pipeline.feed_nowait([delta("a")])
        assert texts(got) == ["a"]


async def test_iterating_lets_others_run_at_least_every_32_items() -> None:
    """There is no checkpoint in between."""
    async with running(coalesce=False) as pipeline:
        notes = pipeline.subscribe(lane=Lane.TEXT, overflow=Block(1000))
        for _ in range(200):
            pipeline.feed_nowait([delta()])
        await trio.testing.wait_all_tasks_blocked()
        steps = Steps()
        trio.lowlevel.add_instrument(steps)
        seen: list[int] = []
        try:
            async for _ in notes:
                seen.append(steps.count)
                if len(seen) == 200:
                    break
        finally:
            trio.lowlevel.remove_instrument(steps)
        in_a_row = [len(list(group)) for _, group in itertools.groupby(seen)]
        assert max(in_a_row) == 32


async def test_iterating_sees_a_cancel_at_each_item() -> None:
    """Also if the items are available and no task switch is due."""
    async with running(coalesce=False) as pipeline:
        for classes in ((MessageStreaming,), (MessageStreaming, CancelConfirmed)):
            notes = pipeline.subscribe(
                *classes,
                lane=Lane.TEXT if len(classes) == 1 else None,
                overflow=Block(1000),
            )
            for _ in range(20):
                pipeline.feed_nowait([delta()])
            await trio.testing.wait_all_tasks_blocked()
            taken = 0
            with trio.CancelScope() as scope:
                async for _ in notes:
                    taken += 1
                    if taken == 5:
                        scope.cancel()
            assert scope.cancelled_caught
            assert taken == 5
            assert notes.statistics().depth == 15
            notes.close()


async def test_iterating_a_lane_creates_a_subscription() -> None:
    """="""
    pipeline = make()
    text = LaneView(pipeline, Lane.TEXT)
    first, second = text.__aiter__(), text.subscribe(overflow=Latest())
    pipeline.feed_nowait([delta("a")])
    pipeline.close()
    await pipeline.run()
    assert texts([note async for note in first]) == ["a"]
    assert texts([note async for note in second]) == ["a"]
    assert [note async for note in text] == []
    assert text.statistics() == pipeline.statistics().text or text.statistics().events == 1


# -- what is delivered ---------------------------------------------------------------------


async def test_classes_select_notifications_and_wire_events() -> None:
    """Subclasses included. A wire event arrives once, before what it caused."""
    async with running() as pipeline:
        everything = pipeline.subscribe(ev.ServerEvent, Notification)
        errors = pipeline.subscribe(ev.ErrorEvent, SystemNotification)
        sessions = pipeline.subscribe(ev.SessionEvent)
        pipeline.feed_nowait([ERROR])
        pipeline.feed_nowait([delta("Hi")])
        pipeline.feed_nowait([CANCELLED])
        pipeline.feed_nowait([frame("never_heard_of")])
        await trio.testing.wait_all_tasks_blocked()
        assert [type(item) for item in drain(everything)] == [
            ev.ErrorEvent,
            SystemNotification,
            ev.CancelledEvent,
            CancelConfirmed,
            ev.UnknownEvent,
            ev.TextDeltaEvent,
            MessageStreaming,
            MessageComplete,
            ResponseCancelled,
        ]
        assert {type(item) for item in drain(errors)} == {ev.ErrorEvent, SystemNotification}
        assert [type(item) for item in drain(sessions)] == [ev.TextDeltaEvent]


async def test_an_ignored_wire_event_is_not_delivered() -> None:
    """Neither a duplicate nor a late delta."""
    async with running(coalesce=False) as pipeline:
        wire = pipeline.subscribe(ev.TextDeltaEvent)
        for each in (delta("a", id="1"), delta("a", id="1"), CANCELLED, delta("late")):
            pipeline.feed_nowait([each])
        await trio.testing.wait_all_tasks_blocked()
        assert [event.content for event in drain(wire)] == ["a"]


async def test_across_lanes_control_comes_before_audio_before_text() -> None:
    """Regardless of arrival; each lane keeps its order."""
    async with running(coalesce=False) as pipeline:
        items = pipeline.subscribe(ev.ServerEvent, overflow=Block(100))
        voices = [frame("voice_list", voices=[], id=str(n)) for n in range(3)]
        for number in range(3):
            pipeline.feed_nowait([delta(str(number))])
            pipeline.feed_nowait([bytes([number, 0])])
            pipeline.feed_nowait([voices[number]])
        await trio.testing.wait_all_tasks_blocked()
        got = drain(items)
        assert [event.id for event in got[:3]] == ["0", "1", "2"]
        assert [event.data[0] for event in got[3:6]] == [0, 1, 2]
        assert [event.content for event in got[6:]] == ["0", "1", "2"]


async def test_without_classes_it_gets_all_notifications() -> None:
    """But no wire events."""
    async with running() as pipeline:
        notes = pipeline.subscribe()
        pipeline.feed_nowait([CANCELLED])
        pipeline.feed_nowait([b"\0\0"])
        await trio.testing.wait_all_tasks_blocked()
        assert {type(note) for note in drain(notes)} == {
            CancelConfirmed,
            AudioOutput,
            ResponseCancelled,
        }


async def test_classes_that_are_never_delivered_are_refused() -> None:
    """A class that is neither, and an event that only clients send."""
    pipeline = make()
    for wrong in (str, ev.SetAgentEvent):
        with pytest.raises(TypeError, match=wrong.__name__):
            pipeline.subscribe(wrong)


async def test_a_subscription_starts_with_the_call() -> None:
    """It gets events that wait in the lane, but none that were handled before."""
    async with running() as pipeline:
        pipeline.feed_nowait([delta("before")])
        await trio.testing.wait_all_tasks_blocked()
        pipeline.feed_nowait([delta("after")])
        notes = pipeline.subscribe(lane=Lane.TEXT)
        assert texts([await notes.receive()]) == ["after"]


# -- the end -------------------------------------------------------------------------------


async def test_a_closed_subscription_drops_its_items_and_raises() -> None:
    """Also for the task that is receiving."""
    async with running() as pipeline:
        notes = pipeline.subscribe(lane=Lane.TEXT)
        async with trio.open_nursery() as nursery:

            @nursery.start_soon
            async def receive() -> None:
                with pytest.raises(ClosedError):
                    await notes.receive()

            await trio.testing.wait_all_tasks_blocked()
            notes.close()
            notes.close()
        other = pipeline.subscribe(lane=Lane.TEXT)
        pipeline.feed_nowait([delta()])
        await trio.testing.wait_all_tasks_blocked()
        with trio.testing.assert_checkpoints():
            await other.aclose()
        for each in (notes, other):
            with pytest.raises(trio.ClosedResourceError):
                each.receive_nowait()
            with pytest.raises(ClosedError):
                await each.receive()
            with pytest.raises(ClosedError):
                await each.__anext__()
        assert pipeline.statistics().text.subscriptions == 0


async def test_with_and_async_with_close_it() -> None:
    """Both close the subscription."""
    async with running() as pipeline:
        with pipeline.subscribe(lane=Lane.TEXT) as one:
            assert pipeline.statistics().text.subscriptions == 1
        async with pipeline.subscribe(ev.ServerEvent, lane=Lane.TEXT) as two:
            assert pipeline.statistics().text.subscriptions == 1
        for each in (one, two):
            with pytest.raises(ClosedError):
                each.receive_nowait()


async def test_closing_unblocks_its_lane() -> None:
    """Regardless of the buffered items."""
    async with running(coalesce=False) as pipeline:
        stuck = pipeline.subscribe(lane=Lane.TEXT, overflow=Block(1))
        for _ in range(10):
            pipeline.feed_nowait([delta()])
        await trio.testing.wait_all_tasks_blocked()
        assert pipeline.statistics().text.depth == 8
        stuck.close()
        await trio.testing.wait_all_tasks_blocked()
        assert pipeline.statistics().text.depth == 0


@pytest.mark.parametrize("in_thread", [False, True])
async def test_an_abandoned_subscription_is_noticed_and_freed(in_thread: bool) -> None:
    """Also one that blocks its lane, and on any thread of the garbage collector."""
    async with running(coalesce=False) as pipeline:
        holder: list[Any] = [pipeline.subscribe(lane=Lane.TEXT, overflow=Block(1))]
        holder.append(pipeline.subscribe(MessageStreaming, CancelConfirmed))
        for _ in range(10):
            pipeline.feed_nowait([delta()])
        await trio.testing.wait_all_tasks_blocked()
        assert pipeline.statistics().text.depth == 8
        if in_thread:
            thread = threading.Thread(target=holder.clear)
            thread.start()
            thread.join()
        else:
            holder.clear()
        gc.collect()
        await trio.testing.wait_all_tasks_blocked()
        assert pipeline.statistics().text.depth == 0
        assert pipeline.statistics().total.subscriptions == 0


async def test_leaving_an_iteration_abandons_its_subscription() -> None:
    """A break in `async for note in client.text` leaves nothing behind."""
    async with running() as pipeline:
        text = LaneView(pipeline, Lane.TEXT)
        pipeline.feed_nowait([delta()])
        async for _ in text:
            break
        gc.collect()
        await trio.testing.wait_all_tasks_blocked()
        assert pipeline.statistics().text.subscriptions == 0


async def test_subscriptions_abandoned_outside_the_run_are_freed() -> None:
    """Without a running trio, the next subscription or the end frees them."""
    pipeline = make()
    pipeline.subscribe(lane=Lane.TEXT)
    gc.collect()
    assert pipeline.statistics().text.subscriptions == 1
    late = pipeline.subscribe(lane=Lane.TEXT)
    assert pipeline.statistics().text.subscriptions == 1
    pipeline.close()
    await pipeline.run()
    assert pipeline.statistics().text.subscriptions == 0
    del late
    gc.collect()


def test_a_subscription_abandoned_after_trio_has_ended() -> None:
    """The collector can run long after the run has ended."""
    kept: list[Any] = []

    async def main() -> None:
        async with running() as pipeline:
            kept.append(pipeline.subscribe(lane=Lane.TEXT))

    trio.run(main)
    kept.clear()
    gc.collect()


async def test_one_subscribers_failure_affects_no_other() -> None:
    """One raises, one is cancelled, one never reads; the fourth gets everything."""
    async with running(coalesce=False) as pipeline:
        never = pipeline.subscribe(lane=Lane.TEXT, overflow=Latest())
        good = pipeline.subscribe(lane=Lane.TEXT)

        async def raises() -> None:
            with pipeline.subscribe(lane=Lane.TEXT) as notes:
                async for _ in notes:
                    raise RuntimeError

        async def is_cancelled() -> None:
            with trio.CancelScope() as scope, pipeline.subscribe(lane=Lane.TEXT) as notes:
                async for _ in notes:
                    scope.cancel()

        async def survive() -> None:
            with pytest.raises(RuntimeError):
                await raises()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(survive)
            nursery.start_soon(is_cancelled)
            await trio.testing.wait_all_tasks_blocked()
            for number in range(100):
                pipeline.feed_nowait([delta(f"{number},")])
                await trio.lowlevel.checkpoint()
        await trio.testing.wait_all_tasks_blocked()
        assert "".join(texts(drain(good))) == "".join(f"{number}," for number in range(100))
        assert texts(drain(never)) == ["99,"]


# -- the rules -----------------------------------------------------------------------------


class FakeLane:
    """What a buffer needs of its lane."""

    lane = Lane.TEXT

    def __init__(self) -> None:
        self.dropped = self.replaced = self.lagged = 0
        self.blockers: list[Buffer] = []

    def block(self, buffer: Buffer) -> None:
        """Block the lane."""
        if buffer not in self.blockers:
            self.blockers.append(buffer)

    def unblock(self, buffer: Buffer) -> None:
        """Unblock the lane."""
        if buffer in self.blockers:
            self.blockers.remove(buffer)


def _buffer(rule: Overflow) -> Any:
    reader = SubscriptionReader(lambda _reader: None)
    buffer = make_buffer(reader, FakeLane(), rule)
    reader.buffers = (buffer,)
    return buffer


def _piece(text: str, message: str = "m", session: str = "s") -> MessageStreaming:
    return MessageStreaming(session_id=session, message_id=message, role="a", delta=text)


OTHER = CancelConfirmed()


def _all(buffer: Buffer) -> list[Any]:
    items: list[Any] = []
    while buffer.items:
        items.append(buffer.get())
    return items


@pytest.mark.parametrize("rule", [Coalesce(), Block(1000), DropOldest(1000)], ids=repr)
def test_a_buffered_item_takes_no_other_tracked_object(rule: Overflow) -> None:
    """With many clients, the garbage collector visits everything that is in flight."""
    buffer = _buffer(rule)
    items = [_piece("a", message=str(number)) for number in range(100)]
    gc.collect()
    gc.disable()
    try:
        before = len(gc.get_objects())
        for item in items:
            buffer.put(item, 1)
        assert len(gc.get_objects()) - before < len(items) / 2  # its queues, and other threads
    finally:
        gc.enable()
    assert _all(buffer) == items


async def test_classes_with_the_same_subscribers_share_a_tuple() -> None:
    """A client with a subscription has few of them, not one for each class that it receives."""
    pipeline = make()
    every = pipeline.subscribe(lane=Lane.TEXT)
    subscribers = pipeline._lanes[Lane.TEXT].dispatcher.subscribers
    assert subscribers.of(MessageStreaming) is subscribers.of(SystemNotification)
    assert subscribers.of(ev.CancelledEvent) is subscribers.of(ev.SystemPromptEvent) == ()
    other = pipeline.subscribe(SystemNotification, lane=Lane.TEXT)
    assert len(subscribers.of(SystemNotification)) == 2
    assert len(subscribers.of(MessageStreaming)) == 1
    other.close()
    assert subscribers.of(MessageStreaming) is subscribers.of(SystemNotification)
    every.close()
    assert subscribers.of(MessageStreaming) == ()


def test_coalesce_merges_neighbouring_pieces_of_one_message() -> None:
    """It merges nothing else, and never across another item."""
    buffer = _buffer(Coalesce())
    for item in (
        _piece("a"),
        _piece("b"),
        _piece("c"),
        _piece("d", message="n"),
        _piece("e", session="t", message="n"),
        OTHER,
        _piece("f", session="t", message="n"),
        _piece("g", session="t", message="n"),
    ):
        buffer.put(item, 100)
    assert buffer.merged == 3
    assert _all(buffer) == [
        _piece("abc"),
        _piece("d", message="n"),
        _piece("e", session="t", message="n"),
        OTHER,
        _piece("fg", session="t", message="n"),
    ]
    assert (buffer.bytes, buffer.largest, buffer.high_water) == (0, 0, 5)


def test_a_piece_does_not_join_a_received_one() -> None:
    """A received item never changes."""
    buffer = _buffer(Coalesce())
    for text in "ab":
        buffer.put(_piece(text), 1)
        assert _all(buffer) == [_piece(text)]


def test_many_pieces_merge_in_linear_time_and_space() -> None:
    """A hundred thousand pieces are a few hundred strings, and read as one."""
    buffer = _buffer(Coalesce())
    for _ in range(100_000):
        buffer.put(_piece("x"), 1)
    assert len(buffer.items) == 1
    run = buffer.items[0]
    assert len(run._blocks) + len(run.texts) < 1000
    assert buffer.bytes == 100_000
    (item,) = _all(buffer)
    assert item == _piece("x" * 100_000)


def test_coalesce_lags_beyond_its_bound_of_items() -> None:
    """Buffered items are delivered, then the error; the newest items are lost."""
    buffer = _buffer(Coalesce(3))
    reader: SubscriptionReader = buffer.reader
    for text in "abcd":
        buffer.put(_piece(text, message=text), 1)
    assert buffer.lane.lagged == 1
    assert [reader.pop() for _ in range(3)] == [_piece(text, message=text) for text in "abc"]
    with pytest.raises(LaggedError, match="3 items"):
        reader.pop()


@pytest.mark.parametrize("merging", [False, True])
def test_coalesce_lags_beyond_its_bound_of_bytes(
    merging: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The largest item does not count: one item of any size always fits."""
    bound_bytes(monkeypatch, 1000)
    buffer = _buffer(Coalesce())
    reader: SubscriptionReader = buffer.reader
    buffer.put(OTHER, 5000)
    for number in range(10):
        buffer.put(_piece("x" * 100, message="m" if merging else str(number)), 100)
    assert reader.lagged is None
    buffer.put(_piece("x" * 100, message="m"), 100)
    assert reader.lagged is not None
    assert sum(len(text) for text in texts(_all(buffer))) == 1000


def test_the_default_bounds() -> None:
    """16 MiB, and 65536 items if no number is given."""
    assert _overflow.MAX_BYTES == 16 * 1024 * 1024
    assert Coalesce().max_items == _overflow.MAX_ITEMS == 65_536


def test_spilled_items_are_not_moved() -> None:
    """One event can spill thousands of items; receiving one costs the same."""
    buffer = _buffer(Block(2))
    assert isinstance(buffer, BlockBuffer)
    for number in range(10):
        buffer.put(SystemNotification(type="system", severity="info", content=str(number)), 1)
    spill = buffer._spill
    got = [buffer.get() for _ in range(10)]
    assert buffer._spill is spill
    assert [note.content for note in got if isinstance(note, SystemNotification)] == [
        str(number) for number in range(10)
    ]
    assert not buffer.blocking


def test_block_blocks_its_lane_and_loses_nothing() -> None:
    """Items that do not fit wait next to the buffer and arrive in order."""
    buffer = _buffer(Block(2))
    lane: FakeLane = buffer.lane
    items = [_piece(text) for text in "abcde"]
    for count, item in enumerate(items):
        buffer.put(item, 1)
        assert bool(lane.blockers) == buffer.blocking == (count >= 2)
        assert len(buffer.items) <= 2
    assert [buffer.get() for _ in range(2)] == items[:2]
    assert lane.blockers
    assert buffer.get() == items[2]
    assert not lane.blockers
    assert _all(buffer) == items[3:]


def test_block_has_a_bound_in_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    """But it takes one item of any size."""
    bound_bytes(monkeypatch, 100)
    buffer = _buffer(Block(50))
    buffer.put(OTHER, 5000)
    buffer.put(OTHER, 100)
    assert not buffer.blocking
    buffer.put(OTHER, 1)
    assert buffer.blocking
    buffer.get()
    assert not buffer.blocking


def test_drop_oldest_keeps_the_newest_and_reports_the_gap_first() -> None:
    """Lagged counts all items dropped since the last one."""
    buffer = _buffer(DropOldest(2))
    for text in "abcde":
        buffer.put(_piece(text), 1)
    assert buffer.dropped == buffer.lane.dropped == 3
    assert _all(buffer) == [Lagged(count=3), _piece("d"), _piece("e")]
    buffer.put(_piece("f"), 1)
    assert _all(buffer) == [_piece("f")]
    assert buffer.high_water == 2


def _sound(samples: int, rate: int = 16_000) -> AudioOutput:
    return AudioOutput(data=bytes(2 * samples), format=AudioFormat(rate))


def test_drop_oldest_by_seconds_of_audio() -> None:
    """Two seconds of 20 ms frames are exactly a hundred frames."""
    buffer = _buffer(DropOldest(seconds=2.0))
    for _ in range(250):
        buffer.put(_sound(320), 640)
    assert _all(buffer) == [
        Lagged(count=150),
        AudioGap(frames=150, bytes=150 * 640),
        *[_sound(320)] * 100,
    ]
    for _ in range(100):
        buffer.put(_sound(320), 640)
    assert len(_all(buffer)) == 100


def test_drop_oldest_by_seconds_uses_the_format_of_each_item() -> None:
    """Or the protocol's format if there is none. Other items have no duration."""
    buffer = _buffer(DropOldest(seconds=1.0))
    buffer.put(OTHER, 0)
    buffer.put(_sound(24_000, 48_000), 0)
    buffer.put(AudioOutput(data=bytes(16_000), format=None), 0)
    assert buffer.dropped == 0
    buffer.put(_sound(1), 0)
    assert buffer.dropped == 2  # from the front, including the item without a duration
    assert [type(item) for item in _all(buffer)] == [Lagged, AudioGap, AudioOutput, AudioOutput]


def test_drop_oldest_always_keeps_the_newest() -> None:
    """Even if it is longer than the rule allows."""
    buffer = _buffer(DropOldest(seconds=0.1))
    for _ in range(2):
        buffer.put(_sound(16_000), 32_000)
    assert _all(buffer)[-1:] == [_sound(16_000)]


def test_drop_oldest_has_a_bound_in_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also by seconds, with items that have no duration."""
    bound_bytes(monkeypatch, 1000)
    for rule in (DropOldest(10_000), DropOldest(seconds=5)):
        buffer = _buffer(rule)
        for _ in range(100):
            buffer.put(OTHER, 100)
        assert len(buffer.items) == 11  # a thousand bytes, not counting the largest


def test_latest_keeps_one_item() -> None:
    """The others are counted."""
    buffer = _buffer(Latest())
    for text in "abc":
        buffer.put(_piece(text), 1)
    assert _all(buffer) == [_piece("c")]
    assert buffer.dropped == buffer.lane.dropped == 2
    assert buffer.bytes == 0


@pytest.mark.parametrize("rule", RULES, ids=repr)
def test_a_closed_buffer_is_empty(rule: Overflow) -> None:
    """It is in its initial state."""
    buffer = _buffer(rule)
    for _ in range(3):
        buffer.put(_sound(4000), 8000)
        buffer.put(_piece("a"), 1)
        buffer.put(_piece("b"), 1)
    buffer.reader.close()
    assert not buffer.items
    assert buffer.bytes == 0
    assert not buffer.blocking
    buffer.put(_piece("c"), 1)
    assert _all(buffer) == [_piece("c")]


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: Coalesce(0),
        lambda: Block(-1),
        lambda: Block(True),
        lambda: DropOldest(),
        lambda: DropOldest(5, seconds=1.0),
        lambda: DropOldest(0),
        lambda: DropOldest(seconds=0.0),
        lambda: DropOldest(seconds=float("inf")),
        lambda: DropOldest(seconds=float("nan")),
    ],
)
def test_invalid_rules_are_refused(wrong: Any) -> None:
    """When they are created."""
    with pytest.raises(ValueError, match=r"must be|give either|more than 0"):
        wrong()


@pytest.mark.parametrize("rule", RULES, ids=repr)
async def test_every_rule_delivers_everything_to_a_fast_reader(rule: Overflow) -> None:
    """The text is complete if the reader reads immediately."""
    async with running(coalesce=False) as pipeline:
        notes = pipeline.subscribe(lane=Lane.TEXT, overflow=rule)
        got: list[Any] = []
        for number in range(50):
            pipeline.feed_nowait([delta(f"{number},")])
            got.append(await notes.receive())
        assert "".join(texts(got)) == "".join(f"{number}," for number in range(50))
        assert notes.statistics().dropped == 0


async def test_each_lane_of_a_subscription_has_its_own_bound() -> None:
    """A full buffer of text does not evict items of the control lane."""
    async with running(coalesce=False) as pipeline:
        notes = pipeline.subscribe(overflow=DropOldest(2))
        pipeline.feed_nowait([CANCELLED])
        pipeline.feed_nowait([TURN_START])
        for number in range(10):
            pipeline.feed_nowait([delta(str(number))])
        await trio.testing.wait_all_tasks_blocked()
        got = drain(notes)
        assert got[0] == OTHER
        assert isinstance(got[2], Lagged)
        assert texts(got) == ["8", "9"]
        assert pipeline.statistics().text.dropped == notes.statistics().dropped > 0
        assert pipeline.statistics().total.dropped == notes.statistics().dropped


async def test_statistics_of_a_subscription() -> None:
    """Depth, bytes, high-water mark, coalesced, dropped, blocking."""
    async with running(coalesce=False) as pipeline:
        merging = pipeline.subscribe(lane=Lane.TEXT)
        blocking = pipeline.subscribe(lane=Lane.TEXT, overflow=Block(2))
        for text in "abc":
            pipeline.feed_nowait([delta(text)])
        await trio.testing.wait_all_tasks_blocked()
        told = merging.statistics()
        assert (told.depth, told.high_water, told.merged, told.blocking) == (1, 1, 2, False)
        assert told.bytes == len(delta("a")) + 2
        told = blocking.statistics()
        assert (told.depth, told.high_water, told.merged, told.blocking) == (2, 2, 0, True)
        assert "2 items" in repr(blocking)
        drain(blocking)
        told = blocking.statistics()
        assert (told.depth, told.bytes, told.high_water, told.blocking) == (0, 0, 2, False)


async def test_a_large_history_does_not_make_a_prompt_reader_lag(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """More items than the bound, one at a time; the reader empties its buffer each time."""
    bound_bytes(monkeypatch, 50_000)
    for module in ("_dispatcher", "_lane"):
        monkeypatch.setattr(f"realtime_trio._lanes.{module}.HEAVY", 50_000)
    async with running(coalesce=False) as pipeline:
        notes = pipeline.subscribe(lane=Lane.TEXT)
        size = 0
        async with trio.open_nursery() as nursery:

            @nursery.start_soon
            async def read() -> None:
                nonlocal size
                while size < 50 * 60_000:
                    size += len(texts([await notes.receive()])[0])

            for number in range(50):
                pipeline.feed_nowait([delta("x" * 60_000, session=str(number))])


def test_each_rule_has_its_own_buffer() -> None:
    """One class for each rule."""
    assert isinstance(_buffer(Coalesce()), CoalesceBuffer)
    assert isinstance(_buffer(DropOldest(1)), DropOldestBuffer)
