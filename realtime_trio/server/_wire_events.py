"""Server events as plain mappings, with the fields, nulls and key order of a real server."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import attrs

from ._turn_script import ScriptedMedia

__all__ = ["Event", "SessionEvents", "bridge_message", "control_event", "error_event"]

Event = dict[str, object]


def control_event(type_: str, **fields: object) -> Event:
    """Make an event without session fields."""
    return {"type": type_, **fields}


def error_event(message: str, source: str | None = None) -> Event:
    """Make an ``error`` event."""
    return control_event("error", message=message, source=source)


def bridge_message(session_id: str, content: str, severity: str = "info") -> Event:
    """Make a ``system_message`` of the server's bridge, which names no user session."""
    return {
        "type": "system_message",
        "session_id": session_id,
        "role": "system",
        "parent_session_id": None,
        "user_session_id": None,
        "content": content,
        "format": "markdown",
        "severity": severity,
    }


@attrs.frozen(slots=True, kw_only=True)
class SessionEvents:
    """Builds the events of one session: the user's own, or a sub-session."""

    session_id: str
    user_session_id: str
    parent_session_id: str | None = None

    def _event(self, type_: str, role: str = "assistant", **fields: object) -> Event:
        return {
            "type": type_,
            "session_id": self.session_id,
            "role": role,
            "parent_session_id": self.parent_session_id,
            "user_session_id": self.user_session_id,
            **fields,
        }

    def user_message(self, vendor: str, message: Mapping[str, object]) -> Event:
        """The vendor's user message, with the event type that real servers use."""
        type_ = "anthropic_user_message" if vendor == "anthropic" else "open_a_i_user_message"
        return self._event(type_, vendor=vendor, message=dict(message))

    def interaction(self, started: bool, id_: str) -> Event:
        """The start or the end of an interaction."""
        return self._event("interaction", started=started, id=id_)

    def system_prompt(self, content: str) -> Event:
        """The agent's prompt."""
        return self._event("system_prompt", content=content, format="markdown")

    def completion_running(self, options: Mapping[str, object]) -> Event:
        """The start of a completion."""
        return self.completion_done(None, 0, 0, options, running=True)

    def completion_done(
        self,
        stop_reason: str | None,
        input_tokens: int,
        output_tokens: int,
        options: Mapping[str, object] | None = None,
        *,
        running: bool = False,
    ) -> Event:
        """The end of a completion; only a cancelled or failed one repeats its options."""
        return self._event(
            "completion",
            running=running,
            completion_options=dict(options or {}),
            stop_reason=stop_reason,
            input_tokens=input_tokens,
            output_tokens=output_tokens,
        )

    def text(self, content: str) -> Event:
        """A ``text_delta`` event."""
        return self._event("text_delta", content=content, format="markdown")

    def thought(self, content: str) -> Event:
        """A ``thought_delta`` event."""
        return self._event(
            "thought_delta", "assistant (thought)", content=content, format="markdown"
        )

    def complete_thought(self, content: str) -> Event:
        """The whole thought again."""
        return self._event(
            "complete_thought", "assistant (thought)", content=content, format="markdown"
        )

    def tool_select(self, calls: Sequence[Mapping[str, object]]) -> Event:
        """All tool calls selected so far."""
        return self._event("tool_select_delta", tool_calls=[dict(call) for call in calls])

    def tool_call(
        self,
        vendor: str,
        calls: Sequence[Mapping[str, object]],
        results: Sequence[Mapping[str, object]] | None,
    ) -> Event:
        """The start of tool calls (``results`` is ``None``), or their end."""
        return self._event(
            "tool_call",
            active=results is None,
            vendor="anthropic" if vendor == "anthropic" else "open_ai",
            tool_calls=[dict(call) for call in calls],
            tool_results=None if results is None else [dict(result) for result in results],
        )

    def media(self, media: ScriptedMedia, *, by_tool: str | None = None) -> Event:
        """Media of the agent, or of the tool ``by_tool``, which names no user session."""
        sender = media.sent_by_class
        if sender is None and by_tool is not None:
            sender = "".join(part.title() for part in by_tool.split("_")[:1]) + "Tools"
        event = self._event(
            "render_media",
            "assistant" if by_tool is None else "tool",
            content_type=media.content_type,
            url=media.url,
            name=media.name,
            content=media.content,
            content_bytes=None,
            sent_by_class=sender,
            sent_by_function=media.sent_by_function or by_tool,
            foreign_content=media.foreign_content,
        )
        if by_tool is not None:
            # A tool renders into the user's session, whichever agent called it.
            event["session_id"] = self.user_session_id
            event["parent_session_id"] = event["user_session_id"] = None
        return event

    def history_delta(self, vendor: str, messages: Sequence[Mapping[str, object]]) -> Event:
        """The messages that a completion adds to the history."""
        return self._event(
            "history_delta", vendor=vendor, messages=[dict(message) for message in messages]
        )

    def failure(self, content: str) -> Event:
        """A ``system_message`` of the runtime; unlike the bridge's, it names its user session."""
        return self._event(
            "system_message", "system", content=content, format="markdown", severity="error"
        )

    def subsession_started(self, kind: str, by: str, prime: str, sub: str) -> Event:
        """The start of a sub-session; the event belongs to the parent's session."""
        event = self._event(
            "subsession_started",
            "system",
            sub_session_type=kind,
            sub_agent_type=by,
            prime_agent_key=prime,
            sub_agent_key=sub,
        )
        event["parent_session_id"] = self.session_id
        return event

    def subsession_ended(self) -> Event:
        """The end of the sub-session that this session started last."""
        event = self._event("subsession_ended", "system")
        event["parent_session_id"] = self.session_id
        return event

    def audio_delta(self, id_: str, content: str) -> Event:
        """Speech for a client that receives no binary frames."""
        return self._event("audio_delta", id=id_, content=content, content_type="audio/L16")
