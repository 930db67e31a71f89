"""A task in its slot: it starts when it is needed and ends when it is idle."""

from __future__ import annotations

import contextvars

import pytest
import trio
import trio.testing

from realtime_trio import ClientConfig
from realtime_trio._core._local_events import LinkEvent
from realtime_trio._core._shell_notifications import Connected
from realtime_trio._idle import EMPTY, TaskSlot, WaitingTasks
from realtime_trio._lanes._overflow import Block
from realtime_trio._lanes._pipeline import Pipeline
from realtime_trio.events import Lane

DELTA = '{"type":"text_delta","session_id":"s","content":"a"}'


def _tasks(task: trio.lowlevel.Task) -> list[str]:
    return sorted(child.name for nursery in task.child_nurseries for child in nursery.child_tasks)


async def _running(nursery: trio.Nursery, pipeline: Pipeline) -> trio.lowlevel.Task:
    """Run a pipeline; return its task."""
    nursery.start_soon(pipeline.run)
    await trio.testing.wait_all_tasks_blocked()
    (task,) = nursery.child_tasks
    return task


async def test_lanes_that_are_handled_in_place_have_no_task() -> None:
    """Neither frames from before the start nor frames at a steady pace start one."""
    pipeline = Pipeline(ClientConfig(), clock=lambda: 0.0)
    pipeline.post(LinkEvent(status="connected", note=Connected()))
    async with trio.open_nursery() as nursery:
        task = await _running(nursery, pipeline)
        for _ in range(3):
            await pipeline.feed([DELTA])
            assert pipeline.drained
        assert _tasks(task) == []
        pipeline.close()


async def test_a_blocked_lane_gets_exactly_one_task() -> None:
    """The lane's task handles the entries that wait for a subscriber."""
    pipeline = Pipeline(ClientConfig(), clock=lambda: 0.0)
    subscription = pipeline.subscribe(overflow=Block(max_items=1))
    async with trio.open_nursery() as nursery:
        task = await _running(nursery, pipeline)
        for _ in range(3):
            for _ in range(3):  # one fits, one spills, one waits in the lane
                await pipeline.feed([DELTA])
            await trio.testing.wait_all_tasks_blocked()
            assert _tasks(task) == ["text lane"]
            while not pipeline.drained:
                await subscription.receive()
                await trio.testing.wait_all_tasks_blocked()
            subscription.close()
            subscription = pipeline.subscribe(overflow=Block(max_items=1))
        subscription.close()
        pipeline.close()


async def test_a_task_that_starts_late_has_the_context_of_the_pipeline() -> None:
    """Not that of the task that fed the event."""
    whose = contextvars.ContextVar[str]("whose", default="nobody")
    seen: list[str] = []
    pipeline = Pipeline(ClientConfig(), clock=lambda: 0.0)
    pipeline.observe(Lane.CONTROL, lambda _event, _notes, _slice: seen.append(whose.get()))
    whose.set("the pipeline")
    async with trio.open_nursery() as nursery:
        await _running(nursery, pipeline)
        whose.set("another")
        for _ in range(2):
            pipeline.post(LinkEvent(status="connected"))
            await trio.testing.wait_all_tasks_blocked()
        assert seen == ["the pipeline"] * 2
        pipeline.close()


async def test_an_idle_lane_has_no_task() -> None:
    """The task ends after the last entry and frees the queue; the next entry starts another."""
    pipeline = Pipeline(ClientConfig(), clock=lambda: 0.0)
    async with trio.open_nursery() as nursery:
        task = await _running(nursery, pipeline)
        for _ in range(2):
            pipeline.reset()
            (inner,) = task.child_nurseries
            assert len(inner.child_tasks) == 3
            await trio.testing.wait_all_tasks_blocked()
            assert _tasks(task) == []
            assert all(lane.backlog.entries is EMPTY for lane in pipeline._lanes.values())
        pipeline.close()


async def test_a_cancelled_pipeline_starts_no_task() -> None:
    """Its nursery takes no more tasks."""
    pipeline = Pipeline(ClientConfig(), clock=lambda: 0.0)
    async with trio.open_nursery() as nursery:
        await _running(nursery, pipeline)
        nursery.cancel_scope.cancel()
    pipeline.reset()
    pipeline.close()


async def test_a_slot_without_a_nursery_keeps_its_task() -> None:
    """Nothing could start another one."""
    slot = TaskSlot()
    assert not slot.leave()
    assert not slot.idle
    async with trio.open_nursery() as nursery:
        slot.start(nursery, trio.lowlevel.checkpoint, "work")
        assert slot.idle
        for _ in range(2):
            slot.activate()
            slot.activate()  # one task is enough
            assert {task.name for task in nursery.child_tasks} == {"work"}
            assert len(nursery.child_tasks) == 1
            await trio.testing.wait_all_tasks_blocked()
            assert slot.leave()
        slot.abandon()
        slot.activate()
        assert not slot.idle
        assert not nursery.child_tasks


async def test_waiting_tasks_wake_together() -> None:
    """Without waiting tasks, there is nothing to wake and nothing to hold."""
    waiting, woken = WaitingTasks(), []

    async def wait(number: int) -> None:
        await waiting.park()
        woken.append(number)

    waiting.unpark_all()
    assert not waiting
    async with trio.open_nursery() as nursery:
        for number in range(3):
            nursery.start_soon(wait, number)
        await trio.testing.wait_all_tasks_blocked()
        assert waiting
        with trio.move_on_after(0):
            await waiting.park()
        waiting.unpark_all()
    assert sorted(woken) == [0, 1, 2]
    assert not waiting


def test_nothing_enters_the_shared_empty_queue() -> None:
    """Each module creates its own queue for its first item."""
    assert EMPTY.maxlen == 0
    assert not EMPTY


async def test_a_cancelled_sleep_leaves_the_slot_empty() -> None:
    """A slot whose task was cancelled is not idle and wakes no task."""
    slot = TaskSlot()
    with trio.move_on_after(0):
        await slot.sleep(idle=True)
    assert not slot.idle
    slot.activate()
    slot.wake()


@pytest.mark.parametrize("idle", [True, False])
async def test_only_idle_tasks_are_woken(idle: bool) -> None:
    """A task that waits for something else is woken separately."""
    slot = TaskSlot()
    async with trio.open_nursery() as nursery:

        async def sleep() -> None:
            await slot.sleep(idle=idle)

        nursery.start_soon(sleep)
        await trio.testing.wait_all_tasks_blocked()
        slot.activate()
        await trio.testing.wait_all_tasks_blocked()
        assert bool(nursery.child_tasks) is not idle
        slot.wake()
