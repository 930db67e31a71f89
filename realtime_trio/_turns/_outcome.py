"""How a turn can end: exactly one of four values."""

from __future__ import annotations

from typing import Final, TypeAlias

import attrs

from .._core._messages import Message
from .._core._spoken import SpokenAnswer
from .._core._state import TurnRecord
from .._value import Value

__all__ = ["Outcome", "TurnCancelled", "TurnCompleted", "TurnFailed", "TurnLost", "outcome_of"]


@attrs.frozen(slots=True, kw_only=True, eq=False, repr=False)
class TurnCompleted(Value):
    """The turn came to its end.

    ``message`` is the user session's last answer, ``None`` where the turn gave none.
    ``began`` is false where the server answered the input without a turn, as it does with a
    chat command such as ``!help``; then there is no ``message``.
    ``errors`` came on the way: a turn may succeed all the same. ``missed`` tells that a part
    of the turn went by while the link was down, so ``message`` may have a hole; what is in
    the state has none once :class:`~realtime_trio.SessionRestored` came.
    """

    message: Message | None
    errors: tuple[str, ...] = ()
    missed: bool = False
    began: bool = True


@attrs.frozen(slots=True, kw_only=True, eq=False, repr=False)
class TurnCancelled(Value):
    """The server stopped the turn, or a cancel came before the turn had begun.

    ``message`` is as far as the answer came.

    ``heard_ms`` and ``unheard_ms`` tell, in milliseconds, how much of this turn's own spoken
    answer was played and how much of it came but was not. Both are ``None`` where the answer
    had no voice, or nothing plays (``client.audio.play_to``).
    """

    message: Message | None = None
    errors: tuple[str, ...] = ()
    heard_ms: float | None = None
    unheard_ms: float | None = None


@attrs.frozen(slots=True, kw_only=True, eq=False, repr=False)
class TurnFailed(Value):
    """The turn died on the server, or its input was refused.

    ``errors`` are the server's words, ``reason`` says in ours what was seen.
    """

    reason: str
    message: Message | None = None
    errors: tuple[str, ...] = ()


@attrs.frozen(slots=True, kw_only=True, eq=False, repr=False)
class TurnLost(Value):
    """What became of the turn is not known: the link was away, or the client ended."""

    reason: str
    message: Message | None = None
    errors: tuple[str, ...] = ()


Outcome: TypeAlias = TurnCompleted | TurnCancelled | TurnFailed | TurnLost

_FAILED: Final = frozenset({"error", "exception", "failed"})


def outcome_of(record: TurnRecord, *, missed: bool, spoken: SpokenAnswer | None = None) -> Outcome:
    """Judge a turn by what the text lane saw of it.

    ``missed``: the link was lost meanwhile, so an end that was not seen proves nothing.
    ``spoken``: how much of its voice was heard.
    """
    message, errors = record.message, record.errors
    if record.cancelled:
        heard, unheard = (spoken.heard_ms, spoken.unheard_ms) if spoken else (None, None)
        return TurnCancelled(message=message, errors=errors, heard_ms=heard, unheard_ms=unheard)
    if missed and (record.interactions or not record.began):
        reason = "its end went by while the link was away"
        return TurnLost(reason=reason, message=message, errors=errors)
    if record.interactions:
        reason = "the server gave up on it without an end"
        return TurnFailed(reason=reason, message=message, errors=errors)
    if record.errors and record.began and not (record.prepared or missed):
        reason = "the server could not prepare it"
        return TurnFailed(reason=reason, message=message, errors=errors)
    if record.stop_reason in _FAILED:
        reason = f"it stopped with {record.stop_reason!r}"
        return TurnFailed(reason=reason, message=message, errors=errors)
    return TurnCompleted(message=message, errors=errors, missed=missed)
