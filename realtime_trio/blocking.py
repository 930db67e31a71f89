"""The same client without ``async``, for scripts, Flask and notebooks.

The client runs on trio in a separate thread, behind an anyio portal. Each call here waits for
its result. Use ``with`` instead of ``async with``, ``for`` instead of ``async for``, and no
``await``.

::

    with rt.blocking.open_client(url, auth=token) as client:
        client.ready()
        with client.ask("Hello") as turn:
            for piece in turn.text:
                print(piece, end="")

Any thread may use a client; two threads that read one channel share its items. There is no
cancel scope here: to stop a wait, close the client from another thread.
"""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Callable, Generator, Iterator
from contextlib import AbstractAsyncContextManager, contextmanager
from types import TracebackType
from typing import Any, Self, cast

import trio
from anyio.from_thread import BlockingPortal, start_blocking_portal

from ._client._client import Client
from ._client._client import open_client as _open_client
from ._core._state import SessionState
from ._lanes._subscription import LaneView
from ._outbound._receipt import Receipt
from ._turns._turn_progress import Turn
from ._voice._audio_lane import AudioLane
from .audio import Playback
from .events import Event

__all__ = ["BlockingChannel", "BlockingClient", "open_client"]

# One call to the client's thread fetches all items that are ready, so that streaming text
# does not need one call per piece.
BATCH = 64

# The objects that live in the client's thread and have methods that wait there. Everything else
# that the client returns is a frozen value. Channels, context managers and iterators are
# recognised by their protocols.
LIVE = (Client, LaneView, AudioLane, Turn, Receipt, Playback)


class _Proxy:
    """A proxy of an object in the client's thread: its results are made blocking too."""

    def __init__(self, portal: BlockingPortal, target: Any) -> None:
        self._portal = portal
        self._target = target

    def __getattr__(self, name: str) -> Any:
        value = self._portal.call(getattr, self._target, name)
        if inspect.isroutine(value):
            return self._method(value)
        return _made_blocking(self._portal, value)

    def _method(self, method: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **options: Any) -> Any:
            return self._call(method, *args, **options)

        call.__name__ = method.__name__
        call.__doc__ = method.__doc__
        return call

    def _call(self, method: Callable[..., Any], *args: Any, **options: Any) -> Any:
        def run() -> Any:
            return method(*args, **options)

        return _made_blocking(self._portal, self._portal.call(run))

    def __iter__(self) -> Iterator[Any]:
        """Iterate as ``async for`` does in the client's thread."""
        stream = self._portal.call(aiter, self._target)
        if isinstance(stream, trio.abc.ReceiveChannel):
            return iter(BlockingChannel(self._portal, cast("Any", stream)))
        return self._each(stream)

    def _each(self, stream: Any) -> Iterator[Any]:
        while True:
            try:
                item = self._portal.call(anext, stream)
            except StopAsyncIteration:
                return
            yield _made_blocking(self._portal, item)

    def __repr__(self) -> str:
        return f"<blocking {self._target!r}>"


class BlockingChannel:
    """A channel of the client; iterate it with ``for``."""

    def __init__(self, portal: BlockingPortal, channel: trio.abc.ReceiveChannel[Any]) -> None:
        self._portal = portal
        self._channel = channel
        self._batch: list[Any] = []

    def receive(self) -> Any:
        """Wait for an item. Raises ``trio.EndOfChannel`` at the end."""
        if not self._batch:
            self._batch = self._portal.call(self._receive_batch)
            self._batch.reverse()
        return _made_blocking(self._portal, self._batch.pop())

    def receive_nowait(self) -> Any:
        """Return an item that is ready, else raise ``trio.WouldBlock``."""
        if self._batch:
            return self.receive()
        return _made_blocking(
            self._portal, self._portal.call(cast("Any", self._channel).receive_nowait)
        )

    async def _receive_batch(self) -> list[Any]:
        items = [await self._channel.receive()]
        nowait = getattr(self._channel, "receive_nowait", None)
        while nowait is not None and len(items) < BATCH:
            try:
                items.append(nowait())
            except (trio.WouldBlock, trio.EndOfChannel, trio.ClosedResourceError):
                break
        return items

    def statistics(self) -> Any:
        """What the channel has delivered and what it buffers."""
        return self._portal.call(cast("Any", self._channel).statistics)

    def close(self) -> None:
        """Close the channel. A second call does nothing."""
        self._batch.clear()
        self._portal.call(self._channel.aclose)

    def __iter__(self) -> Iterator[Any]:
        while True:
            try:
                yield self.receive()
            except trio.EndOfChannel:
                return

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


class BlockingClient(_Proxy):
    """A :class:`realtime_trio.Client` with blocking methods.

    It has every method and property of the client, under the same name. The ones below are
    those that most programs need.
    """

    @property
    def state(self) -> SessionState:
        """The current state: immutable."""
        return cast("SessionState", self._portal.call(getattr, self._target, "state"))

    def ready(self) -> None:
        """Wait until the server accepts input."""
        self._call(self._target.ready)

    @contextmanager
    def ask(self, text: str, **options: Any) -> Generator[Any, None, None]:
        """Send a text and follow its turn; leaving waits for the outcome."""
        with self._call(self._target.ask, text, **options) as turn:
            yield turn

    def send(self, event: Event, *, force: bool = False) -> Any:
        """Queue an event and return its receipt."""
        return self._call(self._target.send, event, force=force)

    def cancel(self) -> Any:
        """Cancel the running turn and wait until the server confirms it."""
        return self._call(self._target.cancel)


def _made_blocking(portal: BlockingPortal, value: Any) -> Any:
    """The blocking form of a result of the client; plain values stay as they are."""
    if isinstance(value, trio.abc.ReceiveChannel):
        return BlockingChannel(portal, cast("Any", value))
    if isinstance(value, AbstractAsyncContextManager):
        return _entered(portal, cast("AbstractAsyncContextManager[Any]", value))
    if isinstance(value, AsyncIterator):
        return iter(_Proxy(portal, value))
    return _Proxy(portal, value) if isinstance(value, LIVE) else value


@contextmanager
def _entered(
    portal: BlockingPortal, manager: AbstractAsyncContextManager[Any]
) -> Generator[Any, None, None]:
    with portal.wrap_async_context_manager(manager) as value:
        yield _made_blocking(portal, value)


@contextmanager
def open_client(url: str, **options: Any) -> Generator[BlockingClient, None, None]:
    """Open a client as :func:`realtime_trio.open_client` does, with the same options and errors.

    Its thread ends with the block.
    """
    with (
        start_blocking_portal(backend="trio") as portal,
        portal.wrap_async_context_manager(_open_client(url, **options)) as client,
    ):
        yield BlockingClient(portal, client)
