"""``realtime-trio top URL | FILE``: live statistics of a client."""

from __future__ import annotations

import io
from collections import deque
from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Annotated, Final, TypeAlias

import trio
from cyclopts import Parameter
from rich.console import Console
from rich.live import Live

from .._client._client import Client, open_client
from .._config import ClientConfig
from .._core._notifications import Notification, ProcessingFailed, SystemNotification
from .._core._shell_notifications import Disconnected, Lagged, Reconnecting
from .._transports._memory import MemoryConnector
from .._transports._trio_websocket import TrioWebsocketConnector
from ..server import ScriptedTurn, open_server
from ._command_error import CommandError
from ._connect import check_session, connect, identity
from ._console import make_console
from ._latency_probe import Probe
from ._serve_script import read_recording
from ._signals import until_signalled
from ._standard_streams import as_text
from ._terminal_text import clean, one_line
from ._top_view import TopView, draw

__all__ = ["top"]

_Switch: TypeAlias = Annotated[bool, Parameter(negative=())]

_PERIOD: Final = 0.5
_ERRORS: Final = 5
_WIDTH: Final = 100


def top(
    url: str,
    /,
    *,
    say: Annotated[tuple[str, ...], Parameter(negative=())] = (),
    once: _Switch = False,
    svg: Path | None = None,
    user: str | None = None,
    token: str | None = None,
    agent: str | None = None,
    session: str | None = None,
) -> None:
    """Show lanes, latencies, subscribers and the turn of a client while it works.

    Parameters
    ----------
    url
        The address of the server, or a recording: a server in memory then replays its turns.
    say
        Texts to send, one after the other; without any, it watches until Ctrl-C.
    once
        Print one picture after the last answer, and leave.
    svg
        Save the last picture as SVG.
    user
        Log in with this name. The command asks for the password, unless the environment
        variable REALTIME_TRIO_PASSWORD contains it.
    token
        Use this token instead; the default is the environment variable REALTIME_TRIO_TOKEN.
    agent
        The agent of a new session.
    session
        The session to continue.
    """
    is_file = "://" not in url
    if is_file and not Path(url).exists():
        message = (
            f"{url} is neither an address nor a file: write https://{url}, or the path of a file"
        )
        raise CommandError(message)
    client_of: AbstractAsyncContextManager[Client]
    probe = Probe(MemoryConnector(connect_timeout=10.0) if is_file else TrioWebsocketConnector())
    if is_file:
        turns = _read(Path(url))
        said = [*say] or [each.user for each in turns if each.user is not None]
        once = once or svg is not None
        client_of = _replayed(turns, probe)
    else:
        said = [as_text(text) for text in say]
        client_of = connect(
            url,
            auth=identity(token, user),
            agent=agent,
            session=session,
            config=ClientConfig(coalesce=False, first_attempts=3, max_attempts=None),
            transport=probe,
        )
    console = make_console(plain_width=_WIDTH)
    picture = trio.run(_top, client_of, probe, said, session, None if once else console)
    if once or not console.is_terminal:
        console.print(draw(picture))
    if svg is not None:
        _save(picture, svg)


def _read(file: Path) -> list[ScriptedTurn]:
    return [each for each in read_recording(file) if isinstance(each, ScriptedTurn)]


@asynccontextmanager
async def _replayed(turns: list[ScriptedTurn], probe: Probe) -> AsyncGenerator[Client, None]:
    """Open a client of a server in memory that replays the recording."""
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(open_server())
        server.script(*turns)
        client_of = open_client(
            server.url, auth="any", transport=probe, config=ClientConfig(coalesce=False)
        )
        yield await stack.enter_async_context(client_of)


async def _top(
    client_of: AbstractAsyncContextManager[Client],
    probe: Probe,
    said: list[str],
    session: str | None,
    console: Console | None,
) -> TopView:
    """Watch a client, redraw ``console`` until Ctrl-C, or leave at once without one."""
    errors: deque[str] = deque(maxlen=_ERRORS)
    view = TopView()
    async with until_signalled() as ending, client_of as client, trio.open_nursery() as nursery:
        ending.started = True
        await nursery.start(probe.listen, client)
        await nursery.start(_note_errors, client, errors)
        await check_session(client, session)
        if console is not None and console.is_terminal:
            nursery.start_soon(_redraw, console, client, probe, errors)
        for text in said:
            async with client.ask(text):
                pass
        view = TopView.of(client, probe.samples, tuple(errors))
        if console is not None:
            try:
                await trio.sleep_forever()
            finally:
                view = TopView.of(client, probe.samples, tuple(errors))
        nursery.cancel_scope.cancel()
    return view


async def _redraw(console: Console, client: Client, probe: Probe, errors: deque[str]) -> None:
    with Live(console=console, auto_refresh=False, screen=True) as live:
        while True:
            live.update(draw(TopView.of(client, probe.samples, tuple(errors))), refresh=True)
            await trio.sleep(_PERIOD)


async def _note_errors(
    client: Client, errors: deque[str], *, task_status: trio.TaskStatus[None]
) -> None:
    with client.subscribe(Notification) as notes:
        task_status.started()
        async for note in notes:
            line = _error(note)
            if line is not None:
                errors.append(one_line(line, 120))


def _error(note: Notification) -> str | None:
    match note:
        case SystemNotification(severity="error", content=content):
            return content
        case ProcessingFailed(error=error):
            return f"malformed: {error}"
        case Disconnected(code=code, reason=reason):
            return f"disconnected: {reason or code or 'the link broke'}"
        case Reconnecting(attempt=attempt, delay=delay):
            return f"dial {attempt} in {delay:.1f} s"
        case Lagged(count=count):
            return f"a subscriber lost {count} items"
        case _:
            return None


def _save(picture: TopView, file: Path) -> None:
    console = Console(record=True, width=_WIDTH, file=io.StringIO(), force_terminal=True)
    console.print(draw(picture))
    try:
        file.write_text(console.export_svg(title="realtime-trio top"), encoding="utf-8")
    except OSError as exc:
        message = f"cannot write {clean(str(file))}: {exc.strerror}"
        raise CommandError(message, status=1) from None
