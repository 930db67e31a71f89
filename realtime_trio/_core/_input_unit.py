"""Find out how the server answers an input that was written (protocol.md §7 G). The client writes
an input between two pings. A server handles frames in order, so events received before the first
pong belong to something earlier, and at the second pong the input has been handled. The turn gate
and the control lane both follow the input by this table, so they agree on whether the next input
may leave.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

import msgspec

__all__ = ["OPEN_STAGES", "InputSign", "InputStage", "InputUnit"]


class InputStage(enum.Enum):
    """The progress of an input. The last three are verdicts."""

    SENT = "sent"
    """Its first pong has not been received."""

    ASKED = "asked"
    """Between its pongs, nothing was received that could be its answer."""

    ERRED = "erred"
    """Between its pongs, an error was received."""

    BEGUN = "begun"
    """Between its pongs, a turn has begun."""

    OVER = "over"
    """Between its pongs, a turn has begun and ended."""

    GRACE = "grace"
    """Both pongs were received, and nothing else: a turn may still begin."""

    RUNS = "runs"
    """Its turn runs."""

    ENDED = "ended"
    """Its turn is over."""

    REFUSED = "refused"
    """The server refused it."""


class InputSign(enum.Enum):
    """A sign of the server's reaction to an input."""

    PONG = "pong"
    """The answer to one of its two pings."""

    TURN_END = "user_turn_end"
    TURN_START = "user_turn_start"
    ERROR = "error"
    STREAM = "stream"
    """A part of an answer: a turn runs, although its start was not received."""


OPEN_STAGES: Final = frozenset(
    set(InputStage) - {InputStage.RUNS, InputStage.ENDED, InputStage.REFUSED}
)
"""The stages without a verdict."""

# A sign without a row changes nothing.
_NEXT: Final[Mapping[tuple[InputStage, InputSign], InputStage]] = MappingProxyType(
    {
        (InputStage.SENT, InputSign.PONG): InputStage.ASKED,
        (InputStage.ASKED, InputSign.TURN_END): InputStage.BEGUN,
        (InputStage.ASKED, InputSign.ERROR): InputStage.ERRED,
        (InputStage.ASKED, InputSign.PONG): InputStage.GRACE,
        (InputStage.ERRED, InputSign.TURN_END): InputStage.BEGUN,
        (InputStage.ERRED, InputSign.PONG): InputStage.REFUSED,
        (InputStage.BEGUN, InputSign.TURN_START): InputStage.OVER,
        (InputStage.BEGUN, InputSign.PONG): InputStage.RUNS,
        (InputStage.OVER, InputSign.TURN_END): InputStage.BEGUN,
        (InputStage.OVER, InputSign.PONG): InputStage.ENDED,
        (InputStage.GRACE, InputSign.TURN_END): InputStage.RUNS,
        (InputStage.GRACE, InputSign.STREAM): InputStage.RUNS,
        (InputStage.GRACE, InputSign.TURN_START): InputStage.ENDED,
        (InputStage.GRACE, InputSign.ERROR): InputStage.REFUSED,
    }
)


class InputUnit(msgspec.Struct, frozen=True):
    """One written input; ``ahead`` pongs answer earlier pings and are received before its first."""

    stage: InputStage = InputStage.SENT
    ahead: int = 0

    @property
    def open(self) -> bool:
        """Whether there is no verdict yet."""
        return self.stage in OPEN_STAGES

    @property
    def begun(self) -> bool:
        """Whether a turn began after the first pong."""
        return self.stage in (InputStage.BEGUN, InputStage.OVER, InputStage.RUNS, InputStage.ENDED)

    def after(self, sign: InputSign) -> InputUnit:
        """Return the input after one sign."""
        if sign is InputSign.PONG and self.ahead:
            return InputUnit(self.stage, self.ahead - 1)
        stage = _NEXT.get((self.stage, sign))
        return self if stage is None else InputUnit(stage)
