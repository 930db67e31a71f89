"""The display of a conversation: finished text, and below it the text that still changes.

Values in, text out: it handles notifications, and returns the text to print
(:meth:`ChatView.take`) and to redraw (:meth:`ChatView.live`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, final

import attrs
from rich.console import RenderableType
from rich.text import Text

from ..._core import _notifications as n
from ..._core._messages import ASSISTANT, THOUGHT, Message
from ..._core._shell_notifications import AgentChanged
from ..._core._state import Session, SessionState
from .._console import content_text, pretty
from .._terminal_text import clean, one_line
from ._ansi_text import AnsiText
from ._markdown_stream import MarkdownStream, split_blocks
from ._shown_messages import ShownMessages

__all__ = ["ChatView", "MediaItem"]

_SPINNER: Final = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
_SEVERITY: Final = {"error": "bold red", "warning": "yellow", "info": "blue"}
_SHOWN_MEDIA: Final = 4_000  # maximum characters of a text that is shown in full
_HISTORY: Final = 6  # messages shown of a resumed session
_CHROME: Final = 6  # rows that the prompt and the status line need at least


@attrs.frozen(slots=True)
class MediaItem:
    """Media with the number that ``/save`` takes."""

    number: int
    media: n.Media


@attrs.define(slots=True)
class _OpenText:
    session_id: str
    role: str
    depth: int
    stream: MarkdownStream = attrs.field(factory=MarkdownStream)
    words: str = ""


@attrs.frozen(slots=True)
class _RunningTool:
    name: str
    arguments: str
    since: float
    depth: int


@final
class ChatView:
    """The conversation at a terminal. ``clock`` returns seconds, for spinners and durations."""

    def __init__(
        self, text: AnsiText, *, clock: Callable[[], float], unfolded: bool = False
    ) -> None:
        self._text = text
        self._clock = clock
        self._unfolded = unfolded
        self._made: list[str] = []
        self._last = ""  # the kind of the last printed item
        self._open: dict[str, _OpenText] = {}
        self._tools: dict[tuple[str, str], _RunningTool] = {}
        self._shown = ShownMessages()
        self._thought = ""
        self._state = SessionState()
        self.answer: str = ""
        """The last answer of the user's own session."""
        self.media: list[MediaItem] = []
        """The media that were only summarised, for ``/save``."""
        self._handlers: dict[type[n.Notification], Callable[[Any], None]] = {
            n.MessageStreaming: self._streaming,
            n.MessageComplete: self._complete,
            n.MessageAdded: self._added,
            n.SessionMessagesLoaded: self._history,
            n.ToolNotification: self._tool,
            n.ToolNotificationRemoved: self._tool_removed,
            n.ToolCallComplete: self._tool_done,
            n.AllNotificationsCleared: self._turn_over,
            n.MediaAdded: self._media_added,
            n.SystemNotification: self._system,
            n.ProcessingFailed: self._malformed,
            n.ChatSessionChanged: self._session_changed,
            n.SubsessionStarted: self._subsession_started,
            n.SubsessionEnded: self._subsession_ended,
            n.VoiceChanged: self._voice,
            AgentChanged: self._agent_changed,
        }

    # -- output ----------------------------------------------------------------------------

    def take(self) -> str:
        """Return the text finished since the last call, to be printed once."""
        for each in self._open.values():
            if each.role != THOUGHT or self._unfolded:
                self._print_text(each, each.stream.take_complete())
        made = "".join(self._made)
        self._made.clear()
        return made

    def live(self) -> str:
        """Return the text that still changes: open messages, thoughts, running tools."""
        spinner = _SPINNER[int(self._clock() * 10) % len(_SPINNER)]
        drawn = "".join(self._draw_open(each, spinner) for each in self._open.values())
        for tool in self._tools.values():
            body = Text(f"{spinner} {tool.name} ", "yellow").append(tool.arguments, "dim")
            body.append(f"  {self._clock() - tool.since:.0f} s", "dim")
            drawn += self._text.draw(body, depth=tool.depth)
        lines = drawn.splitlines(keepends=True)
        return "".join(lines[-max(3, self._text.rows - _CHROME) :])

    @property
    def moving(self) -> bool:
        """Whether the display changes with time."""
        return bool(self._tools) or any(each.role == THOUGHT for each in self._open.values())

    def print(self, *renderables: RenderableType, kind: str = "notice", depth: int = 0) -> None:
        """Print below the earlier output, after an empty line if the kind differs.

        Each text counts as a different kind.
        """
        self._put(self._text.draw(*renderables, depth=depth), kind, depth)

    def _put(self, drawn: str, kind: str, depth: int) -> None:
        if self._last and (kind != self._last or kind == "text"):
            self._made.append(self._text.draw("", depth=depth))
        self._last = kind
        self._made.append(drawn)

    def _markdown(self, text: str, style: str = "none", *, depth: int = 0) -> None:
        for block in split_blocks(text):
            self._put(self._text.markdown(block, style, depth=depth), "text", depth)

    def raw(self, text: str) -> None:
        """Write a control sequence to the terminal."""
        self._made.append(text)

    def notice(self, text: str, style: str = "dim") -> None:
        """Print a line of the chat itself."""
        self.print(Text(clean(text), style))

    def said(self, text: str) -> None:
        """Show the user's text; the server's echo of it is not shown again."""
        self._shown.said(text)
        self.print(Text(f"> {clean(text)}", "bold cyan"), kind="text")

    def toggle_thoughts(self) -> None:
        """Unfold thoughts, beginning with the last one, or fold them."""
        self._unfolded = not self._unfolded
        if self._unfolded and self._thought:
            self._markdown(self._thought, "dim italic")
        self.notice(f"thoughts are {'shown' if self._unfolded else 'folded'} (Ctrl-T)")

    def _draw_open(self, each: _OpenText, spinner: str) -> str:
        if each.role == THOUGHT and not self._unfolded:
            words = len(each.stream.rest.split())
            return self._text.draw(
                Text(f"{spinner} thinking, {words} words", "dim italic"), depth=each.depth
            )
        rest = each.stream.rest
        if not rest.strip():
            return ""
        style = "dim italic" if each.role == THOUGHT else "none"
        return self._text.markdown(rest, style, depth=each.depth)

    # -- input -----------------------------------------------------------------------------

    def show(self, note: n.Notification, state: SessionState) -> None:
        """Handle one notification, with the state after it."""
        handler = self._handlers.get(type(note))
        if handler is not None:
            self._state = state
            handler(note)

    def _depth(self, session_id: str) -> int:
        sessions, depth = self._state.sessions, 0
        session: Session | None = sessions.get(session_id)
        while session is not None and session.is_sub_session and depth < 6:
            depth += 1
            parent = session.parent_session_id
            session = sessions.get(parent) if parent not in (None, session.id) else None
        return depth

    # -- messages --------------------------------------------------------------------------

    def _streaming(self, note: n.MessageStreaming) -> None:
        each = self._open.get(note.message_id)
        if each is None:
            depth = self._depth(note.session_id)
            each = self._open[note.message_id] = _OpenText(note.session_id, note.role, depth)
        each.stream.feed(clean(note.delta))

    def _complete(self, note: n.MessageComplete) -> None:
        message = note.message
        each = self._open.pop(message.id, None)
        if each is None:
            self._print_message(message)
        elif message.role == THOUGHT:
            self._print_thought(each)
        else:
            self._print_text(each, each.stream.take_all())
        if message.role == ASSISTANT and not self._depth(message.session_id):
            self.answer = content_text(message.content).plain
            self._shown.add(message)
        if message.status != "complete":
            self.print(Text(f"[{message.status}]", "bold red"), depth=self._depth(note.session_id))

    def _added(self, note: n.MessageAdded) -> None:
        message = note.message
        self._shown.add(message)
        if message.role == "user" and self._shown.is_echo(message):
            return
        self._flush(note.session_id)
        self._print_message(message)

    def _print_message(self, message: Message) -> None:
        depth = self._depth(message.session_id)
        body = clean(content_text(message.content).plain).strip()
        if message.role == THOUGHT and not self._unfolded:
            self._thought = body
            self._print_folded(body, depth)
        elif message.role in (ASSISTANT, THOUGHT):
            style = "dim italic" if message.role == THOUGHT else "none"
            self._markdown(body or "(no text)", style, depth=depth)
        else:
            self.print(Text(f"{clean(message.role)}: {body}", "cyan"), kind="text", depth=depth)

    def _print_text(self, each: _OpenText, text: str) -> None:
        style = "dim italic" if each.role == THOUGHT else "none"
        self._markdown(text, style, depth=each.depth)
        each.words += text

    def _print_thought(self, each: _OpenText) -> None:
        if self._unfolded:
            self._print_text(each, each.stream.take_all())
        else:
            each.words += each.stream.take_all()
            self._print_folded(each.words, each.depth)
        self._thought = each.words

    def _print_folded(self, thought: str, depth: int) -> None:
        words = len(thought.split())
        self.print(
            Text(f"thought, {words} words (Ctrl-T shows it)", "dim italic"),
            kind="thought",
            depth=depth,
        )

    def _flush(self, session_id: str) -> None:
        """Print the open text of a session before an item that interrupts it."""
        for each in self._open.values():
            if each.session_id == session_id and each.role != THOUGHT:
                self._print_text(each, each.stream.take_all())

    def _history(self, note: n.SessionMessagesLoaded) -> None:
        """Show the messages that are not on the screen, such as an answer from a lost link.

        If the answer is still arriving, the list is sent again after its end.
        """
        if any(each.session_id == note.session_id for each in self._open.values()):
            return
        resumed = not self._shown
        new = self._shown.replace(note.messages)
        if resumed and new:
            new = new[-_HISTORY:]
            hidden = len(note.messages) - len(new)
            self.notice(
                f"{len(note.messages)} messages of {note.session_id}"
                + (f", {hidden} of them not shown" if hidden else "")
            )
        for message in new:
            self._print_message(message)
            if message.role == ASSISTANT:
                self.answer = content_text(message.content).plain

    def _turn_over(self, _: n.AllNotificationsCleared) -> None:
        self._tools.clear()

    # -- tools and sub-agents --------------------------------------------------------------

    def _tool(self, note: n.ToolNotification) -> None:
        key = (note.session_id, note.id)
        if note.status == "complete":
            self._tools.pop(key, None)
            return
        before = self._tools.get(key)
        self._tools[key] = _RunningTool(
            name=clean(note.tool_name),
            arguments=pretty(note.arguments, 80) if note.arguments else "",
            since=self._clock() if before is None else before.since,
            depth=self._depth(note.session_id),
        )

    def _tool_removed(self, note: n.ToolNotificationRemoved) -> None:
        tool = self._tools.pop((note.session_id, note.id), None)
        if tool is not None:
            self.print(Text(f"✗ {tool.name} stopped", "red"), kind="tool", depth=tool.depth)

    def _tool_done(self, note: n.ToolCallComplete) -> None:
        self._flush(note.session_id)
        calls = {call.id: call for call in note.tool_calls}
        for result in note.tool_results:
            tool = self._tools.pop((note.session_id, result.tool_use_id), None)
            call = calls.get(result.tool_use_id)
            body = Text("✗ " if result.is_error else "✓ ", "red" if result.is_error else "green")
            body.append(clean(call.name if call else result.tool_use_id), "yellow")
            if call is not None and call.input:
                body.append(f" {pretty(call.input, 80)}", "dim")
            if tool is not None and (took := self._clock() - tool.since) >= 1:
                body.append(f"  {took:.0f} s", "dim")
            body.append(f"\n  → {one_line(result.content, 300)}")
            self.print(body, kind="tool", depth=self._depth(note.session_id))

    def _subsession_started(self, note: n.SubsessionStarted) -> None:
        self._flush(note.parent_session_id or note.session_id)
        self._flush(note.session_id)
        agent = clean(note.sub_agent_key or "?")
        body = Text(f"╭ {agent}", "bold blue").append(f"  {clean(note.sub_agent_type)}", "dim")
        self.print(body, kind="agent", depth=max(0, note.depth - 1))
        self._last = ""

    def _subsession_ended(self, note: n.SubsessionEnded) -> None:
        if note.depth:
            self._last = ""
            self.print(Text("╰", "bold blue"), kind="agent", depth=note.depth - 1)

    # -- other -----------------------------------------------------------------------------

    def _media_added(self, note: n.MediaAdded) -> None:
        self._flush(note.session_id)
        media, depth = note.media, self._depth(note.session_id)
        content = media.content or ""
        kind = media.content_type.partition(";")[0].strip().lower()
        if content and kind in ("text/markdown", "text/plain") and len(content) < _SHOWN_MEDIA:
            shown = clean(content)
            if kind == "text/markdown":
                self._markdown(shown, depth=depth)
            else:
                self.print(Text(shown), kind="text", depth=depth)
            return
        self.media.append(MediaItem(len(self.media) + 1, media))
        line = Text(f"▣ {len(self.media)}  ", "magenta").append(one_line(media.name or "media", 60))
        size = f", {len(content.encode(errors='replace'))} bytes" if content else ""
        line.append(f"  {one_line(media.content_type, 60)}{size}", "dim")
        if media.url:
            line.append(f"  {one_line(media.url, 120)}", "dim")
        if media.foreign_content:
            line.append("  [foreign]", "yellow")
        if content:
            line.append(f"  (/save {len(self.media)})", "dim")
        self.print(line, kind="media", depth=depth)

    def _system(self, note: n.SystemNotification) -> None:
        style = _SEVERITY.get(note.severity, _SEVERITY["error"])
        if note.severity in ("info", "warning"):  # servers write these in Markdown
            self._put(self._text.markdown(clean(note.content), style), "notice", 0)
        else:
            self.print(Text(clean(note.content), style))

    def _malformed(self, note: n.ProcessingFailed) -> None:
        self.notice(f"malformed event: {note.error}", "red")

    def _session_changed(self, note: n.ChatSessionChanged) -> None:
        current = note.current_session_id
        if current is None:
            self.notice(f"session {note.previous_session_id} was deleted", "blue")
            return
        if current == note.previous_session_id:
            return  # a resync
        self._shown.clear()
        session = self._state.sessions.get(current)
        name = f" “{clean(session.name)}”" if session is not None and session.name else ""
        self.notice(f"session {current}{name}", "blue")

    def _voice(self, note: n.VoiceChanged) -> None:
        self.notice(f"voice {note.current.voice_id}", "magenta")

    def _agent_changed(self, note: AgentChanged) -> None:
        self.notice(f"the agent is {note.got} now, not {note.expected}", "yellow")
