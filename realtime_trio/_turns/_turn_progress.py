"""A turn that the application asked for: five channels and an outcome."""

from __future__ import annotations

from typing import TypeAlias, final

import attrs
import trio

from .._core._notifications import Media, SubsessionEnded, SubsessionStarted, ToolNotification
from .._core._spoken import SpokenAnswer
from .._core._state import TurnRecord
from .._exceptions import TurnError
from .._outbound._receipt import Receipt
from ._channel import TurnChannel
from ._outcome import Outcome

__all__ = ["Turn", "TurnProgress"]

Subsession: TypeAlias = SubsessionStarted | SubsessionEnded


@attrs.define(slots=True, eq=False)
class TurnProgress:
    """The client's record of one turn.

    ``written``: its input was handed to the network. ``missed``: the link was lost while it
    ran. ``record`` and ``answer`` are the results of the text lane and the audio lane after
    they passed its end. ``earlier`` is the answer that the audio lane had when the server
    reached the input, ``earlier_errors`` the number of errors that the text lane had.
    """

    text: TurnChannel[str] = attrs.field(factory=TurnChannel[str])
    thoughts: TurnChannel[str] = attrs.field(factory=TurnChannel[str])
    tools: TurnChannel[ToolNotification] = attrs.field(factory=TurnChannel[ToolNotification])
    media: TurnChannel[Media] = attrs.field(factory=TurnChannel[Media])
    subsessions: TurnChannel[Subsession] = attrs.field(factory=TurnChannel[Subsession])
    written: bool = False
    missed: bool = False
    record: TurnRecord | None = None
    earlier: SpokenAnswer | None = None
    earlier_errors: int = 0
    answer: SpokenAnswer | None = None
    outcome: Outcome | None = None
    decided: trio.Event = attrs.field(factory=trio.Event)

    def decide(self, outcome: Outcome) -> None:
        """Set the outcome and end the channels; only the first call has an effect."""
        if self.outcome is None:
            self.outcome = outcome
            for channel in (self.text, self.thoughts, self.tools, self.media, self.subsessions):
                channel.finish()
            self.decided.set()

    def result(self) -> Outcome:
        """Return the outcome; raise :class:`~realtime_trio.TurnError` while the turn runs."""
        if self.outcome is None:
            message = "the turn is not over yet: leave its block, or await turn.wait()"
            raise TurnError(message)
        return self.outcome

    @property
    def summary(self) -> str:
        """Describe whether the turn is over, and how, in one or two words."""
        return "under way" if self.outcome is None else type(self.outcome).__name__


@final
class Turn:
    """A turn that ``client.ask`` began.

    Its channels buffer from the start: ``text`` and ``thoughts`` give the deltas (``str``)
    of the user's own session, ``tools`` :class:`~realtime_trio.ToolNotification`, ``media``
    :class:`~realtime_trio.Media`, ``subsessions`` the beginnings and ends of delegations.
    They end when the turn is over.
    """

    def __init__(self, progress: TurnProgress, receipt: Receipt) -> None:
        self.text: TurnChannel[str] = progress.text
        self.thoughts: TurnChannel[str] = progress.thoughts
        self.tools: TurnChannel[ToolNotification] = progress.tools
        self.media: TurnChannel[Media] = progress.media
        self.subsessions: TurnChannel[Subsession] = progress.subsessions
        self.receipt: Receipt = receipt
        """The status of the input."""
        self._progress = progress

    @property
    def outcome(self) -> Outcome:
        """How the turn ended.

        Raises :class:`~realtime_trio.TurnError` while the turn runs: leave the ``async
        with`` block, or ``await turn.wait()``.
        """
        return self._progress.result()

    async def wait(self) -> Outcome:
        """Wait for the outcome: the turn is then over in every lane.

        Any number of tasks may wait; cancelling one changes nothing.
        """
        await self._progress.decided.wait()
        return self._progress.result()

    def __repr__(self) -> str:
        """Show the outcome, never the content."""
        return f"<Turn: {self._progress.summary}>"
