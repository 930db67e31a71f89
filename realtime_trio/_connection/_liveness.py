"""Time limits of a link: whether it is alive, and whether an input began a turn.

Two checks end a link that is not alive. They judge what the transport and the receive task have
seen, never what the application has read: a slow consumer does not make a link look dead. One task
per link runs both. A check is a generator: it yields the seconds to sleep, and receives whether the
process was suspended meanwhile.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Generator
from typing import Protocol, TypeAlias

import trio

from .._config import ClientConfig
from .._exceptions import ConnectionLost
from .._outbound._outbox import Outbox
from .._outbound._turn_gate import TurnGate
from ..events import PingEvent

__all__ = ["end_grace", "watch_link"]

_Check: TypeAlias = Generator[float, bool, None]

_SUSPENDED = 1.0
"""Seconds of delay after which a sleep shows that the process was suspended."""

_READER_PASSES = 8
"""Passes of the event loop in which data waiting in the system reaches the counters."""

_CHECKS = 16
"""Checks per ``turn_silence``: the limit is exceeded by 1/16 at most."""


class Watched(Protocol):
    """The part of a link that the checks use."""

    dead: bool
    """Set if not one byte was received: there is no peer for a close frame."""

    @property
    def bytes_received(self) -> int:
        """Bytes of any kind received."""
        ...

    @property
    def frames_received(self) -> int:
        """Events and audio frames received."""
        ...


async def watch_link(link: Watched, outbox: Outbox, gate: TurnGate, config: ClientConfig) -> None:
    """Run the checks that ``config`` enables; return if there are none.

    Raises :class:`~realtime_trio.ConnectionLost` when one of them finds that the link is not alive.
    """
    checks: list[_Check] = []
    if config.ping_interval is not None:
        checks.append(_traffic(link, outbox, config.ping_interval, config.pong_timeout))
    if config.turn_silence is not None:
        checks.append(_silence(gate, config.turn_silence))
    due = {check: trio.current_time() + next(check) for check in checks}
    while due:
        check = min(due, key=due.__getitem__)
        suspended = await _suspended_while_asleep(due[check])
        due[check] = trio.current_time() + check.send(suspended)


def _traffic(link: Watched, outbox: Outbox, interval: float, pong_timeout: float) -> _Check:
    """Ask for a sign of life at each interval.

    It asks twice, with the ``ping`` of the protocol and with that of the transport. The link is
    lost if not one byte is received within ``pong_timeout``, or if during a whole interval only
    the websocket answered, never the server behind it.
    """
    pause = max(0.0, interval - pong_timeout)
    yield interval
    while True:
        seen, frames = link.bytes_received, link.frames_received
        outbox.put_for_link(PingEvent())
        outbox.put_for_link(None)
        if (yield pong_timeout):
            continue
        if link.bytes_received == seen:
            link.dead = True
            message = f"the connection is dead: nothing was received for {pong_timeout:g} s"
            raise ConnectionLost(message)
        if (yield pause):
            continue
        if link.frames_received == frames:
            message = f"the connection is mute: no answer for {interval:g} s"
            raise ConnectionLost(message)


def _silence(gate: TurnGate, limit: float) -> _Check:
    """End a link on which a turn makes no progress: a new link shows the state of the turn.

    It is lost after ``limit`` seconds of a closed gate without any event. An input in its grace
    period has a separate limit.
    """
    signs, since = gate.signs, trio.current_time()
    while True:
        suspended = yield limit / _CHECKS
        now = trio.current_time()
        if suspended or gate.open or gate.in_grace or gate.signs != signs:
            signs, since = gate.signs, now
        elif now - since >= limit:
            message = f"no event of the turn was received for {limit:g} s"
            raise ConnectionLost(message)


async def end_grace(gate: TurnGate, config: ClientConfig, no_turn: Callable[[], None]) -> None:
    """Call ``no_turn`` if the input in its grace period begins no turn (protocol.md §7 G).

    One task for each grace period. If the process was suspended, the data received meanwhile is
    read first.
    """
    number = gate.inputs
    seconds = config.turn_silence if config.input_grace is None else config.input_grace
    with trio.move_on_after(math.inf if seconds is None else seconds):
        await gate.grace_ended()
    await _let_reader_run()
    if gate.in_grace and gate.inputs == number:
        no_turn()


async def _let_reader_run() -> None:
    """Let the reader take the data that waits in the system."""
    for _ in range(_READER_PASSES):
        await trio.lowlevel.checkpoint()


async def _suspended_while_asleep(due: float) -> bool:
    """Sleep until the deadline, let the reader run; return whether the process was suspended.

    Data received during a suspension waits in the system unread, so silence proves nothing.
    """
    await trio.sleep_until(due)
    late = trio.current_time() - due
    await _let_reader_run()
    return late > _SUSPENDED
