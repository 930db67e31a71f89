"""The differences between vendors: forms of calls, results and history, and their events."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol, cast

import attrs

from ._turn_engine import dump_json

__all__ = ["ANTHROPIC", "OPENAI", "CallRecord", "Vendor", "history_messages", "vendor_of"]

JsonDict = dict[str, object]


@attrs.frozen(slots=True)
class CallRecord:
    """A call as the model requested it."""

    id: str
    name: str
    input: Mapping[str, object]


class Vendor(Protocol):
    """The parts of a turn that depend on the vendor."""

    @property
    def name(self) -> str:
        """The vendor's name in events and sessions."""
        ...

    @property
    def verbose(self) -> bool:
        """Whether prompts, tool selections, ended completions and history deltas are sent."""
        ...

    @property
    def call_prefix(self) -> str:
        """The prefix of call ids."""
        ...

    def live_call(self, call: CallRecord) -> JsonDict:
        """Return the call as a ``tool_call`` event carries it."""
        ...

    def live_result(self, call: CallRecord, content: str, is_error: bool) -> JsonDict:
        """Return the result as a ``tool_call`` event carries it."""
        ...

    def answer(
        self, thoughts: Sequence[str], text: str, calls: Sequence[CallRecord]
    ) -> list[JsonDict]:
        """Return the assistant's messages of one completion, as the history stores them."""
        ...

    def results(self, results: Sequence[JsonDict]) -> list[JsonDict]:
        """Return the messages that carry the results of a completion's calls."""
        ...


class _Anthropic:
    name = "anthropic"
    verbose = True
    call_prefix = "toolu_"

    def live_call(self, call: CallRecord) -> JsonDict:
        return _block(call, dump_json(call.input))

    def live_result(self, call: CallRecord, content: str, is_error: bool) -> JsonDict:
        result: JsonDict = {"type": "tool_result", "tool_use_id": call.id, "content": content}
        if is_error:
            result["is_error"] = True
        return result

    def answer(
        self, thoughts: Sequence[str], text: str, calls: Sequence[CallRecord]
    ) -> list[JsonDict]:
        blocks: list[JsonDict] = [
            {"signature": "c2ln", "thinking": thought, "type": "thinking"} for thought in thoughts
        ]
        if text:
            blocks.append({"citations": None, "text": text, "type": "text"})
        blocks += [_block(call, dict(call.input)) for call in calls]
        return [{"role": "assistant", "content": blocks}] if blocks else []

    def results(self, results: Sequence[JsonDict]) -> list[JsonDict]:
        return [{"role": "user", "content": list(results)}]


class _OpenAI:
    name = "openai"
    verbose = False
    call_prefix = "call_"

    def live_call(self, call: CallRecord) -> JsonDict:
        return {"id": call.id, "name": call.name, "arguments": dump_json(call.input)}

    def live_result(self, call: CallRecord, content: str, is_error: bool) -> JsonDict:
        return {"role": "tool", "tool_call_id": call.id, "name": call.name, "content": content}

    def answer(
        self, thoughts: Sequence[str], text: str, calls: Sequence[CallRecord]
    ) -> list[JsonDict]:
        if not text and not calls:
            return []
        message: JsonDict = {"role": "assistant", "content": text or None}
        if calls:
            message["tool_calls"] = [
                {
                    "id": call.id,
                    "type": "function",
                    "function": {"name": call.name, "arguments": dump_json(call.input)},
                }
                for call in calls
            ]
        return [message]

    def results(self, results: Sequence[JsonDict]) -> list[JsonDict]:
        return list(results)


def _block(call: CallRecord, input_: str | JsonDict) -> JsonDict:
    return {"id": call.id, "input": input_, "name": call.name, "type": "tool_use"}


ANTHROPIC: Vendor = _Anthropic()
OPENAI: Vendor = _OpenAI()


def vendor_of(name: str) -> Vendor:
    """Return the vendor with that name."""
    return OPENAI if name == "openai" else ANTHROPIC


def history_messages(event: Mapping[str, object]) -> list[JsonDict]:
    """Return the messages that an event adds to the history of its session."""
    type_, message = event.get("type"), event.get("message")
    if type_ == "history_delta":
        messages = cast("list[object]", event.get("messages") or [])
    else:
        messages = [message] if str(type_).endswith("user_message") else []
    return [dict(cast("JsonDict", item)) for item in messages if isinstance(item, dict)]
