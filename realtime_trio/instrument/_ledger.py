"""The counters of several clients, added up; clients that have closed still count."""

from __future__ import annotations

import threading
from typing import TypeAlias, final

from .._client._client import Client
from ._measures import Measure, Reading, read_client

__all__ = ["Ledger", "Totals"]

Totals: TypeAlias = dict[Measure, dict[tuple[str, ...], int]]
"""Values by metric and by the values of its attributes."""


@final
class Ledger:
    """Reads clients on request, in any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._clients: dict[Client, None] = {}
        self._closed: Totals = {}

    def add(self, client: Client) -> None:
        """Include a client from now on."""
        with self._lock:
            self._clients[client] = None

    def close(self, client: Client) -> None:
        """Keep the counters of a client that has closed, and forget the rest of it."""
        with self._lock:
            del self._clients[client]
            for reading in read_client(client):
                if reading[0].kind == "counter":
                    _add(self._closed, reading)

    def totals(self) -> Totals:
        """Return the values of all clients, added up, for every metric that has one."""
        with self._lock:
            totals = {measure: values.copy() for measure, values in self._closed.items()}
            for client in self._clients:
                for reading in read_client(client):
                    _add(totals, reading)
            return totals


def _add(totals: Totals, reading: Reading) -> None:
    measure, attributes, value = reading
    values = totals.setdefault(measure, {})
    values[attributes] = values.get(attributes, 0) + value
