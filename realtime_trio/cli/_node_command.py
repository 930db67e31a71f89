"""``realtime-trio node``: run one node of a fleet in this process."""

from __future__ import annotations

import importlib
import json
import os
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import cast

import trio

from ..fleet import FleetLog, Node, RedisLog, SqliteLog, open_node
from ..fleet._seat_run import DialFunction
from ._command_error import CommandError
from ._signals import endings

__all__ = ["node"]


def node(
    *,
    log: str,
    dial: str,
    capacity: int = 500,
    name: str | None = None,
    heartbeat: float = 1.0,
    dials: int = 16,
    drain: float = 30.0,
    shards: int = 64,
    health: str | None = None,
) -> None:
    """Hold sessions of a fleet until Ctrl-C or SIGTERM; then finish turns and hand over.

    Parameters
    ----------
    log
        The log of the fleet: redis://HOST, rediss://HOST, unix://SOCKET, or the path of an
        SQLite file.
    dial
        MODULE:FUNCTION, the async function that returns where to dial for a claim, and with which
        login.
    capacity
        The maximum number of sessions.
    name
        A name for display.
    heartbeat
        Seconds between two heartbeats.
    dials
        The maximum number of connections that are opened at the same time.
    drain
        Seconds in which turns may finish when the node leaves.
    shards
        The number of shards in Redis; the same for the whole fleet.
    health
        HOST:PORT where GET answers with the health of the node as JSON; 503 while the log
        fails or the node drains.
    """
    if capacity < 1 or dials < 1 or shards < 1 or heartbeat <= 0 or drain < 0:
        message = "--capacity, --dials, --shards and --heartbeat must be greater than 0"
        raise CommandError(message)
    opened = _log(log, shards)
    function = _dial(dial)

    async def run() -> None:
        with trio.open_signal_receiver(*endings()) as signals:
            async with (
                open_node(
                    opened,
                    function,
                    capacity=capacity,
                    name=name,
                    heartbeat=heartbeat,
                    dials=dials,
                    drain=drain,
                ) as held,
                trio.open_nursery() as nursery,
            ):
                if health is not None:
                    await nursery.start(_serve_health, health, held)
                sys.stdout.write(f"node {held.name} is up\n")
                sys.stdout.flush()
                async for _ in signals:
                    break
                with trio.move_on_after(drain):
                    await held.drain()
                nursery.cancel_scope.cancel()

    trio.run(run)


def _log(url: str, shards: int) -> FleetLog:
    if url.startswith(("redis://", "rediss://", "unix://")):
        return RedisLog(url, shards=shards)
    if "://" in url:
        message = "--log is redis://…, rediss://…, unix://… or a path"
        raise CommandError(message)
    return SqliteLog(Path(url))


def _dial(text: str) -> DialFunction:
    module, _, function = text.partition(":")
    sys.path.insert(0, os.getcwd())  # as python -m does
    try:
        found = getattr(importlib.import_module(module), function)
    except (ImportError, AttributeError, ValueError) as exc:
        message = f"--dial {text}: {exc}"
        raise CommandError(message) from None
    if not callable(found):
        message = f"--dial {text} is not a function"
        raise CommandError(message)
    return cast("DialFunction", found)


async def _serve_health(
    where: str, held: Node, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
) -> None:
    host, _, port = where.rpartition(":")
    if not port.isdecimal():
        message = "--health is HOST:PORT"
        raise CommandError(message)
    await trio.serve_tcp(
        _answering(held),
        int(port),
        host=host or "127.0.0.1",
        task_status=task_status,  # type: ignore[arg-type]
    )


def _answering(held: Node) -> Callable[[trio.SocketStream], Awaitable[object]]:
    async def answer(stream: trio.SocketStream) -> None:
        with trio.move_on_after(5):
            try:
                await stream.receive_some(4096)
                await stream.send_all(_response(held))
                await stream.send_eof()
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                return

    return answer


def _response(held: Node) -> bytes:
    found = held.health()
    body = json.dumps(
        {
            "name": found.name,
            "sessions": found.sessions,
            "open": found.open,
            "capacity": found.capacity,
            "beat_age": found.beat_age,
            "draining": found.draining,
            "error": found.error,
        }
    ).encode()
    ready = found.error is None and not found.draining
    status = b"200 OK" if ready else b"503 Service Unavailable"
    head = b"HTTP/1.1 %b\r\ncontent-type: application/json\r\ncontent-length: %d\r\n"
    return head % (status, len(body)) + b"connection: close\r\n\r\n" + body
