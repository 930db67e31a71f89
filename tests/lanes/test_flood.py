"""Urgent events overtake a flood of any size: counted in steps of the scheduler."""

from __future__ import annotations

import pytest
import trio
import trio.testing

from realtime_trio._config import ClientConfig
from realtime_trio._core._notifications import (
    CancelConfirmed,
    MessageComplete,
    Notification,
    ResponseCancelled,
    SystemNotification,
)
from realtime_trio._lanes._overflow import Block
from realtime_trio._lanes._pipeline import Pipeline
from realtime_trio.events import Lane
from tests.lanes.flow import CANCELLED, ERROR, Steps, clock, delta, drain, handled, texts

BACKLOGS = (0, 1_000, 100_000)


def _flood(pipeline: Pipeline, count: int) -> None:
    """Alternating deltas of two sessions, so none can be coalesced."""
    both = delta("x", "a"), delta("y", "b")
    for number in range(count):
        pipeline.feed_nowait([both[number % 2]])


def _steps_until(urgent: str, wanted: type[Notification], backlog: int, *, held: bool) -> int:
    """Count the steps of all tasks from a frame's arrival to its notification."""
    steps = Steps()

    async def main() -> int:
        pipeline = Pipeline(ClientConfig(), clock=clock())
        stuck = pipeline.subscribe(lane=Lane.TEXT, overflow=Block(1) if held else Block(10**6))
        control = pipeline.subscribe(wanted, lane=Lane.CONTROL)
        arrived = trio.Event()
        count = 0

        async def listen() -> None:
            nonlocal count
            await control.receive()
            count = steps.count
            arrived.set()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(pipeline.run)
            nursery.start_soon(listen)
            await trio.testing.wait_all_tasks_blocked()
            _flood(pipeline, backlog)
            if held:
                await trio.testing.wait_all_tasks_blocked()
                assert pipeline.statistics().text.depth == max(0, backlog - 2)
                assert stuck.statistics().blocking == (backlog > 0)
            before = steps.count
            pipeline.feed_nowait([urgent])
            await arrived.wait()
            assert handled(pipeline, Lane.TEXT) <= 8 * 32
            nursery.cancel_scope.cancel()
        return count - before

    return trio.run(main, instruments=[steps])


@pytest.mark.parametrize("held", [False, True])
@pytest.mark.parametrize(
    ("urgent", "wanted"), [(CANCELLED, CancelConfirmed), (ERROR, SystemNotification)]
)
def test_the_delay_of_urgent_events_does_not_grow(
    urgent: str, wanted: type[Notification], held: bool
) -> None:
    """With 0, 1,000 and 100,000 events before it, with and without a blocking subscriber."""
    counts = [_steps_until(urgent, wanted, backlog, held=held) for backlog in BACKLOGS]
    assert max(counts) <= 12, counts


async def test_a_cancel_under_flood_ends_every_message_in_order() -> None:
    """`turn-cancelled` comes immediately, `response-cancelled` after the ended messages."""
    pipeline = Pipeline(ClientConfig(), clock=clock())
    stuck = pipeline.subscribe(lane=Lane.TEXT, overflow=Block(1))
    reader = pipeline.subscribe(lane=Lane.TEXT)
    control = pipeline.subscribe(CancelConfirmed)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(pipeline.run)
        _flood(pipeline, 10_000)
        pipeline.feed_nowait([CANCELLED])
        mark = pipeline.marks.place()
        await control.receive()
        await trio.testing.wait_all_tasks_blocked()
        assert not mark.done
        stuck.close()
        await mark.wait()
        pipeline.close()
    notes = drain(reader)
    assert len("".join(texts(notes))) == 10_000
    *_, first, second, last = notes
    assert isinstance(first, MessageComplete)
    assert isinstance(second, MessageComplete)
    assert isinstance(last, ResponseCancelled)
    assert pipeline.state.revision == 10_003


def test_a_slow_block_subscriber_delays_only_its_own_lane() -> None:
    """Audio and control are delivered while text waits for a slow reader."""

    async def main() -> None:
        pipeline = Pipeline(ClientConfig(coalesce=False), clock=clock())
        slow = pipeline.subscribe(lane=Lane.TEXT, overflow=Block(2))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(pipeline.run)
            for number in range(1000):
                pipeline.feed_nowait([delta(str(number))])
                pipeline.feed_nowait([b"\0\0"])
            await pipeline.marks.place(Lane.AUDIO).wait()
            assert handled(pipeline, Lane.AUDIO) == 1000
            assert handled(pipeline, Lane.TEXT) == 3
            taken = 0
            async for _ in slow:
                taken += 1
                await trio.lowlevel.checkpoint()
                assert handled(pipeline, Lane.TEXT) <= taken + 3
                if taken == 1000:
                    pipeline.close()

    trio.run(main)
