"""One agent's answer to one message, as a generator: the user's own turn and sub-sessions alike."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import singledispatchmethod

from . import _tones, _wire_events
from ._catalog import Agent
from ._turn_engine import (
    Items,
    Pause,
    Run,
    compact,
    fill_in,
    interleave,
    options,
    prompt,
    split,
)
from ._turn_script import (
    Call,
    Delegate,
    Emit,
    Fail,
    Render,
    Say,
    Speak,
    Step,
    Think,
    Tool,
    Turn,
    UseTools,
    Wait,
)
from ._vendor_formats import CallRecord, Wire, vendor_of
from ._wire_events import Envelope

__all__ = ["Answer"]

_PREFIXES = {"assist": "aa", "clone": "act", "team": "ateam", "tool": "tool"}


class Answer:
    """Streams what one agent does in answer to one message.

    A completion is open from its ``completion`` running on; text and thoughts collect in it,
    tools close it and open the next. ``messages`` is what the history gains.
    """

    def __init__(self, run: Run, envelope: Envelope, agent: Agent, script: Turn) -> None:
        self.failed = False
        self.messages: list[Wire] = []
        self._run = run
        self._send = envelope
        self._agent = agent
        self._script = script
        self._vendor = vendor_of(agent.vendor)
        self._delay = run.pace if script.delay is None else script.delay
        self._own = envelope.session_id == envelope.user_session_id
        self._after_tools = False
        self._thoughts: list[str] = []
        self._text: list[str] = []
        self._calls: list[CallRecord] = []
        self._results: dict[str, tuple[str, bool]] = {}
        self._spoken = 0

    @property
    def reply(self) -> str:
        """The text of the last message."""
        return "".join(self._text)

    def stream(self, message: Wire) -> Items:
        """Give the whole interaction: from the user message to its end."""
        interaction = self._run.ids.words("interaction", 3)
        opening = [
            self._send.user_message(self._vendor.name, message),
            self._send.interaction(True, interaction),
        ]
        yield from opening if self._vendor.announces else reversed(opening)
        self.messages.append(message)
        if self._vendor.announces:
            yield self._send.system_prompt(prompt(self._agent))
        yield from self._open()
        yield from self._perform(self._script.steps)
        if self.failed and self._vendor.announces:
            self._keep()
            return
        yield from self._end()
        yield self._send.interaction(False, interaction)

    def steps(self) -> Items:
        """Give what the steps say, and nothing around it."""
        return self._perform(self._script.steps)

    def _perform(self, steps: Sequence[Step]) -> Items:
        for step in steps:
            yield from self._do(step)
            if self._run.cancelled or self.failed:
                return

    @singledispatchmethod
    def _do(self, step: Step) -> Items:
        """Perform one step; which method does it is decided by the step's class."""
        message = f"no step of a turn: {type(step).__name__}"
        raise TypeError(message)

    def _open(self) -> Items:
        self._thoughts, self._text, self._calls, self._results = [], [], [], {}
        self._spoken = 0
        self._after_tools = False
        yield self._send.completion_running(options(self._agent, self._run.user_id))

    def _end(self) -> Items:
        if self.failed:
            yield self._abnormal("exception")
        elif self._run.cancelled:
            if self._after_tools:
                yield self._abnormal("client_cancel")
        elif self._vendor.announces:
            tokens = self._script.output_tokens
            count = self._spoken if tokens is None else tokens
            yield self._send.completion_done(
                self._script.stop_reason, self._script.input_tokens, count
            )
            yield from self._history_delta()
        self._keep()

    def _keep(self) -> None:
        """Enter what the open completion said into the history."""
        if not self._after_tools:
            self.messages += self._vendor.answer(self._thoughts, self.reply, ())

    def _abnormal(self, reason: str) -> Wire:
        return self._send.completion_done(reason, 0, 0, options(self._agent, self._run.user_id))

    def _history_delta(self) -> Items:
        messages = self._vendor.answer(self._thoughts, self.reply, ())
        if messages and self._own:
            yield self._send.history_delta(self._vendor.name, messages)

    # -- text and thoughts ------------------------------------------------------------

    def _deltas(self, pieces: Sequence[str], make: Callable[[str], Wire]) -> Items:
        """Stream ``pieces``; after a cancel only the late ones that the script grants."""
        for index, piece in enumerate(pieces):
            self._leave(len(pieces) - index)
            if not self._run.cancelled:
                yield Pause(self._delay)
            if self._run.cancelled:
                if self._run.late <= 0:
                    break
                self._run.late -= 1
            self._spoken += 1
            yield make(piece)
        self._leave(0)

    def _leave(self, number: int) -> None:
        if self._own:
            self._run.remaining = number

    @_do.register
    def _say(self, step: Say) -> Items:
        pieces = split(self._run, step.text) if step.pieces is None else step.pieces

        def make(piece: str) -> Wire:
            self._text.append(piece)
            return self._send.text(piece)

        yield from self._deltas(pieces if self._vendor.announces else ("", *pieces), make)

    @_do.register
    def _think(self, step: Think) -> Items:
        if step.by_tool and self._vendor.announces:
            yield from self._think_by_tool(step.text)
            return
        yield from self._deltas(("", *split(self._run, step.text)), self._send.thought)
        if not self._run.cancelled:
            self._thoughts.append(step.text)
            yield self._send.complete_thought(step.text)

    def _think_by_tool(self, text: str) -> Items:
        """The ``think`` tool: chosen as a tool is, streamed as a thought, never active."""
        call = CallRecord(self._call_id(None), "think", {"thought": text})
        pieces = split(self._run, text)
        yield self._send.tool_select([self._selected(call, chosen=False)])
        yield from self._deltas(pieces, self._send.thought)
        if self._run.cancelled:
            return
        yield self._send.complete_thought(pieces[-1] if pieces else "")
        yield from self._close([call])
        shown = [{**self._selected(call, chosen=False), "input": dict(call.input)}]
        self._results[call.id] = ("", False)
        yield self._send.tool_call(self._vendor.name, shown, self._bring_results())
        yield from self._open()

    @_do.register
    def _render(self, step: Render) -> Items:
        yield self._send.media(step.media)

    @_do.register
    def _wait(self, step: Wait) -> Items:
        yield Pause(step.seconds)

    @_do.register
    def _emit(self, step: Emit) -> Items:
        for frame in step.frames:
            yield fill_in(frame, self._send)

    @_do.register
    def _fail(self, step: Fail) -> Items:
        self.failed = True
        if step.by == "error":
            yield _wire_events.error(step.message)
        else:
            yield self._send.failure(step.message)

    @_do.register
    def _speak(self, step: Speak) -> Items:
        """Send the speech in real time, frame by frame; a cancel stops it at the next."""
        for chunk in _tones.frames(_tones.speech(step.audio), step.frame):
            if self._run.cancelled:
                return
            frame = self._run.encode_audio(chunk, self._send)
            if frame is not None:
                yield frame
            yield Pause(_tones.duration(chunk))

    # -- tools and delegations --------------------------------------------------------

    @_do.register
    def _use(self, step: UseTools) -> Items:
        records = [self._record(call) for call in step.calls]
        if self._vendor.announces:
            yield from self._select(records)
        else:
            yield Pause(self._delay)
        if self._run.cancelled:
            return
        shown = [self._vendor.live_call(record) for record in records]
        yield self._send.tool_call(self._vendor.name, shown, None)
        yield from self._close(records)
        pairs = zip(step.calls, records, strict=True)
        yield from interleave([self._execute(call, record) for call, record in pairs])
        yield self._send.tool_call(self._vendor.name, shown, self._bring_results())
        if self._run.cancelled:
            return
        if self._vendor.announces and any(_is_chat(call) for call in step.calls):
            # A chat with another agent changes the prompt: real servers show it again.
            yield self._send.system_prompt(prompt(self._agent))
        yield from self._open()

    def _select(self, records: Sequence[CallRecord]) -> Items:
        for number in range(1, len(records) + 1):
            yield Pause(self._delay)
            if self._run.cancelled:
                return
            chosen = [self._selected(record, chosen=True) for record in records[: number - 1]]
            yield self._send.tool_select(
                [*chosen, self._selected(records[number - 1], chosen=False)]
            )

    def _selected(self, record: CallRecord, *, chosen: bool) -> Wire:
        return {
            "id": record.id,
            "input": compact(record.input) if chosen else {},
            "name": record.name,
            "type": "tool_use",
        }

    def _close(self, records: list[CallRecord]) -> Items:
        """End the completion that asked for tools."""
        self._calls = records
        self._after_tools = True
        self._spoken += len(records)
        if self._vendor.announces:
            yield self._send.completion_done("tool_use", self._script.input_tokens, self._spoken)
            yield from self._history_delta()

    def _bring_results(self) -> list[Wire]:
        """Give the results in the order of the calls, and enter both into the history."""
        results = [self._vendor.live_result(call, *self._results[call.id]) for call in self._calls]
        self.messages += self._vendor.answer(self._thoughts, self.reply, self._calls)
        self.messages += self._vendor.results(results)
        return results

    def _execute(self, call: Call, record: CallRecord) -> Items:
        if isinstance(call, Delegate):
            yield from self._delegate(call, record)
        else:
            yield from self._work(call, record)

    def _work(self, call: Tool, record: CallRecord) -> Items:
        if call.delay:
            yield Pause(call.delay, firm=True)
        for media in call.media:
            yield self._send.media(media, by_tool=call.name)
        for frame in call.events:
            yield fill_in(frame, self._send)
        if call.raises is not None:
            where = f"Failed calling {call.name}."
            content = f"# CRITICAL ERROR\n\n{where}\n{call.raises}\n"
            yield _wire_events.notice(self._send.user_session_id, content, "error")
            yield _wire_events.error(f"CRITICAL ERROR: {where} {call.raises}")
        self._results[record.id] = (call.result, call.is_error)

    def _delegate(self, call: Delegate, record: CallRecord) -> Items:
        agent = self._run.find_agent(call.agent_key) if call.by != "clone" else self._agent
        if agent is None:
            self._results[record.id] = (f"Agent {call.agent_key} not found.", False)
            return
        started, complete = _announcements(call, self._agent.key, agent.key)
        yield _wire_events.notice(self._send.user_session_id, started)
        yield self._send.subsession_started(call.kind, call.by, self._agent.key, agent.key)
        child = Answer(self._run, self._child_envelope(call), agent, call.reply)
        yield from child.stream({"role": "user", "content": call.request})
        yield self._send.subsession_ended()
        yield _wire_events.notice(self._send.user_session_id, complete)
        result = {"role": "assistant", "agent_message": child.reply}
        self._results[record.id] = (compact(result), False)

    def _child_envelope(self, call: Delegate) -> Envelope:
        words = self._run.ids.words("subsession")
        head = "oneshot-" if call.kind == "oneshot" else ""
        if call.by == "clone":
            head = f"clone-{head}"
        return Envelope(
            session_id=head + words,
            user_session_id=self._send.user_session_id,
            parent_session_id=self._send.session_id,
        )

    def _record(self, call: Call) -> CallRecord:
        id_ = self._call_id(call.id)
        if isinstance(call, Tool):
            return CallRecord(id_, call.name, call.input)
        field = "request" if call.kind == "oneshot" else "message"
        given: Wire = {field: call.request}
        if call.by != "clone":
            given["agent_key"] = call.agent_key
        return CallRecord(id_, f"{_PREFIXES[call.by]}_{call.kind}", given)

    def _call_id(self, wanted: str | None) -> str:
        return wanted or self._vendor.call_prefix + self._run.ids.hex("call")


def _is_chat(call: Call) -> bool:
    return isinstance(call, Delegate) and call.kind == "chat"


def _announcements(call: Delegate, prime: str, sub: str) -> tuple[str, str]:
    """The two texts with which real servers frame a delegation."""
    kind = call.kind.capitalize()
    if call.by == "clone":
        kind = f"Clone {call.kind} interaction"
        return f"{kind} starting for {prime}.", f"{kind} complete for {prime}."
    return (
        f"{kind} interaction started by {prime} with {sub}.",
        f"{kind} interaction complete for {prime} with {sub}.",
    )
