"""The difference of two states, as readable changes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TypeAlias, cast

import attrs

from .._core._state import Session, SessionState
from .._core._values import Log

__all__ = ["MISSING", "Change", "PathStep", "diff_states"]

PathStep: TypeAlias = str | int


class _Missing:
    """The type of the placeholder for an absent value."""

    def __repr__(self) -> str:
        return "MISSING"


MISSING = _Missing()


@attrs.frozen(slots=True)
class Change:
    """One value that differs: its place, its old and its new value.

    ``path`` names the fields and keys from the state down, as in
    ``("sessions", "s1", "messages", 4)``. An absent value is ``MISSING``.
    """

    path: tuple[PathStep, ...]
    before: object
    after: object

    def __str__(self) -> str:
        where = ".".join(map(str, self.path))
        if self.before is MISSING:
            return f"+ {where}: {self.after!r}"
        if self.after is MISSING:
            return f"- {where}: {self.before!r}"
        return f"~ {where}: {self.before!r} -> {self.after!r}"


def _view(state: SessionState) -> dict[str, object]:
    """Return the public parts of a state, by name."""
    control, audio = state.control, state.audio
    return {
        "connection": _fields(control.connection),
        "ui_session_id": control.ui_session_id,
        "current_session_id": state.current_session_id,
        "turn": _fields(state.turn),
        "sessions": state.sessions,
        "active_tools": {f"{tool.session_id}/{tool.id}": tool for tool in state.active_tools},
        "subsessions": {each.session_id: each for each in state.subsessions},
        "agent": control.agent,
        "voice": control.voice,
        "listening": control.listening,
        "avatar_active": control.avatar_active,
        "catalog": _fields(state.catalog),
        "index": {entry.session_id: entry for entry in control.index},
        "index_total": control.index_total,
        "audio": {
            "format": audio.format,
            "frames": audio.frames,
            "byte_count": audio.byte_count,
            "cancels": audio.cancels,
        },
        "extra": {**control.extra, **state.text.extra, **audio.extra},
        "counters": _fields(state.counters),
    }


def _fields(value: attrs.AttrsInstance) -> dict[str, object]:
    return {field.name: getattr(value, field.name) for field in attrs.fields(type(value))}


def diff_states(before: SessionState, after: SessionState) -> Iterator[Change]:
    """Yield the differences in the order of the state's fields."""
    return _diff((), _view(before), _view(after))


def _diff(path: tuple[PathStep, ...], before: object, after: object) -> Iterator[Change]:
    if before is after:
        return
    one, other = _parts(before), _parts(after)
    if one is None or other is None:
        if before != after:
            yield Change(path, before, after)
        return
    for key in {**one, **other}:
        step = key if isinstance(key, (str, int)) else str(key)
        yield from _diff((*path, step), one.get(key, MISSING), other.get(key, MISSING))


def _parts(value: object) -> dict[object, object] | None:
    """Return the parts of a compound value by key; ``None`` for other values."""
    if isinstance(value, Mapping):
        return dict(cast("Mapping[object, object]", value))
    if isinstance(value, Session):
        return {field.name: getattr(value, field.name) for field in attrs.fields(Session)}
    if isinstance(value, Log):
        return dict(enumerate(cast("Log[object]", value)))
    return None
