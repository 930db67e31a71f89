"""The three doors under one set of names, so that one description runs through all of them."""

from __future__ import annotations

import ast
import asyncio
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import trio

import realtime_trio as rt
from tools.without_async import without_async

CALLS_PER_SECOND = 1000


def _always() -> bool:
    return True


class Native:
    """trio."""

    name = "native"
    open_client = staticmethod(rt.open_client)
    open_server = staticmethod(rt.server.open_server)
    open_fleet = staticmethod(rt.fleet.open_fleet)
    open_node = staticmethod(rt.fleet.open_node)
    open_history = staticmethod(rt.open_history)
    pause = staticmethod(trio.lowlevel.checkpoint)

    @staticmethod
    def run(fn: Callable[..., Awaitable[None]], *args: object) -> None:
        trio.run(fn, *args)

    @staticmethod
    async def together(*fns: Callable[[], Awaitable[None]]) -> None:
        """Run several functions at the same time."""
        async with trio.open_nursery() as nursery:
            for fn in fns:
                nursery.start_soon(fn)

    @staticmethod
    async def until(met: Callable[[], bool]) -> None:
        """Wait until something holds, five seconds at most."""
        with trio.fail_after(5):
            while not met():
                await trio.sleep(1 / CALLS_PER_SECOND)

    @staticmethod
    async def cancelled(
        fn: Callable[[], Awaitable[None]], met: Callable[[], object] = _always
    ) -> None:
        """Start a function, and cancel it when it waits and something holds."""
        with trio.CancelScope() as scope:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(fn)
                await Native.until(lambda: bool(met()))
                await trio.sleep(0.005)
                scope.cancel()
        assert scope.cancelled_caught

    class Auth:
        """A token source of the application."""

        async def token(self) -> str:
            await trio.lowlevel.checkpoint()
            return "any"

    class Sound:
        """An audio source of the application."""

        async def __aiter__(self) -> AsyncIterator[bytes]:
            for _ in range(5):
                await trio.lowlevel.checkpoint()
                yield bytes(640)

    class Sink:
        """An audio sink of the application."""

        format = rt.AudioFormat()

        def __init__(self) -> None:
            self.size = 0

        async def write(self, chunk: bytes) -> None:
            await trio.lowlevel.checkpoint()
            self.size += len(chunk)


class Aio(Native):
    """asyncio."""

    name = "aio"
    open_client = staticmethod(rt.aio.open_client)  # type: ignore[assignment]
    open_server = staticmethod(rt.aio.open_server)  # type: ignore[assignment]
    open_fleet = staticmethod(rt.aio.open_fleet)  # type: ignore[assignment]
    open_node = staticmethod(rt.aio.open_node)  # type: ignore[assignment]
    open_history = staticmethod(rt.aio.open_history)  # type: ignore[assignment]

    @staticmethod
    async def pause() -> None:
        """Let other tasks run: fails outside the loop of this door."""
        await asyncio.sleep(0)

    @staticmethod
    def run(fn: Callable[..., Any], *args: object) -> None:
        async def main() -> None:
            await fn(*args)
            task = asyncio.current_task()
            assert task is not None
            assert task.cancelling() == 0
            assert asyncio.all_tasks() == {task}

        asyncio.run(main())

    @staticmethod
    async def together(*fns: Callable[[], Any]) -> None:
        async with asyncio.TaskGroup() as group:
            for fn in fns:
                group.create_task(fn())

    @staticmethod
    async def until(met: Callable[[], bool]) -> None:
        async with asyncio.timeout(5):
            while not met():
                await asyncio.sleep(1 / CALLS_PER_SECOND)

    @staticmethod
    async def cancelled(
        fn: Callable[[], Awaitable[None]], met: Callable[[], object] = _always
    ) -> None:
        task = asyncio.ensure_future(fn())
        await Aio.until(lambda: bool(met()))
        await asyncio.sleep(0.005)
        task.cancel()
        result, *_ = await asyncio.gather(task, return_exceptions=True)
        assert isinstance(result, asyncio.CancelledError)

    class Auth(Native.Auth):
        async def token(self) -> str:
            await asyncio.sleep(0)
            return "any"

    class Sound(Native.Sound):
        async def __aiter__(self) -> AsyncIterator[bytes]:
            for _ in range(5):
                await asyncio.sleep(0)
                yield bytes(640)

    class Sink(Native.Sink):
        async def write(self, chunk: bytes) -> None:
            await asyncio.sleep(0)
            self.size += len(chunk)


class Blocking:
    """Threads."""

    name = "blocking"
    open_client = staticmethod(rt.blocking.open_client)
    open_server = staticmethod(rt.blocking.open_server)
    open_fleet = staticmethod(rt.blocking.open_fleet)
    open_node = staticmethod(rt.blocking.open_node)
    open_history = staticmethod(rt.blocking.open_history)

    @staticmethod
    def pause() -> None:
        assert threading.current_thread().name != "realtime_trio"

    @staticmethod
    def run(fn: Callable[..., None], *args: object) -> None:
        fn(*args)

    @staticmethod
    def together(*fns: Callable[[], None]) -> None:
        threads = [threading.Thread(target=fn) for fn in fns]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    @staticmethod
    def until(met: Callable[[], bool]) -> None:
        end = time.monotonic() + 5
        while not met():
            assert time.monotonic() < end
            time.sleep(1 / CALLS_PER_SECOND)

    class Auth:
        def token(self) -> str:
            return "any"

    class Sound:
        def __iter__(self) -> Iterator[bytes]:
            return iter([bytes(640)] * 5)

    class Sink:
        format = rt.AudioFormat()

        def __init__(self) -> None:
            self.size = 0

        def write(self, chunk: bytes) -> None:
            self.size += len(chunk)


def read_without_async(path: Path) -> ModuleType:
    """Import a module as users of the blocking door would have written it."""
    tree = without_async(ast.parse(path.read_text(encoding="utf-8")))
    module = ModuleType(f"{path.stem}_without_async")
    exec(compile(tree, str(path), "exec"), module.__dict__)
    return module
