"""The counters of several clients as one: those that have closed still count."""

from __future__ import annotations

import threading
from collections import Counter
from typing import TypeAlias, final

from .._client._client import Client
from ._measures import Measure, read_client

__all__ = ["Ledger", "Totals"]

Totals: TypeAlias = Counter[tuple[Measure, tuple[str, ...]]]
"""Values by metric and by the values of its attributes."""


@final
class Ledger:
    """Reads clients when it is asked, in any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._clients: list[Client] = []
        self._closed: Totals = Counter()

    def add(self, client: Client) -> None:
        """Count a client from now on."""
        with self._lock:
            self._clients.append(client)

    def close(self, client: Client) -> None:
        """A client is gone: keep what its counters say, forget the rest of it."""
        with self._lock:
            self._clients.remove(client)
            for measure, values, value in read_client(client):
                if measure.kind == "counter":
                    self._closed[measure, values] += value

    def totals(self) -> Totals:
        """The values of all clients together."""
        with self._lock:
            totals = Counter(self._closed)
            for client in self._clients:
                for measure, values, value in read_client(client):
                    totals[measure, values] += value
            return totals
