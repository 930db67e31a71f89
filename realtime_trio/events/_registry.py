"""The table of wire types, one row each. Nothing else in the library lists types.

A row holds a type's class, its sender, its lanes and whether it is urgent. The first lane of a row
is the event's home (design.md, "Lanes and slices"): it counts the event and delivers it once to
subscribers of the wire event.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable, Iterator
from typing import TypeAlias, TypeVar, dataclass_transform

import attrs

from . import _commands as c  # pyright: ignore[reportPrivateUsage]  a sibling
from . import _server as s  # pyright: ignore[reportPrivateUsage]  a sibling
from ._base import AudioFrame, ClientEvent, Event, ServerEvent, UnknownEvent, frozen
from ._json import json_field

__all__ = ["REGISTRY", "Direction", "Lane", "Registry", "Row", "event"]

_E = TypeVar("_E", bound=type[Event])
EventClass: TypeAlias = type[Event]


class Lane(enum.IntEnum):
    """The three lanes; the lowest runs first if more than one has work."""

    CONTROL = 0
    AUDIO = 1
    TEXT = 2


class Direction(enum.Flag):
    """The sender of an event."""

    SERVER = enum.auto()
    CLIENT = enum.auto()
    BOTH = SERVER | CLIENT


@attrs.frozen(slots=True)
class Row:
    """The table row of one wire type."""

    type: str
    cls: EventClass
    lanes: tuple[Lane, ...] = ()
    urgent: bool = False
    aliases: tuple[str, ...] = ()
    direction: Direction = Direction.SERVER
    builtin: bool = True

    @property
    def home(self) -> Lane:
        """The lane that delivers and counts the event."""
        return self.lanes[0]


class Registry:
    """Rows by wire type and by class. Grows by :meth:`add`; a row never changes."""

    def __init__(self, rows: Iterable[Row] = ()) -> None:
        self._by_type: dict[str, Row] = {}
        self._by_class: dict[type, Row] = {}
        self._rows: list[Row] = []
        for row in rows:
            self.add(row)

    def __iter__(self) -> Iterator[Row]:
        """Iterate over the rows in table order."""
        return iter(self._rows)

    def add(self, row: Row) -> None:
        """Add a row. Raises ``ValueError`` if its type, an alias or its class is registered."""
        for tag in (row.type, *row.aliases):
            if tag in self._by_type:
                owner = self._by_type[tag].cls.__name__
                message = f"the event type {tag!r} is already registered for {owner}"
                raise ValueError(message)
        if row.cls in self._by_class:
            message = (
                f"{row.cls.__name__} is already registered as {self._by_class[row.cls].type!r}"
            )
            raise ValueError(message)
        if Direction.SERVER in row.direction and not row.lanes:
            message = f"the server event {row.type!r} needs a lane: lanes=Lane.TEXT"
            raise ValueError(message)
        for tag in (row.type, *row.aliases):
            self._by_type[tag] = row
        self._by_class[row.cls] = row
        self._rows.append(row)
        row.cls.type = row.type

    def remove(self, row: Row) -> None:
        """Remove the row of a custom event, for tests. Raises ``ValueError`` for built-in rows."""
        if row.builtin:
            message = f"{row.type!r} is part of the protocol and cannot be removed"
            raise ValueError(message)
        for tag in (row.type, *row.aliases):
            del self._by_type[tag]
        del self._by_class[row.cls]
        self._rows.remove(row)

    def server_row(self, tag: str) -> Row | None:
        """Return the row of a server type or alias."""
        row = self._by_type.get(tag)
        return row if row is not None and Direction.SERVER in row.direction else None

    def client_row(self, tag: str) -> Row | None:
        """Return the row of a client type."""
        row = self._by_type.get(tag)
        return row if row is not None and Direction.CLIENT in row.direction else None

    def row_of(self, cls: type) -> Row:
        """Return the row of an event class. Raises ``LookupError`` without one."""
        try:
            return self._by_class[cls]
        except KeyError:
            message = (
                f"{cls.__name__} is not a registered event: "
                "decorate it with @realtime_trio.event(...)"
            )
            raise LookupError(message) from None


_C, _A, _T = Lane.CONTROL, Lane.AUDIO, Lane.TEXT


def _client(tag: str, cls: type[Event]) -> Row:
    return Row(tag, cls, direction=Direction.CLIENT)


REGISTRY = Registry(
    [
        Row("chat_user_data", s.ChatUserDataEvent, (_C,)),
        Row("ui_session_id_changed", s.UiSessionIdChangedEvent, (_C,)),
        Row("avatar_list", s.AvatarListEvent, (_C,)),
        Row("voice_list", s.VoiceListEvent, (_C,)),
        Row("agent_list", s.AgentListEvent, (_C,)),
        Row("tool_catalog", s.ToolCatalogEvent, (_C,)),
        Row("agent_configuration_changed", s.AgentConfigurationChangedEvent, (_C, _T)),
        Row("avatar_connection_changed", s.AvatarConnectionChangedEvent, (_C,)),
        Row("agent_voice_changed", s.AgentVoiceChangedEvent, (_C, _A)),
        Row("voice_input_supported", s.VoiceInputSupportedEvent, (_C,)),
        Row("server_listening", s.ServerListeningEvent, (_C, _A)),
        Row("user_turn_start", s.UserTurnStartEvent, (_C, _T, _A)),
        Row("user_turn_end", s.UserTurnEndEvent, (_C, _T, _A)),
        Row("chat_session_changed", s.ChatSessionChangedEvent, (_C, _T)),
        Row("chat_session_name_changed", s.ChatSessionNameChangedEvent, (_T,)),
        Row("session_metadata_changed", s.SessionMetadataChangedEvent, (_T,)),
        Row("chat_session_added", s.ChatSessionAddedEvent, (_C,)),
        Row("chat_session_deleted", s.ChatSessionDeletedEvent, (_C, _T)),
        Row("delete_chat_session", c.DeleteChatSessionEvent, (_C, _T), direction=Direction.BOTH),
        Row("get_user_sessions_response", s.GetUserSessionsResponseEvent, (_C,)),
        Row("workspace_list", s.WorkspaceListEvent, (_C,)),
        Row("workspace_added", s.WorkspaceAddedEvent, (_C,)),
        Row("error", s.ErrorEvent, (_C, _T), urgent=True),
        Row("cancelled", s.CancelledEvent, (_C, _T, _A), urgent=True),
        Row("ping", c.PingEvent, (_C,), direction=Direction.BOTH),
        Row("pong", c.PongEvent, (_C,), direction=Direction.BOTH),
        Row("text_delta", s.TextDeltaEvent, (_T,)),
        Row("thought_delta", s.ThoughtDeltaEvent, (_T,)),
        Row("complete_thought", s.CompleteThoughtEvent, (_T,)),
        Row("message", s.MessageEvent, (_T,)),
        Row("completion", s.CompletionEvent, (_T,)),
        Row("interaction", s.InteractionEvent, (_T,)),
        Row("tool_select_delta", s.ToolSelectDeltaEvent, (_T,)),
        Row("tool_call", s.ToolCallEvent, (_T,)),
        Row("render_media", s.RenderMediaEvent, (_T,)),
        Row("system_message", s.SystemMessageEvent, (_T,)),
        Row("history", s.HistoryEvent, (_T,)),
        Row("history_delta", s.HistoryDeltaEvent, (_T,)),
        Row("system_prompt", s.SystemPromptEvent, (_T,)),
        Row("user_request", s.UserRequestEvent, (_T,)),
        Row("user_message", s.UserMessageEvent, (_T,)),
        Row("anthropic_user_message", s.AnthropicUserMessageEvent, (_T,)),
        Row(
            "openai_user_message",
            s.OpenAIUserMessageEvent,
            (_T,),
            aliases=("open_a_i_user_message", "open_ai_user_message"),
        ),
        Row("subsession_started", s.SubsessionStartedEvent, (_T,)),
        Row("subsession_ended", s.SubsessionEndedEvent, (_T,)),
        Row("audio_delta", s.AudioDeltaEvent, (_A,)),
        _client("get_agents", c.GetAgentsEvent),
        _client("get_avatars", c.GetAvatarsEvent),
        _client("get_voices", c.GetVoicesEvent),
        _client("get_tool_catalog", c.GetToolCatalogEvent),
        _client("list_workspaces", c.ListWorkspacesEvent),
        _client("set_agent", c.SetAgentEvent),
        _client("set_agent_tools", c.SetAgentToolsEvent),
        _client("set_agent_voice", c.SetAgentVoiceEvent),
        _client("set_avatar", c.SetAvatarEvent),
        _client("set_avatar_session", c.SetAvatarSessionEvent),
        _client("clear_avatar_session", c.ClearAvatarSessionEvent),
        _client("text_input", c.TextInputEvent),
        _client("new_chat_session", c.NewChatSessionEvent),
        _client("resume_chat_session", c.ResumeChatSessionEvent),
        _client("set_chat_session_name", c.SetChatSessionNameEvent),
        _client("set_session_metadata", c.SetSessionMetadataEvent),
        _client("set_session_messages", c.SetSessionMessagesEvent),
        _client("get_user_sessions", c.GetUserSessionsEvent),
        _client("ptt_start", c.PttStartEvent),
        _client("ptt_end", c.PttEndEvent),
        _client("set_voice_input_mode", c.SetVoiceInputModeEvent),
        _client("audio_input_delta", c.AudioInputDeltaEvent),
        _client("client_wants_cancel", c.ClientWantsCancelEvent),
        _client("add_workspace", c.AddWorkspaceEvent),
        _client("remove_workspace", c.RemoveWorkspaceEvent),
    ]
)

# Not in the table, because neither has a wire type: a binary frame and an unknown event.
LOCAL_LANES: dict[type[ServerEvent], tuple[Lane, ...]] = {AudioFrame: (_A,), UnknownEvent: (_C,)}


@dataclass_transform(
    frozen_default=True, kw_only_default=True, field_specifiers=(attrs.field, json_field)
)
def event(
    tag: str,
    *,
    lanes: Lane | Iterable[Lane] = (),
    urgent: bool = False,
    aliases: Iterable[str] = (),
) -> Callable[[_E], _E]:
    """Register a custom event type: a class decorator.

    The class is made immutable, with slots and keyword arguments, and is decoded with cattrs by its
    annotations. ``lanes`` are the lanes that handle it, home first; a subclass of
    :class:`ClientEvent` has none. Raises ``ValueError`` if the tag or the class is already
    registered, or if a server event has no lane.

    Register events before you open a client or create a processor: the table is read when an event
    arrives.
    """

    def register(cls: _E) -> _E:
        made = frozen(cls)
        outgoing = issubclass(made, ClientEvent)
        chosen = (lanes,) if isinstance(lanes, Lane) else tuple(lanes)
        REGISTRY.add(
            Row(
                tag,
                made,
                chosen,
                urgent=urgent,
                aliases=tuple(aliases),
                direction=Direction.CLIENT if outgoing else Direction.SERVER,
                builtin=False,
            )
        )
        return made

    return register
