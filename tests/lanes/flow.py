"""A pipeline for tests: feed frames, advance a clock per frame, collect the output."""

from __future__ import annotations

import itertools
import json
from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Any

import trio

from realtime_trio._config import ClientConfig, LaneBounds
from realtime_trio._core._notifications import MessageStreaming, Notification
from realtime_trio._lanes._pipeline import Pipeline
from realtime_trio._lanes._subscription import Subscription
from realtime_trio.events import Lane

Json = dict[str, Any]


def clock() -> Callable[[], float]:
    """A clock that advances by a second at each reading."""
    return itertools.count(1_000_000.0, 1.0).__next__


def make(config: ClientConfig | None = None, **options: Any) -> Pipeline:
    """Create a pipeline that is not running yet."""
    return Pipeline(config or ClientConfig(**options), clock=clock())


@asynccontextmanager
async def running(config: ClientConfig | None = None, **options: Any) -> AsyncGenerator[Pipeline]:
    """Run a pipeline; at the end of the block it is closed and drained."""
    pipeline = make(config, **options)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(pipeline.run)
        yield pipeline
        pipeline.close()


def small(items: int, size: int = 1 << 20) -> LaneBounds:
    """Bounds that fill a lane quickly."""
    return LaneBounds(max_items=items, max_bytes=size)


def frame(kind: str, **fields: Any) -> str:
    """Return one text frame."""
    return json.dumps({"type": kind, **fields})


def frames(events: Iterable[Json]) -> list[str]:
    """Return the text frames of events."""
    return [json.dumps(event) for event in events]


def delta(content: str = "x", session: str = "s", **fields: Any) -> str:
    """Return a text delta."""
    fields = {"session_id": session, "role": "assistant", "content": content, **fields}
    return frame("text_delta", **fields)


CANCELLED = frame("cancelled")
ERROR = frame("error", message="no")
TURN_START = frame("user_turn_start")


def drain(subscription: Subscription[Any]) -> list[Any]:
    """Return all items that a subscription has now."""
    items: list[Any] = []
    while True:
        try:
            items.append(subscription.receive_nowait())
        except (trio.WouldBlock, trio.EndOfChannel):
            return items


def handled(pipeline: Pipeline, lane: Lane) -> int:
    """Count the events that a lane has handled; coalesced ones count separately."""
    return pipeline._lanes[lane].fold.handled


def texts(items: Iterable[Any]) -> list[str]:
    """Return the joined text of the streamed pieces among some items."""
    return [item.delta for item in items if isinstance(item, MessageStreaming)]


def merged(notes: Iterable[Notification]) -> list[Notification]:
    """Return notifications with adjacent pieces of one message joined."""
    joined: list[Notification] = []
    for note in notes:
        last = joined[-1] if joined else None
        if (
            isinstance(note, MessageStreaming)
            and isinstance(last, MessageStreaming)
            and (last.session_id, last.message_id) == (note.session_id, note.message_id)
        ):
            joined[-1] = MessageStreaming(
                session_id=note.session_id,
                message_id=note.message_id,
                role=note.role,
                delta=last.delta + note.delta,
            )
        else:
            joined.append(note)
    return joined


class Steps(trio.abc.Instrument):
    """Counts the steps of all tasks and records which task made each."""

    def __init__(self) -> None:
        self.count = 0
        self.names: list[str] = []

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        """A task is about to run."""
        self.count += 1
        self.names.append(task.name)
