"""The server of ``node --health HOST:PORT``: the health of the node, and its metrics.

``/metrics`` returns the text format of Prometheus: the values of the node, and with the extra
``prometheus`` those of its clients. Every other path returns the health as JSON.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

import attrs
import trio

from ..fleet import Node, NodeHealth
from ._command_error import CommandError

__all__ = ["metrics_text", "serve_page"]

_REQUEST_TIMEOUT: Final = 5.0
_LARGEST_REQUEST: Final = 16 * 2**10
_TEXT: Final = "text/plain; version=0.0.4; charset=utf-8"

ClientMetrics = Callable[[], str]


async def serve_page(
    where: str,
    node: Node,
    clients: ClientMetrics,
    task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Answer at HOST:PORT until cancelled; ``clients`` returns the metrics of the clients."""
    host, _, port = where.rpartition(":")
    if not port.isdecimal() or int(port) > 65_535:
        message = f"--health is HOST:PORT, not {where!r}"
        raise CommandError(message)
    try:
        listeners = await trio.open_tcp_listeners(int(port), host=host.strip("[]") or "127.0.0.1")
    except OSError as exc:
        message = f"--health {where}: {exc.strerror or exc}"
        raise CommandError(message, status=1) from None
    task_status.started()
    await trio.serve_listeners(_answering(node, clients), listeners)


def _answering(
    node: Node, clients: ClientMetrics
) -> Callable[[trio.SocketStream], Awaitable[object]]:
    async def answer(stream: trio.SocketStream) -> None:
        with trio.move_on_after(_REQUEST_TIMEOUT):
            try:
                path = await _read_path(stream)
                if path is not None:
                    await stream.send_all(_response(path, node.health(), clients))
                    await stream.send_eof()
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                return

    return answer


async def _read_path(stream: trio.SocketStream) -> str | None:
    """Return the path of a request, after reading its whole head."""
    head = b""
    while b"\r\n\r\n" not in head:
        more = await stream.receive_some()
        if not more or len(head) > _LARGEST_REQUEST:
            return None
        head += more
    words = head.split(b"\r\n", 1)[0].split()
    return words[1].decode("ascii", "replace").partition("?")[0] if len(words) == 3 else ""


def _response(path: str, health: NodeHealth, clients: ClientMetrics) -> bytes:
    if path == "/metrics":
        return _http(200, _TEXT, metrics_text(health) + clients())
    ready = health.error is None and not health.draining
    return _http(200 if ready else 503, "application/json", json.dumps(attrs.asdict(health)))


def _http(status: int, kind: str, text: str) -> bytes:
    body = text.encode()
    reason = "OK" if status == 200 else "Service Unavailable"
    head = (
        f"HTTP/1.1 {status} {reason}\r\ncontent-type: {kind}\r\n"
        f"content-length: {len(body)}\r\nconnection: close\r\n\r\n"
    )
    return head.encode() + body


def metrics_text(health: NodeHealth) -> str:
    """The values of a node, in the text format of Prometheus."""
    opening = health.sessions - health.open
    found = [
        _family(
            *("sessions", "gauge", "Sessions that the node holds."),
            {'{status="open"}': health.open, '{status="opening"}': opening},
        ),
        _family("capacity", "gauge", "Maximum number of sessions.", {"": health.capacity}),
        _family("draining", "gauge", "1 while the node drains.", {"": health.draining}),
        _family("log_failing", "gauge", "1 while the log fails.", {"": health.error is not None}),
        _family("claims_total", "counter", "Sessions that were claimed.", {"": health.claims}),
        _family(
            *("takeovers_total", "counter", "Claims of sessions of a node that had died."),
            {"": health.takeovers},
        ),
        _family(
            *("losses_total", "counter", "Sessions that another node took over."),
            {"": health.losses},
        ),
    ]
    if health.beat_age is not None:
        age = {"": round(health.beat_age, 3)}
        found.append(_family("heartbeat_age_seconds", "gauge", "Since the last heartbeat.", age))
    return "".join(found)


def _family(name: str, kind: str, about: str, values: Mapping[str, float]) -> str:
    full = f"realtime_trio_node_{name}"
    lines = [f"# HELP {full} {about}", f"# TYPE {full} {kind}"]
    lines += [f"{full}{labels} {value + 0}" for labels, value in values.items()]
    return "\n".join(lines) + "\n"
