"""The file of ``serve --script``: what the server answers, as TOML.

The keys are those of :func:`realtime_trio.testing.turn` and its siblings. An unknown key is an
error, which names the place of the key.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Final, TypeAlias, cast

import attrs

from .. import testing as t
from ..server import Delegate, Fail, Render, ScriptedAnswer, ScriptedMedia, ScriptedTurn
from ..server._turn_script import Call, Step
from ._command_error import CommandError

__all__ = ["ServeScript", "read_recording", "read_script"]

_Table: TypeAlias = Mapping[str, object]

_MEDIA: Final = ("content", "content_type", "url", "name", "foreign_content")
_TOOL: Final = ("name", "input", "result", "id", "is_error", "raises", "delay", "media")
_DELEGATE: Final = ("agent", "request", "kind", "by", "id", "delay", "text", "steps")
_TURN: Final = (
    *("user", "thoughts", "preface", "tools", "delegate", "media", "text", "audio", "fail"),
    *("delay", "late", "stop_reason", "input_tokens", "output_tokens", "times", "start"),
    *("unprepared", "steps"),
)
_COMMAND: Final = ("user", "media", "notice", "error", "times")
_TOP: Final = ("turn", "command", "fault", "welcome", "pace")


_STRINGS: Final = (
    *("user", "preface", "text", "audio", "fail", "stop_reason", "unprepared", "name", "result"),
    *("id", "raises", "content", "content_type", "url", "agent", "request", "kind", "by"),
    *("notice", "error", "welcome", "say", "think", "speak"),
)
_KINDS: Final[Mapping[str, tuple[str, tuple[type, ...]]]] = MappingProxyType(
    {
        **dict.fromkeys(_STRINGS, ("a string", (str,))),
        **dict.fromkeys(("delay", "start", "pace", "wait"), ("seconds", (int, float))),
        **dict.fromkeys(
            ("late", "input_tokens", "output_tokens", "times"), ("a whole number", (int,))
        ),
        **dict.fromkeys(("is_error", "foreign_content"), ("true or false", (bool,))),
        "thoughts": ("a string or several", (str, list)),
        "input": ("a table", (dict,)),
    }
)


@attrs.frozen(slots=True, kw_only=True)
class ServeScript:
    """The content of a script."""

    scripts: tuple[ScriptedTurn | ScriptedAnswer, ...] = ()
    faults: tuple[tuple[str, Mapping[str, object]], ...] = ()
    welcome: str | None = None
    pace: float | None = None


def read_script(file: Path) -> ServeScript:
    """Read a script. Raises :class:`CommandError` for an invalid file."""
    try:
        found: _Table = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as exc:
        message = f"cannot read {file}: {exc.strerror}"
        raise CommandError(message) from None
    except ValueError as exc:  # UnicodeDecodeError and tomllib.TOMLDecodeError
        message = f"{file} is not a TOML file: {exc}"
        raise CommandError(message) from None
    try:
        return _script(found)
    except (TypeError, ValueError) as exc:
        message = f"{file}: {exc}"
        raise CommandError(message) from None


def read_recording(file: Path) -> tuple[ScriptedTurn | ScriptedAnswer, ...]:
    """Read the turns of a recording. Raises :class:`CommandError` for an invalid file."""
    try:
        return t.recorded(file)
    except OSError as exc:
        message = f"cannot read {file}: {exc.strerror or exc}"
        raise CommandError(message) from None
    except (ValueError, EOFError) as exc:
        raise CommandError(str(exc)) from None


def _script(found: _Table) -> ServeScript:
    _check(found, _TOP, "the file")
    turns = [_turn(each, where) for each, where in _tables(found, "turn", "")]
    answers = [_answer(each, where) for each, where in _tables(found, "command", "")]
    faults = tuple(
        (_text(each, "name", where), {key: each[key] for key in each if key != "name"})
        for each, where in _tables(found, "fault", "")
    )
    return ServeScript(
        scripts=(*turns, *answers),
        faults=faults,
        welcome=cast("str | None", found.get("welcome")),
        pace=cast("float | None", found.get("pace")),
    )


# -- tables --------------------------------------------------------------------------------


def _check(table: _Table, known: tuple[str, ...], where: str) -> None:
    for key in table:
        if key not in known:
            message = f"{where} has {key!r}; allowed: {', '.join(known)}"
            raise ValueError(message)

        wanted, types = _KINDS.get(key, ("", (object,)))
        value = table[key]
        if not isinstance(value, types) or (isinstance(value, bool) and bool not in types):
            message = f"{where}.{key} must be {wanted}, not {value!r}"
            raise TypeError(message)


def _tables(table: _Table, key: str, where: str) -> list[tuple[_Table, str]]:
    """Return the tables under a key, one or several, each with its place."""
    found = table.get(key, [])
    items = cast("list[object]", found if isinstance(found, list) else [found])
    place = f"{where}.{key}" if where else key
    for item in items:
        if not isinstance(item, Mapping):
            message = f"{place} must be a table, not {item!r}"
            raise TypeError(message)
    return [(cast("_Table", item), f"{place}[{index}]") for index, item in enumerate(items)]


def _text(table: _Table, key: str, where: str) -> str:
    value = table.get(key)
    if not isinstance(value, str):
        message = (
            f"{where} needs {key}, a string" if value is None else f"{where}.{key} must be a string"
        )
        raise TypeError(message)
    return value


def _plain(table: _Table, *without: str) -> dict[str, object]:
    return {key: value for key, value in table.items() if key not in without}


def _call(make: Callable[..., object], options: Mapping[str, object]) -> object:
    return make(**options)


# -- what they become ----------------------------------------------------------------------


def _media(table: _Table, where: str) -> ScriptedMedia:
    _check(table, _MEDIA, where)
    return cast("ScriptedMedia", _call(t.media, table))


def _medias(table: _Table, where: str) -> tuple[ScriptedMedia, ...]:
    return tuple(_media(each, place) for each, place in _tables(table, "media", where))


def _tool(table: _Table, where: str) -> Call:
    _check(table, _TOOL, where)
    _text(table, "name", where)
    options = {**_plain(table, "media"), "media": _medias(table, where)}
    return cast("Call", _call(t.tool, options))


def _delegation(table: _Table, where: str) -> Delegate:
    _check(table, _DELEGATE, where)
    options = {**_plain(table, "agent", "steps", "request")}
    agent = cast("str", table.get("agent", "helper"))
    request = cast("str", table.get("request", "Please help."))
    made = _call(partial(t.delegate, agent, request, *_steps(table, where)), options)
    return cast("Delegate", made)


def _turn(table: _Table, where: str) -> ScriptedTurn:
    _check(table, _TURN, where)
    options = {
        **_plain(table, "tools", "delegate", "media", "steps"),
        "tools": [_tool(each, place) for each, place in _tables(table, "tools", where)],
        "delegate": [_delegation(each, at) for each, at in _tables(table, "delegate", where)],
        "media": _medias(table, where),
    }
    user = cast("str | None", options.pop("user", None))
    steps = _steps(table, where)
    return cast("ScriptedTurn", _call(partial(t.turn, user, *steps), options))


def _answer(table: _Table, where: str) -> ScriptedAnswer:
    """A chat command, which starts no turn."""
    _check(table, _COMMAND, where)
    steps: list[Step] = [Render(media=each) for each in _medias(table, where)]
    if "notice" in table:
        steps.append(t.notice(_text(table, "notice", where)))
    if "error" in table:
        steps.append(Fail(message=_text(table, "error", where), by="error"))
    return t.command(_text(table, "user", where), *steps, times=cast("int", table.get("times", 1)))


def _several(make: Callable[[_Table, str], Call]) -> Callable[[object, str], Step]:
    """A step that calls one tool or agent, or several at the same time."""

    def step(value: object, where: str) -> Step:
        found = _tables({"call": value}, "call", where)
        return t.use(*(make(each, place) for each, place in found))

    return step


def _of_text(make: Callable[[str], Step]) -> Callable[[object, str], Step]:
    return lambda value, _: make(cast("str", value))


def _of_media(value: object, where: str) -> Step:
    ((table, place),) = _tables({"media": value}, "media", where)
    return t.show(_media(table, place))


def _of_seconds(value: object, _: str) -> Step:
    return t.wait(cast("float", value))


_STEPS: Final[Mapping[str, Callable[[object, str], Step]]] = MappingProxyType(
    {
        "say": _of_text(t.say),
        "think": _of_text(t.think),
        "tools": _several(_tool),
        "delegate": _several(_delegation),
        "media": _of_media,
        "speak": _of_text(t.speak),
        "notice": _of_text(t.notice),
        "wait": _of_seconds,
        "fail": _of_text(lambda message: t.fail(message)),
    }
)


def _steps(table: _Table, where: str) -> list[Step]:
    made: list[Step] = []
    for each, place in _tables(table, "steps", where):
        _check(each, tuple(_STEPS), place)
        made += [_STEPS[name](value, f"{place}.{name}") for name, value in each.items()]
    return made
