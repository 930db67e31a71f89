"""Many consumers written by hand with asyncio, in one process: the floor of the question ``many``.

Frames come from memory, as for the clients, and 128 at a time. One task of a consumer decodes and
handles them. With ``queue``, it also passes each event to a second task, the subscriber: then the
events of all consumers are in flight at the same time, and the garbage collector visits them.
"""

from __future__ import annotations

import asyncio
import gc
import time
from collections import deque
from collections.abc import Sequence
from typing import Any

from ._consumers import Application, Reader

__all__ = ["by_hand_at"]

_BATCH = 128


def by_hand_at(count: int, frames: Sequence[str], reader: Reader, *, queue: bool) -> float:
    """Return the seconds until each of ``count`` consumers has handled the frames."""
    return asyncio.run(_busy(count, frames, reader, queue=queue))


async def _busy(count: int, frames: Sequence[str], reader: Reader, *, queue: bool) -> float:
    start = asyncio.Event()
    tasks: list[asyncio.Task[None]] = []
    for _ in range(count):
        events: asyncio.Queue[Any] | None = asyncio.Queue() if queue else None
        tasks.append(asyncio.create_task(_read(start, deque(frames), reader, events)))
        if events is not None:
            tasks.append(asyncio.create_task(_subscribe(events, len(frames))))
    await asyncio.sleep(0)  # every task runs until it waits
    gc.collect()
    began = time.process_time()
    start.set()
    await asyncio.gather(*tasks)
    return time.process_time() - began


async def _read(
    start: asyncio.Event, frames: deque[str], reader: Reader, events: asyncio.Queue[Any] | None
) -> None:
    read, handlers = reader.read, Application(reader.classes).handlers
    await start.wait()
    while frames:
        for _ in range(min(len(frames), _BATCH)):
            event = read(frames.popleft())
            handlers[type(event)](event)
            if events is not None:
                events.put_nowait(event)
        await asyncio.sleep(0)


async def _subscribe(events: asyncio.Queue[Any], count: int) -> None:
    for _ in range(count):
        await events.get()
