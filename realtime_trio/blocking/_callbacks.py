"""Objects of the application: plain token sources, audio sources and sinks run in threads."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator
from inspect import iscoroutinefunction
from typing import Protocol, TypeAlias, cast, final

import trio

from .._doors._door_object import native_of
from .._rest._tokens import Auth, AuthSource, PasswordLogin
from ..audio import AudioFormat, AudioSink
from ..audio._stream import format_of
from ._door import Mirror

__all__ = [
    "PlainAuth",
    "PlainSink",
    "SoundSink",
    "SoundSource",
    "TokenSource",
    "as_auth",
    "as_sink",
    "as_source",
]


class PlainAuth(Protocol):
    """A token source without ``async``: see :class:`~realtime_trio.Auth`."""

    def token(self) -> str:
        """Return a valid token; called before every dial, in a thread."""
        ...


class PlainSink(Protocol):
    """An audio sink without ``async``: see :class:`~realtime_trio.audio.AudioSink`."""

    @property
    def format(self) -> AudioFormat:
        """The format of the blocks."""
        ...

    def write(self, chunk: bytes) -> None:
        """Take one block; in a thread."""
        ...


TokenSource: TypeAlias = AuthSource | PlainAuth
SoundSource: TypeAlias = AsyncIterable[bytes] | Iterable[bytes]
SoundSink: TypeAlias = AudioSink | PlainSink


@final
class _ThreadAuth:
    """A plain token source."""

    def __init__(self, auth: PlainAuth) -> None:
        self._auth = auth

    async def token(self) -> str:
        return await trio.to_thread.run_sync(self._auth.token, abandon_on_cancel=True)


def as_auth(auth: TokenSource) -> AuthSource:
    """Return a token source for trio."""
    if isinstance(auth, (str, PasswordLogin)):
        return auth
    asked: object = getattr(auth, "token", None)
    if asked is None or iscoroutinefunction(asked):
        return cast("Auth", auth)
    return _ThreadAuth(cast("PlainAuth", auth))


_END = object()


@final
class _ThreadSource:
    """A plain iterable of chunks."""

    def __init__(self, source: Iterable[bytes]) -> None:
        self._source = source
        self._iterator: Iterator[bytes] | None = None

    @property
    def format(self) -> AudioFormat:
        return format_of(self._source)

    def __aiter__(self) -> AsyncIterator[bytes]:
        self._iterator = iter(self._source)
        return self

    async def __anext__(self) -> bytes:
        assert self._iterator is not None
        item = await trio.to_thread.run_sync(next, self._iterator, _END, abandon_on_cancel=True)
        if item is _END:
            raise StopAsyncIteration
        return cast("bytes", item)


def as_source(source: SoundSource) -> AsyncIterable[bytes]:
    """Return an audio source for trio."""
    if isinstance(source, Mirror):
        return cast("AsyncIterable[bytes]", native_of(cast("Mirror[object]", source)))
    if isinstance(source, AsyncIterable) or not hasattr(source, "__iter__"):
        return cast("AsyncIterable[bytes]", source)
    return _ThreadSource(source)


@final
class _ThreadSink:
    """A plain sink."""

    def __init__(self, sink: PlainSink) -> None:
        self._sink = sink

    @property
    def format(self) -> AudioFormat:
        return self._sink.format

    async def write(self, chunk: bytes) -> None:
        await trio.to_thread.run_sync(self._sink.write, chunk)


def as_sink(sink: SoundSink) -> AudioSink:
    """Return an audio sink for trio."""
    if isinstance(sink, Mirror):
        return cast("AudioSink", native_of(cast("Mirror[object]", sink)))
    if iscoroutinefunction(sink.write):
        return cast("AudioSink", sink)
    return _ThreadSink(cast("PlainSink", sink))
