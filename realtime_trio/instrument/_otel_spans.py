"""Spans from notifications: a connection holds turns, a turn its tools and sub-sessions.

Lanes overtake each other, so what belongs to a turn may arrive after its end. It becomes a child
of the turn that was the last one.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final, TypeAlias, final

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
    Notification,
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
from ..events import CompletionEvent
from ._measures import SYSTEM
from ._otel_metrics import OtelMetrics

__all__ = ["News", "SpanTree"]

News: TypeAlias = Notification | CompletionEvent
Attributes: TypeAlias = dict[str, str | int | bool]

_CLEAN: Final = (1000, 1001)
_OPERATION: Final = "gen_ai.operation.name"


@final
class Operation:
    """An open span of a turn or a sub-session."""

    def __init__(self, span: Span, attributes: Attributes) -> None:
        self.span = span
        self.attributes = attributes
        self.began: float = time.perf_counter()
        self.input_tokens = self.output_tokens = 0


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
        self._turn: Operation | None = None
        self._last_turn: Span | None = None
        self._tools: dict[tuple[str, str], Span] = {}
        self._subsessions: dict[str, Operation] = {}
        self._connection: Span | None = self._connect() if open_now else None
        self._last_connection = self._connection

    def take(self, news: News) -> None:
        """Follow one notification."""
        match news:
            case TurnStateChanged(can_send_input=can_send):
                self._end_turn() if can_send else self._begin_turn()
            case ToolNotification():
                self._tool(news)
            case ToolNotificationRemoved(session_id=session_id, id=tool_id):
                self._end_tool((session_id, tool_id), "removed")
            case SessionNotificationsCleared(session_id=session_id):
                self._end_tools(session_id)
            case AllNotificationsCleared():
                self._end_tools(None)
            case SubsessionStarted():
                self._begin_subsession(news)
            case SubsessionEnded(session_id=session_id):
                self._end_subsession(session_id)
            case CompletionEvent():
                self._completed(news)
            case _:
                self._take_rare(news)

    def _take_rare(self, news: News) -> None:
        match news:
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
                self.close()
                self._connection = self._connect()
            case _:
                pass

    def close(self) -> None:
        """End every span that is open."""
        self._end_tools(None)
        for session_id in tuple(self._subsessions):
            self._end_subsession(session_id)
        self._end_turn()
        if self._connection is not None:
            self._connection.end()
            self._connection = None

    # -- connections -----------------------------------------------------------------------

    def _connect(self, links: tuple[Link, ...] = ()) -> Span:
        attributes: Attributes = {"network.protocol.name": "websocket", "messaging.system": SYSTEM}
        self._last_connection = self._tracer.start_span(
            "connection", kind=SpanKind.CLIENT, attributes=attributes, links=links
        )
        return self._last_connection

    def _disconnect(self, code: int | None) -> None:
        span, self._connection = self._connection, None
        if span is not None:
            if code is not None:
                span.set_attribute("realtime_trio.close_code", code)
            if code not in _CLEAN:
                _fail(span, "connection_lost" if code is None else str(code))
            span.end()

    def _reconnect(self, attempts: int, *, missed: bool) -> None:
        before = self._last_connection
        links = () if before is None else (Link(before.get_span_context()),)
        self._connection = span = self._connect(links)
        span.set_attribute("realtime_trio.attempts", attempts)
        span.set_attribute("realtime_trio.missed", missed)
        if self._turn is not None:
            self._turn.span.add_link(span.get_span_context())

    # -- turns and sub-sessions ------------------------------------------------------------

    def _begin_turn(self) -> None:
        self._end_turn()
        state = self._state()
        agent = state.control.agent
        attributes = _agent(agent.key if agent else None, agent.name if agent else None)
        if state.current_session_id is not None:
            attributes["gen_ai.conversation.id"] = state.current_session_id
        self._turn = self._operate(attributes, self._connection)
        self._last_turn = self._turn.span

    def _end_turn(self) -> None:
        turn, self._turn = self._turn, None
        if turn is not None:
            self._finish(turn)

    def _begin_subsession(self, note: SubsessionStarted) -> None:
        self._end_subsession(note.session_id)
        attributes = _agent(note.sub_agent_key or None, note.sub_agent_type or None)
        attributes["gen_ai.conversation.id"] = note.session_id
        attributes["realtime_trio.depth"] = note.depth
        parent = self._of_session(note.parent_session_id)
        self._subsessions[note.session_id] = self._operate(attributes, parent)

    def _end_subsession(self, session_id: str) -> None:
        operation = self._subsessions.pop(session_id, None)
        if operation is not None:
            self._finish(operation)

    def _operate(self, attributes: Attributes, parent: Span | None) -> Operation:
        name = attributes.get("gen_ai.agent.name")
        span = self._start(f"invoke_agent {name}" if name else "invoke_agent", attributes, parent)
        return Operation(span, attributes)

    def _finish(self, operation: Operation) -> None:
        span = operation.span
        if operation.input_tokens or operation.output_tokens:
            span.set_attribute("gen_ai.usage.input_tokens", operation.input_tokens)
            span.set_attribute("gen_ai.usage.output_tokens", operation.output_tokens)
        span.end()
        names = (_OPERATION, "gen_ai.provider.name", "gen_ai.agent.name")
        shared = {name: operation.attributes.get(name, "") for name in names}
        self._measured.durations.record(time.perf_counter() - operation.began, shared)

    def _completed(self, event: CompletionEvent) -> None:
        counts = {"input": event.input_tokens or 0, "output": event.output_tokens or 0}
        operation = self._subsessions.get(event.session_id, self._turn)
        if event.running:
            return
        if operation is not None:
            operation.input_tokens += counts["input"]
            operation.output_tokens += counts["output"]
        for kind, count in counts.items():
            if count:
                attributes = {"gen_ai.token.type": kind, "gen_ai.provider.name": SYSTEM}
                self._measured.tokens.record(count, attributes)

    def _of_session(self, session_id: str | None) -> Span | None:
        """The span that work in a session belongs to."""
        if session_id is not None and session_id in self._subsessions:
            return self._subsessions[session_id].span
        return self._last_turn or self._connection

    # -- tools -----------------------------------------------------------------------------

    def _tool(self, note: ToolNotification) -> None:
        key = note.session_id, note.id
        if key not in self._tools:
            attributes: Attributes = {
                _OPERATION: "execute_tool",
                "gen_ai.tool.name": note.tool_name,
                "gen_ai.tool.call.id": note.id,
                "gen_ai.conversation.id": note.session_id,
            }
            parent = self._of_session(note.session_id)
            span = self._start(f"execute_tool {note.tool_name}", attributes, parent)
            self._tools[key] = span
        if note.status == "complete":
            self._end_tool(key, None)
        elif note.status == "executing":
            self._tools[key].add_event("executing")

    def _end_tool(self, key: tuple[str, str], failed: str | None) -> None:
        span = self._tools.pop(key, None)
        if span is not None:
            if failed is not None:
                _fail(span, failed)
            span.end()

    def _end_tools(self, session_id: str | None) -> None:
        for key in tuple(self._tools):
            if session_id is None or key[0] == session_id:
                self._end_tool(key, "removed")

    # -- what happens in them --------------------------------------------------------------

    def _start(self, name: str, attributes: Attributes, parent: Span | None) -> Span:
        context = None if parent is None else set_span_in_context(parent)
        kind = SpanKind.INTERNAL if name.startswith("execute_tool") else SpanKind.CLIENT
        return self._tracer.start_span(name, context, kind=kind, attributes=attributes)

    def _note(self, name: str, attributes: Attributes) -> None:
        span = self._turn.span if self._turn is not None else self._connection
        if span is not None:
            span.add_event(name, attributes)

    def _failed(self, kind: str) -> None:
        if self._turn is not None:
            _fail(self._turn.span, kind)
        else:
            self._note(kind, {})


def _agent(key: str | None, name: str | None) -> Attributes:
    attributes: Attributes = {_OPERATION: "invoke_agent", "gen_ai.provider.name": SYSTEM}
    if key:
        attributes["gen_ai.agent.id"] = key
    if name or key:
        attributes["gen_ai.agent.name"] = name or key or ""
    return attributes


def _fail(span: Span, kind: str) -> None:
    span.set_attribute("error.type", kind)
    span.set_status(Status(StatusCode.ERROR))
