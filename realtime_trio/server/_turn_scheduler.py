"""Start, advance, cancel and kill running turns, at most one for each UI session."""

from __future__ import annotations

import math
from collections.abc import Container, Iterable, Mapping
from random import Random
from typing import cast

import attrs

from . import _speech
from ._answer import Answer
from ._chat_sessions import StoredSession
from ._script_checks import Script, check_script
from ._server_state import ServerState
from ._storage import held_bytes
from ._turn_engine import Item, Items, Pause, TurnRun
from ._turn_script import ScriptedAnswer, ScriptedTurn, WireFrame
from ._ui_session import RunningTurn, UISession
from ._vendor_formats import history_messages
from ._wire_events import Event, SessionEvents, control_event, error_event

__all__ = ["TurnScheduler"]

_BATCH = 64
"""Items that one turn may send before the other turns run."""

_BATCH_BYTES = 256 * 1024
"""Bytes that it may send before then, those of its last item not counted."""

_CANCELLED = "Interaction cancelled by user, waiting for runtime to exit.."


class TurnScheduler:
    """The running turns of a server, and the scripts that are queued."""

    def __init__(self, state: ServerState) -> None:
        self.state = state
        self._scripts: list[ScriptedTurn] = []
        self._answers: list[ScriptedAnswer] = []
        self._running: dict[str, RunningTurn] = {}

    def script(self, scripts: Iterable[Script]) -> None:
        """Queue scripts after those that are already queued, all or none.

        Raises what :func:`check_script` raises.
        """
        checked = list(scripts)
        for script in checked:
            check_script(script, self.state.config)
        for script in checked:
            if isinstance(script, ScriptedAnswer):
                self._answers.append(script)
            else:
                self._scripts.append(script)

    def unscript(self) -> None:
        """Drop all scripts."""
        self._scripts.clear()
        self._answers.clear()

    def answer_by_script(self, session: UISession, event: Event) -> bool:
        """Answer a command by the first script for it; return whether there is one."""
        for index, answer in enumerate(self._answers):
            if answer.command != event["type"] or answer.user not in (None, event.get("text")):
                continue
            remaining = attrs.evolve(answer, times=answer.times - 1)
            self._answers[index : index + 1] = [remaining] if remaining.times > 0 else []
            stream = self._answer(session, ScriptedTurn(steps=answer.steps)).stream_steps()
            for item in stream:
                if not isinstance(item, Pause):
                    self.state.send(session, item)
            return True
        return False

    def has_script(self, text: str) -> bool:
        """Return whether a scripted turn is queued for exactly this input."""
        return any(script.user == text for script in self._scripts)

    def start(
        self, session: UISession, message: Event, inputs: tuple[str, ...], echo: ScriptedTurn
    ) -> None:
        """Answer ``message`` with a script for one of ``inputs`` or for any, or with ``echo``.

        The turn is a separate task: commands sent within ``turn_start`` seconds after the input
        are handled first.
        """
        script = self._take_script(inputs) or self._take_script((None,)) or echo
        answer = self._answer(session, script)
        items = self._stream_turn(session, session.chat, answer, message, script)
        delay = self.state.config.turn_start if script.start is None else script.start
        turn = RunningTurn(
            session=session,
            items=items,
            run=answer.run,
            late_deltas=script.late,
            due=self.state.now + delay,
        )
        session.turn = self._running[session.id] = turn
        self._run_batch(turn)

    def _answer(self, session: UISession, script: ScriptedTurn) -> Answer:
        """Make the answer of the session's agent, in the session's chat."""
        state, config, chat = self.state, self.state.config, session.chat

        def encode_audio(pcm: bytes, events: SessionEvents) -> WireFrame | None:
            return _speech.encode_audio(session, pcm, events)

        run = TurnRun(
            ids=state.ids,
            rng=Random(f"{config.seed} {chat.session_id} {len(chat.messages)}"),
            pace=config.pace,
            delta_sizes=config.delta_sizes,
            user_id=session.user.user_id,
            find_agent=config.agent,
            encode_audio=encode_audio,
        )
        events = SessionEvents(session_id=chat.session_id, user_session_id=chat.session_id)
        return Answer(run, events, chat.agent, script)

    def _take_script(self, inputs: tuple[str | None, ...]) -> ScriptedTurn | None:
        """Use up the first script for one of ``inputs``."""
        for index, script in enumerate(self._scripts):
            if script.user in inputs:
                remainder = attrs.evolve(script, times=script.times - 1)
                self._scripts[index : index + 1] = [remainder] if remainder.times > 0 else []
                return script
        return None

    def _stream_turn(
        self,
        session: UISession,
        chat: StoredSession,
        answer: Answer,
        message: Event,
        script: ScriptedTurn,
    ) -> Items:
        """Stream the whole turn, from ``user_turn_end`` to ``user_turn_start``."""
        state = self.state
        if script.exact:
            yield from self._stream_exact(session, chat, answer)
            return
        yield control_event("user_turn_end")
        yield state.touch(chat)
        if script.unprepared is not None:
            yield error_event(script.unprepared)
            yield self._finish(session)
            return
        yield from answer.stream_interaction(message)
        chat.add_messages(answer.messages)
        if answer.failed and chat.agent.vendor == "openai":
            yield error_event("Error in agent_runtime.chat: the runtime failed.")
        else:
            yield state.touch(chat)
        yield self._finish(session)

    def _finish(self, session: UISession) -> Event:
        """End the turn before the client learns of it, so its next command kills nothing."""
        session.turn = None
        self._running.pop(session.id, None)
        return control_event("user_turn_start")

    def _stream_exact(self, session: UISession, chat: StoredSession, answer: Answer) -> Items:
        """Stream a turn that contains its own start and end; trust its history events."""
        history: list[Event] = []
        for item in answer.stream_steps():
            if isinstance(item, Mapping):
                if item.get("type") == "user_turn_start":
                    break
                if item.get("session_id") == chat.session_id:
                    history += history_messages(item)
            yield item
        else:
            while not answer.run.cancelled:
                yield Pause(math.inf)
        chat.add_messages(history)
        yield self._finish(session)

    def next_deadline(self, paused: Container[int | None]) -> float | None:
        """Return when the next turn is due, ignoring turns of ``paused`` connections."""
        turns = self._running.values()
        deadlines = (turn.due for turn in turns if turn.session.connection not in paused)
        return min(deadlines, default=None)

    def advance(self, paused: Container[int | None]) -> None:
        """Run one batch of every turn that is due, except on ``paused`` connections."""
        for turn in list(self._running.values()):
            if turn.session.connection not in paused:
                self._run_batch(turn)

    def _run_batch(self, turn: RunningTurn) -> None:
        state, session = self.state, turn.session
        room = _BATCH_BYTES
        for _ in range(_BATCH):
            if turn.due > state.now or session.turn is not turn or room < 0:
                return
            item = self._next_item(turn)
            if not isinstance(item, Pause):
                turn.started = True
                state.send(session, item)
                room -= _size(item)
                continue
            turn.shielded = item.shielded
            if item.shielded or not turn.run.cancelled:
                # Count from the due time, not from now: a late call does not stretch the turn.
                turn.due = max(turn.due, state.now - 1.0) + item.seconds

    def _next_item(self, turn: RunningTurn) -> Item:
        """Return the turn's next item; a turn that raises ends with its connection."""
        try:
            return next(turn.items)
        except Exception:
            session = turn.session
            self.kill(session)
            if session.connection is not None:
                self.state.close(session.connection, 1011, "internal error")
            raise

    def kill(self, session: UISession) -> None:
        """Stop the turn where it is: without any end event, and without a trace in the history."""
        self._running.pop(session.id, None)
        session.turn = None

    def cancel(self, session: UISession) -> None:
        """Confirm the cancel, then send late deltas; the turn ends when its runtime notices.

        A turn that has not started is not cancelled, although the cancel is confirmed.
        """
        state, turn = self.state, session.turn
        state.send(session, control_event("cancelled"))
        if turn is not None and turn.started and not turn.run.cancelled:
            turn.run.cancelled = True
            if not turn.shielded:
                turn.due = state.now
            self._send_late(session, turn)
        state.notify(session, _CANCELLED)

    def _send_late(self, session: UISession, turn: RunningTurn) -> None:
        turn.run.late_deltas = min(turn.late_deltas, turn.run.remaining_deltas)
        while turn.run.late_deltas > 0:
            # This is a delta: it counts, and a cancelled turn does not pause.
            self.state.send(session, cast("WireFrame", next(turn.items)))


def _size(frame: WireFrame) -> int:
    """Estimate the size of a frame; a delta has only text fields and is measured quickly."""
    if isinstance(frame, (str, bytes)):
        return len(frame)
    values = frame.values()
    return sum(len(each) if isinstance(each, str) else held_bytes(each) for each in values)
