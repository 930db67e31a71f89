"""``server.faults``: the row of installed plans that every outgoing frame passes."""

from __future__ import annotations

import math
from collections.abc import Iterable
from random import Random

from ._faults import (
    Action,
    Cut,
    CutHow,
    Delay,
    Drop,
    Duplicate,
    Garble,
    Oversized,
    Packet,
    Plan,
    Reorder,
    SlowDrain,
    Stage,
    Stall,
)

__all__ = ["Faults"]


class Faults:
    """Lets things go wrong on the connections of one server, from now on.

    Each method installs one plan behind those that are there. ``types`` limits a plan to
    events of those types, ``probability`` to a random share (seeded), ``times`` to so many
    frames. A plan counts over all connections, from when it was installed.
    """

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._installed = 0
        self._stages: list[Stage] = []
        self._refusals: list[int | None] = []

    def install(self, *plans: Plan) -> None:
        """Install plans: frozen values, such as a strategy of Hypothesis draws."""
        for plan in plans:
            self._stages.append(plan.start(Random(f"{self._seed} fault {self._installed}")))
            self._installed += 1

    def clear(self) -> None:
        """Let everything go well from now on; what a stall holds back still waits its time."""
        self._stages.clear()
        self._refusals.clear()

    def delay(
        self,
        seconds: float,
        *,
        jitter: float = 0.0,
        types: Iterable[str] | None = None,
        probability: float = 1.0,
        times: int | None = None,
    ) -> None:
        """Let frames leave later, in their order."""
        self.install(
            Delay(
                seconds=seconds,
                jitter=jitter,
                types=_type_set(types),
                probability=probability,
                times=times,
            )
        )

    def drop(
        self,
        types: Iterable[str] | None = None,
        *,
        probability: float = 1.0,
        times: int | None = None,
    ) -> None:
        """Lose frames."""
        self.install(Drop(types=_type_set(types), probability=probability, times=times))

    def duplicate(
        self,
        types: Iterable[str] | None = None,
        *,
        probability: float = 1.0,
        times: int | None = None,
    ) -> None:
        """Send frames twice."""
        self.install(Duplicate(types=_type_set(types), probability=probability, times=times))

    def reorder(
        self,
        types: Iterable[str] | None = None,
        *,
        probability: float = 1.0,
        times: int | None = None,
    ) -> None:
        """Let frames be overtaken by the next one of their connection."""
        self.install(Reorder(types=_type_set(types), probability=probability, times=times))

    def garble(
        self,
        types: Iterable[str] | None = None,
        *,
        probability: float = 1.0,
        times: int | None = None,
    ) -> None:
        """Damage frames so that they can not be read."""
        self.install(Garble(types=_type_set(types), probability=probability, times=times))

    def oversized(
        self,
        size: int = 2 * 1024 * 1024,
        *,
        types: Iterable[str] | None = None,
        probability: float = 1.0,
        times: int | None = None,
    ) -> None:
        """Pad events to ``size`` characters; they stay well-formed."""
        self.install(
            Oversized(size=size, types=_type_set(types), probability=probability, times=times)
        )

    def slow_drain(self, bytes_per_second: float) -> None:
        """Let the wire take only so much."""
        self.install(SlowDrain(bytes_per_second=bytes_per_second))

    def cut(self, after: int = 0, *, how: CutHow = "abort", times: int | None = 1) -> None:
        """End a connection after so many frames: ``clean``, ``abort`` or ``mid-frame``."""
        self.install(Cut(after=after, how=how, times=times))

    def stall(self, seconds: float, *, after: int = 0, times: int | None = 1) -> None:
        """Let a connection be silent for a while; nothing is lost."""
        self.install(Stall(seconds=seconds, after=after, times=times))

    def mute(self, after: int = 0, *, times: int | None = 1) -> None:
        """Let a connection never say a word again; what it is told is still carried out."""
        self.install(Stall(seconds=math.inf, after=after, times=times))

    def refuse(self, status: int | None = 503, *, times: int = 1) -> None:
        """Refuse the next dials with that HTTP status (``None``: the link breaks unanswered)."""
        self._refusals.extend([status] * times)

    def refusal(self) -> tuple[bool, int | None]:
        """Whether the dial that is at hand is refused, and with which status; uses it up."""
        if not self._refusals:
            return False, None
        return True, self._refusals.pop(0)

    def apply(self, packet: Packet) -> list[Action]:
        """Send one packet through all the plans."""
        return self._pass([packet], 0)

    @property
    def holding(self) -> bool:
        """Whether a plan holds a frame back, so that :meth:`flush` is called for."""
        return any(stage.holding for stage in self._stages)

    def flush(self) -> list[Action]:
        """Give what was held back, through the plans behind the one that held it."""
        actions: list[Action] = []
        for position, stage in enumerate(self._stages):
            actions += self._pass(stage.flush(), position + 1)
        return actions

    def _pass(self, actions: Iterable[Action], first: int) -> list[Action]:
        passing = list(actions)
        for stage in self._stages[first:]:
            passing = [
                result
                for action in passing
                for result in (stage(action) if isinstance(action, Packet) else (action,))
            ]
        return passing


def _type_set(types: Iterable[str] | None) -> frozenset[str] | None:
    if types is None:
        return None
    return frozenset((types,) if isinstance(types, str) else types)
