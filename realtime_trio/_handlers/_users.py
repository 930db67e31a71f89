"""Users' messages, media and sub-sessions (§8 U1-U4)."""

from __future__ import annotations

from collections.abc import Mapping

from .._core import _constructors as make
from .._core._messages import Content
from .._core._notifications import Media, SubsessionEnded
from .._core._state import OpenSubsession, TextSlice
from .._core.vendors._normalise import normalise_content
from ..events import (
    AnthropicUserMessageEvent,
    Lane,
    OpenAIUserMessageEvent,
    RenderMediaEvent,
    SessionEvent,
    SubsessionEndedEvent,
    SubsessionStartedEvent,
    UserMessageEvent,
)
from . import _delegations
from ._attach import interrupt
from ._fold import Handled, fold_event
from ._new_message import message_of
from ._transaction import TextTransaction, begin

NO_CONTENT = "[User message]"
# Maximum depth of open delegations; far deeper than any agent nests.
SUBSESSION_LIMIT = 1024


@fold_event(UserMessageEvent, Lane.TEXT)
def user_message(slice_: TextSlice, event: UserMessageEvent) -> Handled[TextSlice]:
    """Fold a user's message in any format; ``text`` is the fallback without a message."""
    content = _content(event.message)
    if content is None:
        content = event.text
    return _user_message(slice_, event, event.vendor, event.message, content)


@fold_event(AnthropicUserMessageEvent, Lane.TEXT)
def anthropic_user_message(
    slice_: TextSlice, event: AnthropicUserMessageEvent
) -> Handled[TextSlice]:
    """Fold a user's message in Anthropic's format."""
    return _user_message(slice_, event, event.vendor, event.message, _content(event.message))


@fold_event(OpenAIUserMessageEvent, Lane.TEXT)
def openai_user_message(slice_: TextSlice, event: OpenAIUserMessageEvent) -> Handled[TextSlice]:
    """Fold a user's message in OpenAI's format."""
    return _user_message(slice_, event, event.vendor, event.message, _content(event.message))


def _content(message: str | Mapping[str, object] | None) -> Content | None:
    """Return a message's normalised content, or ``None`` without content."""
    if message is None or isinstance(message, str):
        return message
    raw = message.get("content")
    return None if raw is None else normalise_content(raw)


def _user_message(
    slice_: TextSlice,
    event: SessionEvent,
    vendor: str,
    message: str | Mapping[str, object] | None,
    content: Content | None,
) -> Handled[TextSlice]:
    txn = begin(slice_)
    session = txn.ensure_for(event, exists=True)
    if txn.conversation.turn_ended:
        txn.stream_event(event.session_id)
    session.has_user_message = True
    interrupt(txn, event.session_id)
    stored = message_of(txn, event, "user", content=NO_CONTENT if content is None else content)
    txn.append(stored)
    txn.emit(make.message_added(session_id=event.session_id, message=stored))
    txn.emit(make.user_message(session_id=event.session_id, vendor=vendor, message=message))
    return txn.done()


def _media(event: RenderMediaEvent, media_id: str) -> Media:
    return make.media(
        id=media_id,
        role=event.role,
        content_type=event.content_type,
        content=event.content,
        url=event.url,
        name=event.name,
        sent_by_class=event.sent_by_class,
        sent_by_function=event.sent_by_function,
        foreign_content=event.foreign_content,
    )


@fold_event(RenderMediaEvent, Lane.TEXT)
def render_media(slice_: TextSlice, event: RenderMediaEvent) -> Handled[TextSlice]:
    """Emit media; the application keeps what it needs."""
    txn = begin(slice_)
    txn.ensure_for(event)
    media = _media(event, txn.new_id("media"))
    txn.emit(make.media_added(session_id=event.session_id, media=media))
    return txn.done()


def _user_session(txn: TextTransaction, event: SessionEvent) -> str:
    return event.user_session_id or txn.conversation.user_session_id or event.session_id


@fold_event(SubsessionStartedEvent, Lane.TEXT)
def subsession_started(slice_: TextSlice, event: SubsessionStartedEvent) -> Handled[TextSlice]:
    """Push a delegation on the stack of its user session (§8 U4)."""
    txn = begin(slice_)
    txn.ensure_for(event)
    user = _user_session(txn, event)
    open_ones = txn.conversation.subsessions
    opened = OpenSubsession(
        session_id=event.session_id,
        parent_session_id=event.parent_session_id,
        user_session_id=event.user_session_id,
        sub_session_type=event.sub_session_type,
        sub_agent_type=event.sub_agent_type,
        prime_agent_key=event.prime_agent_key,
        sub_agent_key=event.sub_agent_key,
        depth=1 + sum(1 for other in open_ones if other.stack == user),
        stack=user,
    )
    txn.conversation.subsessions = (*open_ones, opened)[-SUBSESSION_LIMIT:]
    _delegations.match_announced(txn, event)
    txn.emit(
        make.subsession_started(
            session_id=opened.session_id,
            parent_session_id=opened.parent_session_id,
            user_session_id=opened.user_session_id,
            sub_session_type=opened.sub_session_type,
            sub_agent_type=opened.sub_agent_type,
            prime_agent_key=opened.prime_agent_key,
            sub_agent_key=opened.sub_agent_key,
            depth=opened.depth,
        )
    )
    return txn.done()


@fold_event(SubsessionEndedEvent, Lane.TEXT)
def subsession_ended(slice_: TextSlice, event: SubsessionEndedEvent) -> Handled[TextSlice]:
    """End the innermost delegation of its user session; depth 0 if there is none."""
    txn = begin(slice_)
    user = _user_session(txn, event)
    open_ones = txn.conversation.subsessions
    of_user = [i for i, other in enumerate(open_ones) if other.stack == user]
    if not of_user:
        txn.emit(
            make.subsession_ended(
                session_id=event.session_id,
                parent_session_id=event.parent_session_id,
                user_session_id=event.user_session_id,
                depth=0,
            )
        )
        return txn.done()
    top = of_user[-1]
    txn.conversation.subsessions = (*open_ones[:top], *open_ones[top + 1 :])
    txn.emit(ended(open_ones[top]))
    return txn.done()


def ended(opened: OpenSubsession) -> SubsessionEnded:
    """Return the end of a delegation, with the ids from its start."""
    return make.subsession_ended(
        session_id=opened.session_id,
        parent_session_id=opened.parent_session_id,
        user_session_id=opened.user_session_id,
        depth=opened.depth,
    )
