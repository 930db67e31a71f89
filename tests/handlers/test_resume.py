"""Rule S2 as a property: a history reads back as the stream that produced it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeAlias

import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime_trio._core._messages import Message
from realtime_trio._processor import EventStreamProcessor

from .talk import (
    MAIN,
    TURN_START,
    Json,
    Talk,
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
from .test_recordings import NO_RECORDINGS, RECORDINGS

# The steps of an agent in one completion: a kind, and its text or the name of a tool. A
# ``server`` tool runs during the completion; an ``empty`` tool has blank text as arguments.
Step: TypeAlias = tuple[str, str]
Round: TypeAlias = list[Step]

words = st.sampled_from(["", "a", "Bé ", "\n", "🎈"])
steps = st.one_of(
    st.tuples(st.just("text"), words),
    st.tuples(st.just("thinking"), words),
    st.tuples(st.just("think"), words),
    st.tuples(st.just("redacted"), st.just("*redacted*")),
    st.tuples(st.just("tool"), st.sampled_from(["ls", "search"])),
    st.tuples(st.just("empty"), st.sampled_from(["ls", "search"])),
    st.tuples(st.just("server"), st.sampled_from(["web_search", "mcp"])),
)
rounds = st.lists(st.lists(steps, max_size=5), max_size=4)
turns = st.lists(rounds, max_size=3)


def calls_of(steps: Round, key: str) -> list[Json]:
    """Return the calls of one completion, each with its own id."""
    arguments: dict[str, Any] = {"tool": {"n": 1}, "empty": ""}
    return [
        call(f"{key}.{i}", "think", {"thought": said})
        if kind == "think"
        else call(f"{key}.{i}", said, arguments[kind])
        for i, (kind, said) in enumerate(steps)
        if kind in ("think", "tool", "empty")
    ]


def server_tool(identity: str, name: str) -> tuple[Json, Json]:
    """Return a call of a server tool and its result, as Anthropic writes them."""
    kind = "mcp" if name == "mcp" else "server"
    found = [{"type": "web_search_result", "title": "T", "encrypted_content": "e"}]
    return (
        {"type": f"{kind}_tool_use", "id": identity, "name": name, "input": {}},
        {"type": f"{name}_tool_result", "tool_use_id": identity, "content": found},
    )


def results_of(calls: list[Json]) -> list[Json]:
    return [result(each["id"], f"result of {each['id']}") for each in calls]


# -- as it is streamed ---------------------------------------------------------------------


def streamed(turns: list[list[Round]], *, anthropic: bool) -> Iterator[Json]:
    """Return the events of the turns; OpenAI's agents send no end of a completion."""
    yield chat_session()
    for t, rounds in enumerate(turns):
        yield user(f"question {t}")
        yield interaction(True)
        for r, steps in enumerate(rounds):
            yield completion(True)
            for i, (kind, said) in enumerate(steps):
                if kind == "server":
                    served, found = server_tool(f"{t}.{r}.{i}", said)
                    yield from (select(served), begin(served), end(served, results=[found]))
                elif kind not in ("tool", "empty"):
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


# -- as it is kept -------------------------------------------------------------------------


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
                    case "redacted":
                        blocks.append({"type": "redacted_thinking", "data": "x"})
                    case "server":
                        blocks += server_tool(f"{t}.{r}.{i}", said)
                    case _:
                        blocks.append(calls[f"{t}.{r}.{i}"])
            if blocks:
                yield {"role": "assistant", "content": blocks}
            if calls:
                yield {"role": "user", "content": results_of(list(calls.values()))[::-1]}


def openai_history(turns: list[list[Round]]) -> Iterator[Json]:
    """Thinking is next to the content and calls follow it, so there is one step of each kind."""
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
    arguments = json.dumps(each["input"]) if each["input"] else ""
    function = {"name": each["name"], "arguments": arguments}
    return {"id": each["id"], "type": "function", "function": function}


def openai_shape(steps: Round) -> Round:
    """Return the steps as OpenAI's messages can express them: thinking, text, calls."""
    said = dict(step for step in steps if step[0] in ("thinking", "text"))
    kept = [(kind, said[kind]) for kind in ("thinking", "text") if kind in said]
    if "text" not in said and "thinking" in said:
        kept.append(("text", ""))
    return kept + [step for step in steps if step[0] in ("think", "tool", "empty")]


# -- both ----------------------------------------------------------------------------------


def read(*events: Json) -> list[tuple[Any, ...]]:
    """Return what a person sees."""
    talk = Talk(session=None)
    notes = talk(*events)
    assert talk.counters["malformed"] == 0
    shown = [
        (message["role"], message["content"], paired(message), message["tool_calls"])
        for message in talk.messages()
    ]
    for note in notes:
        if note["name"] == "session-messages-loaded" and note["messages"]:
            assert note["messages"] == talk.messages()
    assert talk.session()["waiting_tools"] == []
    return shown


def paired(message: Json) -> list[tuple[str, str | None]]:
    """Return the tools of a message by id, with their results; equal ids in order."""
    left = [(result["tool_use_id"], result["content"]) for result in message["tool_results"]]
    pairs: list[tuple[str, str | None]] = []
    for each in message["tool_calls"]:
        found = next((result for result in left if result[0] == each["id"]), None)
        if found is not None:
            left.remove(found)
        pairs.append((each["id"], None if found is None else found[1]))
    assert left == []
    return pairs


def renumbered(events: Iterable[Json]) -> list[Json]:
    """Return the turns with ids of vendors that number calls from zero in each round."""
    return [
        json.loads(re.sub(r'"\d+\.\d+\.(\d+)"', r'"call_\1"', json.dumps(event)))
        for event in events
    ]


def compare(
    turns: list[list[Round]], history: Callable[[list[list[Round]]], Iterator[Json]]
) -> None:
    stream = list(streamed(turns, anthropic=history is anthropic_history))
    assert read(chat_session(MAIN, *history(turns))) == read(*stream)
    again = read(chat_session(MAIN, *renumbered(history(turns))))
    assert again == read(*renumbered(stream))


@given(turns)
def test_s2_an_anthropic_history_reads_as_its_stream(turns: list[list[Round]]) -> None:
    compare(turns, anthropic_history)


@given(turns)
def test_s2_an_openai_history_reads_as_its_stream(turns: list[list[Round]]) -> None:
    compare([[openai_shape(steps) for steps in rounds] for rounds in turns], openai_history)


# -- as recorded ---------------------------------------------------------------------------


@pytest.mark.skipif(not RECORDINGS.is_dir(), reason=NO_RECORDINGS)
@pytest.mark.parametrize("name", ["init_new", "server_tool_redacted", "sessions"])
def test_s2_a_recorded_history_reads_as_the_recorded_stream(name: str) -> None:
    """For every list whose session had been streamed before it."""
    processor, compared = EventStreamProcessor(), 0
    for line in (RECORDINGS / f"{name}.jsonl").read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        if row["dir"] != "in" or "text" not in row:
            continue
        event = json.loads(row["text"])
        session = event.get("chat_session") or {}
        live = processor.state.sessions.get(session.get("session_id", ""))
        processor.process_event(event, at=row["t"])
        if session.get("messages") and live is not None:
            loaded = processor.state.sessions[session["session_id"]]
            assert seen(loaded.messages) == seen(live.messages)
            compared += 1
    assert compared


def seen(messages: Iterable[Message]) -> list[tuple[Any, ...]]:
    return [(m.role, m.content, m.tool_calls, m.tool_results) for m in messages]
