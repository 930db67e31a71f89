"""The list of the user's sessions, page by page."""

from __future__ import annotations

import math
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Final, TypeAlias

import trio

from .._core._shell_notifications import Disconnected, Reconnected
from .._exceptions import InDoubt, ProtocolError
from .._lanes._subscription import Subscription
from .._outbound._receipt import Receipt
from ..events import (
    ChatSessionIndexEntry,
    ErrorEvent,
    GetUserSessionsEvent,
    GetUserSessionsResponseEvent,
    SessionsPage,
)

__all__ = ["PAGE_ANSWERS", "PageAnswer", "pages"]

PageAnswer: TypeAlias = GetUserSessionsResponseEvent | ErrorEvent | Disconnected | Reconnected
PAGE_ANSWERS: Final[tuple[type[PageAnswer], ...]] = (
    GetUserSessionsResponseEvent,
    ErrorEvent,
    Disconnected,
    Reconnected,
)

_PATIENCE: Final = 30.0
"""Seconds that a server has to answer. Servers may refuse with an error that names no command."""


async def pages(
    answers: Subscription[PageAnswer],
    send: Callable[[GetUserSessionsEvent], Awaitable[Receipt]],
    page: int,
) -> AsyncGenerator[ChatSessionIndexEntry, None]:
    """Yield each session once, and request the next page when one is used up.

    The request changes nothing on the server, so it is repeated if the link was lost. A
    session that moves up in the list meanwhile is yielded only once. Raises
    :class:`~realtime_trio.ProtocolError` if the server refuses or does not answer.
    """
    known: set[str] = set()
    offset = 0
    with answers:
        while True:
            event = GetUserSessionsEvent(offset=offset, limit=page)
            answer = await _ask(answers, send, event)
            for entry in answer.chat_sessions:
                if entry.session_id not in known:
                    known.add(entry.session_id)
                    yield entry
            offset += len(answer.chat_sessions)
            if not answer.chat_sessions or offset >= answer.total_sessions:
                return


async def _ask(
    answers: Subscription[PageAnswer],
    send: Callable[[GetUserSessionsEvent], Awaitable[Receipt]],
    event: GetUserSessionsEvent,
) -> SessionsPage:
    receipt = await send(event)
    deadline: float | None = None  # none before the request has left
    while True:
        if deadline is None:
            try:
                await receipt.sent()
            except InDoubt:
                receipt = await send(event)
                continue
            deadline = trio.current_time() + _PATIENCE
        try:
            with trio.fail_at(deadline):
                item = await answers.receive()
        except trio.TooSlowError:
            message = f"the server did not list the sessions within {_PATIENCE:.0f} s"
            raise ProtocolError(message) from None
        if isinstance(item, Disconnected):
            deadline = math.inf
        elif isinstance(item, Reconnected):
            receipt, deadline = await send(event), None
        elif isinstance(item, ErrorEvent):
            if item.source == event.type:
                message = "the server refused to list the sessions"
                raise ProtocolError(message)
        elif item.sessions.offset == event.offset:
            return item.sessions
