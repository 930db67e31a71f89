"""The control lane's handlers: the link, the catalogue, the turn, the ids for the next dial."""

from __future__ import annotations

from collections.abc import Iterable
from operator import attrgetter
from typing import Any, TypeAlias, cast

import attrs

from .._core import _constructors as make
from .._core._input_unit import InputSign, InputStage, InputUnit
from .._core._local_events import (
    EmitEvent,
    InputSentEvent,
    LinkEvent,
    NoTurnEvent,
    VoiceRequestedEvent,
)
from .._core._notifications import (
    AvatarSessionEnded,
    AvatarSessionStarted,
    AvatarStateChanged,
    CancelConfirmed,
    Notification,
    VoiceChanged,
    VoicesUpdated,
)
from .._core._state import Catalog, ControlSlice, TurnState
from .._core._table import Table
from .._core._unchecked import unchecked_constructor
from .._core._values import evolve
from ..events import (
    AgentConfigurationChangedEvent,
    AgentListEvent,
    AgentVoiceChangedEvent,
    AvatarConnectionChangedEvent,
    AvatarListEvent,
    CancelledEvent,
    ChatSessionAddedEvent,
    ChatSessionChangedEvent,
    ChatSessionDeletedEvent,
    ChatSessionIndexEntry,
    ChatUserDataEvent,
    DeleteChatSessionEvent,
    ErrorEvent,
    GetUserSessionsResponseEvent,
    Lane,
    PingEvent,
    PongEvent,
    ServerListeningEvent,
    ToolCatalogEvent,
    UiSessionIdChangedEvent,
    UserTurnEndEvent,
    UserTurnStartEvent,
    VoiceInputSupportedEvent,
    VoiceListEvent,
    WorkspaceAddedEvent,
    WorkspaceListEvent,
)
from ._fold import Handled, fold_event, not_folded

# Maximum size of the list of the user's sessions; the oldest are evicted first.
INDEX_LIMIT = 10_000
# Maximum number of workspaces added one by one, likewise.
WORKSPACE_LIMIT = 1_000

_make_catalog = unchecked_constructor(Catalog)
_OFFERS = [field.name for field in attrs.fields(Catalog)]
_offers_of = attrgetter(*_OFFERS)
_USERS_TURN, _AGENTS_TURN = TurnState(can_send_input=True), TurnState()

# The connection answers it.
not_folded(Lane.CONTROL, [PingEvent])


def _catalog(slice_: ControlSlice, **changes: Any) -> ControlSlice:
    offers = dict(zip(_OFFERS, _offers_of(slice_.catalog), strict=True))
    return evolve(slice_, catalog=_make_catalog(**offers | changes))


@fold_event(ChatUserDataEvent, Lane.CONTROL)
def chat_user_data(slice_: ControlSlice, event: ChatUserDataEvent) -> Handled[ControlSlice]:
    """Set the logged-in user."""
    return _catalog(slice_, user=event.user), ()


@fold_event(UiSessionIdChangedEvent, Lane.CONTROL)
def ui_session_id_changed(
    slice_: ControlSlice, event: UiSessionIdChangedEvent
) -> Handled[ControlSlice]:
    """Set the id for the next dial."""
    return evolve(slice_, ui_session_id=event.ui_session_id), ()


@fold_event(AvatarListEvent, Lane.CONTROL)
def avatar_list(slice_: ControlSlice, event: AvatarListEvent) -> Handled[ControlSlice]:
    """Set the avatars."""
    return _catalog(slice_, avatars=event.avatars), ()


@fold_event(VoiceListEvent, Lane.CONTROL)
def voice_list(slice_: ControlSlice, event: VoiceListEvent) -> Handled[ControlSlice]:
    """Set the voices."""
    return _catalog(slice_, voices=event.voices), (VoicesUpdated(voices=event.voices),)


@fold_event(AgentListEvent, Lane.CONTROL)
def agent_list(slice_: ControlSlice, event: AgentListEvent) -> Handled[ControlSlice]:
    """Set the agents."""
    return _catalog(slice_, agents=event.agents), ()


@fold_event(ToolCatalogEvent, Lane.CONTROL)
def tool_catalog(slice_: ControlSlice, event: ToolCatalogEvent) -> Handled[ControlSlice]:
    """Set the tools."""
    return _catalog(slice_, tools=event.tools), ()


@fold_event(WorkspaceListEvent, Lane.CONTROL)
def workspace_list(slice_: ControlSlice, event: WorkspaceListEvent) -> Handled[ControlSlice]:
    """Set the workspaces."""
    return _catalog(slice_, workspaces=event.workspaces), ()


@fold_event(WorkspaceAddedEvent, Lane.CONTROL)
def workspace_added(slice_: ControlSlice, event: WorkspaceAddedEvent) -> Handled[ControlSlice]:
    """Add a workspace, or replace the one with the same name."""
    name = event.entry.get("name")
    others = tuple(w for w in slice_.catalog.workspaces if name is None or w.get("name") != name)
    return _catalog(slice_, workspaces=(*others, event.entry)[-WORKSPACE_LIMIT:]), ()


@fold_event(VoiceInputSupportedEvent, Lane.CONTROL)
def voice_input_supported(
    slice_: ControlSlice, event: VoiceInputSupportedEvent
) -> Handled[ControlSlice]:
    """Set the server's voice input modes."""
    return _catalog(slice_, voice_input_modes=event.modes), ()


@fold_event(AgentConfigurationChangedEvent, Lane.CONTROL)
def agent_configuration_changed(
    slice_: ControlSlice, event: AgentConfigurationChangedEvent
) -> Handled[ControlSlice]:
    """Set the current agent."""
    return evolve(slice_, agent=event.agent_config), ()


# -- avatar and voice ----------------------------------------------------------------------


@fold_event(AvatarConnectionChangedEvent, Lane.CONTROL)
def avatar_connection_changed(
    slice_: ControlSlice, event: AvatarConnectionChangedEvent
) -> Handled[ControlSlice]:
    """Start or end the avatar's speech for the agent."""
    active = event.avatar_session is not None
    notes: list[Notification] = []
    if active:
        notes.append(
            AvatarSessionStarted(
                avatar_session_request=event.avatar_session_request,
                avatar_session=event.avatar_session,
            )
        )
    elif slice_.avatar_active:
        notes.append(AvatarSessionEnded())
    if active != slice_.avatar_active:
        notes.append(AvatarStateChanged(active=active))
    return evolve(slice_, avatar_active=active), tuple(notes)


@fold_event(VoiceRequestedEvent, Lane.CONTROL)
def voice_requested(slice_: ControlSlice, event: VoiceRequestedEvent) -> Handled[ControlSlice]:
    """Record that the next change of voice was requested by the application."""
    return evolve(slice_, voice_requested=event.voice_id), ()


@fold_event(AgentVoiceChangedEvent, Lane.CONTROL)
def agent_voice_changed(
    slice_: ControlSlice, event: AgentVoiceChangedEvent
) -> Handled[ControlSlice]:
    """Change the agent's voice."""
    own = slice_.voice_requested == event.voice.voice_id
    note = VoiceChanged(
        previous=slice_.voice, current=event.voice, source="client" if own else "server"
    )
    new = evolve(slice_, voice=event.voice, voice_requested=None if own else slice_.voice_requested)
    return new, (note,)


# -- the turn ------------------------------------------------------------------------------


def _turn(
    slice_: ControlSlice, *, can_send: bool, unit: InputUnit | None = None
) -> Handled[ControlSlice]:
    notes: tuple[Notification, ...] = ()
    if slice_.turn.can_send_input != can_send:
        notes = (make.turn_state_changed(can_send_input=can_send),)
    return evolve(slice_, turn=_USERS_TURN if can_send else _AGENTS_TURN, unit=unit), notes


def _sign(slice_: ControlSlice, unit: InputUnit, sign: InputSign) -> Handled[ControlSlice]:
    """Follow the written input; no other is sent before its verdict."""
    unit = unit.after(sign)
    if unit.open:
        return evolve(slice_, unit=unit), ()
    return _turn(slice_, can_send=unit.stage is InputStage.ENDED)


@fold_event(InputSentEvent, Lane.CONTROL)
def input_sent(slice_: ControlSlice, event: InputSentEvent) -> Handled[ControlSlice]:
    """Note that an input is about to be written: no other is accepted before its verdict."""
    unit = None if event.ahead is None else InputUnit(ahead=event.ahead)
    return _turn(slice_, can_send=False, unit=unit)


@fold_event(NoTurnEvent, Lane.CONTROL)
def no_turn(slice_: ControlSlice, _event: NoTurnEvent) -> Handled[ControlSlice]:
    """Note that no turn runs: input is accepted."""
    return _turn(slice_, can_send=True)


@fold_event(PongEvent, Lane.CONTROL)
def pong(slice_: ControlSlice, _event: PongEvent) -> Handled[ControlSlice]:
    """Follow the input: a pong shows how far the server has read (§7 G)."""
    if slice_.unit is None:
        return slice_, ()
    return _sign(slice_, slice_.unit, InputSign.PONG)


@fold_event(UserTurnStartEvent, Lane.CONTROL)
def user_turn_start(slice_: ControlSlice, _event: UserTurnStartEvent) -> Handled[ControlSlice]:
    """Start the user's turn, unless an input has been sent since."""
    if slice_.unit is None:
        return _turn(slice_, can_send=True)
    return _sign(slice_, slice_.unit, InputSign.TURN_START)


@fold_event(UserTurnEndEvent, Lane.CONTROL)
def user_turn_end(slice_: ControlSlice, _event: UserTurnEndEvent) -> Handled[ControlSlice]:
    """End the user's turn: the server processes the input."""
    if slice_.unit is None:
        slice_, notes = _turn(slice_, can_send=False)
    else:
        slice_, notes = _sign(slice_, slice_.unit, InputSign.TURN_END)
    slice_ = evolve(slice_, listening=False)
    if slice_.deleted_session_id is None:
        return slice_, notes
    # The server continues in the session that it was asked to delete: dial with that one.
    session_id = slice_.deleted_session_id
    return evolve(slice_, chat_session_id=session_id, deleted_session_id=None), notes


@fold_event(ServerListeningEvent, Lane.CONTROL)
def server_listening(slice_: ControlSlice, _event: ServerListeningEvent) -> Handled[ControlSlice]:
    """Record whether the server receives the user's audio."""
    return evolve(slice_, listening=True), ()


@fold_event(CancelledEvent, Lane.CONTROL)
def cancelled(slice_: ControlSlice, _event: CancelledEvent) -> Handled[ControlSlice]:
    """Confirm a cancel immediately; the text lane ends the messages in order (§8 M5)."""
    return slice_, (CancelConfirmed(),)


@fold_event(ErrorEvent, Lane.CONTROL)
def error(slice_: ControlSlice, event: ErrorEvent) -> Handled[ControlSlice]:
    """Announce an error of the server (§8 D3)."""
    note = make.system_notification(
        type="error", severity="error", content=event.message, source=event.source
    )
    return slice_, (note,)


# -- the list of sessions ------------------------------------------------------------------


_Index: TypeAlias = Table[str, ChatSessionIndexEntry]


def _indexed(entries: Iterable[ChatSessionIndexEntry]) -> _Index:
    if isinstance(entries, Table):
        return cast("_Index", entries)
    return Table((entry.session_id, entry) for entry in entries)


def _index(slice_: ControlSlice, index: _Index, total: int) -> Handled[ControlSlice]:
    index = index.keep_last(INDEX_LIMIT)
    new = evolve(slice_, index=index, index_total=total)
    return new, (make.sessions_index_updated(total=total, session_ids=index.keys),)


@fold_event(ChatSessionAddedEvent, Lane.CONTROL)
def chat_session_added(slice_: ControlSlice, event: ChatSessionAddedEvent) -> Handled[ControlSlice]:
    """Add or update one session in the list."""
    entry = event.chat_session
    index = _indexed(slice_.index)
    more = not index.has(entry.session_id)
    return _index(slice_, index.set(entry.session_id, entry), slice_.index_total + more)


@fold_event(GetUserSessionsResponseEvent, Lane.CONTROL)
def get_user_sessions_response(
    slice_: ControlSlice, event: GetUserSessionsResponseEvent
) -> Handled[ControlSlice]:
    """Merge one page of the list, and set the total."""
    page = event.sessions
    fresh = {entry.session_id: entry for entry in page.chat_sessions}
    whole = page.offset == 0 and len(fresh) >= page.total_sessions
    if whole:
        return _index(slice_, _indexed(fresh.values()), page.total_sessions)
    index = _indexed(slice_.index)
    for session_id, entry in fresh.items():
        index = index.set(session_id, entry)
    return _index(slice_, index, page.total_sessions)


@fold_event(ChatSessionDeletedEvent, Lane.CONTROL)
def chat_session_deleted(
    slice_: ControlSlice, event: ChatSessionDeletedEvent
) -> Handled[ControlSlice]:
    """Delete a session."""
    return _deleted(slice_, event.session_id)


@fold_event(DeleteChatSessionEvent, Lane.CONTROL)
def delete_chat_session(
    slice_: ControlSlice, event: DeleteChatSessionEvent
) -> Handled[ControlSlice]:
    """Delete a session (the event that real servers send)."""
    return _deleted(slice_, event.session_id)


def _deleted(slice_: ControlSlice, named: str | None) -> Handled[ControlSlice]:
    session_id = named or slice_.chat_session_id
    if session_id is not None and session_id == slice_.chat_session_id:
        slice_ = evolve(slice_, chat_session_id=None, deleted_session_id=session_id)
    index = _indexed(slice_.index)
    if session_id is None or not index.has(session_id):
        return slice_, ()
    index = index.discard(session_id)
    return _index(slice_, index, max(slice_.index_total - 1, len(index)))


@fold_event(ChatSessionChangedEvent, Lane.CONTROL)
def chat_session_changed(
    slice_: ControlSlice, event: ChatSessionChangedEvent
) -> Handled[ControlSlice]:
    """Set the session for the next dial; the text lane loads its messages."""
    session = event.chat_session
    if session is None:
        return slice_, ()
    agent = session.agent_config or slice_.agent
    new = evolve(slice_, chat_session_id=session.session_id, deleted_session_id=None, agent=agent)
    return new, ()


# -- the link ------------------------------------------------------------------------------


@fold_event(LinkEvent, Lane.CONTROL)
def link(slice_: ControlSlice, event: LinkEvent) -> Handled[ControlSlice]:
    """Record a change of the link."""
    connection = attrs.evolve(
        slice_.connection,
        status=event.status or slice_.connection.status,
        attempt=event.attempt,
        initialized=(
            slice_.connection.initialized if event.initialized is None else event.initialized
        ),
    )
    notes = () if event.note is None else (event.note,)
    slice_ = evolve(slice_, connection=connection)
    if event.initialized is not False:
        return slice_, notes
    # The next link shows again whether the server accepts input.
    slice_, turn_notes = _turn(slice_, can_send=False)
    return slice_, notes + turn_notes


@fold_event(EmitEvent, Lane.CONTROL)
def emitted(slice_: ControlSlice, event: EmitEvent) -> Handled[ControlSlice]:
    """Emit notifications; the state is unchanged."""
    return slice_, (event.note,)
