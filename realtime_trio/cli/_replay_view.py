"""A replay as a transcript, including lines that are not events."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

import msgspec
from rich.live import Live
from rich.table import Table
from rich.text import Text
from rich.tree import Tree

from .._core._messages import Message
from .._core._notifications import Notification
from .._core._state import Counters, Session, SessionState
from .._redact import redact, redact_text
from .._replay import EPOCH, Replay, SkippedLine
from ._console import content_text, make_console, pretty
from ._terminal_text import clean, one_line
from ._transcript import Transcript

__all__ = ["ReplayView", "StateView"]

_OPEN_TAIL = 400


def _type_of(text: object) -> str:
    """Return the type of the event in a frame's text."""
    try:
        value: object = msgspec.json.decode(text if isinstance(text, (str, bytes)) else b"")
    except (ValueError, RecursionError):
        return "?"
    fields = cast("Mapping[str, object]", value if isinstance(value, dict) else {})
    if "dir" in fields and "type" not in fields:
        return _type_of(fields.get("text"))
    return clean(str(fields.get("type", "?")))


class ReplayView:
    """The output for people."""

    def __init__(self, *, live: bool = False) -> None:
        self._console = make_console()
        self._transcript = Transcript(self._console)
        self._counters = Counters()
        self._lines = 0
        self._live: Live | None = None
        if live and self._console.is_terminal:
            self._live = Live(console=self._console, transient=True, auto_refresh=False)
            self._live.start()

    def show(self, replay: Replay, notes: tuple[Notification, ...], line: bytes) -> None:
        """Show the notifications of one line."""
        elapsed = replay.now - EPOCH
        skipped = replay.skipped
        if skipped is not None:
            self._transcript.at(elapsed)
            self._show_skipped(skipped)
        state = replay.state
        if skipped is None:
            self._show_uncounted(state.counters, line, elapsed)
        for note in notes:
            self._transcript.show(note, state, elapsed)

    def flush(self) -> None:
        """Show open messages below the transcript, if it is on a terminal."""
        self._console.file.flush()

    def refresh(self, replay: Replay) -> None:
        """Show the messages under construction."""
        if self._live is None:
            return
        made = Text()
        for message in replay.state.text.open.values():
            made.append(f"{clean(message.role)}: ", "bold")
            made.append(clean(message.content)[-_OPEN_TAIL:] + "\n", "dim")
        self._live.update(made, refresh=True)

    def finish(self, replay: Replay) -> None:
        """Show the summary."""
        self.close()
        self._console.print()
        self._console.print(_summary(replay, self._transcript))

    def close(self) -> None:
        """Restore the terminal."""
        if self._live is not None:
            self._live.stop()
            self._live = None

    def _show_uncounted(self, counters: Counters, line: bytes, elapsed: float) -> None:
        """Mark late, duplicate and unknown events, which changed nothing."""
        before, self._counters = self._counters, counters
        told = self._transcript
        for label, grew in (
            ("late", counters.late_deltas > before.late_deltas),
            ("duplicate", counters.duplicates > before.duplicates),
            ("unknown", counters.unknown > before.unknown),
            ("tolerated", counters.tolerated > before.tolerated),
        ):
            if grew:
                told.at(elapsed)
                told.line(label, _type_of(line), style="yellow")

    def _show_skipped(self, skipped: SkippedLine) -> None:
        fields = skipped.fields
        conn = f"{one_line(str(fields['conn']), 12)} " if "conn" in fields else ""
        match skipped.kind:
            case "ctl":
                rest = {key: value for key, value in fields.items() if key != "__ctl"}
                told = f"{one_line(str(fields['__ctl']))} {pretty(rest)}"
                self._transcript.line("control", told, style="dim")
            case "out":
                self._transcript.line("→ sent", conn + _sent(fields), style="cyan")
            case kind:
                told = f"{conn}{redact_text(_rest(fields))}"
                self._transcript.line(one_line(kind, 11), told, style="blue")


def _rest(fields: Mapping[str, object], limit: int = 160) -> str:
    """Format a recording line's fields other than time, connection and direction."""
    rest = {k: v for k, v in fields.items() if k not in ("t", "dir", "conn")}
    try:
        return pretty(redact(rest), limit)
    except RecursionError:  # nested too deep to be searched for secrets
        return "…"


def _sent(fields: Mapping[str, object]) -> str:
    """Summarise a client event, without secrets."""
    text = fields.get("text")
    if not isinstance(text, str):
        return _rest(fields, 60)
    try:
        value: object = redact(msgspec.json.decode(text))
    except (ValueError, RecursionError):
        return one_line(redact_text(text))
    if not isinstance(value, dict):
        return pretty(value)
    rest: dict[object, object] = dict(value)  # pyright: ignore[reportUnknownArgumentType]
    return f"{clean(str(rest.pop('type', '?')))} {pretty(rest)}"


def _summary(replay: Replay, transcript: Transcript) -> Table:
    state, tally = replay.state, transcript.tally
    counters = state.counters
    table = Table(title="Summary", show_header=False, title_justify="left")
    table.add_column(style="bold")
    table.add_column(justify="right")
    rows: list[tuple[str, int]] = [
        ("lines", replay.line + 1),
        ("events", counters.events),
        ("sessions", len(state.sessions)),
        ("messages", tally.messages),
        ("thoughts", tally.thoughts),
        ("tools", tally.tools),
        ("media", tally.media),
        ("delegations", tally.subsessions),
        ("cancels", tally.cancels),
        ("bytes of audio", tally.audio_bytes),
        ("tokens in", sum(session.input_tokens for session in state.sessions.values())),
        ("tokens out", sum(session.output_tokens for session in state.sessions.values())),
    ]
    for name, value in rows:
        table.add_row(name, f"{value:,}", style="" if value else "dim")
    table.add_section()
    faults: list[tuple[str, int, str]] = [
        ("malformed", counters.malformed, "bold red"),
        ("handler errors", counters.handler_errors, "bold red"),
        ("tolerated", counters.tolerated, "yellow"),
        ("late deltas", counters.late_deltas, "yellow"),
        ("duplicates", counters.duplicates, "yellow"),
        ("unknown", counters.unknown, "yellow"),
    ]
    for name, value, style in faults:
        table.add_row(name, f"{value:,}", style=style if value else "dim")
    return table


class StateView:
    """The output of the state after one line, as a tree."""

    def show(self, replay: Replay, notes: tuple[Notification, ...], line: bytes) -> None:
        """Do nothing: only the final state is shown."""

    def flush(self) -> None:
        """Do nothing: there is no buffer."""

    def refresh(self, replay: Replay) -> None:
        """Do nothing: only the final state is shown."""

    def close(self) -> None:
        """Do nothing: there are no resources."""

    def finish(self, replay: Replay) -> None:
        """The state."""
        make_console().print(_state_tree(replay))


def _state_tree(replay: Replay) -> Tree:
    state = replay.state
    tree = Tree(Text(f"state after line {replay.line}", "bold"), guide_style="dim")
    turn = "the user's" if state.turn.can_send_input else "not the user's"
    tree.add(Text(f"turn: {turn}"))
    sessions = tree.add(Text(f"sessions: {len(state.sessions)}"))
    for session in state.sessions.values():
        _add_session(sessions, session, current=session.id == state.current_session_id)
    tools = tree.add(Text(f"active tools: {len(state.text.active_tools)}"))
    for tool in state.text.active_tools:
        tools.add(
            Text(f"{clean(tool.tool_name)} {tool.status}  {clean(tool.session_id)}", "yellow")
        )
    opened = tree.add(Text(f"open delegations: {len(state.text.subsessions)}"))
    for each in state.text.subsessions:
        opened.add(Text(f"{clean(each.prime_agent_key)} → {clean(each.sub_agent_key)}", "blue"))
    _add_catalog(tree, state)
    counters = state.counters
    tree.add(
        Text(
            f"events: {counters.events}, unknown {counters.unknown}, "
            f"malformed {counters.malformed}, tolerated {counters.tolerated}, "
            f"duplicates {counters.duplicates}, "
            f"late {counters.late_deltas}"
        )
    )
    return tree


def _add_session(tree: Tree, session: Session, *, current: bool) -> None:
    heading = Text(clean(session.id), "bold blue")
    if session.name:
        heading.append(f" “{clean(session.name)}”")
    if current:
        heading.append("  current", "green")
    heading.append(f"  {session.input_tokens} in, {session.output_tokens} out", "dim")
    branch = tree.add(heading)
    for message in session.messages:
        branch.add(_message_line(message))
    if session.open_message is not None:
        branch.add(_message_line(session.open_message.snapshot()))
    for call in session.waiting_tools:
        branch.add(Text(f"waits: {clean(call.name)}", "yellow"))


def _message_line(message: Message) -> Text:
    line = Text(f"{clean(message.role)}: ", "bold")
    line.append(one_line(content_text(message.content).plain, 120))
    for call in message.tool_calls:
        line.append(f"  +{clean(call.name)}", "yellow")
    if message.status != "complete":
        line.append(f"  [{message.status}]", "yellow")
    return line


def _add_catalog(tree: Tree, state: SessionState) -> None:
    catalog = state.catalog
    user = clean(catalog.user.user_id) if catalog.user is not None else "nobody"
    tree.add(
        Text(
            f"catalogue: user {user}, {len(catalog.agents)} agents, {len(catalog.voices)} voices, "
            f"{len(catalog.avatars)} avatars, {len(catalog.tools)} tools"
        )
    )
