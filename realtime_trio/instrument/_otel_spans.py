"""Spans from notifications: a connection holds turns, a turn its tools and sub-sessions.

Lanes overtake each other, so a notification of a turn may arrive after the end of the turn. It then
becomes a child of the last turn.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final, TypeAlias, final

from opentelemetry.context import Context
from opentelemetry.trace import (
    Link,
    Span,
    SpanKind,
    Status,
    StatusCode,
    Tracer,
    set_span_in_context,
)

from .._core._notifications import (
    AllNotificationsCleared,
    CancelConfirmed,
    ProcessingFailed,
    SessionNotificationsCleared,
    SubsessionEnded,
    SubsessionStarted,
    SystemNotification,
    ToolNotification,
    ToolNotificationRemoved,
    TurnStateChanged,
)
from .._core._shell_notifications import Disconnected, Lagged, Reconnected
from .._core._state import SessionState
from .._lanes._reader import Item
from ..events import CompletionEvent
from ._measures import SYSTEM
from ._otel_metrics import OtelMetrics

__all__ = ["SpanNote", "SpanTree"]

SpanNote: TypeAlias = Item
Attributes: TypeAlias = dict[str, str | int | bool]

_NOTHING: Final[Mapping[str, int | bool]] = MappingProxyType({})
_CLEAN: Final = (1000, 1001)
_OPERATION: Final = "gen_ai.operation.name"
_PROVIDER: Final = "gen_ai.provider.name"
_INPUT: Final = {"gen_ai.token.type": "input", _PROVIDER: SYSTEM}
_OUTPUT: Final = {"gen_ai.token.type": "output", _PROVIDER: SYSTEM}


@final
class Operation:
    """An open span of a turn or a sub-session."""

    __slots__ = ("agent", "began", "context", "input_tokens", "output_tokens", "span")

    def __init__(self, span: Span, agent: str, began: int) -> None:
        self.span = span
        self.agent = agent
        self.began = began
        self.context: Context = set_span_in_context(span)
        self.input_tokens = self.output_tokens = 0


@final
class OpenTool:
    """A tool whose span is built at its end: nothing can be a child of it."""

    __slots__ = ("attributes", "began", "executing", "name", "parent")

    def __init__(self, note: ToolNotification, parent: Context | None, began: int) -> None:
        self.name = f"execute_tool {note.tool_name}"
        self.attributes: Attributes = {
            _OPERATION: "execute_tool",
            "gen_ai.tool.name": note.tool_name,
            "gen_ai.tool.call.id": note.id,
            "gen_ai.conversation.id": note.session_id,
        }
        self.parent = parent
        self.began = began
        self.executing: int | None = None


@final
class SpanTree:
    """The open spans of one client."""

    def __init__(
        self,
        tracer: Tracer,
        measured: OtelMetrics,
        state: Callable[[], SessionState],
        *,
        open_now: bool,
    ) -> None:
        self._tracer = tracer
        self._measured = measured
        self._state = state
        self._now = time.time_ns()
        self._turn: Operation | None = None
        self._last_turn: Operation | None = None
        self._tools: dict[tuple[str, str], OpenTool] = {}
        self._subsessions: dict[str, Operation] = {}
        self._connection: Span | None = self._connect() if open_now else None
        self._last_connection = self._connection

    def take(self, note: SpanNote, at: int | None = None) -> None:
        """Process one notification of the time ``at`` (nanoseconds since 1970, by default now)."""
        self._now = time.time_ns() if at is None else at
        match note:
            case ToolNotification():
                self._tool(note)
            case TurnStateChanged(can_send_input=can_send):
                self._end_turn() if can_send else self._begin_turn()
            case CompletionEvent():
                self._completed(note)
            case ToolNotificationRemoved(session_id=session_id, id=tool_id):
                self._end_tool((session_id, tool_id), "removed")
            case SessionNotificationsCleared(session_id=session_id):
                self._end_tools(session_id)
            case AllNotificationsCleared():
                self._end_tools(None)
            case SubsessionStarted():
                self._begin_subsession(note)
            case SubsessionEnded(session_id=session_id):
                self._end_subsession(session_id)
            case _:
                self._take_rare(note)

    def _take_rare(self, note: SpanNote) -> None:
        match note:
            case Disconnected(code=code):
                self._disconnect(code)
            case Reconnected(attempts=attempts, missed=missed):
                self._reconnect(attempts, missed=missed)
            case CancelConfirmed():
                self._note("cancelled", {})
            case SystemNotification(type="error"):
                self._failed("server_error")
            case ProcessingFailed(event_type=event_type):
                self._note("processing-error", {"event.type": event_type or ""})
            case Lagged():
                self._end_all()
                self._connection = self._connect()
            case _:
                pass

    def close(self) -> None:
        """End every span that is open."""
        self._now = time.time_ns()
        self._end_all()

    def _end_all(self) -> None:
        self._end_tools(None)
        for session_id in tuple(self._subsessions):
            self._end_subsession(session_id)
        self._end_turn()
        if self._connection is not None:
            self._connection.end(self._now)
            self._connection = None

    # -- connections -----------------------------------------------------------------------

    def _connect(
        self, links: tuple[Link, ...] = (), more: Mapping[str, int | bool] = _NOTHING
    ) -> Span:
        attributes: Attributes = {
            "network.protocol.name": "websocket",
            "messaging.system": SYSTEM,
            **more,
        }
        self._last_connection = self._start("connection", attributes, None, links)
        return self._last_connection

    def _disconnect(self, code: int | None) -> None:
        span, self._connection = self._connection, None
        if span is not None:
            if code is not None:
                span.set_attribute("realtime_trio.close_code", code)
            if code not in _CLEAN:
                _fail(span, "connection_lost" if code is None else str(code))
            span.end(self._now)

    def _reconnect(self, attempts: int, *, missed: bool) -> None:
        before = self._last_connection
        links = () if before is None else (Link(before.get_span_context()),)
        more = {"realtime_trio.attempts": attempts, "realtime_trio.missed": missed}
        self._connection = self._connect(links, more)
        if self._turn is not None:
            self._turn.span.add_link(self._connection.get_span_context())

    # -- turns and sub-sessions ------------------------------------------------------------

    def _begin_turn(self) -> None:
        self._end_turn()
        state = self._state()
        agent = state.control.agent
        parent = None if self._connection is None else set_span_in_context(self._connection)
        self._last_turn = self._turn = self._operate(
            (agent.key, agent.name) if agent else (None, None),
            {"gen_ai.conversation.id": state.current_session_id or ""},
            parent,
        )

    def _end_turn(self) -> None:
        turn, self._turn = self._turn, None
        if turn is not None:
            self._finish(turn)

    def _begin_subsession(self, note: SubsessionStarted) -> None:
        self._end_subsession(note.session_id)
        self._subsessions[note.session_id] = self._operate(
            (note.sub_agent_key, note.sub_agent_type),
            {"gen_ai.conversation.id": note.session_id, "realtime_trio.depth": note.depth},
            self._of_session(note.parent_session_id),
        )

    def _end_subsession(self, session_id: str) -> None:
        operation = self._subsessions.pop(session_id, None)
        if operation is not None:
            self._finish(operation)

    def _operate(
        self,
        agent: tuple[str | None, str | None],
        attributes: Attributes,
        parent: Context | None,
    ) -> Operation:
        """Start the span of a turn or a sub-session; attributes without a value are left out."""
        key, name = agent[0] or "", agent[1] or agent[0] or ""
        named = {"gen_ai.agent.id": key, "gen_ai.agent.name": name, **attributes}
        given: Attributes = {each: value for each, value in named.items() if value != ""}
        given |= {_OPERATION: "invoke_agent", _PROVIDER: SYSTEM}
        title = f"invoke_agent {name}" if name else "invoke_agent"
        return Operation(self._start(title, given, parent), name, self._now)

    def _finish(self, operation: Operation) -> None:
        span = operation.span
        if operation.input_tokens or operation.output_tokens:
            span.set_attributes(
                {
                    "gen_ai.usage.input_tokens": operation.input_tokens,
                    "gen_ai.usage.output_tokens": operation.output_tokens,
                }
            )
        span.end(self._now)
        self._measured.durations.record(
            max(0, self._now - operation.began) / 1e9,
            {_OPERATION: "invoke_agent", _PROVIDER: SYSTEM, "gen_ai.agent.name": operation.agent},
        )

    def _completed(self, event: CompletionEvent) -> None:
        if event.running:
            return
        operation = self._subsessions.get(event.session_id, self._turn)
        tokens = self._measured.tokens
        if event.input_tokens:
            tokens.record(event.input_tokens, _INPUT)
        if event.output_tokens:
            tokens.record(event.output_tokens, _OUTPUT)
        if operation is not None:
            operation.input_tokens += event.input_tokens or 0
            operation.output_tokens += event.output_tokens or 0

    def _of_session(self, session_id: str | None) -> Context | None:
        """Return the context of the work in a session."""
        operation = self._subsessions.get(session_id or "", self._last_turn)
        if operation is not None:
            return operation.context
        return None if self._connection is None else set_span_in_context(self._connection)

    # -- tools -----------------------------------------------------------------------------

    def _tool(self, note: ToolNotification) -> None:
        key = note.session_id, note.id
        tool = self._tools.get(key)
        if tool is None:
            tool = OpenTool(note, self._of_session(note.session_id), self._now)
            self._tools[key] = tool
        if note.status == "complete":
            self._end_tool(key, None)
        elif note.status == "executing" and tool.executing is None:
            tool.executing = self._now

    def _end_tool(self, key: tuple[str, str], failed: str | None) -> None:
        tool = self._tools.pop(key, None)
        if tool is None:
            return
        span = self._tracer.start_span(
            tool.name, tool.parent, attributes=tool.attributes, start_time=tool.began
        )
        if tool.executing is not None:
            span.add_event("executing", timestamp=tool.executing)
        if failed is not None:
            _fail(span, failed)
        span.end(self._now)

    def _end_tools(self, session_id: str | None) -> None:
        for key in tuple(self._tools):
            if session_id is None or key[0] == session_id:
                self._end_tool(key, "removed")

    # -- what happens in them --------------------------------------------------------------

    def _start(
        self,
        name: str,
        attributes: Mapping[str, str | int | bool],
        parent: Context | None,
        links: tuple[Link, ...] = (),
    ) -> Span:
        return self._tracer.start_span(
            name,
            parent,
            kind=SpanKind.CLIENT,
            attributes=attributes,
            links=links,
            start_time=self._now,
        )

    def _note(self, name: str, attributes: Attributes) -> None:
        span = self._turn.span if self._turn is not None else self._connection
        if span is not None:
            span.add_event(name, attributes, self._now)

    def _failed(self, kind: str) -> None:
        if self._turn is not None:
            _fail(self._turn.span, kind)
        else:
            self._note(kind, {})


def _fail(span: Span, kind: str) -> None:
    span.set_attribute("error.type", kind)
    span.set_status(Status(StatusCode.ERROR))
