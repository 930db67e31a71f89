"""Marks: find out how much a lane has handled.

A mark is placed in one or several lanes, after every event routed so far and before every event
routed later. A lane passes it between two events, in its own order; a mark is never folded or
counted. Other parts use only marks to find out what a lane has handled: no part counts events.

The observer in the receive task sees an event right after it was routed. A mark that it
places is then directly behind that event, in every lane.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TypeAlias, final

import trio

from .._core._state import AudioSlice, ControlSlice, TextSlice
from .._exceptions import ClosedError
from .._idle import WaitingTasks
from ..events import Lane

__all__ = ["Mark", "Marks", "Slice"]

Slice: TypeAlias = ControlSlice | TextSlice | AudioSlice


@final
class Mark:
    """A place in the stream of events, made by :meth:`Marks.place`.

    Add callbacks right after placing the mark, before the next checkpoint.
    """

    # Every turn makes one, few have callbacks, and a task waits for hardly any.
    __slots__ = ("_ahead", "_given_up", "_on_done", "_on_pass", "_waiting")

    def __init__(self, lanes: int) -> None:
        self._ahead = lanes  # how many have not passed it
        self._given_up = False
        self._on_pass: tuple[tuple[Lane, Callable[[Slice], None]], ...] = ()
        self._on_done: tuple[Callable[[], None], ...] = ()
        self._waiting: trio.lowlevel.ParkingLot | None = None

    @property
    def done(self) -> bool:
        """Whether every lane of the mark has passed it."""
        return not self._ahead

    def when_passed(self, lane: Lane, callback: Callable[[Slice], None]) -> None:
        """Call ``callback`` with the slice of ``lane``, in the step in which it passes the mark."""
        self._on_pass += ((lane, callback),)

    def when_done(self, callback: Callable[[], None]) -> None:
        """Call ``callback`` when the last lane has passed, after the callbacks of the lanes."""
        self._on_done += (callback,)

    async def wait(self) -> None:
        """Wait until every lane has passed. A checkpoint; any number of tasks may wait.

        Raises :class:`~realtime_trio.ClosedError` if the client ends first.
        """
        if self.done or self._given_up:
            await trio.lowlevel.checkpoint()
        else:
            if self._waiting is None:
                self._waiting = trio.lowlevel.ParkingLot()
            await self._waiting.park()
        if not self.done:
            message = "the client ended before it had handled everything that it received"
            raise ClosedError(message)

    def pass_lane(self, lane: Lane, slice_: Slice) -> None:
        """Note that a lane has passed. Only :class:`Marks` calls this."""
        self._ahead -= 1
        for of_lane, callback in self._on_pass:
            if of_lane is lane:
                callback(slice_)
        if self.done:
            self._wake()
            for done in self._on_done:
                done()

    def give_up(self) -> None:
        """Note that no lane will pass. Only :class:`Marks` calls this."""
        self._given_up = True
        self._wake()

    def _wake(self) -> None:
        if self._waiting is not None:
            self._waiting.unpark_all()


@final
class Marks:
    """Places marks. ``put`` appends a call to a lane, ``slice_of`` returns a lane's slice."""

    __slots__ = ("_ended", "_open", "_put", "_slice_of", "_waiting")

    def __init__(
        self,
        put: Callable[[Lane, Callable[[], None]], None],
        slice_of: Callable[[Lane], Slice],
    ) -> None:
        self._put = put
        self._slice_of = slice_of
        self._open: dict[Mark, None] = {}
        self._waiting = WaitingTasks()
        self._ended = False

    def place(self, *lanes: Lane) -> Mark:
        """Mark the place after every event routed so far, in these lanes or in all.

        Never waits. After the client has ended, no lane passes the mark.
        """
        mark = Mark(len(lanes or Lane))
        if self._ended:
            mark.give_up()
            return mark
        self._open[mark] = None
        for lane in lanes or Lane:
            self._put(lane, partial(self._pass, mark, lane))
        return mark

    def _pass(self, mark: Mark, lane: Lane) -> None:
        mark.pass_lane(lane, self._slice_of(lane))
        if mark.done:
            self._open.pop(mark, None)

    def end(self) -> None:
        """Wake all tasks that wait for a mark: no more events are handled."""
        self._ended = True
        for mark in self._open:
            mark.give_up()
        self._open.clear()
        self._waiting.unpark_all()

    async def ended(self) -> None:
        """Wait until no more events are handled."""
        while not self._ended:
            await self._waiting.park()
