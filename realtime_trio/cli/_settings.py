"""Settings of the commands: options first, then the environment, then a TOML file.

::

    url = "https://agents.example.com"      # REALTIME_TRIO_URL
    user = "me"                             # REALTIME_TRIO_USER
    [chat]
    vi = true                               # REALTIME_TRIO_CHAT_VI

All commands that dial share the user and the address. Every other option belongs to one command.
cyclopts parses the values like those of options.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Final, cast, final

from cyclopts import App, Argument, ArgumentCollection, Token
from platformdirs import user_config_path

from ._command_error import CommandError

__all__ = ["CONFIG_VARIABLE", "Settings"]

CONFIG_VARIABLE: Final = "REALTIME_TRIO_CONFIG"
_PREFIX: Final = "REALTIME_TRIO_"
_SHARED: Final = ("url", "user", "token", "agent", "session")
_DIALLING: Final = ("chat", "send", "voice", "record", "top")
_OPTIONAL_URL: Final = ("chat", "voice", "top")  # for other commands another argument follows it


@final
class Settings:
    """Completes the arguments of a command; ``commands`` are the tables that a file may have."""

    def __init__(self, commands: tuple[str, ...]) -> None:
        self._commands = commands

    @cached_property
    def _file(self) -> tuple[str, Mapping[str, object]]:
        """Return the name and the content of the file; empty if there is none."""
        named = os.environ.get(CONFIG_VARIABLE)
        path = Path(named) if named else user_config_path("realtime-trio") / "config.toml"
        try:
            found: Mapping[str, object] = tomllib.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            if not named:
                return str(path), {}
            message = f"{CONFIG_VARIABLE} names {path}, which does not exist"
            raise CommandError(message) from None
        except OSError as exc:
            message = f"cannot read {path}: {exc.strerror}"
            raise CommandError(message) from None
        except ValueError as exc:
            message = f"{path} is not a TOML file: {exc}"
            raise CommandError(message) from None
        for key, value in found.items():
            if (key in self._commands) is not isinstance(value, Mapping) or (
                key not in (*self._commands, *_SHARED)
            ):
                known = ", ".join((*_SHARED, *(f"[{each}]" for each in self._commands)))
                message = f"{path}: there is no setting {key!r}; available: {known}"
                raise CommandError(message)
        return str(path), found

    def __call__(self, app: App, commands: tuple[str, ...], arguments: ArgumentCollection) -> None:
        """Give each missing argument its value from the settings."""
        command = commands[0] if commands else ""
        if command not in self._commands:
            return
        by_name = {argument.field_info.name: argument for argument in arguments}
        identified = any(by_name[each].tokens for each in ("user", "token") if each in by_name)
        path, found = self._file
        table = cast("Mapping[str, object]", found.get(command, {}))
        for key in table:
            if key.replace("-", "_") not in by_name:
                message = f"{path}: [{command}] has no setting {key!r}"
                raise CommandError(message)
        for name, argument in by_name.items():
            if argument.tokens or (name in ("user", "token") and identified):
                continue
            if name == "url" and command not in _OPTIONAL_URL:
                continue
            shared = command in _DIALLING and name in _SHARED
            for source, values in _sources(command, name, found if shared else {}, table, path):
                _give(argument, values, source)
                identified = identified or name in ("user", "token")
                break


def _sources(
    command: str,
    name: str,
    top: Mapping[str, object],
    table: Mapping[str, object],
    path: str,
) -> Iterator[tuple[str, list[object]]]:
    """Yield the values of an option, the one that takes precedence first."""
    variables = [f"{_PREFIX}{command}_{name}".upper()]
    if command in _DIALLING and name in _SHARED:
        variables.append(f"{_PREFIX}{name}".upper())
    for variable in variables:
        if value := os.environ.get(variable):
            yield variable, [value]
    if name == "user" and os.environ.get(f"{_PREFIX}TOKEN"):
        return  # the environment names the user
    for place in (table, top):
        for key in (name, name.replace("_", "-")):
            if key in place and not isinstance(place[key], Mapping):
                found = place[key]
                several = isinstance(found, list)
                yield path, cast("list[object]", found) if several else [found]


def _give(argument: Argument, values: list[object], source: str) -> None:
    for index, value in enumerate(values):
        text = str(value).lower() if isinstance(value, bool) else str(value)
        argument.append(Token(keyword=argument.name, value=text, source=source, index=index))
