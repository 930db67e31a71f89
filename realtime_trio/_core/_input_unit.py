"""Whose answer is it? What became of an input that was written (protocol.md §7 G).

An input is written between two pings of its own. A server handles in order what it receives, so
what comes before the first pong belongs to something earlier, and by the second pong the input
has been handled. The turn gate and the control lane both follow the input by this table, so
they agree on whether the next input may leave.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

import msgspec

__all__ = ["OPEN_STAGES", "InputUnit", "Sign", "Stage"]


class Stage(enum.Enum):
    """How far an input has come. The last three are verdicts."""

    SENT = "sent"
    """Its first pong has not come."""

    ASKED = "asked"
    """Between its pongs, nothing came that could be its answer."""

    ERRED = "erred"
    """Between its pongs, an error came."""

    BEGUN = "begun"
    """Between its pongs, a turn has begun."""

    OVER = "over"
    """Between its pongs, a turn has begun and ended."""

    GRACE = "grace"
    """Both pongs came, and nothing else: a turn may still begin."""

    RUNS = "runs"
    """Its turn runs."""

    ENDED = "ended"
    """Its turn is over."""

    REFUSED = "refused"
    """The server refused it."""


class Sign(enum.Enum):
    """What tells of an input."""

    PONG = "pong"
    """The answer to one of its own two pings."""

    TURN_END = "user_turn_end"
    TURN_START = "user_turn_start"
    ERROR = "error"
    STREAM = "stream"
    """A part of an answer: a turn runs, although its beginning was not seen."""


OPEN_STAGES: Final = frozenset(set(Stage) - {Stage.RUNS, Stage.ENDED, Stage.REFUSED})
"""The stages without a verdict."""

# A sign that has no row changes nothing.
_NEXT: Final[Mapping[tuple[Stage, Sign], Stage]] = MappingProxyType(
    {
        (Stage.SENT, Sign.PONG): Stage.ASKED,
        (Stage.ASKED, Sign.TURN_END): Stage.BEGUN,
        (Stage.ASKED, Sign.ERROR): Stage.ERRED,
        (Stage.ASKED, Sign.PONG): Stage.GRACE,
        (Stage.ERRED, Sign.TURN_END): Stage.BEGUN,
        (Stage.ERRED, Sign.PONG): Stage.REFUSED,
        (Stage.BEGUN, Sign.TURN_START): Stage.OVER,
        (Stage.BEGUN, Sign.PONG): Stage.RUNS,
        (Stage.OVER, Sign.TURN_END): Stage.BEGUN,
        (Stage.OVER, Sign.PONG): Stage.ENDED,
        (Stage.GRACE, Sign.TURN_END): Stage.RUNS,
        (Stage.GRACE, Sign.STREAM): Stage.RUNS,
        (Stage.GRACE, Sign.TURN_START): Stage.ENDED,
        (Stage.GRACE, Sign.ERROR): Stage.REFUSED,
    }
)


class InputUnit(msgspec.Struct, frozen=True):
    """One input on its way; ``ahead`` pongs answer earlier pings and come before its first."""

    stage: Stage = Stage.SENT
    ahead: int = 0

    @property
    def open(self) -> bool:
        """Whether there is no verdict yet."""
        return self.stage in OPEN_STAGES

    @property
    def begun(self) -> bool:
        """Whether a turn was seen to begin after the first pong."""
        return self.stage in (Stage.BEGUN, Stage.OVER, Stage.RUNS, Stage.ENDED)

    def after(self, sign: Sign) -> InputUnit:
        """The input after one sign."""
        if sign is Sign.PONG and self.ahead:
            return InputUnit(self.stage, self.ahead - 1)
        stage = _NEXT.get((self.stage, sign))
        return self if stage is None else InputUnit(stage)
