"""Stream one agent's answer to one message, in the user's session or in a sub-session."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import singledispatchmethod

from . import _tones
from ._catalog import Agent
from ._turn_engine import (
    Items,
    Pause,
    TurnRun,
    completion_options,
    dump_json,
    interleave,
    split_deltas,
    substitute_ids,
    system_prompt,
)
from ._turn_script import (
    Call,
    Delegate,
    Emit,
    Fail,
    Notice,
    Render,
    Say,
    ScriptedTool,
    ScriptedTurn,
    Speak,
    Step,
    Think,
    UseTools,
    Wait,
)
from ._vendor_formats import CallRecord, JsonDict, vendor_of
from ._wire_events import SessionEvents, bridge_message, error_event

__all__ = ["Answer"]

_PREFIXES = {"assist": "aa", "clone": "act", "team": "ateam", "tool": "tool"}


class Answer:
    """Streams the answer of one agent to one message.

    A completion opens with its running ``completion`` event and collects text and thoughts.
    Tool calls end it and open the next one. ``messages`` is what the turn adds to the history.
    """

    def __init__(
        self, run: TurnRun, events: SessionEvents, agent: Agent, script: ScriptedTurn
    ) -> None:
        self.failed = False
        self.messages: list[JsonDict] = []
        self.run = run
        self._events = events
        self._agent = agent
        self._script = script
        self._vendor = vendor_of(agent.vendor)
        self._delay = run.pace if script.delay is None else script.delay
        self._is_user_session = events.session_id == events.user_session_id
        self._after_tools = False
        self._thoughts: list[str] = []
        self._text: list[str] = []
        self._calls: list[CallRecord] = []
        self._results: dict[str, tuple[str, bool]] = {}
        self._token_count = 0

    @property
    def reply(self) -> str:
        """The text of the last message."""
        return "".join(self._text)

    def stream_interaction(self, message: JsonDict) -> Items:
        """Stream the whole interaction, from the user message to its end."""
        interaction = self.run.ids.words("interaction", 3)
        opening = [
            self._events.user_message(self._vendor.name, message),
            self._events.interaction(True, interaction),
        ]
        yield from opening if self._vendor.verbose else reversed(opening)
        self.messages.append(message)
        if self._vendor.verbose:
            yield self._events.system_prompt(system_prompt(self._agent))
        yield from self._start_completion()
        yield from self._perform_steps(self._script.steps)
        if self.failed and self._vendor.verbose:
            self._record_answer()
            return
        yield from self._end_completion()
        yield self._events.interaction(False, interaction)

    def stream_steps(self) -> Items:
        """Stream only the events of the steps, with nothing around them."""
        return self._perform_steps(self._script.steps)

    def _perform_steps(self, steps: Sequence[Step]) -> Items:
        for step in steps:
            yield from self._perform_step(step)
            if self.run.cancelled or self.failed:
                return

    @singledispatchmethod
    def _perform_step(self, step: Step) -> Items:
        """Perform one step; the step's class selects the method."""
        message = f"a step must come from realtime_trio.testing; it is not a {type(step).__name__}"
        raise TypeError(message)

    def _start_completion(self) -> Items:
        self._thoughts, self._text, self._calls, self._results = [], [], [], {}
        self._token_count = 0
        self._after_tools = False
        yield self._events.completion_running(completion_options(self._agent, self.run.user_id))

    def _end_completion(self) -> Items:
        if self.failed:
            yield self._aborted_completion("exception")
        elif self.run.cancelled:
            if self._after_tools:
                yield self._aborted_completion("client_cancel")
        elif self._vendor.verbose:
            tokens = self._script.output_tokens
            count = self._token_count if tokens is None else tokens
            yield self._events.completion_done(
                self._script.stop_reason, self._script.input_tokens, count
            )
            yield from self._history_delta()
        self._record_answer()

    def _record_answer(self) -> None:
        """Add the text of the open completion to the history."""
        if not self._after_tools:
            self.messages += self._vendor.answer(self._thoughts, self.reply, ())

    def _aborted_completion(self, reason: str) -> JsonDict:
        return self._events.completion_done(
            reason, 0, 0, completion_options(self._agent, self.run.user_id)
        )

    def _history_delta(self) -> Items:
        messages = self._vendor.answer(self._thoughts, self.reply, ())
        if messages and self._is_user_session:
            yield self._events.history_delta(self._vendor.name, messages)

    # -- text and thoughts -----------------------------------------------------------------

    def _deltas(self, pieces: Sequence[str], make: Callable[[str], JsonDict]) -> Items:
        """Stream ``pieces``; after a cancel, only as many as the script's ``late`` allows."""
        for index, piece in enumerate(pieces):
            self._set_remaining(len(pieces) - index)
            if not self.run.cancelled:
                yield Pause(self._delay)
            if self.run.cancelled:
                if self.run.late_deltas <= 0:
                    break
                self.run.late_deltas -= 1
            self._token_count += 1
            yield make(piece)
        self._set_remaining(0)

    def _set_remaining(self, number: int) -> None:
        if self._is_user_session:
            self.run.remaining_deltas = number

    @_perform_step.register
    def _say(self, step: Say) -> Items:
        pieces = split_deltas(self.run, step.text) if step.pieces is None else step.pieces

        def make(piece: str) -> JsonDict:
            self._text.append(piece)
            return self._events.text(piece)

        yield from self._deltas(pieces if self._vendor.verbose else ("", *pieces), make)

    @_perform_step.register
    def _think(self, step: Think) -> Items:
        if step.by_tool and self._vendor.verbose:
            yield from self._think_by_tool(step.text)
            return
        yield from self._deltas(("", *split_deltas(self.run, step.text)), self._events.thought)
        if not self.run.cancelled:
            self._thoughts.append(step.text)
            yield self._events.complete_thought(step.text)

    def _think_by_tool(self, text: str) -> Items:
        """Use the ``think`` tool: selected like a tool, streamed as a thought, never active."""
        call = CallRecord(self._call_id(None), "think", {"thought": text})
        pieces = split_deltas(self.run, text)
        yield self._events.tool_select([self._selected(call, chosen=False)])
        yield from self._deltas(pieces, self._events.thought)
        if self.run.cancelled:
            return
        yield self._events.complete_thought(pieces[-1] if pieces else "")
        yield from self._end_for_tools([call])
        calls = [{**self._selected(call, chosen=False), "input": dict(call.input)}]
        self._results[call.id] = ("", False)
        yield self._events.tool_call(self._vendor.name, calls, self._collect_results())
        yield from self._start_completion()

    @_perform_step.register
    def _render(self, step: Render) -> Items:
        yield self._events.media(step.media)

    @_perform_step.register
    def _wait(self, step: Wait) -> Items:
        yield Pause(step.seconds)

    @_perform_step.register
    def _emit(self, step: Emit) -> Items:
        for frame in step.frames:
            yield substitute_ids(frame, self._events)

    @_perform_step.register
    def _fail(self, step: Fail) -> Items:
        self.failed = True
        if step.by == "error":
            yield error_event(step.message)
        else:
            yield self._events.failure(step.message)

    @_perform_step.register
    def _notice(self, step: Notice) -> Items:
        yield bridge_message(self._events.user_session_id, step.content, step.severity)

    @_perform_step.register
    def _speak(self, step: Speak) -> Items:
        """Send the speech frame by frame in real time; a cancel stops it at the next frame."""
        for chunk in _tones.frames(_tones.speech(step.audio), step.frame):
            if self.run.cancelled:
                return
            frame = self.run.encode_audio(chunk, self._events)
            if frame is not None:
                yield frame
            yield Pause(_tones.duration(chunk))

    # -- tools and delegations -------------------------------------------------------------

    @_perform_step.register
    def _use_tools(self, step: UseTools) -> Items:
        records = [self._call_record(call) for call in step.calls]
        if self._vendor.verbose:
            yield from self._select(records)
        else:
            yield Pause(self._delay)
        if self.run.cancelled:
            return
        calls = [self._vendor.live_call(record) for record in records]
        yield self._events.tool_call(self._vendor.name, calls, None)
        yield from self._end_for_tools(records)
        pairs = zip(step.calls, records, strict=True)
        yield from interleave([self._execute_call(call, record) for call, record in pairs])
        yield self._events.tool_call(self._vendor.name, calls, self._collect_results())
        if self.run.cancelled:
            return
        if self._vendor.verbose and any(_is_chat(call) for call in step.calls):
            # A chat with another agent changes the prompt, so real servers send it again.
            yield self._events.system_prompt(system_prompt(self._agent))
        yield from self._start_completion()

    def _select(self, records: Sequence[CallRecord]) -> Items:
        for number in range(1, len(records) + 1):
            yield Pause(self._delay)
            if self.run.cancelled:
                return
            chosen = [self._selected(record, chosen=True) for record in records[: number - 1]]
            yield self._events.tool_select(
                [*chosen, self._selected(records[number - 1], chosen=False)]
            )

    def _selected(self, record: CallRecord, *, chosen: bool) -> JsonDict:
        return {
            "id": record.id,
            "input": dump_json(record.input) if chosen else {},
            "name": record.name,
            "type": "tool_use",
        }

    def _end_for_tools(self, records: list[CallRecord]) -> Items:
        """End the completion that asked for tools."""
        self._calls = records
        self._after_tools = True
        self._token_count += len(records)
        if self._vendor.verbose:
            yield self._events.completion_done(
                "tool_use", self._script.input_tokens, self._token_count
            )
            yield from self._history_delta()

    def _collect_results(self) -> list[JsonDict]:
        """Return the results in the order of the calls, and add both to the history."""
        results = [self._vendor.live_result(call, *self._results[call.id]) for call in self._calls]
        self.messages += self._vendor.answer(self._thoughts, self.reply, self._calls)
        self.messages += self._vendor.results(results)
        return results

    def _execute_call(self, call: Call, record: CallRecord) -> Items:
        if isinstance(call, Delegate):
            yield from self._delegate(call, record)
        else:
            yield from self._run_tool(call, record)

    def _run_tool(self, call: ScriptedTool, record: CallRecord) -> Items:
        if call.delay:
            yield Pause(call.delay, shielded=True)
        for media in call.media:
            yield self._events.media(media, by_tool=call.name)
        for frame in call.events:
            yield substitute_ids(frame, self._events)
        if call.raises is not None:
            where = f"Failed calling {call.name}."
            content = f"# CRITICAL ERROR\n\n{where}\n{call.raises}\n"
            yield bridge_message(self._events.user_session_id, content, "error")
            yield error_event(f"CRITICAL ERROR: {where} {call.raises}")
        self._results[record.id] = (call.result, call.is_error)

    def _delegate(self, call: Delegate, record: CallRecord) -> Items:
        agent = self.run.find_agent(call.agent_key) if call.by != "clone" else self._agent
        if agent is None:
            self._results[record.id] = (f"Agent {call.agent_key} not found.", False)
            return
        started, complete = _announcements(call, self._agent.key, agent.key)
        yield bridge_message(self._events.user_session_id, started)
        yield self._events.subsession_started(call.kind, call.by, self._agent.key, agent.key)
        child = Answer(self.run, self._child_events(call), agent, call.reply)
        yield from child.stream_interaction({"role": "user", "content": call.request})
        yield self._events.subsession_ended()
        yield bridge_message(self._events.user_session_id, complete)
        result = {"role": "assistant", "agent_message": child.reply}
        self._results[record.id] = (dump_json(result), False)

    def _child_events(self, call: Delegate) -> SessionEvents:
        words = self.run.ids.words("subsession")
        head = "oneshot-" if call.kind == "oneshot" else ""
        if call.by == "clone":
            head = f"clone-{head}"
        return SessionEvents(
            session_id=head + words,
            user_session_id=self._events.user_session_id,
            parent_session_id=self._events.session_id,
        )

    def _call_record(self, call: Call) -> CallRecord:
        id_ = self._call_id(call.id)
        if isinstance(call, ScriptedTool):
            return CallRecord(id_, call.name, call.input)
        field = "request" if call.kind == "oneshot" else "message"
        arguments: JsonDict = {field: call.request}
        if call.by != "clone":
            arguments["agent_key"] = call.agent_key
        return CallRecord(id_, f"{_PREFIXES[call.by]}_{call.kind}", arguments)

    def _call_id(self, call_id: str | None) -> str:
        return call_id or self._vendor.call_prefix + self.run.ids.hex("call")


def _is_chat(call: Call) -> bool:
    return isinstance(call, Delegate) and call.kind == "chat"


def _announcements(call: Delegate, prime: str, sub: str) -> tuple[str, str]:
    """Return the two texts that real servers send around a delegation."""
    kind = call.kind.capitalize()
    if call.by == "clone":
        kind = f"Clone {call.kind} interaction"
        return f"{kind} starting for {prime}.", f"{kind} complete for {prime}."
    return (
        f"{kind} interaction started by {prime} with {sub}.",
        f"{kind} interaction complete for {prime} with {sub}.",
    )
