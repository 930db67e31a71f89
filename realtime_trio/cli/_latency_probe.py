"""Measure the time of events from the socket to a subscriber."""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable
from typing import TypeAlias

import msgspec
import trio

from .. import abc
from .._client._client import Client
from .._lanes._overflow import Block
from ..events import REGISTRY, AudioFrame, Lane, ServerEvent

__all__ = ["Probe"]

_Key: TypeAlias = tuple[str, Hashable]
_ROOM = 65_536  # events queued for the probe before a lane blocks


class _Head(msgspec.Struct):
    """The fields that distinguish consecutive events of a lane."""

    type: str
    content: str | None = None


_read = msgspec.json.Decoder(_Head).decode


class Probe:
    """A connector that records when frames arrive, and a subscriber that records their delivery.

    ``samples`` are seconds, by lane and ``phase``. New samples belong to the current phase.
    """

    def __init__(self, inner: abc.Connector) -> None:
        self._inner = inner
        self._arrivals: dict[Lane, deque[tuple[_Key, float]]] = {lane: deque() for lane in Lane}
        self.phase = ""
        self.samples: dict[tuple[str, Lane], list[float]] = {}

    async def connect(self, url: str, nursery: trio.Nursery) -> abc.Transport:
        """Open a connection with the inner connector, and observe it."""
        return _Watched(await self._inner.connect(url, nursery), self)

    async def listen(self, client: Client, *, task_status: trio.TaskStatus[None]) -> None:
        """Subscribe to every event of every lane, until the client ends."""
        with client.subscribe(ServerEvent, overflow=Block(_ROOM)) as events:
            task_status.started()
            async for event in events:
                self._record_delivery(event)

    def record_arrival(self, frame: str | bytes) -> None:
        """Record a frame from the socket."""
        now = trio.current_time()
        if isinstance(frame, bytes):
            self._arrivals[Lane.AUDIO].append((("audio", len(frame)), now))
            return
        try:
            head = _read(frame)
        except (ValueError, RecursionError):
            return
        row = REGISTRY.server_row(head.type)
        if row is not None:
            self._arrivals[row.home].append(((row.type, head.content), now))

    def _record_delivery(self, event: ServerEvent) -> None:
        """Match a delivered event to its arrival, and skip events that were dropped."""
        key: _Key
        if isinstance(event, AudioFrame):
            lane, key = Lane.AUDIO, ("audio", len(event.data))
        else:
            row = REGISTRY.server_row(event.type)
            if row is None:
                return
            lane, key = row.home, (row.type, getattr(event, "content", None))
        arrivals = self._arrivals[lane]
        while arrivals:
            other, at = arrivals.popleft()
            if other == key:
                taken = trio.current_time() - at
                self.samples.setdefault((self.phase, lane), []).append(taken)
                return


class _Watched:
    """A transport that reports each frame to the probe."""

    def __init__(self, inner: abc.Transport, probe: Probe) -> None:
        self._inner = inner
        self._probe = probe

    async def send_text(self, text: str) -> None:
        """Forward the call."""
        await self._inner.send_text(text)

    async def send_bytes(self, data: bytes) -> None:
        """Forward the call."""
        await self._inner.send_bytes(data)

    async def receive(self) -> str | bytes:
        """Forward the call, and record the frame."""
        frame = await self._inner.receive()
        self._probe.record_arrival(frame)
        return frame

    def receive_nowait(self) -> str | bytes:
        """Forward the call, and record the frame."""
        frame = self._inner.receive_nowait()
        self._probe.record_arrival(frame)
        return frame

    async def ping(self) -> None:
        """Forward the call."""
        await self._inner.ping()

    async def aclose(self, code: int = 1000, reason: str = "") -> None:
        """Forward the call."""
        await self._inner.aclose(code, reason)

    @property
    def bytes_received(self) -> int:
        """Forward the call."""
        return self._inner.bytes_received
