"""Watching the state: current value first, latest wins, in the watcher's own task."""

from __future__ import annotations

import pytest
import trio
import trio.testing

from realtime_trio._core._state import SessionState
from realtime_trio._exceptions import ClosedError
from tests.lanes.flow import TURN_START, delta, frame, make, running

TURN_END = frame("user_turn_end")


def _text(state: SessionState) -> str:
    session = state.sessions.get("s")
    return session.open_message.content if session and session.open_message else ""


def _can_send(state: SessionState) -> bool:
    return state.turn.can_send_input


async def test_the_current_value_comes_first() -> None:
    """Even if nothing happens."""
    async with running() as pipeline, pipeline.watch(_can_send) as changes:
        with trio.testing.assert_checkpoints():
            assert await changes.receive() is False
        pipeline.feed_nowait([TURN_START])
        await trio.testing.wait_all_tasks_blocked()
        late = pipeline.watch(_can_send)
        assert await late.receive() is True


async def test_only_changes_are_delivered() -> None:
    """Events that do not change the value wake no reader permanently."""
    async with running() as pipeline:
        seen: list[bool] = []

        async def watch() -> None:
            async with pipeline.watch(_can_send) as changes:
                async for value in changes:
                    seen.append(value)  # noqa: PERF401  cancelled in the middle

        async with trio.open_nursery() as nursery:
            nursery.start_soon(watch)
            for each in (delta(), TURN_START, TURN_START, delta(), TURN_END, delta()):
                pipeline.feed_nowait([each])
                await trio.testing.wait_all_tasks_blocked()
            nursery.cancel_scope.cancel()
        assert seen == [False, True, False]


async def test_the_latest_value_wins() -> None:
    """A value that changes again before the next receive is skipped."""
    async with running() as pipeline:
        changes = pipeline.watch(_text)
        assert await changes.receive() == ""
        for text in "abc":
            pipeline.feed_nowait([delta(text)])
            await trio.testing.wait_all_tasks_blocked()
        assert await changes.receive() == "abc"
        pipeline.feed_nowait([TURN_START])
        pipeline.feed_nowait([TURN_END])
        gate = pipeline.watch(_can_send)
        await trio.testing.wait_all_tasks_blocked()
        assert await gate.receive() is False


async def test_values_are_compared_with_equality(autojump_clock: trio.testing.MockClock) -> None:
    """Not by identity: an equal new value is not a change."""
    async with running() as pipeline:
        changes = pipeline.watch(lambda state: [state.turn.can_send_input])
        assert await changes.receive() == [False]
        with trio.move_on_after(5) as waiting:
            pipeline.feed_nowait([delta()])
            await changes.receive()
        assert waiting.cancelled_caught
        pipeline.feed_nowait([TURN_START])
        assert await changes.receive() == [True]


async def test_errors_of_a_selector_or_a_comparison_reach_the_watcher() -> None:
    """And nothing else: the lanes continue."""

    class Odd:
        def __eq__(self, other: object) -> bool:
            raise ArithmeticError

        __hash__ = None  # type: ignore[assignment]

    async with running() as pipeline:
        odd = pipeline.watch(lambda _state: Odd())
        await odd.receive()
        with pytest.raises(ArithmeticError):
            await odd.receive()
        with pytest.raises(KeyError):
            await pipeline.watch(lambda state: state.sessions["none"]).receive()
        pipeline.feed_nowait([delta("Hi")])
        await trio.testing.wait_all_tasks_blocked()
        assert _text(pipeline.state) == "Hi"


async def test_the_selector_runs_in_the_watchers_own_task() -> None:
    """Never in a lane's task."""
    async with running() as pipeline:
        tasks: set[str] = set()

        def select(state: SessionState) -> str:
            tasks.add(trio.lowlevel.current_task().name)
            return _text(state)

        changes = pipeline.watch(select)
        await changes.receive()
        pipeline.feed_nowait([delta("Hi")])
        assert await changes.receive() == "Hi"
        assert tasks == {trio.lowlevel.current_task().name}


async def test_a_cancelled_receive_loses_nothing() -> None:
    """Its value is still new."""
    async with running() as pipeline:
        changes = pipeline.watch(_text)
        for _ in range(2):
            with trio.CancelScope() as scope:
                scope.cancel()
                await changes.receive()
            assert scope.cancelled_caught
        assert await changes.receive() == ""
        pipeline.feed_nowait([delta("a")])
        await trio.testing.wait_all_tasks_blocked()
        with trio.CancelScope() as scope:
            scope.cancel()
            await changes.receive()
        assert await changes.receive() == "a"


async def test_at_the_end_it_delivers_the_last_value_and_ends() -> None:
    """Whether or not a task waits."""
    pipeline = make()
    waiting, idle = pipeline.watch(_text), pipeline.watch(_text)
    assert await idle.receive() == ""
    seen: list[str] = []
    async with trio.open_nursery() as nursery:

        @nursery.start_soon
        async def watch() -> None:
            seen.extend([value async for value in waiting])

        nursery.start_soon(pipeline.run)
        await trio.testing.wait_all_tasks_blocked()
        pipeline.feed_nowait([delta("last")])
        pipeline.close()
    assert seen == ["", "last"]
    assert await idle.receive() == "last"
    with pytest.raises(trio.EndOfChannel):
        await idle.receive()
    assert [value async for value in pipeline.watch(_text)] == ["last"]


async def test_a_closed_watch_raises() -> None:
    """Also in a waiting task."""
    async with running() as pipeline:
        changes = pipeline.watch(_text)
        await changes.receive()
        async with trio.open_nursery() as nursery:

            @nursery.start_soon
            async def wait() -> None:
                with pytest.raises(ClosedError):
                    await changes.receive()

            await trio.testing.wait_all_tasks_blocked()
            with pytest.raises(trio.BusyResourceError):
                await changes.receive()
            changes.close()
        with trio.testing.assert_checkpoints():
            await changes.aclose()
        with pipeline.watch(_text) as other:
            pass
        with pytest.raises(ClosedError):
            await other.receive()


async def test_many_watchers_of_one_state() -> None:
    """Each has its own last value."""
    async with running() as pipeline:
        watchers = [pipeline.watch(_text) for _ in range(5)]
        for text in "ab":
            pipeline.feed_nowait([delta(text)])
            await trio.testing.wait_all_tasks_blocked()
            watchers.pop().close()
        assert [await watcher.receive() for watcher in watchers] == ["ab"] * 3
