"""Rule S2 as a property: a history reads as the stream that it was made by."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

from hypothesis import given
from hypothesis import strategies as st

from .talk import (
    MAIN,
    TURN_START,
    Json,
    Talk,
    attached,
    begin,
    call,
    chat_session,
    completion,
    end,
    interaction,
    result,
    select,
    text,
    thought,
    user,
)

# What an agent does within one completion: a kind, and its text or the name of a tool.
Step: TypeAlias = tuple[str, str]
Round: TypeAlias = list[Step]

words = st.sampled_from(["", "a", "Bé ", "\n", "🎈"])
steps = st.one_of(
    st.tuples(st.just("text"), words),
    st.tuples(st.just("thinking"), words),
    st.tuples(st.just("think"), words),
    st.tuples(st.just("tool"), st.sampled_from(["ls", "search"])),
)
rounds = st.lists(st.lists(steps, max_size=5), max_size=4)
turns = st.lists(rounds, max_size=3)


def calls_of(steps: Round, key: str) -> list[Json]:
    """The calls of one completion, each with an id of its own."""
    return [
        call(f"{key}.{i}", "think", {"thought": said})
        if kind == "think"
        else call(f"{key}.{i}", said, {"n": i})
        for i, (kind, said) in enumerate(steps)
        if kind in ("think", "tool")
    ]


def results_of(calls: list[Json]) -> list[Json]:
    return [result(each["id"], f"result of {each['id']}") for each in calls]


# --- as it is streamed ------------------------------------------------------------------


def streamed(turns: list[list[Round]], *, anthropic: bool) -> Iterator[Json]:
    """The events of the turns; OpenAI's agents never say that a completion has ended."""
    yield chat_session()
    for t, rounds in enumerate(turns):
        yield user(f"question {t}")
        yield interaction(True)
        for r, steps in enumerate(rounds):
            yield completion(True)
            for kind, said in steps:
                if kind != "tool":
                    delta = text if kind == "text" else thought
                    yield from (delta(piece) for piece in said)
            calls = calls_of(steps, f"{t}.{r}")
            if calls:
                yield from [select(*calls[:1]), select(*calls)] if anthropic else []
                yield begin(*calls)
            if anthropic:
                yield completion(False, stop_reason="tool_use" if calls else "end_turn")
            if calls:
                yield end(*calls, results=results_of(calls)[::-1])
        yield interaction(False)
        yield TURN_START


# --- as it is kept ----------------------------------------------------------------------


def anthropic_history(turns: list[list[Round]]) -> Iterator[Json]:
    for t, rounds in enumerate(turns):
        yield {"role": "user", "content": f"question {t}"}
        for r, steps in enumerate(rounds):
            calls = {each["id"]: each for each in calls_of(steps, f"{t}.{r}")}
            blocks: list[Json] = []
            for i, (kind, said) in enumerate(steps):
                match kind:
                    case "text":
                        blocks.append({"type": "text", "text": said})
                    case "thinking":
                        blocks.append({"type": "thinking", "thinking": said, "signature": "s"})
                    case _:
                        blocks.append(calls[f"{t}.{r}.{i}"])
            if blocks:
                yield {"role": "assistant", "content": blocks}
            if calls:
                yield {"role": "user", "content": results_of(list(calls.values()))[::-1]}


def openai_history(turns: list[list[Round]]) -> Iterator[Json]:
    """Thinking stands beside the content, and calls behind it, so one step of each kind only."""
    for t, rounds in enumerate(turns):
        yield {"role": "user", "content": [{"type": "text", "text": f"question {t}"}]}
        for r, steps in enumerate(rounds):
            calls = calls_of(steps, f"{t}.{r}")
            said = {kind: text for kind, text in steps if kind in ("text", "thinking")}
            message: Json = {"role": "assistant", "content": said.get("text")}
            if "thinking" in said:
                message["reasoning_content"] = said["thinking"]
            if calls:
                message["tool_calls"] = [openai_call(each) for each in calls]
            if calls or "text" in said:
                yield message
            for each in results_of(calls)[::-1]:
                yield {
                    "role": "tool",
                    "tool_call_id": each["tool_use_id"],
                    "content": each["content"],
                }


def openai_call(each: Json) -> Json:
    function = {"name": each["name"], "arguments": json.dumps(each["input"])}
    return {"id": each["id"], "type": "function", "function": function}


def openai_shape(steps: Round) -> Round:
    """Thinking, then text, then calls, as OpenAI's messages can say it."""
    said = dict(step for step in steps if step[0] in ("thinking", "text"))
    kept = [(kind, said[kind]) for kind in ("thinking", "text") if kind in said]
    if "text" not in said and "thinking" in said:
        kept.append(("text", ""))
    return kept + [step for step in steps if step[0] in ("think", "tool")]


# --- both -------------------------------------------------------------------------------


def read(*events: Json) -> list[tuple[Any, ...]]:
    """What a person sees."""
    talk = Talk(session=None)
    told = talk(*events)
    assert talk.counters["malformed"] == 0
    shown = [
        (message["role"], message["content"], attached(message), message["tool_calls"])
        for message in talk.messages()
    ]
    for note in told:
        if note["name"] == "session-messages-loaded" and note["messages"]:
            assert note["messages"] == talk.messages()
    assert talk.session()["waiting_tools"] == []
    return shown


def compare(
    turns: list[list[Round]], history: Callable[[list[list[Round]]], Iterator[Json]]
) -> None:
    live = read(*streamed(turns, anthropic=history is anthropic_history))
    resumed = read(chat_session(MAIN, *history(turns)))
    assert resumed == live


@given(turns)
def test_s2_an_anthropic_history_reads_as_its_stream(turns: list[list[Round]]) -> None:
    compare(turns, anthropic_history)


@given(turns)
def test_s2_an_openai_history_reads_as_its_stream(turns: list[list[Round]]) -> None:
    compare([[openai_shape(steps) for steps in rounds] for rounds in turns], openai_history)
