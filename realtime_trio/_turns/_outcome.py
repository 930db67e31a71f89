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
    """The turn completed.

    ``message`` is the last answer in the user's session, ``None`` if there was none.
    ``began`` is false if the server answered the input without a turn, as it does for a
    chat command such as ``!help``; then there is no ``message``.
    ``errors`` holds the errors received on the way: a turn may succeed despite them. ``missed``
    means that a part of the turn was lost while the link was down, so ``message`` may have a
    gap; the state has none after :class:`~realtime_trio.SessionRestored`.
    """

    message: Message | None
    errors: tuple[str, ...] = ()
    missed: bool = False
    began: bool = True


@attrs.frozen(slots=True, kw_only=True, eq=False, repr=False)
class TurnCancelled(Value):
    """The server stopped the turn, or a cancel arrived before the turn began.

    ``message`` is the answer received so far.

    ``heard_ms`` and ``unheard_ms`` are, in milliseconds, the played and the unplayed part of
    the speech received in this turn. Both are ``None`` if the answer had no speech or if
    nothing plays it (``client.audio.play_to``).
    """

    message: Message | None = None
    errors: tuple[str, ...] = ()
    heard_ms: float | None = None
    unheard_ms: float | None = None


@attrs.frozen(slots=True, kw_only=True, eq=False, repr=False)
class TurnFailed(Value):
    """The turn failed on the server, or its input was refused.

    ``errors`` are the server's errors; ``reason`` describes what the client observed.
    """

    reason: str
    message: Message | None = None
    errors: tuple[str, ...] = ()


@attrs.frozen(slots=True, kw_only=True, eq=False, repr=False)
class TurnLost(Value):
    """The result of the turn is unknown: the link was down, or the client ended."""

    reason: str
    message: Message | None = None
    errors: tuple[str, ...] = ()


Outcome: TypeAlias = TurnCompleted | TurnCancelled | TurnFailed | TurnLost

_FAILED: Final = frozenset({"error", "exception", "failed"})


def outcome_of(record: TurnRecord, *, missed: bool, spoken: SpokenAnswer | None = None) -> Outcome:
    """Derive the outcome of a turn from the record of the text lane.

    ``missed``: the link was lost meanwhile, so a missing end proves nothing.
    ``spoken``: how much of its speech was played.
    """
    message, errors = record.message, record.errors
    if record.cancelled:
        heard, unheard = (spoken.heard_ms, spoken.unheard_ms) if spoken else (None, None)
        return TurnCancelled(message=message, errors=errors, heard_ms=heard, unheard_ms=unheard)
    if missed and (record.interactions or not record.began):
        reason = "the end of the turn was lost while the link was down"
        return TurnLost(reason=reason, message=message, errors=errors)
    if record.interactions:
        reason = "the server did not end the interaction"
        return TurnFailed(reason=reason, message=message, errors=errors)
    if record.errors and record.began and not (record.prepared or missed):
        reason = "the server could not prepare the turn"
        return TurnFailed(reason=reason, message=message, errors=errors)
    if record.stop_reason in _FAILED:
        reason = f"the turn stopped with {record.stop_reason!r}"
        return TurnFailed(reason=reason, message=message, errors=errors)
    return TurnCompleted(message=message, errors=errors, missed=missed)
