"""How many frames the receive task takes in one step."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from typing import Any

import pytest
import trio

from realtime_trio._connection._link import Link
from realtime_trio._connection._recorder import RecorderTap
from realtime_trio._exceptions import ConnectionLost


class Wire:
    """A transport with all frames available, which then breaks."""

    bytes_received = 0

    def __init__(self, frames: Iterable[str | bytes]) -> None:
        self.frames = deque(frames)

    async def receive(self) -> str | bytes:
        """Return the next frame."""
        await trio.lowlevel.checkpoint()
        return self.receive_nowait()

    def receive_nowait(self) -> str | bytes:
        """Return the next frame."""
        if not self.frames:
            message = "lost"
            raise ConnectionLost(message)
        return self.frames.popleft()


class Intake:
    """Records the frames fed, and how many were left on the wire at each."""

    def __init__(self, wire: Wire) -> None:
        self.wire = wire
        self.goes: list[list[str | bytes]] = []
        self.left: list[int] = []
        self.full_at = 0  # the step at which a lane is full
        self.settled = 0

    async def feed(self, frames: Iterable[str | bytes], _saw: Callable[[Any], None]) -> None:
        """Take all frames."""
        go: list[str | bytes] = []
        self.goes.append(go)
        for frame in frames:
            go.append(frame)
            self.left.append(len(self.wire.frames))

    def take(self, frames: Iterable[str | bytes], _saw: Callable[[Any], None]) -> bool:
        """Take all frames."""
        self.goes.append(list(frames))
        return len(self.goes) != self.full_at

    def take_one(self, frame: str | bytes, saw: Callable[[Any], None]) -> bool:
        """Take one frame."""
        return self.take([frame], saw)

    async def settle(self) -> None:
        """Have space."""
        await trio.lowlevel.checkpoint()
        self.settled += 1


class Recording:
    """A recorder that keeps the frames."""

    def __init__(self) -> None:
        self.frames: list[str | bytes] = []

    def record(self, kind: str, payload: str | bytes, **_where: float) -> None:
        """Keep a frame."""
        assert kind == "in"
        self.frames.append(payload)


class DeliveringWire(Wire):
    """A wire that delivers its frames."""

    async def deliver(self, take: Callable[[deque[str | bytes]], bool]) -> None:
        """Deliver all available frames."""
        await trio.lowlevel.checkpoint()
        while self.frames:
            if not take(self.frames):
                return
        self.receive_nowait()


async def _receive(
    frames: list[str | bytes],
    *,
    early: Iterable[str | bytes] = (),
    book: Any = None,
    wire_class: type[Wire] = Wire,
    full_at: int = 0,
) -> tuple[Link, Intake]:
    wire: Any = wire_class(frames)
    link = Link(wire, list(early), RecorderTap(book))
    intake = Intake(wire)
    intake.full_at = full_at
    with pytest.raises(ConnectionLost):
        await link._receive(intake, lambda _event: None)
    return link, intake


async def test_available_frames_are_taken_in_bounded_steps() -> None:
    """Then other tasks run; frames that came before the end of the link are taken too."""
    frames: list[str | bytes] = [str(number) for number in range(300)]
    book = Recording()
    link, intake = await _receive(frames, early=["early"], book=book)
    assert [len(go) for go in intake.goes] == [1, 128, 128, 44]
    assert [frame for go in intake.goes for frame in go] == ["early", *frames]
    assert link.frames_received == 301
    assert book.frames == frames  # the early ones were recorded when they arrived


async def test_a_large_frame_ends_a_step() -> None:
    """It can take as long as all the others."""
    large = "x" * 20_000
    _, intake = await _receive(["a", large, "b", large, large, "c"])
    assert intake.goes == [[], ["a", large], ["b", large], [large], ["c"]]


async def test_no_frame_is_taken_ahead() -> None:
    """A frame leaves the transport when all frames before it are in the lanes."""
    _, intake = await _receive([str(number) for number in range(10)])
    assert intake.left == list(range(9, -1, -1))


async def test_delivered_frames_are_taken_in_the_same_steps() -> None:
    """Up to a number of frames or a large one; each is recorded."""
    frames: list[str | bytes] = [str(number) for number in range(300)]
    book = Recording()
    link, intake = await _receive(frames, wire_class=DeliveringWire, book=book)
    assert [len(go) for go in intake.goes] == [0, 128, 128, 44]
    assert [frame for go in intake.goes for frame in go] == frames == book.frames
    assert link.frames_received == 300
    large = "x" * 20_000
    _, intake = await _receive(["a", large, "b", "c"], wire_class=DeliveringWire)
    assert intake.goes == [[], ["a", large], ["b", "c"]]


async def test_a_frame_that_is_delivered_alone_is_taken_alone() -> None:
    """If a lane is full then, the task waits before it takes another."""
    link, intake = await _receive(["a"], wire_class=DeliveringWire, full_at=2)
    assert (intake.goes, intake.settled, link.frames_received) == ([[], ["a"]], 1, 1)
