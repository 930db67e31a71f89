"""Running turns: begun, driven in time, cancelled, killed. One a UI session."""

from __future__ import annotations

import math
from collections.abc import Container, Iterable, Mapping
from random import Random
from typing import cast

import attrs

from . import _speech, _wire_events
from ._answer import Answer
from ._chat_sessions import ChatSession
from ._server_state import World
from ._turn_engine import Items, Pause, Run
from ._turn_script import Turn, WireFrame
from ._ui_session import RunningTurn, UISession
from ._vendor_formats import told
from ._wire_events import Envelope, Event

__all__ = ["Turns"]

_BATCH = 64
"""Items that one turn may give before the others have their go."""

_CANCELLED = "Interaction cancelled by user, waiting for runtime to exit.."


class Turns:
    """The turns of a world, and the scripts that wait to be said."""

    def __init__(self, world: World) -> None:
        self.world = world
        self._scripts: list[Turn] = []
        self._running: dict[str, RunningTurn] = {}

    def script(self, turns: Iterable[Turn]) -> None:
        """Queue scripted turns behind those that wait already."""
        self._scripts.extend(turns)

    def unscript(self) -> None:
        """Forget every scripted turn."""
        self._scripts.clear()

    def begin(
        self, session: UISession, message: Event, inputs: tuple[str, ...], echo: Turn
    ) -> None:
        """Answer ``message``: with a script for one of ``inputs``, for any, or with ``echo``."""
        world, config = self.world, self.world.config
        chat = world.chat_of(session)
        script = self._take(inputs) or self._take((None,)) or echo

        def speak(pcm: bytes, envelope: Envelope) -> WireFrame | None:
            return _speech.encode(session, pcm, envelope)

        run = Run(
            ids=world.ids,
            rng=Random(f"{config.seed} {chat.session_id} {len(chat.messages)}"),
            pace=config.pace,
            delta_sizes=config.delta_sizes,
            user_id=session.user.user_id,
            find_agent=config.agent,
            encode_audio=speak,
        )
        items = self._stream(session, chat, run, message, script)
        turn = RunningTurn(session=session, items=items, run=run, late=script.late, due=world.now)
        session.turn = self._running[session.id] = turn
        self._drive(turn)

    def _take(self, inputs: tuple[str | None, ...]) -> Turn | None:
        """Use up the first script for one of ``inputs``."""
        for place, script in enumerate(self._scripts):
            if script.user in inputs:
                rest = attrs.evolve(script, times=script.times - 1)
                self._scripts[place : place + 1] = [rest] if rest.times > 0 else []
                return script
        return None

    def _stream(
        self, session: UISession, chat: ChatSession, run: Run, message: Event, script: Turn
    ) -> Items:
        """Give the whole turn, from ``user_turn_end`` to ``user_turn_start``."""
        world = self.world
        own = Envelope(session_id=chat.session_id, user_session_id=chat.session_id)
        answer = Answer(run, own, chat.agent, script)
        if script.exact:
            yield from self._exact(session, chat, run, answer)
            return
        yield _wire_events.control("user_turn_end")
        yield world.touch(chat)
        yield from answer.stream(message)
        chat.messages.extend(answer.messages)
        if answer.failed and chat.agent.vendor == "openai":
            yield _wire_events.error("Error in agent_runtime.chat: the runtime failed.")
        else:
            yield world.touch(chat)
        yield self._over(session)

    def _over(self, session: UISession) -> Event:
        """End the turn before the client hears of it: what it does next kills nothing."""
        session.turn = None
        self._running.pop(session.id, None)
        return _wire_events.control("user_turn_start")

    def _exact(self, session: UISession, chat: ChatSession, run: Run, answer: Answer) -> Items:
        """Give a turn that brings its own frame; what it says of the history is believed."""
        history: list[Event] = []
        for item in answer.steps():
            if isinstance(item, Mapping):
                if item.get("type") == "user_turn_start":
                    break
                if item.get("session_id") == chat.session_id:
                    history += told(item)
            yield item
        else:
            while not run.cancelled:
                yield Pause(math.inf)
        chat.messages.extend(history)
        yield self._over(session)

    def next_deadline(self, held: Container[int | None]) -> float | None:
        """When the next turn goes on; turns of the connections in ``held`` do not count."""
        turns = self._running.values()
        dues = (turn.due for turn in turns if turn.session.connection not in held)
        return min(dues, default=None)

    def advance(self, held: Container[int | None]) -> None:
        """Let every turn that is due go on, one batch each, but not those in ``held``."""
        for turn in list(self._running.values()):
            if turn.session.connection not in held:
                self._drive(turn)

    def _drive(self, turn: RunningTurn) -> None:
        world, session = self.world, turn.session
        for _ in range(_BATCH):
            if turn.due > world.now or session.turn is not turn:
                return
            item = next(turn.items)
            if not isinstance(item, Pause):
                world.send(session, item)
                continue
            turn.firm = item.firm
            if item.firm or not turn.run.cancelled:
                # From when it was due, not from now: a late call does not stretch the turn.
                turn.due = max(turn.due, world.now - 1.0) + item.seconds

    def kill(self, session: UISession) -> None:
        """End the turn where it stands: no end of any kind, and nothing in the history."""
        self._running.pop(session.id, None)
        session.turn = None

    def cancel(self, session: UISession) -> None:
        """Cancel: the word at once, then what is late; the turn ends when its runtime notices."""
        world, turn = self.world, session.turn
        world.send(session, _wire_events.control("cancelled"))
        if turn is not None and not turn.run.cancelled:
            turn.run.cancelled = True
            if not turn.firm:
                turn.due = world.now
            self._send_late(session, turn)
        world.notify(session, _CANCELLED)

    def _send_late(self, session: UISession, turn: RunningTurn) -> None:
        turn.run.late = min(turn.late, turn.run.remaining)
        while turn.run.late > 0:
            # A delta: so many are still to come, and nothing pauses once it is cancelled.
            self.world.send(session, cast("WireFrame", next(turn.items)))
