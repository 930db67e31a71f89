"""A ``trio.run`` on the virtual clock that a test drives from outside, one call after another."""

from __future__ import annotations

import queue
from collections.abc import Awaitable, Callable
from typing import Any

import outcome
import trio
import trio.testing


class GuestRun:
    """Runs ``main`` as a guest; its time stands still while nobody calls.

    ``main`` is given a function to call once it is ready, and stays until it is cancelled.
    """

    def __init__(self, main: Callable[[Callable[[], None]], Awaitable[None]]) -> None:
        self._calls: queue.SimpleQueue[Callable[[], object]] = queue.SimpleQueue()
        self._ended: outcome.Outcome[None] | None = None
        self._ready = False
        self._main = main
        trio.lowlevel.start_guest_run(
            self._hold,
            run_sync_soon_threadsafe=self._calls.put,
            done_callback=self._done,
            clock=trio.testing.MockClock(autojump_threshold=0),
            restrict_keyboard_interrupt_to_checkpoints=True,
        )
        self._pump(lambda: self._ready)

    async def _hold(self) -> None:
        self._token = trio.lowlevel.current_trio_token()
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            nursery.start_soon(self._main, self._set_ready)

    def _set_ready(self) -> None:
        self._ready = True

    def _done(self, ended: outcome.Outcome[None]) -> None:
        self._ended = ended

    def _pump(self, until: Callable[[], bool]) -> None:
        while not until():
            if self._ended is not None:
                self._ended.unwrap()
                msg = "the run ended early"
                raise AssertionError(msg)
            self._calls.get(timeout=60)()

    def call(self, function: Callable[..., Awaitable[Any]], *args: object) -> Any:
        """Run an async function within the run; gives what it gives."""
        found: list[outcome.Outcome[Any]] = []

        async def run() -> None:
            found.append(await outcome.acapture(function, *args))

        self._token.run_sync_soon(lambda: self._nursery.start_soon(run))
        self._pump(lambda: bool(found))
        return found[0].unwrap()

    def close(self) -> None:
        """End the run; raises what it raises."""
        if self._ended is None:
            self._token.run_sync_soon(lambda: self._nursery.cancel_scope.cancel())
            while self._ended is None:
                self._calls.get(timeout=60)()
        self._ended.unwrap()
