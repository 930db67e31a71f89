"""Objects of the application: token sources, audio sources and sinks run on the asyncio loop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, Awaitable, Callable
from contextvars import copy_context
from typing import Final, NoReturn, TypeAlias, TypeVar, cast, final

import trio

from .._doors._door_object import native_of
from .._rest._tokens import Auth, AuthSource, PasswordLogin
from ..audio import AudioFormat, AudioSink, ClockedSink, LiveSource
from ..audio._stream import format_of
from ._door import Mirror
from ._guest import current_guest

__all__ = ["SoundSink", "SoundSource", "TokenSource", "as_auth", "as_sink", "as_source", "on_host"]

TokenSource: TypeAlias = AuthSource
SoundSource: TypeAlias = AsyncIterable[bytes]
SoundSink: TypeAlias = AudioSink

T = TypeVar("T")

_CLOSE: Final = 1.0
"""Seconds that an abandoned source has to close."""

_OURS: Final = f"{__name__.partition('.')[0]}."


async def on_host(fn: Callable[[], Awaitable[T]]) -> T:
    """Run an asyncio function from a trio task; a cancellation cancels it."""
    loop = current_guest().loop
    waiting = trio.lowlevel.current_task()

    async def run() -> T:
        return await fn()

    task = loop.create_task(run(), context=copy_context())
    cancelled: list[Callable[[], NoReturn]] = []

    def abort(raise_cancel: Callable[[], NoReturn]) -> trio.lowlevel.Abort:
        if loop.is_closed():  # nothing can run there any more
            return trio.lowlevel.Abort.SUCCEEDED
        cancelled.append(raise_cancel)
        task.cancel()
        return trio.lowlevel.Abort.FAILED

    task.add_done_callback(lambda _: trio.lowlevel.reschedule(waiting))
    await trio.lowlevel.wait_task_rescheduled(abort)
    try:
        return task.result()
    except asyncio.CancelledError:
        if cancelled:
            cancelled[0]()
        message = "a callback of the application was cancelled"
        raise RuntimeError(message) from None


def _is_ours(thing: object) -> bool:
    return type(thing).__module__.startswith(_OURS)


@final
class _HostAuth:
    """A token source of the application."""

    def __init__(self, auth: Auth) -> None:
        self._auth = auth

    async def token(self) -> str:
        return await on_host(self._auth.token)


def as_auth(auth: AuthSource) -> AuthSource:
    """Return a token source for trio."""
    if isinstance(auth, (str, PasswordLogin)) or not hasattr(auth, "token"):
        return auth
    return _HostAuth(auth)


class _HostSource:
    """An audio source of the application."""

    def __init__(self, source: AsyncIterable[bytes]) -> None:
        self._source = source

    @property
    def format(self) -> AudioFormat:
        return format_of(self._source)

    async def __aiter__(self) -> AsyncGenerator[bytes, None]:
        iterator = aiter(self._source)
        try:
            while True:
                try:
                    piece = await on_host(iterator.__anext__)
                except StopAsyncIteration:
                    return
                yield piece
        finally:
            if isinstance(iterator, AsyncGenerator):
                with trio.move_on_after(_CLOSE, shield=True):
                    await on_host(iterator.aclose)


@final
class _HostLiveSource(_HostSource):
    """A source that provides its own timing."""

    def __init__(self, source: LiveSource) -> None:
        super().__init__(source)
        self._live = source

    def flush(self) -> int:
        return self._live.flush()


def as_source(source: AsyncIterable[bytes]) -> AsyncIterable[bytes]:
    """Return an audio source for trio."""
    if isinstance(source, Mirror):
        return cast("AsyncIterable[bytes]", native_of(cast("Mirror[object]", source)))
    if _is_ours(source) or not hasattr(source, "__aiter__"):
        return source
    return _HostLiveSource(source) if isinstance(source, LiveSource) else _HostSource(source)


class _HostSink:
    """An audio sink of the application."""

    def __init__(self, sink: AudioSink) -> None:
        self._sink = sink

    @property
    def format(self) -> AudioFormat:
        return self._sink.format

    async def write(self, chunk: bytes) -> None:
        await on_host(lambda: self._sink.write(chunk))


@final
class _HostClockedSink(_HostSink):
    """A sink with its own clock."""

    def __init__(self, sink: ClockedSink) -> None:
        super().__init__(sink)
        self._clocked = sink

    async def ready(self) -> None:
        await on_host(self._clocked.ready)

    def write_nowait(self, chunk: bytes) -> None:
        self._clocked.write_nowait(chunk)

    @property
    def queued(self) -> int:
        return self._clocked.queued

    def flush(self) -> int:
        return self._clocked.flush()

    async def drained(self) -> None:
        await on_host(self._clocked.drained)


def as_sink(sink: AudioSink) -> AudioSink:
    """Return an audio sink for trio."""
    if isinstance(sink, Mirror):
        return cast("AudioSink", native_of(cast("Mirror[object]", sink)))
    if _is_ours(sink):
        return sink
    return _HostClockedSink(sink) if isinstance(sink, ClockedSink) else _HostSink(sink)
