"""The transcript of a conversation: notifications as terminal lines."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs
from rich.console import Console
from rich.text import Text

from .._core import _notifications as n
from .._core._messages import ASSISTANT, THOUGHT, Message
from .._core._shell_notifications import AudioFlushed
from .._core._state import Session, SessionState
from ._console import content_text, make_console, pretty, seconds
from ._terminal_text import clean, one_line

__all__ = ["Tally", "Transcript", "ending", "label_of"]

_LABELS: dict[str, tuple[str, str]] = {
    "user": ("user", "bold cyan"),
    ASSISTANT: ("assistant", "bold green"),
    THOUGHT: ("thought", "dim italic"),
}
_BODIES: dict[str, str] = {THOUGHT: "dim italic"}
_SEVERITY: dict[str, str] = {"error": "bold red", "warning": "yellow", "info": "blue"}
_LABEL_WIDTH = 11
_DEEPEST = 6


@attrs.define(slots=True)
class Tally:
    """Counts of what a transcript has shown, for its summary."""

    messages: int = 0
    thoughts: int = 0
    tools: int = 0
    media: int = 0
    subsessions: int = 0
    cancels: int = 0
    audio_bytes: int = 0

    def count(self, message: Message) -> None:
        """Count a message."""
        self.messages += 1
        self.thoughts += message.role == THOUGHT


class Transcript:
    """Prints notifications; :meth:`show` takes each with its state.

    Messages are shown when they are complete, with that time, or partially when a tool's result or
    similar entry follows in the middle. Tools are shown when they start and complete, and with
    ``states`` in every state.
    """

    def __init__(self, console: Console | None = None, *, states: bool = False) -> None:
        self.console = console if console is not None else make_console()
        self.tally = Tally()
        self._states = states
        self._shown_tools: set[tuple[str, str]] = set()
        # Calls that arrived while their message was open: shown after it.
        self._calls: dict[str, list[Text]] = {}
        # Length of the text shown before the message was complete, by id.
        self._begun: dict[str, int] = {}
        self._loaded: set[str] = set()
        self._handlers: dict[type[n.Notification], Callable[[Any], None]] = {
            n.MessageComplete: self._message,
            n.MessageAdded: self._message,
            n.SessionMessagesLoaded: self._loaded_messages,
            n.ToolNotification: self._tool,
            n.ToolNotificationRemoved: self._tool_removed,
            n.ToolCallComplete: self._tool_done,
            n.MediaAdded: self._media,
            n.SystemNotification: self._system,
            n.ProcessingFailed: self._fault,
            n.ChatSessionChanged: self._session_changed,
            n.SessionCleared: self._session_cleared,
            n.SubsessionStarted: self._subsession_started,
            n.SubsessionEnded: self._subsession_ended,
            n.CancelConfirmed: self._cancelled,
            n.AllNotificationsCleared: self._turn_over,
            n.VoiceChanged: self._voice,
            n.AudioOutput: self._audio,
            AudioFlushed: self._interrupted,
        }
        self._state = SessionState()
        self._time = ""

    def show(self, note: n.Notification, state: SessionState, elapsed: float) -> None:
        """Show one notification, if it belongs in a transcript."""
        handler = self._handlers.get(type(note))
        if handler is not None:
            self._state = state
            self.at(elapsed)
            handler(note)

    def at(self, elapsed: float) -> None:
        """Give the next entry its time, in seconds."""
        self._time = seconds(elapsed)

    def line(
        self,
        label: str,
        body: Text | str,
        *,
        style: str = "",
        label_style: str = "",
        depth: int = 0,
    ) -> None:
        """Print one entry: its time, its label and the text, indented by ``depth``."""
        text = Text(body, style) if isinstance(body, str) else body
        indent = 4 * min(depth, _DEEPEST)
        head = (
            Text(" " * indent)
            .append(f"{self._time:<9}", "dim")
            .append(f" {label:<{_LABEL_WIDTH}} ", label_style or style)
        )
        self._time = ""
        room = max(20, self.console.width - head.cell_len)
        for wrapped in text.wrap(self.console, room) or [Text()]:
            wrapped.rstrip()
            self.console.print(
                head + wrapped if wrapped else head[: len(head.plain.rstrip())], soft_wrap=True
            )
            head = Text(" " * head.cell_len)

    # -- position of an entry --------------------------------------------------------------

    def _depth(self, session_id: str) -> int:
        """Return the nesting depth of a session; 0 for the user's."""
        sessions, depth = self._state.sessions, 0
        session: Session | None = sessions.get(session_id)
        while session is not None and session.is_sub_session and depth < _DEEPEST:
            depth += 1
            parent = session.parent_session_id
            session = sessions.get(parent) if parent not in (None, session.id) else None
        return depth

    def _message_depth(self, message: Message) -> int:
        depth = self._depth(message.session_id)
        # A resumed delegation is in the list of the delegating session.
        return depth + 1 if message.is_sub_session and depth == 0 else depth

    # -- messages --------------------------------------------------------------------------

    def _message(self, note: n.MessageComplete | n.MessageAdded) -> None:
        self._show_message(note.message)
        self._show_tools(note.session_id)

    def _show_message(self, message: Message, *, dim: bool = False) -> None:
        self.tally.count(message)
        begun = self._begun.pop(message.id, 0)
        label, label_style = label_of(message.role)
        body = content_text(message.content)
        if begun:
            label, body = "…", Text(clean(str(message.content)[begun:].strip()))
            if not body and not ending(message):
                return
        body.stylize(_BODIES.get(message.role, "dim" if dim else ""))
        body.rstrip()
        if not body and not begun:
            body = Text("(no text)", "dim")
        body.append_text(ending(message))
        self.line(label, body, label_style=label_style, depth=self._message_depth(message))

    def _show_begun(self, session_id: str) -> None:
        """Show an open message so far, before an entry in the middle of it."""
        message = self._state.text.open.get(session_id)
        begun = self._begun.get(message.id, 0) if message is not None else 0
        if message is not None and (text := message.content[begun:]).strip():
            label, label_style = label_of(message.role)
            self.line(
                "…" if begun else label,
                Text(clean(text.strip()), _BODIES.get(message.role, "")),
                label_style=label_style,
                depth=self._message_depth(message.head),
            )
            self._begun[message.id] = begun + len(text)
        self._show_tools(session_id)

    def _loaded_messages(self, note: n.SessionMessagesLoaded) -> None:
        count = len(note.messages)
        if not count:
            return
        again = note.session_id in self._loaded
        self._loaded.add(note.session_id)
        what = "again, " if again else ""
        self.line("history", f"{what}{count} messages of {clean(note.session_id)}", style="blue")
        if not again:
            for message in note.messages:
                self._show_message(message, dim=True)

    # -- tools -----------------------------------------------------------------------------

    def _tool(self, note: n.ToolNotification) -> None:
        if note.status == "executing":
            self._shown_tools.add((note.session_id, note.id))
            self.tally.tools += 1
        elif not self._states:
            return
        body = Text(clean(note.tool_name), "yellow")
        if note.status == "executing":
            body.append(" " + pretty(note.arguments), "dim")
        if self._states:
            body.append(f"  {note.status}", "bold yellow")
        self._calls.setdefault(note.session_id, []).append(body)
        if note.session_id not in self._state.text.open:
            self._show_tools(note.session_id)

    def _show_tools(self, session_id: str | None = None) -> None:
        """Show the waiting calls of one session, or of all."""
        for each in [session_id] if session_id is not None else list(self._calls):
            for body in self._calls.pop(each, ()):
                self.line("tool", body, label_style="yellow", depth=self._depth(each))

    def _tool_removed(self, note: n.ToolNotificationRemoved) -> None:
        self._show_tools(note.session_id)
        if (note.session_id, note.id) in self._shown_tools:
            self.line("tool", "stopped", style="red", depth=self._depth(note.session_id))

    def _tool_done(self, note: n.ToolCallComplete) -> None:
        self._show_begun(note.session_id)
        depth = self._depth(note.session_id)
        names = {call.id: call.name for call in note.tool_calls}
        for result in note.tool_results:
            name = clean(names.get(result.tool_use_id, result.tool_use_id))
            body = Text(f"{name} → ", "yellow")
            body.append(one_line(result.content, 300), "bold red" if result.is_error else "")
            self.line("result", body, label_style="yellow", depth=depth)

    # -- the rest --------------------------------------------------------------------------

    def _media(self, note: n.MediaAdded) -> None:
        media = note.media
        self.tally.media += 1
        self._show_begun(note.session_id)
        body = Text(clean(media.content_type), "magenta")
        body.append(" " + one_line(media.url or media.name or media.content or "", 120))
        if media.foreign_content:
            body.append("  [foreign]", "yellow")
        self.line("media", body, label_style="magenta", depth=self._depth(note.session_id))

    def _system(self, note: n.SystemNotification) -> None:
        label = "error" if note.type == "error" else "system"
        body = Text(clean(note.content))
        if note.source:
            body.append(f"  ({clean(note.source)})", "dim")
        self.line(label, body, label_style=_SEVERITY.get(note.severity, _SEVERITY["error"]))

    def _fault(self, note: n.ProcessingFailed) -> None:
        self.line("malformed", clean(note.error), style="red", label_style="bold red")

    def _session_changed(self, note: n.ChatSessionChanged) -> None:
        current = note.current_session_id
        session = self._state.sessions.get(current) if current is not None else None
        name = f" “{clean(session.name)}”" if session is not None and session.name else ""
        self.line("session", f"{clean(current or 'none')}{name}", style="bold blue")

    def _session_cleared(self, note: n.SessionCleared) -> None:
        self.line("session", f"{clean(note.session_id)} cleared", style="blue")

    def _subsession_started(self, note: n.SubsessionStarted) -> None:
        self.tally.subsessions += 1
        self._show_begun(note.session_id)
        agents = f"{clean(note.prime_agent_key or '?')} → {clean(note.sub_agent_key or '?')}"
        body = Text(agents, "bold blue").append(
            f"  {note.sub_agent_type}, {note.sub_session_type}", "dim"
        )
        self.line("╭ delegates", body, label_style="bold blue", depth=max(0, note.depth - 1))

    def _subsession_ended(self, note: n.SubsessionEnded) -> None:
        what = "" if note.depth else "none was open"
        self.line(
            "╰ done", what, style="dim", label_style="bold blue", depth=max(0, note.depth - 1)
        )

    def _cancelled(self, _note: n.CancelConfirmed) -> None:
        self.tally.cancels += 1
        self.line("cancelled", "the server cancelled this turn", style="bold red")

    def _turn_over(self, _note: n.AllNotificationsCleared) -> None:
        self._show_tools()
        self.console.print(Text("─" * min(40, self.console.width), "dim"))

    def _voice(self, note: n.VoiceChanged) -> None:
        self.line("voice", clean(note.current.voice_id), style="magenta")

    def _audio(self, note: n.AudioOutput) -> None:
        self.tally.audio_bytes += len(note.data)

    def _interrupted(self, note: AudioFlushed) -> None:
        text = f"interrupted after {note.heard_ms / 1000:.1f} s"
        self.line("voice", f"{text}, {note.unheard_ms / 1000:.1f} s unheard", style="magenta")


def label_of(role: str) -> tuple[str, str]:
    """Return the label of a role, and its style."""
    return _LABELS.get(role, (clean(role), "bold"))


def ending(message: Message) -> Text:
    """Return the suffix of a message: how it ended, and its tokens."""
    made = Text()
    if message.status != "complete":
        style = "bold red" if message.status == "cancelled" else "yellow"
        made.append(f"  [{message.status}]", style)
    facts = message.metadata
    parts: list[str] = []
    if facts.input_tokens is not None or facts.output_tokens is not None:
        parts.append(f"{facts.input_tokens or 0} in, {facts.output_tokens or 0} out")
    if facts.stop_reason not in (None, "end_turn", message.status):
        parts.append(one_line(facts.stop_reason or "", 40))
    if parts:
        made.append(f"  ({', '.join(parts)})", "dim")
    return made
