"""``realtime-trio node``: run one node of a fleet in this process."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import cast

import trio

from .._exceptions import RealtimeError
from ..fleet import FleetLog, Node, RedisLog, SqliteLog, open_node
from ..fleet._seat_run import DialFunction
from ..instrument import prometheus
from ._command_error import CommandError
from ._node_page import ClientMetrics, serve_page
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

    A second signal ends it at once.

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
        HOST:PORT where GET answers with the health of the node as JSON, with 503 while the log
        fails or the node drains. GET /metrics has the metrics for Prometheus.
    """
    numbers = {"capacity": capacity, "dials": dials, "shards": shards, "heartbeat": heartbeat}
    for option, value in numbers.items():
        if not value > 0:
            message = f"--{option} must be greater than 0, not {value:g}"
            raise CommandError(message)
    if not drain >= 0:
        message = f"--drain must be 0 seconds or more, not {drain:g}"
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
                    drain=0.0,  # it has drained before, while its health was served
                ) as held,
                trio.open_nursery() as nursery,
            ):
                if health is not None:
                    await nursery.start(_serve_page, health, held)
                sys.stdout.write(f"node {held.name} is up\n")
                sys.stdout.flush()
                await anext(signals)
                nursery.start_soon(_drain, held, drain, nursery.cancel_scope)
                await anext(signals)  # in a hurry
                nursery.cancel_scope.cancel()

    trio.run(run)


async def _drain(held: Node, seconds: float, ended: trio.CancelScope) -> None:
    with trio.move_on_after(seconds):
        await held.drain()
    ended.cancel()


async def _serve_page(where: str, held: Node, task_status: trio.TaskStatus[None]) -> None:
    with _client_metrics() as clients:
        await serve_page(where, held, clients, task_status)


def _log(url: str, shards: int) -> FleetLog:
    if "://" not in url:
        return SqliteLog(Path(url))
    try:
        return RedisLog(url, shards=shards)
    except ValueError:
        message = "--log is redis://HOST…, rediss://HOST…, unix://PATH… or a path"
        raise CommandError(message) from None


def _dial(text: str) -> DialFunction:
    module, _, function = text.partition(":")
    if not module or not function:
        message = f"--dial is MODULE:FUNCTION, not {text!r}"
        raise CommandError(message)
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


@contextmanager
def _client_metrics() -> Generator[ClientMetrics, None, None]:
    """Within this block, the metrics of the clients; nothing without the extra ``prometheus``."""
    try:
        client = importlib.import_module("prometheus_client")
        registry = client.CollectorRegistry()
        collector = prometheus(registry=registry)
    except (ImportError, RealtimeError):
        yield str
        return
    with collector:
        yield lambda: client.generate_latest(registry).decode()
