"""What the shell itself takes from what comes in, in the receive task and at once.

The lanes may be far behind the wire; answering a ping, opening the gate and knowing the ids
to dial with cannot wait for them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, final

import trio

from .._core._fast_decoder import Incoming
from .._core._local_events import LinkEvent
from .._core._notifications import Initialized
from .._core._shell_notifications import AgentChanged
from .._outbound._cancel import Canceller
from .._outbound._outbox import Outbox
from .._outbound._turn_gate import STREAM, Change, Phase, TurnGate
from .._turns._ask import TurnBook
from .._turns._resync import Repair
from ..events import (
    AgentConfigurationChangedEvent,
    CancelledEvent,
    ChatSessionChangedEvent,
    PingEvent,
    PongEvent,
    ResumeChatSessionEvent,
    UiSessionIdChangedEvent,
)

__all__ = ["Tracker"]

_PONG: Final = PongEvent()


@final
class Tracker:
    """Reacts to events as they arrive. ``post`` hands a local event to the lanes.

    ``ui_session_id`` is the id to dial with.
    """

    def __init__(
        self,
        gate: TurnGate,
        outbox: Outbox,
        turns: TurnBook,
        canceller: Canceller,
        repair: Repair,
        post: Callable[[LinkEvent], None],
    ) -> None:
        self._gate = gate
        self._outbox = outbox
        self._turns = turns
        self._canceller = canceller
        self._post = post
        self._repair = repair
        self.ui_session_id: str | None = None
        self.beginnings: int = 0
        """How often the server began a session, and so with nothing that it had been told."""
        self.last_pong: float | None = None
        self.agent_key: str | None = None
        """The agent of the current session, to dial with; ``None`` while it is not known."""
        self._expected: str | None = None  # the agent that this link was asked to go on with
        self._links = 0
        self._initialized = False
        self._loaded = False
        self._ended = False
        self._openings = trio.lowlevel.ParkingLot()

    def saw(self, event: Incoming) -> None:
        """Take note of one event; it is on its way to its lanes."""
        if type(event) in STREAM:  # nearly all of them: the rest can cost what it likes
            self._gate.saw_stream()
            return
        self._repair.saw(event)
        change = self._gate.saw(event)
        if change is not None:
            self._gate_opened(change)
        elif isinstance(event, PingEvent):
            self._outbox.put_own(_PONG)
        elif isinstance(event, CancelledEvent):
            self._canceller.heard()
        elif isinstance(event, PongEvent):
            self.last_pong = trio.current_time()
        else:
            self._note_ids(event)

    def _note_ids(self, event: Incoming) -> None:
        if isinstance(event, UiSessionIdChangedEvent):
            self.ui_session_id = event.ui_session_id
            self.beginnings += 1
        elif isinstance(event, ChatSessionChangedEvent):
            self._loaded = True
            session = event.chat_session
            agent = None if session is None else session.agent_config
            self._note_agent(None if agent is None else agent.key)
        elif isinstance(event, AgentConfigurationChangedEvent):
            self._note_agent(event.agent_config.key)

    def _note_agent(self, key: str | None) -> None:
        expected, self._expected = self._expected, None
        self.agent_key = key
        if expected is not None and key is not None and key != expected:
            note = AgentChanged(expected=expected, got=key)
            self._post(LinkEvent(status=None, note=note))

    def _gate_opened(self, change: Change) -> None:
        if change is Change.REFUSED:
            self._turns.refused()
        else:
            if not self._initialized:
                self._initialized = True
                self._first_turn()
        self._outbox.wake()
        self._openings.unpark_all()

    def _first_turn(self) -> None:
        """It is the user's turn for the first time on this link.

        A link that began in the middle of a turn has brought a list without that turn, and
        then its end only; one that brought no list at all has told nothing of what it
        missed. Either way the session is asked for anew: resuming the current one is the one
        command that harms nothing at any time, and it goes ahead of everything that waits.
        """
        self._post(LinkEvent(status=None, initialized=True, note=Initialized()))
        session_id = self._gate.session_id
        replaces = self._links > 1
        partial = self._gate.streamed or (replaces and not self._loaded)
        if partial and session_id is not None:
            self._repair.asked(session_id)
            self._outbox.put_own(ResumeChatSessionEvent(session_id=session_id))
        elif replaces:
            self._repair.complete(session_id)

    def killed(self) -> None:
        """Something is about to be written that kills the turn."""
        self._turns.killed()
        self._openings.unpark_all()

    def link_opened(self, agent_key: str | None = None) -> None:
        """Begin with a new link, whose session is to have this agent."""
        self._expected = agent_key
        self._gate.link_opened()
        self._outbox.link_opened()
        self._repair.link_opened()
        self._links += 1
        self._initialized = False
        self._loaded = False

    def link_lost(self) -> bool:
        """Note that the link has ended; tells whether something may have been missed."""
        running = self._gate.phase is not Phase.USER
        self._turns.link_lost()
        self._outbox.link_lost()
        self._gate.link_opened()
        return running

    async def opened(self) -> None:
        """Wait until the gate is open, or will never be again."""
        while not self._gate.open and not self._ended:
            await self._openings.park()

    def end(self) -> None:
        """Let nobody wait for an opening that will not come."""
        self._ended = True
        self._openings.unpark_all()
