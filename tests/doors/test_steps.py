"""The steps of a trio run on an asyncio loop: in rows, with the loop's own work between them."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable

import pytest

from realtime_trio.aio import _steps
from realtime_trio.aio._steps import Steps


class _Chain:
    """A step that schedules the next one."""

    def __init__(self, steps: Steps, length: int) -> None:
        self._steps = steps
        self.left = length

    def step(self) -> None:
        self.left -= 1
        if self.left:
            self._steps.soon(self.step)


def _turns_of_the_loop(chain: _Chain) -> int:
    """How often another task runs before the chain has ended."""

    async def main() -> int:
        turns = 0
        while chain.left:
            await asyncio.sleep(0)
            turns += 1
        return turns

    loop = asyncio.new_event_loop()
    try:
        chain._steps._loop = loop
        chain._steps.soon(chain.step)
        return loop.run_until_complete(main())
    finally:
        loop.close()


def test_other_tasks_run_between_two_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_steps, "_LONGEST", 60.0)
    loop = asyncio.new_event_loop()
    turns = _turns_of_the_loop(_Chain(Steps(loop), 8 * 10))
    loop.close()
    assert 9 <= turns <= 11


def test_long_steps_are_not_taken_in_a_row(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_steps, "_LONGEST", 0.0)
    loop = asyncio.new_event_loop()
    turns = _turns_of_the_loop(_Chain(Steps(loop), 20))
    loop.close()
    assert 19 <= turns <= 21


def test_an_interrupted_row_goes_on() -> None:
    """Ctrl-C between two steps loses none of them."""
    loop = asyncio.new_event_loop()
    steps, taken = Steps(loop), list[str]()

    def interrupted() -> None:
        steps.soon(lambda: taken.append("next"))
        raise KeyboardInterrupt

    steps.soon(interrupted)
    with pytest.raises(KeyboardInterrupt):
        loop.run_until_complete(asyncio.sleep(0))
    loop.run_until_complete(asyncio.sleep(0))
    loop.close()
    assert taken == ["next"]


def _when_closed(act: Callable[[Steps, list[str]], None]) -> list[str]:
    loop = asyncio.new_event_loop()
    steps, taken = Steps(loop), list[str]()
    act(steps, taken)
    loop.close()
    steps.take_late(until=lambda: bool(taken), seconds=5)
    return taken


def test_steps_of_a_closed_loop_are_taken_late() -> None:
    assert _when_closed(lambda steps, taken: steps.soon(lambda: taken.append("soon"))) == ["soon"]
    assert _when_closed(
        lambda steps, taken: steps.soon_threadsafe(lambda: taken.append("arriving"))
    ) == ["arriving"]


def test_steps_that_come_after_the_loop_was_closed_are_taken_too() -> None:
    loop = asyncio.new_event_loop()
    steps, taken = Steps(loop), list[str]()
    loop.close()
    steps.soon(lambda: steps.soon(lambda: taken.append("soon")))
    thread = threading.Thread(target=steps.soon_threadsafe, args=(lambda: taken.append("late"),))
    thread.start()
    thread.join()
    steps.take_late(until=lambda: len(taken) == 2, seconds=5)
    assert sorted(taken) == ["late", "soon"]
    with pytest.raises(TimeoutError):
        steps.take_late(until=lambda: False, seconds=0)
