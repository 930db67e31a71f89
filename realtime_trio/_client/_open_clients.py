"""The open clients of this process, for what measures all of them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from ._client import Client

__all__ = ["ClientListener", "announced", "listen"]


class ClientListener(Protocol):
    """What is told which clients open and close, each in its own thread."""

    def opened(self, client: Client) -> None:
        """A client is open. Once for each, also for those that were open before."""

    def closed(self, client: Client) -> None:
        """The body of a client has ended; its statistics can still be read."""


# Clients of several threads open and close at any time. The listeners are called under the lock:
# so each is told of every client exactly once.
_lock: Final = threading.RLock()
_clients: list[Client] = []
_listeners: list[ClientListener] = []


@contextmanager
def announced(client: Client) -> Generator[Client, None, None]:
    """Around the body of a client."""
    with _lock:
        _clients.append(client)
        for listener in _listeners:
            listener.opened(client)
    try:
        yield client
    finally:
        with _lock:
            _clients.remove(client)
            for listener in _listeners:
                listener.closed(client)


def listen(listener: ClientListener) -> Callable[[], None]:
    """Tell ``listener`` of every client, until the result is called."""
    with _lock:
        _listeners.append(listener)
        for client in _clients:
            listener.opened(client)

    def stop() -> None:
        with _lock:
            _listeners.remove(listener)
            for client in _clients:
                listener.closed(client)

    return stop
