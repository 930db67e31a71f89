"""``server.faults``: the sequence of fault plans that every outgoing frame passes through."""

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
    """Injects faults into the connections of one server.

    Each method installs one plan after the plans that are already there. ``types`` limits a
    plan to events of those types, ``probability`` to a random share of them (seeded), and
    ``times`` to that many frames. A plan counts frames of all connections, starting when it
    is installed.
    """

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._installed = 0
        self._stages: list[Stage] = []
        self._refusals: list[int | None] = []

    def install(self, *plans: Plan) -> None:
        """Install plans, for example those that a Hypothesis strategy generates."""
        for plan in plans:
            self._stages.append(plan.start(Random(f"{self._seed} fault {self._installed}")))
            self._installed += 1

    def clear(self) -> None:
        """Remove all plans; a stall that has begun still takes its full time."""
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
        """Delay frames by ``seconds`` plus up to ``jitter``; their order does not change."""
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
        """Drop frames."""
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
        """Let the next frame of the connection overtake a frame."""
        self.install(Reorder(types=_type_set(types), probability=probability, times=times))

    def garble(
        self,
        types: Iterable[str] | None = None,
        *,
        probability: float = 1.0,
        times: int | None = None,
    ) -> None:
        """Corrupt frames so that they cannot be decoded."""
        self.install(Garble(types=_type_set(types), probability=probability, times=times))

    def oversized(
        self,
        size: int = 2 * 1024 * 1024,
        *,
        types: Iterable[str] | None = None,
        probability: float = 1.0,
        times: int | None = None,
    ) -> None:
        """Pad events to ``size`` characters; they stay valid JSON."""
        self.install(
            Oversized(size=size, types=_type_set(types), probability=probability, times=times)
        )

    def slow_drain(self, bytes_per_second: float) -> None:
        """Limit the bandwidth to ``bytes_per_second``."""
        self.install(SlowDrain(bytes_per_second=bytes_per_second))

    def cut(self, after: int = 0, *, how: CutHow = "abort", times: int | None = 1) -> None:
        """End a connection after that many frames: ``clean``, ``abort`` or ``mid-frame``."""
        self.install(Cut(after=after, how=how, times=times))

    def stall(self, seconds: float, *, after: int = 0, times: int | None = 1) -> None:
        """Send nothing on a connection for ``seconds``, then everything that was held back."""
        self.install(Stall(seconds=seconds, after=after, times=times))

    def mute(self, after: int = 0, *, times: int | None = 1) -> None:
        """Send nothing more on a connection; the server still carries out what it receives."""
        self.install(Stall(seconds=math.inf, after=after, times=times))

    def refuse(self, status: int | None = 503, *, times: int = 1) -> None:
        """Refuse the next dials with that HTTP status; ``None`` breaks the link unanswered."""
        self._refusals.extend([status] * times)

    def refusal(self) -> tuple[bool, int | None]:
        """Return whether to refuse the current dial and with which status; uses up one refusal."""
        if not self._refusals:
            return False, None
        return True, self._refusals.pop(0)

    def apply(self, packet: Packet) -> list[Action]:
        """Pass one packet through all plans."""
        return self._pass([packet], 0)

    @property
    def holding(self) -> bool:
        """Whether a plan is holding a frame back, so that :meth:`flush` is needed."""
        return any(stage.holding for stage in self._stages)

    def flush(self) -> list[Action]:
        """Release the frames that are held back, through the plans after the one that held them."""
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
