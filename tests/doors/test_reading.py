"""Reading in the door of asyncio: who is woken, and what happens to one that was cancelled."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

import realtime_trio as rt
from realtime_trio._turns._channel import TurnChannel


def _with(test: Callable[[rt.aio.TurnChannel[str], TurnChannel[str]], Awaitable[None]]) -> None:
    async def main() -> None:
        async with (
            rt.aio.open_server() as server,
            rt.aio.open_client(server.url, auth="any") as client,
        ):
            native: TurnChannel[str] = TurnChannel()
            await test(rt.aio.TurnChannel(client._door, native), native)

    asyncio.run(main())


async def _two_readers(channel: rt.aio.TurnChannel[str]) -> list[asyncio.Task[str]]:
    readers = [asyncio.ensure_future(channel.receive()) for _ in range(2)]
    for _ in range(3):
        await asyncio.sleep(0)
    return readers


def test_a_reader_that_is_woken_and_then_cancelled_wakes_the_next() -> None:
    async def test(channel: rt.aio.TurnChannel[str], native: TurnChannel[str]) -> None:
        first, second = await _two_readers(channel)
        native.put("item")
        first.cancel()
        assert await second == "item"
        assert first.cancelled()

    _with(test)


def test_a_reader_that_is_cancelled_and_then_woken_wakes_the_next() -> None:
    async def test(channel: rt.aio.TurnChannel[str], native: TurnChannel[str]) -> None:
        first, second = await _two_readers(channel)
        first.cancel()
        native.put("item")
        assert await second == "item"
        assert first.cancelled()

    _with(test)


def test_a_reader_that_is_cancelled_is_forgotten() -> None:
    async def test(channel: rt.aio.TurnChannel[str], native: TurnChannel[str]) -> None:
        first, second = await _two_readers(channel)
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)
        native.put("item")
        assert await second == "item"

    _with(test)


def test_an_iteration_lets_others_run() -> None:
    async def test(channel: rt.aio.TurnChannel[str], native: TurnChannel[str]) -> None:
        steps = 0

        async def count() -> None:
            nonlocal steps
            while True:
                await asyncio.sleep(0)
                steps += 1

        counting = asyncio.ensure_future(count())
        for number in range(320):
            native.put(str(number))
        native.finish()
        assert len([item async for item in channel]) == 320
        assert 9 <= steps <= 12
        counting.cancel()

    _with(test)


def test_channels_are_closed_by_both_kinds_of_blocks() -> None:
    async def test(channel: rt.aio.TurnChannel[str], native: TurnChannel[str]) -> None:
        async with channel as same:
            assert same is channel
        with pytest.raises(rt.ClosedError), channel:
            await channel.receive()
        await channel.aclose()

    _with(test)


def test_a_watch_belongs_to_one_task() -> None:
    async def main() -> None:
        async with (
            rt.aio.open_server() as server,
            rt.aio.open_client(server.url, auth="any") as client,
        ):
            watch = client.watch(lambda state: "always")
            assert await watch.receive() == "always"
            first = asyncio.ensure_future(watch.receive())
            await asyncio.sleep(0.01)
            with pytest.raises(rt.BusyResourceError):
                await watch.receive()
            with pytest.raises(rt.BusyResourceError):
                await anext(watch)
            watch.close()
            with pytest.raises(rt.ClosedError):
                await first

    asyncio.run(main())
