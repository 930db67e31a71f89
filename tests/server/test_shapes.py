"""The server's events have the order, fields and nulls of a real server's recordings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import attrs
import pytest

from realtime_trio.server import Agent, ScriptedTurn, ServerConfig
from realtime_trio.testing import delegate, media, say, think, tool, turn, use
from tests.server.clients import DirectClient, Event
from tests.server.wire_shapes import answers, read, shapes, types

TOOLS = tuple(f"Toolset{index}" for index in range(5))
CONFIG = ServerConfig(
    agents=(
        Agent(key="default", name="Demo", tools=TOOLS),
        Agent(key="interop", name="Interop Agent", category=("general", "interop"), tools=TOOLS),
        Agent(key="interop_gpt", name="Interop GPT", vendor="openai", model_id="gpt-4o"),
        Agent(key="interop_helper", name="Interop Helper"),
    ),
    toolset_count=7,
)
AFTER = "After the tool: done."


def roll(seed: int) -> Any:
    """Make the recordings' most common tool: one rendering by the tool, one by its class."""
    shown = media(
        "<p>6</p>",
        "text/html",
        sent_by_class="RandomNumberTools",
        sent_by_function="generate_random_number",
    )
    return tool("rng_generate_random_number", {"min": 1, "max": 6, "seed": seed}, media=[shown])


def echo_of(message: str) -> Event:
    """Make a raw ``render_media`` that a toolset sends next to its tool."""
    return {
        "type": "render_media",
        "session_id": "$user_session",
        "role": "assistant",
        "parent_session_id": None,
        "user_session_id": "$user_session",
        "content_type": "text/markdown",
        "url": None,
        "name": None,
        "content": message,
        "content_bytes": None,
        "sent_by_class": "RandomNumberTools",
        "sent_by_function": None,
        "foreign_content": False,
    }


def rolled(seed: int) -> Any:
    """Make the same call with both renderings of the recordings."""
    return attrs.evolve(roll(seed), events=(echo_of("rolled"),))


def render(kind: str, **more: Any) -> ScriptedTurn:
    """Make a turn in which the tool ``itp_render`` shows something."""
    shown = media(sent_by_class="InteropTools", sent_by_function="render", **more)
    return turn(None, tools=[tool("itp_render", {"kind": kind}, media=[shown])], text=AFTER)


SCRIPTS: dict[str, dict[str, ScriptedTurn]] = {
    "text_turn": {
        "[[think]] please": turn(None, thoughts="Let me think. Twice.", text="You said it"),
        "[[thinktool]] please": turn(None, think("A thought", by_tool=True), text=AFTER),
        "[[empty]] please": turn(),
        "[[refuse]] please": turn(stop_reason="refusal"),
        "[[maxtok]] please": turn(text="This answer is cut", stop_reason="max_tokens"),
    },
    "tool_turn": {
        "[[tool]] please": turn(None, say("Rolling a die."), use(rolled(42)), text=AFTER),
        "[[tools2]] please": turn(
            None, say("Two."), use(rolled(1), tool("itp_echo", {"text": "second"})), text=AFTER
        ),
        '[[call:itp_fail {"text": "boom"}]]': turn(
            tools=[tool("itp_fail", {"text": "boom"}, raises="boom")], text=AFTER
        ),
        "[[call:no_such_tool {}]]": turn(tools=[tool("no_such_tool")], text=AFTER),
        '[[call:itp_render {"kind": "html"}]]': render("html", content="<p>", content_type="t/h"),
        '[[call:itp_render {"kind": "png"}]]': render("png", content="iVBOR", name="dot.png"),
        '[[call:itp_render {"kind": "url"}]]': render("url", url="https://x.invalid", name="a.png"),
        '[[call:itp_render {"kind": "bytes"}]]': turn(
            tools=[tool("itp_render", {"kind": "bytes"})], text=AFTER
        ),
    },
    "gpt_turn": {
        "hello there": turn(text="You said: hello there"),
        "[[tool]] please": turn(None, say("Rolling a die."), use(rolled(42)), text=AFTER),
        "[[err400]] please": turn(fail="Invalid request error"),
    },
    "errors": {
        "[[sseerror]] a": turn(None, say("You said"), fail="Exception during Claude"),
        "[[err400]] a": turn(fail="Exception during Claude"),
        "ok": turn(text="You said: ok"),
    },
    "delegation": {
        "[[delegate]]": turn(tools=[delegate("interop_helper", text="hello")], text=AFTER),
        "[[nested]]": turn(
            tools=[delegate("interop_helper", "roll", say("Rolling."), use(rolled(4)), text="6")],
            text=AFTER,
        ),
        "[[delegatechat]]": turn(
            tools=[delegate("interop_helper", text="hello", kind="chat")], text=AFTER
        ),
        "[[clone]]": turn(tools=[delegate(text="hello", by="clone")], text=AFTER),
    },
}
CASES = [(file, text_input) for file, scripts in SCRIPTS.items() for text_input in scripts]


def recorded(recordings: Path, file: str, text_input: str) -> list[Event]:
    """Return the real server's answer to that input."""
    for sent, events in answers(read(recordings / f"{file}.jsonl")):
        if sent is not None and sent.get("text") == text_input:
            return events
    raise AssertionError(text_input)


@pytest.mark.parametrize(("file", "text_input"), CASES)
def test_a_turn_has_the_shape_of_the_recorded_one(
    recordings: Path, file: str, text_input: str
) -> None:
    client = DirectClient(CONFIG, SCRIPTS[file][text_input])
    client.dial(agent_key="interop_gpt" if file == "gpt_turn" else "interop")
    assert shapes(client.answer(text_input)) == shapes(recorded(recordings, file, text_input))


def test_shapes_detect_differences() -> None:
    one = {"type": "error", "message": "a", "source": None}
    assert shapes([one]) != shapes([{**one, "source": "b"}])
    assert shapes([one]) != shapes([{"type": "error", "source": None, "message": "a"}])
    assert shapes([one]) == shapes([{**one, "message": "b"}])


def connection(recordings: Path, file: str, name: str) -> list[tuple[Event | None, list[Event]]]:
    """Return what one connection of a recording sent, each with its answer."""
    lines = read(recordings / f"{file}.jsonl")
    return answers(line for line in lines if line.connection == name)


@pytest.mark.parametrize("name", ["A", "B"])
def test_a_new_connection_starts_as_recorded(recordings: Path, name: str) -> None:
    client = DirectClient(CONFIG)
    client.dial(**({} if name == "A" else {"agent_key": "interop", "ui_session_id": "seen-never"}))
    opening = connection(recordings, "init_new", name)[1][1]
    assert shapes(client.take()) == shapes(opening)


@pytest.mark.parametrize("name", ["C", "D"])
def test_a_known_chat_is_resumed_as_recorded(recordings: Path, name: str) -> None:
    client = DirectClient(CONFIG)
    client.dial(agent_key="interop")
    client.answer("hello")
    chat = next(iter(client.core.state.chats))
    agent = {"agent_key": "interop"} if name == "C" else {}
    again = client.dial(chat_session_id=chat, **agent)
    events = client.take(again)
    opening = connection(recordings, "init_new", name)[1][1]
    assert shapes(events) == shapes(opening)
    messages = events[6]["chat_session"]["messages"]
    assert messages == opening[6]["chat_session"]["messages"]
    key = events[6]["chat_session"]["agent_config"]["key"]
    assert key == opening[6]["chat_session"]["agent_config"]["key"]


def test_a_live_session_continues_as_recorded(recordings: Path) -> None:
    client = DirectClient(CONFIG)
    client.dial(agent_key="interop", ui_session_id="mine")
    client.answer("hello")
    client.hang_up()
    second = client.dial(ui_session_id="mine")
    opening = connection(recordings, "reconnect", "B")[1][1]
    assert shapes(client.take(second)) == shapes(opening)


def test_a_reconnect_in_mid_turn_continues_as_recorded(recordings: Path) -> None:
    client = DirectClient(CONFIG, turn(text="word " * 60, delay=0.1))
    client.dial(agent_key="interop", ui_session_id="mine")
    client.core.script([turn(text="first")])
    client.say("[[slow]] please").run(1.0).hang_up().run(1.0)
    second = client.dial(ui_session_id="mine")
    client.run()
    events = client.take(second)
    opening = connection(recordings, "reconnect", "C")[1][1]
    assert types(events) == types(opening)
    assert events[0]["chat_session"]["messages"] == []


def test_a_second_socket_ends_the_first(recordings: Path) -> None:
    client = DirectClient(CONFIG)
    client.dial(agent_key="interop", ui_session_id="mine")
    client.take()
    second = client.dial(ui_session_id="mine")
    opening = connection(recordings, "reconnect", "E")[1][1]
    assert types(client.take(second)) == types(opening)
    assert client.closed == {1: 1000}
    assert client.take(1) == []


CANCELS = [
    ("[[slow]] please", turn(text="word " * 60, delay=0.1), 1.0),
    ("fine", turn(text="You said: fine"), None),
    (
        '[[call:itp_sleep {"seconds": 2}]]',
        turn(tools=[tool("itp_sleep", {"seconds": 2}, delay=2.0)], text=AFTER),
        0.5,
    ),
]


@pytest.mark.parametrize(("text_input", "script", "after"), CANCELS)
def test_a_cancel_has_the_shape_of_the_recorded_one(
    recordings: Path, text_input: str, script: ScriptedTurn, after: float | None
) -> None:
    pairs = connection(recordings, "cancel", "A")
    place = next(i for i, (sent, _) in enumerate(pairs) if sent and sent.get("text") == text_input)
    client = DirectClient(CONFIG, script)
    client.dial(agent_key="interop")
    client.take()
    if after is None:
        assert shapes(client.answer(text_input)) == shapes(pairs[place][1])
        return
    client.say(text_input).run(after)
    assert shapes(client.take()) == shapes(pairs[place][1])
    assert shapes(client.ask({"type": "client_wants_cancel"})) == shapes(pairs[place + 1][1])


def test_a_cancelled_delegation_has_the_shape_of_the_recorded_one(recordings: Path) -> None:
    slow = delegate("interop_helper", text="word " * 60, delay=0.1)
    client = DirectClient(CONFIG, turn(tools=[slow], text=AFTER))
    client.dial(agent_key="interop")
    client.take()
    pairs = connection(recordings, "delegation", "A")
    place = next(i for i, (s, _) in enumerate(pairs) if s and s.get("text") == "[[delegateslow]]")
    client.say("[[delegateslow]]").run(1.5)
    assert shapes(client.take()) == shapes(pairs[place][1])
    assert shapes(client.ask({"type": "client_wants_cancel"})) == shapes(pairs[place + 1][1])


def test_a_cancel_without_a_turn_has_the_shape_of_the_recorded_one(recordings: Path) -> None:
    client = DirectClient(CONFIG)
    client.dial(agent_key="interop")
    pairs = connection(recordings, "errors", "A")
    cancelled = next(e for s, e in pairs if s and s["type"] == "client_wants_cancel")
    assert shapes(client.ask({"type": "client_wants_cancel"})) == shapes(cancelled)


def test_commands_kill_a_turn_as_recorded(recordings: Path) -> None:
    """Replay the whole recording, input by input, with its own timing."""
    slow = turn(text="word " * 60, delay=0.1)
    client = DirectClient(CONFIG, turn("[[slow]] one", text="word " * 60, delay=0.1))
    client.core.script([turn("[[slow]] two", text="x " * 60, delay=0.1)])
    client.core.script([turn("[[slow]] three", *slow.steps, delay=0.1)])
    client.dial(agent_key="interop")
    client.take()
    for sent, events in connection(recordings, "killed_turn", "A")[2:]:
        if sent is None:  # the invalid JSON and the binary frame of the recording
            continue
        if sent["type"] == "resume_chat_session":
            sent["session_id"] = next(iter(client.core.state.chats))
        slow_turn = sent.get("text", "").startswith("[[slow]]")
        client.send(sent).run(0.5 if slow_turn else 60.0)
        assert types(client.take()) == types(events), sent


def test_invalid_json_is_answered_as_recorded_and_kills_nothing() -> None:
    client = DirectClient(CONFIG, turn(text="word " * 60, delay=0.1))
    client.dial(agent_key="interop")
    client.say("[[slow]]").run(0.5).take()
    client.send("{bad")
    assert client.take() == [{"type": "error", "message": "Invalid JSON received", "source": None}]
    client.send(b"\x00\x01")
    assert "user_turn_start" in types(client.run().take())


# Commands of the recording that this server answers differently, with the reason.
DIFFERENT = {"set_session_messages": "real servers fail here; this one does what is asked"}


def test_session_commands_are_answered_as_recorded(recordings: Path) -> None:
    client = DirectClient(CONFIG)
    client.dial(agent_key="interop")
    client.take()
    first = next(iter(client.core.state.chats))
    for sent, events in connection(recordings, "sessions", "A")[2:]:
        assert sent is not None
        if sent["type"] in DIFFERENT:
            continue
        if sent.get("session_id", "").startswith("admin-tunnel"):
            sent["session_id"] = first
        if sent["type"] == "set_agent_tools" and sent["tools"][0] == "ThinkTools":
            sent["tools"] = ["Toolset0", "Toolset1"]
        assert shapes(client.ask(sent)) == shapes(events), sent
