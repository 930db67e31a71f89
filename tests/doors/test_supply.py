"""How trio fills the fetches of a thread that reads."""

from __future__ import annotations

import gc
import threading
import weakref
from collections import deque
from typing import Any, cast

import pytest
import trio
import trio.testing

import realtime_trio as rt
from realtime_trio._lanes._waiters import Waiters
from realtime_trio._lanes._watch import Changes, Watch
from realtime_trio._lanes._watch import signal_of as watch_signal
from realtime_trio._turns._channel import TurnChannel, signal_of
from realtime_trio.blocking._channel import Channel
from realtime_trio.blocking._supply import Fetch, Passes, Supply


@pytest.fixture
async def passes(nursery: trio.Nursery) -> Passes:
    found = Passes()
    nursery.start_soon(found.run)
    await trio.testing.wait_all_tasks_blocked()
    return found


def _supply(passes: Passes) -> tuple[TurnChannel[str], Supply[str]]:
    native: TurnChannel[str] = TurnChannel()
    return native, Supply(passes, signal_of(native))


async def test_a_function_is_called_in_each_pass_while_it_returns_true(passes: Passes) -> None:
    left = 3
    twice: list[int] = []

    def step() -> bool:
        nonlocal left
        left -= 1
        return left > 0

    def other() -> bool:
        twice.append(left)
        return False

    passes.soon(step)
    passes.soon(other)
    await trio.testing.wait_all_tasks_blocked()
    assert (left, twice) == (0, [2])
    passes.soon(other)
    await trio.testing.wait_all_tasks_blocked()
    assert twice == [2, 0]


async def test_items_of_consecutive_passes_come_in_one_fetch(passes: Passes) -> None:
    native, supply = _supply(passes)
    fetch = Fetch(native, deque())
    assert supply.request(fetch)
    supply.begin()
    assert not fetch.over
    numbers = iter(range(5))

    def put() -> bool:
        number = next(numbers, None)
        if number is not None:
            native.put(str(number))
        return number is not None

    passes.soon(put)
    await trio.testing.wait_all_tasks_blocked()
    assert fetch.over
    assert list(fetch.items) == ["0", "1", "2", "3", "4"]


class _Door:
    """The part of a door that a channel uses here."""

    def __init__(self, passes: Passes) -> None:
        self.portal = self
        self.passes = passes


@pytest.mark.parametrize(("exclusive", "found"), [(True, [2]), (False, [1, 2, 3])])
async def test_of_a_watch_the_latest_value_wins(
    passes: Passes, exclusive: bool, found: list[int]
) -> None:
    """Also while the values of consecutive passes are collected for a thread that waits."""
    value, changes = 0, Changes()
    native = Watch(changes, lambda: value)
    signal = watch_signal(native)
    channel: Channel[int] = Channel(cast("Any", _Door(passes)), native, signal, exclusive=exclusive)
    assert native.receive_nowait() == 0
    fetch = Fetch(native, channel._batch)
    channel._supply.request(fetch)
    channel._supply.begin()

    def change() -> bool:
        nonlocal value
        value += 1
        changes.changed()
        return value < 3

    passes.soon(change)
    await trio.testing.wait_all_tasks_blocked()
    assert fetch.over
    assert list(fetch.items) == found


async def test_what_is_there_already_is_fetched_as_well(passes: Passes) -> None:
    native, supply = _supply(passes)
    native.put("first")
    fetch = Fetch(native, deque())
    supply.request(fetch)
    supply.begin()
    native.put("second")
    await trio.testing.wait_all_tasks_blocked()
    assert list(fetch.items) == ["first", "second"]


async def test_a_fetch_is_full_with_64_items(passes: Passes) -> None:
    native, supply = _supply(passes)
    for number in range(70):
        native.put(str(number))
    first, second = Fetch(native, deque()), Fetch(native, deque())
    supply.request(first)
    supply.begin()
    assert first.over
    assert supply.request(second)
    supply.begin()
    await trio.testing.wait_all_tasks_blocked()
    assert (len(first.items), len(second.items)) == (64, 6)


async def test_a_thread_that_comes_back_early_needs_no_call(passes: Passes) -> None:
    native, supply = _supply(passes)
    first, second = Fetch(native, deque()), Fetch(native, deque())
    supply.request(first)
    supply.begin()
    native.put("first")
    await trio.testing.wait_all_tasks_blocked()
    assert first.over
    assert not supply.request(second)
    native.put("second")
    await trio.testing.wait_all_tasks_blocked()
    assert list(second.items) == ["second"]


async def test_a_thread_that_comes_back_late_needs_one(passes: Passes) -> None:
    native, supply = _supply(passes)
    first, second = Fetch(native, deque()), Fetch(native, deque())
    supply.request(first)
    supply.begin()
    native.put("first")
    await trio.testing.wait_all_tasks_blocked()
    native.put("second")
    await trio.testing.wait_all_tasks_blocked()
    assert supply.request(second)
    supply.begin()
    await trio.testing.wait_all_tasks_blocked()
    assert list(second.items) == ["second"]


async def test_a_call_that_was_not_necessary_changes_nothing(passes: Passes) -> None:
    native, supply = _supply(passes)
    fetch = Fetch(native, deque())
    supply.request(fetch)
    supply.begin()
    supply.begin()
    native.put("item")
    await trio.testing.wait_all_tasks_blocked()
    supply.begin()
    supply.give_up(fetch)
    assert list(fetch.items) == ["item"]


async def test_an_interrupted_fetch_takes_nothing_more(passes: Passes) -> None:
    native, supply = _supply(passes)
    fetch = Fetch(native, deque())
    supply.request(fetch)
    supply.begin()
    supply.give_up(fetch)
    native.put("item")
    await trio.testing.wait_all_tasks_blocked()
    assert fetch.over
    assert not fetch.items
    assert native.receive_nowait() == "item"


async def test_the_end_comes_after_the_items(passes: Passes) -> None:
    native, supply = _supply(passes)
    first, second = Fetch(native, deque()), Fetch(native, deque())
    supply.request(first)
    supply.begin()
    native.put("last")
    native.finish()
    await trio.testing.wait_all_tasks_blocked()
    assert list(first.items) == ["last"]
    assert first.error is None
    assert supply.request(second)
    supply.begin()
    assert isinstance(second.error, rt.EndOfChannel)


async def test_a_wake_up_without_a_fetch_is_for_the_next_waiter(passes: Passes) -> None:
    waiters = Waiters()
    native: TurnChannel[str] = TurnChannel()
    supply: Supply[str] = Supply(passes, waiters)
    fetch = Fetch(native, deque())
    supply.request(fetch)
    supply.begin()
    supply.give_up(fetch)
    woken: list[str] = []
    waiters.add_waiter(lambda: woken.append("other"))
    waiters.wake()
    assert woken == ["other"]


async def test_a_supply_without_a_fetch_does_not_keep_the_channel(passes: Passes) -> None:
    waiters = Waiters()
    native: TurnChannel[str] = TurnChannel()
    supply: Supply[str] = Supply(passes, waiters)
    fetch = Fetch(native, deque())
    supply.request(fetch)
    supply.begin()
    native.put("item")
    waiters.wake()
    await trio.testing.wait_all_tasks_blocked()
    gone = weakref.ref(fetch)
    del fetch
    gc.collect()
    assert gone() is None


async def test_the_thread_runs_before_trio_goes_on() -> None:
    native: TurnChannel[str] = TurnChannel()
    native.put("one")
    native.put("two")
    fetch = Fetch(native, deque())
    assert fetch.take()
    thread = threading.Thread(target=fetch.run, args=(lambda wait: wait.wait(lambda: None),))
    thread.start()
    fetch.finish()
    thread.join()
    assert fetch.over
