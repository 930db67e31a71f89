"""The readers of one pipeline, both open and abandoned.

A subscription that the application drops is garbage collected: in any thread, at any point
of any code. Its reader is closed a little later, in the thread of trio.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import final

import trio

from ..events import Lane
from ._lane import LaneTask
from ._reader import SubscriptionReader
from ._statistics import SubscriptionStatistics

__all__ = ["Readers"]


@final
class Readers:
    """The open readers of one pipeline."""

    __slots__ = ("_abandoned", "_lanes", "_open", "_token", "ended")

    def __init__(self, lanes: Mapping[Lane, LaneTask]) -> None:
        self._lanes = lanes
        self.ended: bool = False
        """Whether the pipeline has ended: then a new reader ends immediately."""
        self._open: dict[SubscriptionReader, None] = {}  # in the order in which they began
        self._abandoned: list[SubscriptionReader] = []
        self._token: trio.lowlevel.TrioToken | None = None

    def start(self) -> None:
        """Close abandoned readers from now on, in this run of trio."""
        self._token = trio.lowlevel.current_trio_token()

    def add(self, reader: SubscriptionReader) -> None:
        """Add an opened reader; after the end of the pipeline it ends immediately."""
        if self.ended:
            reader.ended = True
        else:
            self._open[reader] = None

    def statistics(self) -> tuple[SubscriptionStatistics, ...]:
        """Return the readers of open subscriptions, the oldest first."""
        readers = tuple(self._open)
        return tuple(reader.statistics() for reader in readers if reader.is_subscription)

    def detach(self, reader: SubscriptionReader) -> None:
        """Remove a reader that has ended: its buffers get no more items."""
        self._open.pop(reader, None)
        for buffer in reader.buffers:
            self._lanes[buffer.lane.lane].dispatcher.subscribers.detach(buffer)

    def abandon(self, reader: SubscriptionReader) -> None:
        """Note that a subscription was garbage collected."""
        self._abandoned.append(reader)
        if self._token is not None:
            with contextlib.suppress(trio.RunFinishedError):
                self._token.run_sync_soon(self.close_abandoned)

    def close_abandoned(self) -> None:
        """Close abandoned readers."""
        while self._abandoned:
            self._abandoned.pop().close()

    def end(self) -> None:
        """End every reader after its buffered items."""
        self.ended = True
        for reader in tuple(self._open):
            reader.end()
