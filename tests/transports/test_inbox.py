"""The inbox: its bound, its ends, and which tasks it wakes."""

from __future__ import annotations

import pytest
import trio
import trio.testing

from realtime_trio._exceptions import ClosedError, ConnectionLost
from realtime_trio._transports._inbox import (
    BROKEN_BY_CANCEL,
    CLOSED_HERE,
    End,
    Inbox,
    cost_of,
    lost,
)


def test_each_call_raises_a_new_error_at_the_end() -> None:
    """Of the right class, without the peer's reason in its text."""
    end = lost(4001, "token abc is bad")
    first, second = end.error(), end.error()
    assert first is not second
    assert isinstance(first, ConnectionLost)
    assert (first.code, first.reason) == (4001, "token abc is bad")
    assert "abc" not in str(first) + repr(end)
    assert isinstance(CLOSED_HERE.error(), ClosedError)
    assert isinstance(BROKEN_BY_CANCEL.error(), ConnectionLost)


@pytest.mark.parametrize("code", [None, 1006])
def test_a_link_without_a_close_frame_has_no_code(code: int | None) -> None:
    """1006 means exactly that."""
    error = lost(code, "ignored").error()
    assert isinstance(error, ConnectionLost)
    assert (error.code, error.reason) == (None, "")


async def test_the_bound() -> None:
    """In the memory of frames, with a fixed size for each; one frame always fits."""
    inbox = Inbox(cost_of("12345") + cost_of(b"12345"))
    assert inbox.fits("x" * 1000)
    inbox.put("12345")
    assert not inbox.full
    assert inbox.fits(b"12345")
    assert not inbox.fits(b"123456")
    inbox.put(b"12345")
    assert inbox.full
    assert inbox.receive_nowait() == "12345"
    assert not inbox.full
    inbox.put("more")
    inbox.finish(lost(None))
    assert not inbox.full


async def test_a_producer_is_woken_at_its_low_mark(autojump_clock: object) -> None:
    """Not at each frame that is taken, but once few enough bytes are held."""
    inbox = Inbox(4 * cost_of(""), resume_at=2 * cost_of(""))
    for _ in range(4):
        inbox.put("")
    woken = False

    async def wait() -> None:
        nonlocal woken
        await inbox.wait_room()
        woken = True

    async with trio.open_nursery() as nursery:
        nursery.start_soon(wait)
        await trio.testing.wait_all_tasks_blocked()
        inbox.receive_nowait()
        await trio.testing.wait_all_tasks_blocked()
        assert not woken
        inbox.receive_nowait()
        await trio.testing.wait_all_tasks_blocked()
        assert woken


@pytest.mark.parametrize(
    ("frame", "least"),
    [("x" * 1000, 1000), ("é" * 1000, 1000), ("x" * 999 + "€", 2000), ("x" * 999 + "😀", 4000)],
)
def test_a_text_counts_its_memory(frame: str, least: int) -> None:
    """One character can make all of them wide."""
    assert least < cost_of(frame) < least + 200


def test_frames_that_arrived_together_are_released_together() -> None:
    """The held memory never exceeds the counted one."""
    frames: list[str | bytes] = ["x" * 100, b"", "", "😀" * 50, b"y" * 30]
    inbox = Inbox(sum(map(cost_of, frames)))
    inbox.put_all(frames)
    assert inbox.full
    for _ in frames[1:]:
        inbox.receive_nowait()
        assert inbox.full
    inbox.put("")
    assert inbox.receive_nowait() == frames[-1]
    assert not inbox.full
    assert inbox.fits("x" * 100)
    inbox.receive_nowait()
    assert inbox._held == 0


@pytest.mark.parametrize("end", [lost(1000), CLOSED_HERE])
async def test_an_end_wakes_all_waiting_tasks(end: End, autojump_clock: object) -> None:
    """Producers learn that it ended; receivers get the error."""
    empty, full = Inbox(10), Inbox(10)
    full.put("")

    async def receive() -> None:
        with pytest.raises(type(end.error())):
            await empty.receive()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(receive)
        nursery.start_soon(receive)
        nursery.start_soon(full.wait_room)
        await trio.testing.wait_all_tasks_blocked()
        empty.finish(end)
        full.finish(end)


async def test_the_first_end_counts_but_closing_wins() -> None:
    """Frames that arrived before an end are delivered; after closing, none is."""
    inbox = Inbox(1000)
    inbox.put("before")
    inbox.finish(lost(4001))
    inbox.finish(lost(None))
    inbox.put("after")
    assert await inbox.receive() == "before"
    with pytest.raises(ConnectionLost) as caught:
        await inbox.receive()
    assert caught.value.code == 4001

    inbox = Inbox(1000)
    inbox.put("unread")
    inbox.finish(lost(4001))
    inbox.finish(CLOSED_HERE)
    inbox.finish(lost(None))
    with pytest.raises(ClosedError):
        inbox.receive_nowait()
    with trio.testing.assert_checkpoints(), pytest.raises(ClosedError):
        await inbox.receive()


async def test_several_frames_at_once() -> None:
    """As one by one: in order, with the same sizes, and dropped after the end."""
    inbox = Inbox(cost_of(b"b") + cost_of("c") + cost_of("d"))
    got: list[str | bytes] = []

    async def receive() -> None:
        got.append(await inbox.receive())

    async with trio.open_nursery() as nursery:
        nursery.start_soon(receive)
        await trio.testing.wait_all_tasks_blocked()
        inbox.put_all([])
        inbox.put_all(["a", b"b", "c", "d"])
    assert got == ["a"]
    assert inbox.full
    assert [inbox.receive_nowait() for _ in range(3)] == [b"b", "c", "d"]
    inbox.put_all(["e", "f"])
    assert not inbox.full
    assert [inbox.receive_nowait() for _ in range(2)] == ["e", "f"]
    inbox.finish(lost(None))
    inbox.put_all(["late"])
    with pytest.raises(ConnectionLost):
        inbox.receive_nowait()
