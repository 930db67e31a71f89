"""The conformance suite finds the faults that it must find."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, Callable, Sequence

import pytest
import trio

from realtime_trio import abc
from realtime_trio._exceptions import ClosedError, ConnectionLost
from realtime_trio._transports._memory import MemoryTransport, memory_pair
from realtime_trio.testing import Peer, check_transport


class Sound:
    """A correct transport: the base of the faulty ones."""

    def __init__(self, inner: MemoryTransport) -> None:
        self.inner = inner

    async def send_text(self, text: str) -> None:
        await self.inner.send_text(text)

    async def send_bytes(self, data: bytes) -> None:
        await self.inner.send_bytes(data)

    async def receive(self) -> str | bytes:
        return await self.inner.receive()

    def receive_nowait(self) -> str | bytes:
        return self.inner.receive_nowait()

    async def ping(self) -> None:
        await self.inner.ping()

    async def aclose(self, code: int = 1000, reason: str = "") -> None:
        await self.inner.aclose(code, reason)

    @property
    def bytes_received(self) -> int:
        return self.inner.bytes_received


class TextAsBytes(Sound):
    """Loses the difference between text and bytes."""

    async def receive(self) -> str | bytes:
        frame = await super().receive()
        return frame.encode() if isinstance(frame, str) else frame


class LosesOnCancel(Sound):
    """Yields after it took a frame."""

    async def receive(self) -> str | bytes:
        frame = await super().receive()
        await trio.lowlevel.checkpoint()
        return frame


class NeverYields(Sound):
    """Has no checkpoint if a frame is available."""

    async def receive(self) -> str | bytes:
        try:
            return self.inner.receive_nowait()
        except (trio.WouldBlock, ClosedError, ConnectionLost):
            return await super().receive()


class NeverLooksAhead(Sound):
    """Claims to look ahead but does not."""

    def receive_nowait(self) -> str | bytes:
        raise trio.WouldBlock


class DeafToPings(Sound):
    """Does not count pings."""

    @property
    def bytes_received(self) -> int:
        return 0


class SwallowsAfterClose(Sound):
    """Accepts a send after the end."""

    async def send_text(self, text: str) -> None:
        with contextlib.suppress(ClosedError):
            await super().send_text(text)
        await trio.lowlevel.checkpoint()


class ForgetsTheCode(Sound):
    """Closes with another code."""

    async def aclose(self, code: int = 1000, reason: str = "") -> None:
        await super().aclose()


class ClosesOnlyUncancelled(Sound):
    """Yields before it closes."""

    async def aclose(self, code: int = 1000, reason: str = "") -> None:
        await trio.lowlevel.checkpoint()
        await super().aclose(code, reason)


class SendsManyInAnyOrder(Sound):
    """Writes several frames at once, in sorted order."""

    async def send_many(self, frames: Sequence[str | bytes]) -> None:
        await trio.lowlevel.checkpoint()
        for frame in sorted(frames, key=len):
            if isinstance(frame, str):
                await self.send_text(frame)
            else:
                await self.send_bytes(frame)


def pair_of(
    cls: Callable[[MemoryTransport], abc.Transport], max_buffer: int
) -> Callable[[], contextlib.AbstractAsyncContextManager[tuple[abc.Transport, Peer]]]:
    """Create pairs whose client has this class."""

    @contextlib.asynccontextmanager
    async def make() -> AsyncGenerator[tuple[abc.Transport, Peer], None]:
        client, server = memory_pair(max_buffer=max_buffer)
        yield cls(client), server

    return make


async def check(cls: Callable[[MemoryTransport], abc.Transport], max_buffer: int = 2**20) -> None:
    """Run the suite with small sizes."""
    await check_transport(
        pair_of(cls, max_buffer), looks_ahead=True, biggest=2**10, read_ahead=2**22
    )


async def test_a_correct_transport_passes(autojump_clock: object) -> None:
    """Otherwise the other tests would prove nothing."""
    await check(Sound)


@pytest.mark.parametrize(
    "cls",
    [
        TextAsBytes,
        LosesOnCancel,
        NeverYields,
        NeverLooksAhead,
        DeafToPings,
        SwallowsAfterClose,
        ForgetsTheCode,
        ClosesOnlyUncancelled,
        SendsManyInAnyOrder,
    ],
)
async def test_a_fault_is_found(cls: type[Sound], autojump_clock: object) -> None:
    """As an assertion, in a group if a background task found it, or as a hang."""
    with pytest.raises((AssertionError, BaseExceptionGroup, trio.TooSlowError)):
        await check(cls)


async def test_missing_backpressure_is_found(autojump_clock: object) -> None:
    """A buffer larger than the suite allows."""
    with pytest.raises(BaseExceptionGroup, match="nursery") as caught:
        await check(Sound, max_buffer=2**30)
    assert caught.group_contains(AssertionError, match="nothing holds the sender back")
