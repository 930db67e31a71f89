"""What goes wrong on purpose: frozen plans, and the stages that carry them out.

A plan looks at the frames that leave the server. It counts over all connections from when
it was installed, draws only from its own seeded generator, and sees frames in the order in
which they leave: the same traffic meets the same faults.
"""

from __future__ import annotations

import json
import math
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from random import Random
from typing import Literal, Protocol

import attrs

from ._turn_script import WireFrame

__all__ = [
    "Action",
    "Cut",
    "CutHow",
    "Delay",
    "Drop",
    "Duplicate",
    "Garble",
    "HangUp",
    "Oversized",
    "Packet",
    "Plan",
    "Reorder",
    "Silence",
    "SlowDrain",
    "Stage",
    "Stall",
]

CutHow = Literal["clean", "abort", "mid-frame"]


@attrs.frozen(slots=True, kw_only=True)
class Packet:
    """A frame on its way out; it leaves at ``at`` (trio's clock) and not before the one ahead."""

    connection: int
    frame: WireFrame
    at: float

    @property
    def type(self) -> str | None:
        """The type of the event; ``None`` for text and binary frames as they are."""
        if not isinstance(self.frame, Mapping):
            return None
        type_ = self.frame.get("type")
        return type_ if isinstance(type_, str) else None

    def encoded(self) -> str | bytes:
        """What goes on the wire."""
        if isinstance(self.frame, Mapping):
            # Escaped to ASCII, as real servers do: so a lone surrogate can travel too.
            return json.dumps(self.frame, separators=(",", ":"))
        return self.frame


@attrs.frozen(slots=True, kw_only=True)
class HangUp:
    """End the connection here; ``frame`` is what ``mid-frame`` leaves half of."""

    connection: int
    how: CutHow
    frame: str | bytes = ""


@attrs.frozen(slots=True, kw_only=True)
class Silence:
    """Send nothing on the connection for ``seconds``, not even answers to pings."""

    connection: int
    seconds: float


Action = Packet | HangUp | Silence


class Stage:
    """A plan at work; this one lets everything through."""

    def __call__(self, packet: Packet) -> Iterable[Action]:
        """Say what becomes of one packet."""
        return (packet,)

    @property
    def holding(self) -> bool:
        """Whether a frame is held back."""
        return False

    def flush(self) -> Iterable[Packet]:
        """Give what is held back: it has waited long enough."""
        return ()


class Plan(Protocol):
    """A frozen value that says what goes wrong. Applications may bring their own."""

    def start(self, rng: Random) -> Stage:
        """Make the stage that does it, with a generator of its own."""
        ...


# -- plans that mean single frames ----------------------------------------------------


@attrs.frozen(slots=True, kw_only=True)
class _Selection:
    """Which frames are meant: of these ``types``, with this ``probability``, so many ``times``."""

    types: frozenset[str] | None = None
    probability: float = 1.0
    times: int | None = None


@attrs.frozen(slots=True, kw_only=True)
class _FramePlan(_Selection, ABC):
    """A plan that changes each frame by itself."""

    def start(self, rng: Random) -> Stage:
        """Make the stage."""
        return _FrameStage(self, rng)

    @abstractmethod
    def change(self, packet: Packet, rng: Random) -> Iterable[Action]:
        """What becomes of a packet that is meant."""


class _SelectingStage(Stage):
    def __init__(self, plan: _Selection, rng: Random) -> None:
        self._plan = plan
        self._rng = rng
        self._left = math.inf if plan.times is None else plan.times

    def _selects(self, packet: Packet) -> bool:
        if self._plan.types is not None and packet.type not in self._plan.types:
            return False
        if self._left <= 0 or self._rng.random() >= self._plan.probability:
            return False
        self._left -= 1
        return True


class _FrameStage(_SelectingStage):
    def __init__(self, plan: _FramePlan, rng: Random) -> None:
        super().__init__(plan, rng)
        self._change = plan.change

    def __call__(self, packet: Packet) -> Iterable[Action]:
        return self._change(packet, self._rng) if self._selects(packet) else (packet,)


@attrs.frozen(slots=True, kw_only=True)
class Delay(_FramePlan):
    """Frames leave ``seconds`` later, and up to ``jitter`` seconds more; the order stays."""

    seconds: float
    jitter: float = 0.0

    def change(self, packet: Packet, rng: Random) -> Iterable[Action]:
        """Let the packet leave later."""
        return (attrs.evolve(packet, at=packet.at + self.seconds + self.jitter * rng.random()),)


@attrs.frozen(slots=True, kw_only=True)
class Drop(_FramePlan):
    """Frames get lost."""

    def change(self, packet: Packet, rng: Random) -> Iterable[Action]:
        """Lose the packet."""
        return ()


@attrs.frozen(slots=True, kw_only=True)
class Duplicate(_FramePlan):
    """Frames come twice."""

    def change(self, packet: Packet, rng: Random) -> Iterable[Action]:
        """Send the packet twice."""
        return (packet, packet)


@attrs.frozen(slots=True, kw_only=True)
class Garble(_FramePlan):
    """Text frames stop being JSON; binary ones lose a byte."""

    def change(self, packet: Packet, rng: Random) -> Iterable[Action]:
        """Damage the packet."""
        whole = packet.encoded()
        position = rng.randrange(len(whole)) if whole else 0
        if isinstance(whole, bytes):
            return (attrs.evolve(packet, frame=whole[:position] + whole[position + 1 :]),)
        # With a closing brace in front it is no JSON, whatever the rest looks like.
        return (
            attrs.evolve(packet, frame="}" + whole[:position] + "\ufffd" + whole[position + 1 :]),
        )


@attrs.frozen(slots=True, kw_only=True)
class Oversized(_FramePlan):
    """Events are padded with blanks to ``size`` characters: large, but well-formed."""

    size: int = 2 * 1024 * 1024

    def change(self, packet: Packet, rng: Random) -> Iterable[Action]:
        """Pad the packet."""
        whole = packet.encoded()
        if isinstance(whole, bytes):
            return (packet,)
        return (attrs.evolve(packet, frame=whole.ljust(self.size)),)


@attrs.frozen(slots=True, kw_only=True)
class SlowDrain(_Selection):
    """The wire takes only ``bytes_per_second``; a text counts by its characters."""

    bytes_per_second: float

    def start(self, rng: Random) -> Stage:
        """Make the stage."""
        return _SlowDrainStage(self, rng, self.bytes_per_second)


class _SlowDrainStage(_SelectingStage):
    def __init__(self, plan: _Selection, rng: Random, bytes_per_second: float) -> None:
        super().__init__(plan, rng)
        self._rate = bytes_per_second
        self._free_at: dict[int, float] = {}

    def __call__(self, packet: Packet) -> Iterable[Action]:
        if not self._selects(packet):
            return (packet,)
        free_at = self._free_at.get(packet.connection, packet.at)
        at = max(packet.at, free_at) + len(packet.encoded()) / self._rate
        self._free_at[packet.connection] = at
        return (attrs.evolve(packet, at=at),)


@attrs.frozen(slots=True, kw_only=True)
class Reorder(_Selection):
    """A frame is overtaken by the next one of its connection, if that comes in time."""

    def start(self, rng: Random) -> Stage:
        """Make the stage."""
        return _ReorderStage(self, rng)


class _ReorderStage(_SelectingStage):
    def __init__(self, plan: _Selection, rng: Random) -> None:
        super().__init__(plan, rng)
        self._held: Packet | None = None

    def __call__(self, packet: Packet) -> Iterable[Action]:
        if self._held is not None:
            held, self._held = self._held, None
            same = held.connection == packet.connection
            return (packet, held) if same else (held, packet)
        if self._selects(packet):
            self._held = packet
            return ()
        return (packet,)

    @property
    def holding(self) -> bool:
        return self._held is not None

    def flush(self) -> Iterable[Packet]:
        held, self._held = self._held, None
        return () if held is None else (held,)


# -- plans that strike at a place -----------------------------------------------------


@attrs.frozen(slots=True, kw_only=True)
class Cut:
    """A connection ends: cleanly (1000), by an aborted socket, or in the middle of a frame.

    It strikes behind the frame number ``after`` (0: instead of the next one), and again
    ``after`` frames later, ``times`` times in all (``None``: always).
    """

    after: int = 0
    times: int | None = 1
    how: CutHow = "abort"

    def start(self, rng: Random) -> Stage:
        """Make the stage."""
        return _CutStage(self)


class _CutStage(Stage):
    def __init__(self, plan: Cut) -> None:
        self._plan = plan
        self._left = math.inf if plan.times is None else plan.times
        self._passed = 0

    def __call__(self, packet: Packet) -> Iterable[Action]:
        if self._left <= 0:
            return (packet,)
        plan, passed = self._plan, self._passed
        self._passed += 1
        if plan.how == "mid-frame" or plan.after == 0:
            if passed < plan.after:
                return (packet,)
            return (self._hang_up(packet),)
        # Behind the last one that passes, not ahead of the next: that one may never come.
        return (packet, self._hang_up(packet)) if passed + 1 >= plan.after else (packet,)

    def _hang_up(self, packet: Packet) -> HangUp:
        self._left -= 1
        self._passed = 0
        return HangUp(connection=packet.connection, how=self._plan.how, frame=packet.encoded())


@attrs.frozen(slots=True, kw_only=True)
class Stall:
    """A connection stays open, and after ``after`` frames is silent for ``seconds``.

    With ``math.inf`` it is mute for good: its input is carried out, and it never says a word.
    """

    seconds: float
    after: int = 0
    times: int | None = 1

    def start(self, rng: Random) -> Stage:
        """Make the stage."""
        return _StallStage(self)


class _StallStage(Stage):
    def __init__(self, plan: Stall) -> None:
        self._plan = plan
        self._left = math.inf if plan.times is None else plan.times
        self._passed = 0

    def __call__(self, packet: Packet) -> Iterable[Action]:
        if self._left <= 0:
            return (packet,)
        self._passed += 1
        if self._passed <= self._plan.after:
            return (packet,)
        self._left -= 1
        self._passed = 0
        return (Silence(connection=packet.connection, seconds=self._plan.seconds), packet)
