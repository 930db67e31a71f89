"""The channel of what happens to a node's sessions."""

from __future__ import annotations

import pytest
import trio
import trio.testing

import realtime_trio as rt
from realtime_trio.fleet import Claimed, NodeChanges


async def test_changes_are_received_in_order_and_end() -> None:
    changes = NodeChanges()
    first, second = Claimed(session="one"), Claimed(session="two", took_over="node")
    assert changes.put(first)
    assert changes.put(second)
    changes.finish()
    assert not changes.put(first)
    assert [change async for change in changes] == [first, second]
    with pytest.raises(trio.EndOfChannel):
        await changes.receive()


async def test_a_reader_that_is_too_slow_gets_the_end() -> None:
    changes = NodeChanges()
    while changes.put(Claimed(session="one")):
        pass
    assert len([change async for change in changes]) == 4096


async def test_closing_ends_a_wait_and_drops_what_waits(
    autojump_clock: trio.testing.MockClock,
) -> None:
    changes = NodeChanges()

    async def read() -> None:
        with pytest.raises(rt.ClosedError):
            await changes.receive()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(read)
        await trio.testing.wait_all_tasks_blocked()
        await changes.aclose()
    assert not changes.put(Claimed(session="one"))
    with changes, pytest.raises(rt.ClosedError):
        changes.receive_nowait()


async def test_a_cancelled_receive_loses_nothing(autojump_clock: trio.testing.MockClock) -> None:
    changes = NodeChanges()
    with trio.move_on_after(1):
        await changes.receive()
    assert changes.put(Claimed(session="one"))
    assert await changes.receive() == Claimed(session="one")
