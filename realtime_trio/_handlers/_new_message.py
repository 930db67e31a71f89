"""Create messages of the session of an event."""

from __future__ import annotations

from typing import Unpack

from .._core._messages import Content, Message, MessageOptions, make_message, moment
from ..events import SessionEvent
from ._transaction import TextTransaction

__all__ = ["message_in", "message_of"]


def message_of(
    txn: TextTransaction,
    event: SessionEvent,
    role: str,
    content: Content,
    **optional: Unpack[MessageOptions],
) -> Message:
    """Create a message with a new id in the session of an event."""
    parent, user = event.parent_session_id, event.user_session_id
    return message_in(txn, event.session_id, parent, user, role, content, **optional)


def message_in(
    txn: TextTransaction,
    session_id: str,
    parent_session_id: str | None,
    user_session_id: str | None,
    role: str,
    content: Content,
    **optional: Unpack[MessageOptions],
) -> Message:
    """Create a message with a new id, marked if its session is a sub-session (§8 U3)."""
    user = user_session_id or txn.conversation.user_session_id
    sub = user is not None and user != session_id
    return make_message(
        id=txn.new_id(),
        session_id=session_id,
        role=role,
        content=content,
        timestamp=moment(txn.now),
        is_sub_session=sub,
        parent_session_id=parent_session_id,
        user_session_id=user if sub else user_session_id,
        **optional,
    )
