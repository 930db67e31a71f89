"""Time limits of a link: whether it is alive, and whether an input began a turn.

Two of the watches end a link that is not alive. They judge what the transport and the receive
task have seen, never what the application has read: a slow consumer does not make a link look
dead.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Protocol

import trio

from .._config import ClientConfig
from .._exceptions import ConnectionLost
from .._outbound._outbox import Outbox
from .._outbound._turn_gate import TurnGate
from ..events import PingEvent

__all__ = ["watch_grace", "watch_silence", "watch_traffic"]

_SUSPENDED = 1.0
"""Seconds of delay after which a sleep shows that the process was suspended."""

_READER_PASSES = 8
"""Passes of the event loop in which data waiting in the system reaches the counters."""

_CHECKS = 16
"""Checks per ``turn_silence``: the limit is exceeded by 1/16 at most."""


class Watched(Protocol):
    """The part of a link that the watches use."""

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


async def watch_traffic(link: Watched, outbox: Outbox, config: ClientConfig) -> None:
    """Ask for a sign of life at each interval.

    It asks twice, with the ``ping`` of the protocol and with that of the transport. Raises
    :class:`~realtime_trio.ConnectionLost` if not one byte is received within ``pong_timeout``,
    or if during a whole interval only the websocket answered, never the server behind it.
    """
    if config.ping_interval is None:
        return
    pause = max(0.0, config.ping_interval - config.pong_timeout)
    await trio.sleep(config.ping_interval)
    while True:
        seen, frames = link.bytes_received, link.frames_received
        outbox.put_for_link(PingEvent())
        outbox.put_for_link(None)
        if await _suspended_while_asleep(config.pong_timeout):
            continue
        if link.bytes_received == seen:
            link.dead = True
            message = f"the connection is dead: nothing was received for {config.pong_timeout:g} s"
            raise ConnectionLost(message)
        if await _suspended_while_asleep(pause):
            continue
        if link.frames_received == frames:
            message = f"the connection is mute: no answer for {config.ping_interval:g} s"
            raise ConnectionLost(message)


async def watch_grace(gate: TurnGate, config: ClientConfig, no_turn: Callable[[], None]) -> None:
    """Call ``no_turn`` when an input has begun no turn in its grace period (protocol.md §7 G).

    If the process was suspended, the data received meanwhile is read first.
    """
    seconds = config.turn_silence if config.input_grace is None else config.input_grace
    while True:
        await gate.grace()
        number = gate.inputs
        with trio.move_on_after(math.inf if seconds is None else seconds):
            await gate.grace_ended()
        await _let_reader_run()
        if gate.in_grace and gate.inputs == number:
            no_turn()


async def _let_reader_run() -> None:
    """Let the reader take the data that waits in the system."""
    for _ in range(_READER_PASSES):
        await trio.lowlevel.checkpoint()


async def _suspended_while_asleep(seconds: float) -> bool:
    """Sleep, then let the reader run; return whether the process was suspended meanwhile.

    Data received during a suspension waits in the system unread, so silence proves nothing.
    """
    due = trio.current_time() + seconds
    await trio.sleep(seconds)
    late = trio.current_time() - due
    await _let_reader_run()
    return late > _SUSPENDED


async def watch_silence(gate: TurnGate, config: ClientConfig) -> None:
    """End a link on which a turn makes no progress: a new link shows the state of the turn.

    Raises :class:`~realtime_trio.ConnectionLost` after ``turn_silence`` seconds of a closed
    gate without any event. An input in its grace period has a separate limit.
    """
    if config.turn_silence is None:
        return
    signs, since = gate.signs, trio.current_time()
    while True:
        suspended = await _suspended_while_asleep(config.turn_silence / _CHECKS)
        now = trio.current_time()
        if suspended or gate.open or gate.in_grace or gate.signs != signs:
            signs, since = gate.signs, now
        elif now - since >= config.turn_silence:
            message = f"no event of the turn was received for {config.turn_silence:g} s"
            raise ConnectionLost(message)
