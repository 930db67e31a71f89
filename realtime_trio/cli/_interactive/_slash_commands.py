"""The commands of a chat, which begin with a slash. Input with ``!`` is for the server."""

from __future__ import annotations

import base64
import os
import shlex
from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType
from typing import Final, TypeAlias, final

import attrs
import trio
from rich.table import Table
from rich.text import Text

from ..._client._client import Client
from ..._exceptions import RealtimeError
from .._terminal_text import clean, one_line
from ._chat_status import ChatStatus
from ._chat_view import ChatView

__all__ = ["COMMANDS", "ChatDesk", "SlashCommand", "run_command"]

_LISTED: Final = 30  # sessions that /sessions shows


@final
@attrs.define(slots=True)
class ChatDesk:
    """The context of the commands."""

    client: Client
    view: ChatView
    status: ChatStatus
    leave: Callable[[], None]
    file_ids: list[str] = attrs.field(factory=list[str])

    def fail(self, text: str) -> None:
        """Show why a command failed."""
        self.view.notice(text, "red")

    def named(self, what: str, key: str, known: Mapping[str, str]) -> bool:
        """Return whether a key is known; if not, show the known keys."""
        if key in known or not known:
            return True
        self.fail(f"no {what} {key!r}; available: {', '.join(list(known)[:20])}")
        return False

    @property
    def agents(self) -> Mapping[str, str]:
        """The agents of the server: names by key."""
        return {each.key: each.name or "" for each in self.client.state.catalog.agents}

    @property
    def voices(self) -> Mapping[str, str]:
        """The voices of the server: names by id."""
        return {each.voice_id: each.description for each in self.client.state.catalog.voices}

    @property
    def sessions(self) -> Mapping[str, str]:
        """The known sessions: names by id."""
        index = self.client.state.control.index
        return {each.session_id: each.session_name or "" for each in index}

    def session_id(self, named: str) -> str:
        """Return the id of the only session with this name, or ``named``, which is an id."""
        known = self.sessions
        ids = [each for each, name in known.items() if name == named]
        return ids[0] if len(ids) == 1 and named not in known else named


_Run: TypeAlias = Callable[[ChatDesk, str], Awaitable[None]]


@attrs.frozen(slots=True)
class SlashCommand:
    """``waits``: it is sent to the server, in order with earlier input."""

    usage: str
    summary: str
    run: _Run
    waits: bool = False


async def _help(desk: ChatDesk, _: str) -> None:
    table = Table(box=None, show_header=False, pad_edge=False)
    for name, command in COMMANDS.items():
        table.add_row(Text(f"/{name} {command.usage}".rstrip(), "bold"), command.summary)
    table.add_row(Text("!command", "bold"), "for the server: !help lists its commands")
    table.add_row(Text("//text", "bold"), "send a text that begins with a slash")
    keys = (
        "Enter sends, Alt-Enter or \\ Enter breaks the line, Ctrl-C cancels, Ctrl-R searches, "
        "Ctrl-T folds thoughts, Ctrl-D leaves"
    )
    desk.view.print(table, Text(keys, "dim"))


async def _sessions(desk: ChatDesk, _: str) -> None:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("session", "name", "agent", "changed"):
        # An id that is broken across two lines cannot be copied.
        table.add_column(name, overflow="fold", no_wrap=name in ("session", "changed"))
    current = desk.client.state.current_session_id
    more = False
    async for entry in desk.client.sessions():
        if table.row_count == _LISTED:
            more = True
            break
        here = "*" if entry.session_id == current else " "
        cells = (
            f"{here}{entry.session_id}",
            entry.session_name or "",
            entry.agent_key or "",
            (entry.updated_at or "")[:16],
        )
        table.add_row(*(Text(one_line(cell, 60)) for cell in cells))
    if table.row_count:
        desk.view.print(table)
    else:
        desk.view.notice("no sessions yet: a session is listed after its first message")
    if more:
        desk.view.notice(f"the first {_LISTED} of {desk.client.state.control.index_total}")


async def _resume(desk: ChatDesk, argument: str) -> None:
    if not argument:
        desk.fail("which session? /sessions lists them")
        return
    known, session_id = desk.sessions, desk.session_id(argument)
    if not known or desk.client.state.control.index_total > len(known):
        known = {session_id: ""}  # the list is incomplete, so the server decides
    if session_id == desk.client.state.current_session_id:
        desk.view.notice(f"session {session_id} is the current one")
    elif desk.named("session", session_id, known):
        await desk.client.resume_chat_session(session_id)


async def _new(desk: ChatDesk, argument: str) -> None:
    if not argument or desk.named("agent", argument, desk.agents):
        await desk.client.new_chat_session(argument or None)


async def _agent(desk: ChatDesk, argument: str) -> None:
    if not argument:
        _list(desk, desk.agents, desk.client.state.control.agent)
    elif desk.named("agent", argument, desk.agents):
        await desk.client.set_agent(argument)


async def _voice(desk: ChatDesk, argument: str) -> None:
    if not argument:
        _list(desk, desk.voices, desk.client.state.control.voice)
    elif desk.named("voice", argument, desk.voices):
        await desk.client.set_agent_voice(argument)


def _list(desk: ChatDesk, known: Mapping[str, str], current: object) -> None:
    here = getattr(current, "key", getattr(current, "voice_id", None))
    for key, name in known.items():
        mark = "*" if key == here else " "
        desk.view.print(
            Text(f"{mark}{clean(key)}", "bold").append(f"  {one_line(name, 60)}", "dim")
        )


async def _upload(desk: ChatDesk, argument: str) -> None:
    try:
        names = shlex.split(argument)
    except ValueError as exc:
        desk.fail(f"cannot read the names: {exc}")
        return
    if not names:
        desk.fail("which file? /upload FILE...")
    for name in names:
        try:
            uploaded = await desk.client.upload_file(_path(name))
        except (OSError, ValueError, RealtimeError) as exc:
            desk.fail(f"{name}: {getattr(exc, 'strerror', None) or exc}")
            return
        desk.file_ids.append(uploaded.id)
        desk.status.files = len(desk.file_ids)
        desk.view.notice(f"{name} goes with the next message")


def _path(name: str) -> str:
    return os.path.expanduser(name)


async def _rename(desk: ChatDesk, argument: str) -> None:
    if argument:
        await desk.client.set_chat_session_name(argument)
    else:
        desk.fail("which name? /rename NAME")


async def _delete(desk: ChatDesk, argument: str) -> None:
    state = desk.client.state
    current, agent = state.current_session_id, state.control.agent
    if not argument:
        desk.fail(f"this cannot be undone; to delete the current session: /delete {current}")
        return
    session_id = desk.session_id(argument)
    await desk.client.delete_chat_session(session_id)
    if session_id == current:
        # The server continues in a deleted session, and the next message would store it again.
        await desk.client.new_chat_session(None if agent is None else agent.key)
    else:
        await desk.client.get_user_sessions()  # no event says that another session was deleted


async def _copy(desk: ChatDesk, _: str) -> None:
    text = desk.view.answer
    if not text:
        desk.fail("there is no answer yet")
        return
    data = base64.b64encode(text.encode(errors="replace")).decode()
    desk.view.raw(f"\x1b]52;c;{data}\a")  # the terminal's clipboard, through ssh as well
    desk.view.notice(f"copied {len(text)} characters, if the terminal allows it")


async def _save(desk: ChatDesk, argument: str) -> None:
    which, _, where = argument.partition(" ")
    if which and not (which.isdecimal() or which == "all"):
        which, where = "", argument
    items = desk.view.media
    chosen = items if which == "all" else items[-1:] if not which else items[int(which) - 1 :][:1]
    if which == "0" or not chosen:
        desk.fail(f"no media {which}".rstrip() + f"; there are {len(items)}")
    directory = _path(where.strip() or ".")
    for item in chosen if which != "0" else ():
        try:
            path = await trio.to_thread.run_sync(item.media.save, directory)
        except (OSError, ValueError) as exc:
            desk.fail(f"media {item.number}: {getattr(exc, 'strerror', None) or exc}")
        else:
            desk.view.notice(f"saved {path}")


async def _state(desk: ChatDesk, _: str) -> None:
    state = desk.client.state
    session = state.current_session
    counters = state.counters
    rows = {
        "session": "none" if session is None else f"{session.id} {session.name or ''}",
        "messages": 0 if session is None else len(session.messages),
        "agent": "none" if state.control.agent is None else state.control.agent.key,
        "turn": "the user's" if state.turn.can_send_input else "the agent's",
        "tools": ", ".join(each.tool_name for each in state.active_tools) or "none",
        "sub-sessions": len(state.subsessions),
        "events": f"{counters.events} (revision {state.revision})",
        "faults": f"{counters.malformed} malformed, {counters.unknown} unknown, "
        f"{counters.duplicates} duplicates, {counters.handler_errors} handler errors",
    }
    _print_rows(desk, rows)


async def _stats(desk: ChatDesk, _: str) -> None:
    found = desk.client.statistics()
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("lane", "handled", "waiting", "high water"):
        table.add_column(name, justify="left" if name == "lane" else "right")
    for name in ("control", "audio", "text"):
        lane = getattr(found, name)
        table.add_row(name, f"{lane.events:,}", f"{lane.depth:,}", f"{lane.high_water:,}")
    desk.view.print(table)
    health = desk.client.health
    _print_rows(
        desk,
        {
            "link": f"{health.status}, {health.links} opened",
            "received": "-" if health.traffic is None else f"{health.traffic:,} bytes",
            "to be sent": f"{health.outbox.commands} commands",
        },
    )


def _print_rows(desk: ChatDesk, rows: Mapping[str, object]) -> None:
    table = Table(box=None, show_header=False, pad_edge=False)
    for name, value in rows.items():
        table.add_row(Text(name, "bold"), Text(clean(str(value))))
    desk.view.print(table)


async def _quit(desk: ChatDesk, _: str) -> None:
    desk.leave()


COMMANDS: Final[Mapping[str, SlashCommand]] = MappingProxyType(
    {
        "help": SlashCommand("", "this list", _help),
        "sessions": SlashCommand("", "your sessions", _sessions, waits=True),
        "resume": SlashCommand("SESSION", "continue a session", _resume, waits=True),
        "new": SlashCommand("[AGENT]", "start a session", _new, waits=True),
        "agent": SlashCommand("[AGENT]", "list the agents, or choose one", _agent, waits=True),
        "voice": SlashCommand("[VOICE]", "list the voices, or choose one", _voice, waits=True),
        "upload": SlashCommand("FILE...", "send files with the next message", _upload, waits=True),
        "rename": SlashCommand("NAME", "name the session", _rename, waits=True),
        "delete": SlashCommand("SESSION", "delete a session", _delete, waits=True),
        "copy": SlashCommand("", "copy the last answer to the clipboard", _copy),
        "save": SlashCommand("[NUMBER|all] [DIRECTORY]", "save media", _save),
        "state": SlashCommand("", "show the state of the client", _state),
        "stats": SlashCommand("", "show the measurements of the client", _stats),
        "quit": SlashCommand("", "leave", _quit),
    }
)


async def run_command(desk: ChatDesk, command: SlashCommand, argument: str) -> None:
    """Run a command; show errors of the server or the link."""
    try:
        await command.run(desk, argument)
    except RealtimeError as exc:
        desk.fail(str(exc))
