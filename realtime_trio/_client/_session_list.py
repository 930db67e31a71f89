"""The list of the user's sessions, page by page."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import TypeAlias

from .._core._shell_notifications import Reconnected
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

__all__ = ["News", "pages"]

News: TypeAlias = GetUserSessionsResponseEvent | ErrorEvent | Reconnected


async def pages(
    news: Subscription[News],
    send: Callable[[GetUserSessionsEvent], Awaitable[Receipt]],
    page: int,
) -> AsyncGenerator[ChatSessionIndexEntry, None]:
    """Yield each session once, and request the next page when one is used up.

    The request changes nothing on the server, so it is repeated if the link was lost. A
    session that moves up in the list meanwhile is yielded only once. Raises
    :class:`~realtime_trio.ProtocolError` if the server refuses.
    """
    known: set[str] = set()
    offset = 0
    with news:
        while True:
            event = GetUserSessionsEvent(offset=offset, limit=page)
            answer = await _ask(news, send, event)
            for entry in answer.chat_sessions:
                if entry.session_id not in known:
                    known.add(entry.session_id)
                    yield entry
            offset += len(answer.chat_sessions)
            if not answer.chat_sessions or offset >= answer.total_sessions:
                return


async def _ask(
    news: Subscription[News],
    send: Callable[[GetUserSessionsEvent], Awaitable[Receipt]],
    event: GetUserSessionsEvent,
) -> SessionsPage:
    receipt = await send(event)
    while True:
        try:
            await receipt.sent()
        except InDoubt:
            receipt = await send(event)
            continue
        item = await news.receive()
        if isinstance(item, Reconnected):
            receipt = await send(event)
        elif isinstance(item, ErrorEvent):
            if item.source == event.type:
                message = "the server refused to list the sessions"
                raise ProtocolError(message)
        elif item.sessions.offset == event.offset:
            return item.sessions
