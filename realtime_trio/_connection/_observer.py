"""React to received events immediately, in the receive task.

The lanes may lag far behind the wire. Answering a ping, opening the gate, stopping the playback of
a cancelled answer and noting the ids for the next dial cannot wait for them. Everything that must
wait for the lanes gets a mark directly after its event.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, final

import trio

from .._core._fast_decoder import Incoming
from .._core._local_events import LinkEvent, NoTurnEvent
from .._core._notifications import Initialized
from .._core._shell_notifications import AgentChanged
from .._lanes._marks import Mark, Marks
from .._outbound._cancel import Canceller
from .._outbound._outbox import Outbox
from .._outbound._turn_gate import STREAM, GateChange, Phase, TurnGate
from .._turns._resync import Resync
from .._turns._turn_tracker import TurnTracker
from ..events import (
    AgentConfigurationChangedEvent,
    CancelledEvent,
    ChatSessionChangedEvent,
    PingEvent,
    PongEvent,
    ResumeChatSessionEvent,
    UiSessionIdChangedEvent,
    UserTurnStartEvent,
)
from ._connection_log import log_asked_again

__all__ = ["LinkObserver"]

_PONG: Final = PongEvent()


@final
class LinkObserver:
    """Reacts to events as they arrive. ``post`` hands a local event to the lanes.

    ``stop_playback`` stops the playback of the answer that is arriving. ``ui_session_id`` is the id
    for the next dial.
    """

    def __init__(
        self,
        *,
        gate: TurnGate,
        outbox: Outbox,
        turns: TurnTracker,
        canceller: Canceller,
        resync: Resync,
        marks: Marks,
        post: Callable[[LinkEvent | NoTurnEvent], None],
        stop_playback: Callable[[], object],
    ) -> None:
        self._gate = gate
        self._outbox = outbox
        self._turns = turns
        self._canceller = canceller
        self._resync = resync
        self._marks = marks
        self._post = post
        self._stop_playback = stop_playback
        self.opening: Mark | None = None
        """The mark directly after the event that opened the gate last."""
        self.ui_session_id: str | None = None
        self.session_starts: int = 0
        """How often the server began a session: each begins with the server's defaults."""
        self.last_pong: float | None = None
        self.agent_key: str | None = None
        """The agent of the current session, for the next dial; ``None`` if it is not known."""
        self._agent_of: str | None = None  # the session whose agent that is
        self._expected: str | None = None  # the agent requested for this link
        self._links = 0
        self._initialized = False
        self._loaded = False

    def received(self, event: Incoming) -> None:
        """Handle one event that was just routed to its lanes."""
        if type(event) in STREAM:  # the fast path: nearly all events
            if self._gate.received_stream() is not None:
                self._canceller.turn_begun()
            return
        self._resync.received(event)
        change = self._gate.received(event)
        first = type(event) is UserTurnStartEvent and not self._initialized
        if first:
            self._initialized = True
            self._post(LinkEvent(status=None, initialized=True, note=Initialized()))
        if change is not None:
            self._turn_moved(change)
        if first:
            self._first_turn(self._marks.place())
        elif isinstance(event, PongEvent):
            self.last_pong = trio.current_time()
        elif isinstance(event, PingEvent):
            self._outbox.put_for_link(_PONG)
        elif isinstance(event, CancelledEvent):
            self._cancelled()
        else:
            self._note_ids(event)

    def _cancelled(self) -> None:
        self._stop_playback()
        if self._gate.cancellable:
            self._canceller.confirm()
        else:
            self._canceller.confirm_early()

    def _note_ids(self, event: Incoming) -> None:
        if isinstance(event, UiSessionIdChangedEvent):
            self.ui_session_id = event.ui_session_id
            self.session_starts += 1
        elif isinstance(event, ChatSessionChangedEvent):
            self._loaded = True
            session = event.chat_session
            if session is not None:
                agent = session.agent_config
                self._note_agent(None if agent is None else agent.key)
        elif isinstance(event, AgentConfigurationChangedEvent):
            self._note_agent(event.agent_config.key)

    def _note_agent(self, key: str | None) -> None:
        """Note the agent of the current session. A server may leave it out: then it is as before,
        unless the session is another one.
        """
        expected, self._expected = self._expected, None
        same, self._agent_of = self._agent_of == self._gate.session_id, self._gate.session_id
        self.agent_key = self.agent_key if key is None and same else key
        if expected is not None and key is not None and key != expected:
            note = AgentChanged(expected=expected, got=key)
            self._post(LinkEvent(status=None, note=note))

    def _turn_moved(self, change: GateChange) -> None:
        match change:
            case GateChange.HEARD:
                self._turns.heard()
            case GateChange.BEGUN:
                self._canceller.turn_begun()
            case GateChange.OPENED:
                self._canceller.no_turn()
                self._turns.ended(self._gate_opened())
            case GateChange.REFUSED:
                self._canceller.no_turn()
                self._post(NoTurnEvent())
                self._turns.refused(self._gate.error, self._gate_opened())

    def no_turn(self) -> None:
        """Note that the grace period of the input is over: it has begun no turn."""
        cancelled = self._canceller.wanted
        self._gate.no_turn()
        self._canceller.no_turn()
        self._post(NoTurnEvent())
        self._turns.not_begun(self._gate_opened(), cancelled=cancelled)

    def _gate_opened(self) -> Mark:
        """Mark the place at which the gate opened, and wake the writer."""
        mark = self.opening = self._marks.place()
        self._outbox.wake()
        return mark

    def _first_turn(self, mark: Mark) -> None:
        """Handle the first user's turn on this link.

        A link that began in the middle of a turn has delivered a list without that turn, and
        then only its end. A link that delivered no list says nothing about what it missed.
        In both cases the client asks for the session again: resuming the current session is the
        one command that is harmless at any time, and it overtakes all queued commands.
        """
        session_id = self._gate.session_id
        replaces = self._links > 1
        partial = self._gate.streamed or (replaces and not self._loaded)
        if partial and session_id is not None:
            log_asked_again()
            self._resync.asked(session_id)
            self._outbox.put_for_link(ResumeChatSessionEvent(session_id=session_id))
        elif replaces:
            self._resync.complete(session_id, mark)

    def resume(self, ui_session_id: str | None, agent_key: str | None) -> None:
        """Continue from the state of an earlier client: the first link replaces its last one."""
        self.ui_session_id, self.agent_key = ui_session_id, agent_key
        self._agent_of = self._gate.session_id
        self._links = 1

    def link_opened(self, agent_key: str | None = None) -> None:
        """Start on a new link whose session should have this agent."""
        self._expected = agent_key
        self._gate.link_opened()
        self._outbox.link_opened()
        self._resync.link_opened()
        self._links += 1
        self._initialized = False
        self._loaded = False

    def link_lost(self) -> bool:
        """Note that the link has ended; return whether something may have been missed."""
        running = self._gate.phase is not Phase.USER
        if self._gate.unit is not None:
            self._turns.voided(self._marks.place())
        self._turns.link_lost()
        self._outbox.link_lost()
        self._canceller.link_lost()
        self._gate.link_lost()
        return running
