"""The open clients of this process, for metrics."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from ._client import Client

__all__ = ["ClientListener", "announced", "listen"]


class ClientListener(Protocol):
    """Is notified when clients open and close, in the thread of each client."""

    def opened(self, client: Client) -> None:
        """Handle an open client. Called once for each, also for clients that were open before."""

    def closed(self, client: Client) -> None:
        """Handle the end of a client's body; its statistics can still be read."""


# Clients of several threads open and close at any time. The listeners are called under the lock, so
# each is called exactly once for every client.
_lock: Final = threading.RLock()
_clients: list[Client] = []
_listeners: list[ClientListener] = []


@contextmanager
def announced(client: Client) -> Generator[Client, None, None]:
    """Notify the listeners of a client, around its body."""
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
    """Notify ``listener`` of every client, until the returned function is called."""
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
