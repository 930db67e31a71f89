"""``realtime-trio serve``: the embedded server on a port, to develop against."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Final, TypeAlias, cast

import attrs
import trio
from cyclopts import Parameter
from rich.console import Console

from ..server import (
    Account,
    RealtimeServer,
    ScriptedAnswer,
    ScriptedTurn,
    ServerConfig,
    open_server,
)
from ._command_error import CommandError
from ._connect import password_of
from ._console import make_console
from ._fault_spec import install_fault, parse_fault
from ._serve_log import ServeLog
from ._serve_script import read_recording, read_script
from ._signals import endings
from ._standard_streams import as_text
from ._terminal_text import clean

__all__ = ["serve"]

_Switch: TypeAlias = Annotated[bool, Parameter(negative=())]

# The user in the examples of the documentation. Any token counts as a token of the first user.
_USER: Final = Account(
    user_id="me", password="secret", email="me@example.com", first_name="Me", last_name="Example"
)
_AGAIN: Final = 1_000_000  # how many times each turn of the demo can be used


@attrs.define(slots=True, kw_only=True)
class _Plan:
    """What the server does, according to the options."""

    config: ServerConfig
    scripts: list[ScriptedTurn | ScriptedAnswer] = attrs.field(
        factory=list[ScriptedTurn | ScriptedAnswer]
    )
    faults: list[tuple[str, Mapping[str, object], str]] = attrs.field(
        factory=list[tuple[str, Mapping[str, object], str]]
    )
    told: list[str] = attrs.field(factory=list[str])
    login: str = "--token any"


def serve(
    *,
    host: str = "127.0.0.1",
    port: int = 8080,
    pace: float | None = None,
    demo: _Switch = False,
    script: Path | None = None,
    recording: Path | None = None,
    fault: Annotated[tuple[str, ...], Parameter(negative=())] = (),
    user: str | None = None,
    verbose: _Switch = False,
) -> None:
    """Run the embedded server until Ctrl-C or SIGTERM.

    It accepts any token, and the user "me" with the password "secret".
    It repeats each message, unless an option sets the answers.

    Parameters
    ----------
    host
        The address to listen on. Anyone who can reach it can log in.
    port
        The port; 0 for a free one.
    pace
        Seconds between two deltas of an answer; the default is 0.02.
    demo
        Answer the questions of "realtime-trio demo", with thoughts, tools and a sub-agent.
    script
        Answer with the turns in this TOML file.
    recording
        Answer with the turns in this recording.
    fault
        Inject a fault, such as cut:after=20 or delay:0.3,jitter=0.2; may be repeated.
    user
        Let in this user only. The command asks for the password, unless the environment
        variable REALTIME_TRIO_PASSWORD contains it.
    verbose
        Print who connects, what is asked and what is answered.
    """
    if not 0 <= port <= 65_535:
        message = "--port must be from 0 to 65535"
        raise CommandError(message)
    if pace is not None and not (math.isfinite(pace) and pace >= 0):
        message = "--pace must be 0 seconds or more"
        raise CommandError(message)
    plan = _Plan(config=ServerConfig(users=(Account(), _USER), pace=0.02))
    if demo:
        _add_demo(plan)
    if script is not None:
        _add_script(plan, script)
    if recording is not None:
        _add_recording(plan, recording)
    for spec in fault:
        plan.faults.append((*parse_fault(spec), f"--fault {spec}"))
    if user is not None:
        _let_in(plan, as_text(user))
    if pace is not None:
        plan.config = attrs.evolve(plan.config, pace=pace)
    trio.run(_serve, plan, host, port, verbose)


def _add_demo(plan: _Plan) -> None:
    from ._demo_script import QUESTIONS, turns

    plan.scripts += [attrs.evolve(each, times=_AGAIN) for each in turns() if each.user in QUESTIONS]
    plan.told += [f"ask: {question}" for question in QUESTIONS]


def _add_script(plan: _Plan, file: Path) -> None:
    found = read_script(file)
    plan.scripts += found.scripts
    plan.faults += [(name, options, f"{file}: fault") for name, options in found.faults]
    given = {"welcome": found.welcome, "pace": found.pace}
    changed = {name: value for name, value in given.items() if value is not None}
    plan.config = attrs.evolve(plan.config, **changed)  # type: ignore[arg-type]
    plan.told.append(f"{clean(str(file))}: {len(found.scripts)} answers")


def _add_recording(plan: _Plan, file: Path) -> None:
    found = read_recording(file)
    plan.scripts += found
    inputs = [each.user for each in found if each.user]
    plan.told.append(f"{clean(str(file))}: {len(found)} turns")
    plan.told += [f"say: {clean(text)[:100]}" for text in inputs[:5]]


def _let_in(plan: _Plan, user: str) -> None:
    account = attrs.evolve(_USER, user_id=user, password=password_of(user))
    plan.config = attrs.evolve(plan.config, users=(account,), accept_any_token=False)
    plan.login = f"--user {user}"


async def _serve(plan: _Plan, host: str, port: int, verbose: bool) -> None:
    # Not KeyboardInterrupt: SIGINT is ignored in a process that a script starts in the background,
    # and Python does not change that.
    console = make_console()
    with trio.open_signal_receiver(*endings()) as signals:
        async with open_server(plan.config) as server:
            _prepare(server, plan)
            if verbose:
                server.trace(ServeLog(console, lambda: time.strftime("%H:%M:%S")).show)
            try:
                url = await server.listen(host, port)
            except (OSError, UnicodeError) as exc:  # an invalid host name cannot be encoded
                why = getattr(exc, "strerror", None) or exc
                message = f"cannot listen on {host}:{port}: {why}"
                raise CommandError(message) from None
            _print_banner(console, plan, url)
            async for _ in signals:
                break


def _prepare(server: RealtimeServer, plan: _Plan) -> None:
    try:
        server.script(*plan.scripts)
    except ValueError as exc:
        raise CommandError(str(exc)) from None
    for name, options, where in plan.faults:
        install_fault(server.faults, name, options, where)


def _print_banner(console: Console, plan: _Plan, url: str) -> None:
    """Print how to reach the server; the last line is a command to copy."""
    console.print(f"listening on {url}", style="bold", soft_wrap=True, markup=False)
    lines = [*plan.told, *(_told(name, options) for name, options, _ in plan.faults)]
    if plan.config.accept_any_token:
        lines.append('any token, or the user "me" with the password "secret"; Ctrl-C stops it')
    for line in [*lines, f"realtime-trio chat {url} {plan.login}"]:
        console.print(f"  {line}", style="dim", soft_wrap=True, markup=False)
    console.file.flush()


def _told(name: str, options: Mapping[str, object]) -> str:
    """Return a fault as ``--fault`` takes it."""
    given = ",".join(f"{key}={_value(value)}" for key, value in options.items())
    return clean(f"fault: {name}:{given}".rstrip(":"))


def _value(value: object) -> str:
    if isinstance(value, list):
        return "+".join(str(each) for each in cast("list[object]", value))
    return str(value)
