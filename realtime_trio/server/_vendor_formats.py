"""What differs between the vendors: shapes of calls and results, history, what is sent at all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol, cast

import attrs

from ._turn_engine import compact

__all__ = ["ANTHROPIC", "OPENAI", "CallRecord", "Vendor", "told", "vendor_of"]

Wire = dict[str, object]


@attrs.frozen(slots=True)
class CallRecord:
    """A call as the model asked for it."""

    id: str
    name: str
    input: Mapping[str, object]


class Vendor(Protocol):
    """The part of a turn that depends on the vendor."""

    @property
    def name(self) -> str:
        """The name in events and sessions."""
        ...

    @property
    def announces(self) -> bool:
        """Whether prompts, selections, ended completions and history deltas are sent."""
        ...

    @property
    def call_prefix(self) -> str:
        """What the ids of calls begin with."""
        ...

    def live_call(self, call: CallRecord) -> Wire:
        """The call in a ``tool_call`` event."""
        ...

    def live_result(self, call: CallRecord, content: str, is_error: bool) -> Wire:
        """The result in a ``tool_call`` event."""
        ...

    def answer(self, thoughts: Sequence[str], text: str, calls: Sequence[CallRecord]) -> list[Wire]:
        """The assistant's messages of one completion, as the history keeps them."""
        ...

    def results(self, results: Sequence[Wire]) -> list[Wire]:
        """The messages that bring the results of a completion's calls."""
        ...


class _Anthropic:
    name = "anthropic"
    announces = True
    call_prefix = "toolu_"

    def live_call(self, call: CallRecord) -> Wire:
        return _block(call, compact(call.input))

    def live_result(self, call: CallRecord, content: str, is_error: bool) -> Wire:
        result: Wire = {"type": "tool_result", "tool_use_id": call.id, "content": content}
        if is_error:
            result["is_error"] = True
        return result

    def answer(self, thoughts: Sequence[str], text: str, calls: Sequence[CallRecord]) -> list[Wire]:
        blocks: list[Wire] = [
            {"signature": "c2ln", "thinking": thought, "type": "thinking"} for thought in thoughts
        ]
        if text:
            blocks.append({"citations": None, "text": text, "type": "text"})
        blocks += [_block(call, dict(call.input)) for call in calls]
        return [{"role": "assistant", "content": blocks}] if blocks else []

    def results(self, results: Sequence[Wire]) -> list[Wire]:
        return [{"role": "user", "content": list(results)}]


class _OpenAI:
    name = "openai"
    announces = False
    call_prefix = "call_"

    def live_call(self, call: CallRecord) -> Wire:
        return {"id": call.id, "name": call.name, "arguments": compact(call.input)}

    def live_result(self, call: CallRecord, content: str, is_error: bool) -> Wire:
        return {"role": "tool", "tool_call_id": call.id, "name": call.name, "content": content}

    def answer(self, thoughts: Sequence[str], text: str, calls: Sequence[CallRecord]) -> list[Wire]:
        if not text and not calls:
            return []
        message: Wire = {"role": "assistant", "content": text or None}
        if calls:
            message["tool_calls"] = [
                {
                    "id": call.id,
                    "type": "function",
                    "function": {"name": call.name, "arguments": compact(call.input)},
                }
                for call in calls
            ]
        return [message]

    def results(self, results: Sequence[Wire]) -> list[Wire]:
        return list(results)


def _block(call: CallRecord, input_: str | Wire) -> Wire:
    return {"id": call.id, "input": input_, "name": call.name, "type": "tool_use"}


ANTHROPIC: Vendor = _Anthropic()
OPENAI: Vendor = _OpenAI()


def vendor_of(name: str) -> Vendor:
    """The vendor of that name."""
    return OPENAI if name == "openai" else ANTHROPIC


def told(event: Mapping[str, object]) -> list[Wire]:
    """The messages that an event brings into the history of its session."""
    type_, message = event.get("type"), event.get("message")
    if type_ == "history_delta":
        messages = cast("list[object]", event.get("messages") or [])
    else:
        messages = [message] if str(type_).endswith("user_message") else []
    return [dict(cast("Wire", each)) for each in messages if isinstance(each, dict)]
