"""Measuring a client from outside: how long an event takes from the socket to a subscriber."""

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
_ROOM = 65_536  # events that may wait for the probe before a lane waits for it


class _Head(msgspec.Struct):
    """What distinguishes one event of a lane from the next."""

    type: str
    content: str | None = None


_read = msgspec.json.Decoder(_Head).decode


class Probe:
    """A connector that notes when each frame arrives, and a subscriber that notes when it gets it.

    ``samples`` are seconds, by lane and ``phase``; what is measured now belongs to the phase
    that is set now.
    """

    def __init__(self, inner: abc.Connector) -> None:
        self._inner = inner
        self._came: dict[Lane, deque[tuple[_Key, float]]] = {lane: deque() for lane in Lane}
        self.phase = ""
        self.samples: dict[tuple[str, Lane], list[float]] = {}

    async def connect(self, url: str, nursery: trio.Nursery) -> abc.Transport:
        """Open a connection with the inner connector, and watch it."""
        return _Watched(await self._inner.connect(url, nursery), self)

    async def listen(self, client: Client, *, task_status: trio.TaskStatus[None]) -> None:
        """Subscribe to every event of every lane, until the client ends."""
        with client.subscribe(ServerEvent, overflow=Block(_ROOM)) as events:
            task_status.started()
            async for event in events:
                self._told(event)

    def came(self, frame: str | bytes) -> None:
        """Note a frame from the socket."""
        now = trio.current_time()
        if isinstance(frame, bytes):
            self._came[Lane.AUDIO].append((("audio", len(frame)), now))
            return
        try:
            head = _read(frame)
        except (ValueError, RecursionError):
            return
        row = REGISTRY.server_row(head.type)
        if row is not None:
            self._came[row.home].append(((row.type, head.content), now))

    def _told(self, event: ServerEvent) -> None:
        """A subscriber has it: find when it came. What was dropped on the way is passed over."""
        key: _Key
        if isinstance(event, AudioFrame):
            lane, key = Lane.AUDIO, ("audio", len(event.data))
        else:
            row = REGISTRY.server_row(event.type)
            if row is None:
                return
            lane, key = row.home, (row.type, getattr(event, "content", None))
        came = self._came[lane]
        while came:
            other, at = came.popleft()
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
        """Passed on."""
        await self._inner.send_text(text)

    async def send_bytes(self, data: bytes) -> None:
        """Passed on."""
        await self._inner.send_bytes(data)

    async def receive(self) -> str | bytes:
        """Passed on, and noted."""
        frame = await self._inner.receive()
        self._probe.came(frame)
        return frame

    def receive_nowait(self) -> str | bytes:
        """Passed on, and noted."""
        frame = self._inner.receive_nowait()
        self._probe.came(frame)
        return frame

    async def ping(self) -> None:
        """Passed on."""
        await self._inner.ping()

    async def aclose(self, code: int = 1000, reason: str = "") -> None:
        """Passed on."""
        await self._inner.aclose(code, reason)

    @property
    def bytes_received(self) -> int:
        """Passed on."""
        return self._inner.bytes_received
