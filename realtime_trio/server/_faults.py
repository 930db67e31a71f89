"""Fault injection: frozen plans, and the stages that carry them out.

A plan sees the frames that leave the server, in the order in which they leave. It counts
them over all connections from its installation on, and draws only from its own seeded
generator. The same traffic meets the same faults.
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
    """An outgoing frame, due at ``at`` (trio's clock); it never overtakes an earlier frame."""

    connection: int
    frame: WireFrame
    at: float

    @property
    def type(self) -> str | None:
        """The type of the event; ``None`` for raw text frames and binary frames."""
        if not isinstance(self.frame, Mapping):
            return None
        type_ = self.frame.get("type")
        return type_ if isinstance(type_, str) else None

    def encoded(self) -> str | bytes:
        """Return the frame as it is sent."""
        if isinstance(self.frame, Mapping):
            # Real servers escape to ASCII. It also lets a lone surrogate pass through UTF-8.
            return json.dumps(self.frame, separators=(",", ":"))
        return self.frame


@attrs.frozen(slots=True, kw_only=True)
class HangUp:
    """End the connection here; ``mid-frame`` sends half of ``frame`` first."""

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
    """A running plan; the base class passes every packet on unchanged."""

    def __call__(self, packet: Packet) -> Iterable[Action]:
        """Return the actions that replace one packet."""
        return (packet,)

    @property
    def holding(self) -> bool:
        """Whether the stage is holding a frame back."""
        return False

    def flush(self) -> Iterable[Packet]:
        """Release the frame that is held back: it has waited long enough."""
        return ()


class Plan(Protocol):
    """A frozen value that describes a fault. Applications can define their own."""

    def start(self, rng: Random) -> Stage:
        """Create the stage that carries out the plan, with its own random generator."""
        ...


# -- plans for single frames ---------------------------------------------------------------


@attrs.frozen(slots=True, kw_only=True)
class _Selection:
    """Selects frames by ``types`` and ``probability``, at most ``times`` of them."""

    types: frozenset[str] | None = None
    probability: float = 1.0
    times: int | None = None


@attrs.frozen(slots=True, kw_only=True)
class _FramePlan(_Selection, ABC):
    """A plan that changes each selected frame on its own."""

    def start(self, rng: Random) -> Stage:
        """Create the stage."""
        return _FrameStage(self, rng)

    @abstractmethod
    def change(self, packet: Packet, rng: Random) -> Iterable[Action]:
        """Return the actions that replace a selected packet."""


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
    """Frames leave ``seconds`` plus up to ``jitter`` seconds later; their order does not change."""

    seconds: float
    jitter: float = 0.0

    def change(self, packet: Packet, rng: Random) -> Iterable[Action]:
        """Delay the packet."""
        return (attrs.evolve(packet, at=packet.at + self.seconds + self.jitter * rng.random()),)


@attrs.frozen(slots=True, kw_only=True)
class Drop(_FramePlan):
    """Frames are lost."""

    def change(self, packet: Packet, rng: Random) -> Iterable[Action]:
        """Drop the packet."""
        return ()


@attrs.frozen(slots=True, kw_only=True)
class Duplicate(_FramePlan):
    """Frames are sent twice."""

    def change(self, packet: Packet, rng: Random) -> Iterable[Action]:
        """Send the packet twice."""
        return (packet, packet)


@attrs.frozen(slots=True, kw_only=True)
class Garble(_FramePlan):
    """Text frames become invalid JSON; binary frames lose a byte."""

    def change(self, packet: Packet, rng: Random) -> Iterable[Action]:
        """Corrupt the packet."""
        whole = packet.encoded()
        position = rng.randrange(len(whole)) if whole else 0
        if isinstance(whole, bytes):
            return (attrs.evolve(packet, frame=whole[:position] + whole[position + 1 :]),)
        # A leading closing brace is invalid JSON, whatever follows it.
        return (
            attrs.evolve(packet, frame="}" + whole[:position] + "\ufffd" + whole[position + 1 :]),
        )


@attrs.frozen(slots=True, kw_only=True)
class Oversized(_FramePlan):
    """Events are padded with spaces to ``size`` characters: large, but valid."""

    size: int = 2 * 1024 * 1024

    def change(self, packet: Packet, rng: Random) -> Iterable[Action]:
        """Pad the packet."""
        whole = packet.encoded()
        if isinstance(whole, bytes):
            return (packet,)
        return (attrs.evolve(packet, frame=whole.ljust(self.size)),)


@attrs.frozen(slots=True, kw_only=True)
class SlowDrain(_Selection):
    """The connection carries only ``bytes_per_second``; text counts by characters."""

    bytes_per_second: float

    def start(self, rng: Random) -> Stage:
        """Create the stage."""
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
    """The next frame of the connection overtakes a frame, if it follows soon enough."""

    def start(self, rng: Random) -> Stage:
        """Create the stage."""
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


# -- plans for a position in the stream ----------------------------------------------------


@attrs.frozen(slots=True, kw_only=True)
class Cut:
    """A connection ends: with a close frame (1000), by an aborted socket, or in mid-frame.

    It ends after frame number ``after`` (0: instead of the next frame), and again every
    ``after`` frames, ``times`` times in total (``None``: without limit).
    """

    after: int = 0
    times: int | None = 1
    how: CutHow = "abort"

    def start(self, rng: Random) -> Stage:
        """Create the stage."""
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
        # Cut right after this frame: the next one may never follow.
        return (packet, self._hang_up(packet)) if passed + 1 >= plan.after else (packet,)

    def _hang_up(self, packet: Packet) -> HangUp:
        self._left -= 1
        self._passed = 0
        return HangUp(connection=packet.connection, how=self._plan.how, frame=packet.encoded())


@attrs.frozen(slots=True, kw_only=True)
class Stall:
    """A connection stays open but sends nothing for ``seconds``, starting after ``after`` frames.

    ``math.inf`` mutes it permanently: the server carries out its input but never sends again.
    """

    seconds: float
    after: int = 0
    times: int | None = 1

    def start(self, rng: Random) -> Stage:
        """Create the stage."""
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
