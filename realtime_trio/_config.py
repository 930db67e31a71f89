"""All options of a client, in one frozen value. This module imports nothing of the library.

Times are in seconds, sizes in bytes on the wire (UTF-8 JSON text, raw audio). A queue needs memory
of the same order as these sizes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Literal, TypeAlias, cast

import attrs

from ._value import Value

__all__ = ["ClientConfig", "CloseAction", "LaneBounds"]

MIB = 1024 * 1024
MAX_BATCH = 32

_Validator = Callable[[Any, "attrs.Attribute[Any]", Any], None]


def _within(low: float, high: float = math.inf, *, none: bool = False) -> _Validator:
    """A validator: a number from ``low`` to ``high``; with ``none``, ``None`` also."""

    def check(_config: Any, field: attrs.Attribute[Any], value: Any) -> None:
        if value is None and none:
            return
        fits = isinstance(value, (int, float)) and low <= value <= high and not math.isinf(value)
        if not fits:
            wanted = f"at least {low:g}" if math.isinf(high) else f"from {low:g} to {high:g}"
            message = f"{field.name} must be {wanted}{' or None' if none else ''}, not {value!r}"
            raise ValueError(message)

    return check


def _is_bool(_config: Any, field: attrs.Attribute[Any], value: Any) -> None:
    """A validator: ``True`` or ``False``."""
    if not isinstance(value, bool):
        message = f"{field.name} must be True or False, not {value!r}"
        raise ValueError(message)


CloseAction: TypeAlias = Literal["retry", "renew", "final"]
_ACTIONS = ("retry", "renew", "final")


def _no_close_codes() -> Mapping[int, CloseAction]:
    return {}


def _close_codes(given: object) -> Mapping[int, CloseAction]:
    """Return a frozen copy; raises ``ValueError`` for an invalid code or action."""
    if not isinstance(given, Mapping):
        message = f"close_codes must be a mapping of close codes to actions, not {given!r}"
        raise ValueError(message)
    known = cast("Mapping[object, object]", given)
    for code, action in known.items():
        if isinstance(code, bool) or not isinstance(code, int) or not 1000 <= code < 5000:
            message = f"close_codes must have codes from 1000 to 4999, not {code!r}"
            raise ValueError(message)
        if action not in _ACTIONS:
            message = f"close_codes[{code}] must be 'retry', 'renew' or 'final', not {action!r}"
            raise ValueError(message)
    return MappingProxyType(dict(cast("Mapping[int, CloseAction]", given)))


@attrs.frozen(slots=True, eq=False, repr=False)
class LaneBounds(Value):
    """How much a lane may hold before the receive task waits for its handlers.

    ``max_items`` counts events, ``max_bytes`` their size on the wire; the first limit that is
    reached applies. An empty lane takes one event of any size.
    """

    max_items: int = attrs.field(default=131_072, validator=_within(1))
    max_bytes: int = attrs.field(default=64 * MIB, validator=_within(1))


@attrs.frozen(slots=True, kw_only=True, eq=False, repr=False)
class ClientConfig(Value):
    """The options of ``open_client``. The defaults suit an application with a single user.

    Raises ``ValueError`` for a value out of its range, and names the option.

    Lanes:

    - ``control``, ``text``, ``audio``: the bounds of the three lanes.
    - ``batch_size``: events that a lane handles before it lets other tasks run, 1 to 32. A smaller
      batch shortens the delay of an urgent event; a larger one costs less per event.
    - ``coalesce``: whether to coalesce adjacent queued deltas of one message into one notification.
      Otherwise each delta is emitted by itself.

    State:

    - ``max_sessions``: sessions kept in memory; the least recently used is evicted first.
    - ``max_messages``: messages kept in each session; the oldest are evicted first.

    Link:

    - ``connect_timeout``: seconds for one dial, including the check by ping and pong.
    - ``ping_interval``: seconds between two liveness checks, or ``None`` for no checks.
    - ``pong_timeout``: seconds without any byte after a check before the link counts as lost.
    - ``turn_silence``: seconds without any event during a turn before the client replaces the
      link, or ``None`` for never.
    - ``input_grace``: seconds to wait for the beginning of a turn once the server has handled
      an input. If none begins, the server has answered without a turn, as it does with a chat
      command. ``None`` waits as long as ``turn_silence``.
    - ``max_message_size``: bytes of the largest accepted message.
    - ``close_deadline``: seconds for the closing handshake when the client is closed.
    - ``compression``: whether to offer ``permessage-deflate``. A message may inflate to
      ``max_message_size``. Applies to the client's default transport.

    Reconnection:

    - ``backoff_initial``: seconds before the second dial.
    - ``backoff_factor``: growth factor of the delay between dials.
    - ``backoff_max``: seconds of the longest delay.
    - ``backoff_jitter``: random share of each delay, 0 to 1. The default of 1 prevents clients that
      lost their links together from reconnecting together.
    - ``stable_after``: seconds after which a link counts as stable and the delay is reset.
    - ``max_attempts``: consecutive dials before the client gives up, or ``None`` for no limit. A
      link that ended before ``stable_after`` counts as a failed dial.
    - ``first_attempts``: consecutive dials before the client gives up opening its first link, or
      ``None`` for the number in ``max_attempts``. Use it to report a wrong address soon, and to be
      patient with a connection that has worked.
    - ``close_codes``: the action after a close frame of the server, by close code: ``"retry"``
      dials again, ``"renew"`` gets a new token first, ``"final"`` ends the client. These entries
      override the defaults: 1000 is final; 1008, 4001, 4401 and 4403 renew; all others retry.

    Sending:

    - ``max_commands``, ``max_command_bytes``: maximum size of the queue of commands.
    - ``max_audio_frames``, ``max_audio_bytes``: maximum size of the queue of audio frames.

    - ``cancel_timeout``: seconds to wait for the confirmation of a cancel before the client cancels
      by REST.

    Uploads:

    - ``max_file_size``: bytes of one file. ``max_files``: files in one message.

    REST:

    - ``rest_timeout``: seconds for one request.
    - ``token_margin``: seconds before its expiry at which a token is refreshed.
    """

    control: LaneBounds = LaneBounds(max_items=65_536, max_bytes=32 * MIB)
    text: LaneBounds = LaneBounds()
    audio: LaneBounds = LaneBounds(max_items=65_536, max_bytes=32 * MIB)
    batch_size: int = attrs.field(default=MAX_BATCH, validator=_within(1, MAX_BATCH))
    coalesce: bool = True

    max_sessions: int = attrs.field(default=256, validator=_within(1))
    max_messages: int = attrs.field(default=10_000, validator=_within(1))

    connect_timeout: float = attrs.field(default=20.0, validator=_within(0))
    ping_interval: float | None = attrs.field(default=30.0, validator=_within(0, none=True))
    pong_timeout: float = attrs.field(default=10.0, validator=_within(0))
    turn_silence: float | None = attrs.field(default=300.0, validator=_within(0, none=True))
    input_grace: float | None = attrs.field(default=1.0, validator=_within(0, none=True))
    max_message_size: int = attrs.field(default=64 * MIB, validator=_within(1))
    close_deadline: float = attrs.field(default=5.0, validator=_within(0))
    compression: bool = attrs.field(default=False, validator=_is_bool)

    backoff_initial: float = attrs.field(default=0.5, validator=_within(0))
    backoff_factor: float = attrs.field(default=2.0, validator=_within(1))
    backoff_max: float = attrs.field(default=30.0, validator=_within(0))
    backoff_jitter: float = attrs.field(default=1.0, validator=_within(0, 1))
    stable_after: float = attrs.field(default=30.0, validator=_within(0))
    max_attempts: int | None = attrs.field(default=8, validator=_within(1, none=True))
    first_attempts: int | None = attrs.field(default=None, validator=_within(1, none=True))
    close_codes: Mapping[int, CloseAction] = attrs.field(
        factory=_no_close_codes, converter=_close_codes
    )

    max_commands: int = attrs.field(default=1024, validator=_within(1))
    max_command_bytes: int = attrs.field(default=64 * MIB, validator=_within(1))
    max_audio_frames: int = attrs.field(default=4096, validator=_within(1))
    max_audio_bytes: int = attrs.field(default=16 * MIB, validator=_within(1))

    cancel_timeout: float = attrs.field(default=5.0, validator=_within(0))

    max_file_size: int = attrs.field(default=10 * MIB, validator=_within(1))
    max_files: int = attrs.field(default=10, validator=_within(0))

    rest_timeout: float = attrs.field(default=30.0, validator=_within(0))
    token_margin: float = attrs.field(default=60.0, validator=_within(0))
