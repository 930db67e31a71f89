"""The server answers as the real one: inputs without a turn, turns that start late, cancels."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime_trio.server import ScriptedAnswer, ScriptedTurn, ServerConfig
from realtime_trio.testing import answer, command, media, notice, recorded, show, turn
from tests.server.clients import DirectClient, Event, text_of
from tests.server.wire_shapes import types

CANCEL: Event = {"type": "client_wants_cancel"}
PING: Event = {"type": "ping"}


def started(*scripts: ScriptedTurn | ScriptedAnswer, **options: Any) -> DirectClient:
    """Make an initialised client."""
    client = DirectClient(ServerConfig(**options))
    client.core.script(scripts)
    client.dial()
    client.take()
    return client


def unit(client: DirectClient, text: str, *behind: Event, **fields: object) -> list[str]:
    """Send an input between two pings, then ``behind``; return the types of all answers."""
    for event in (PING, {"type": "text_input", "text": text, **fields}, PING, *behind):
        client.send(event)
    return types(client.run().take())


# -- inputs that start no turn -------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("!help", ["render_media"]),
        ("!la", ["render_media"]),
        ("!ti Toolset0", ["render_media"]),
        ("!ti", ["render_media"]),
        ("!pp", ["anthropic_user_message", "render_media"]),
        ("!rewind", []),
        ("!nosuch thing", ["system_message"]),
        ("", []),
        (" \n\t", []),
    ],
)
def test_chat_commands_and_blank_texts_start_no_turn(text: str, expected: list[str]) -> None:
    client = started()
    assert unit(client, text) == ["pong", *expected, "pong"]
    assert text_of(client.answer("hello")) == "You said: hello"


def test_an_unknown_chat_command_is_named() -> None:
    (message,) = started().answer("!nosuch thing")
    assert (message["content"], message["severity"]) == ("Unknown command: !nosuch", "error")


def test_a_fork_continues_in_a_copy() -> None:
    client = started()
    before = client.answer("hello")[1]["chat_session"]["session_id"]
    added, changed, welcome, forked = client.answer("!fork")
    fork = changed["chat_session"]
    assert added["chat_session"]["session_id"] == fork["session_id"] != before
    assert len(fork["messages"]) == 2
    assert types([welcome, forked]) == ["system_message", "system_message"]
    assert forked["content"] == f"Forked from {before}."
    client.answer("on")
    chats = client.core.state.chats
    assert [len(chats[each].messages) for each in (before, fork["session_id"])] == [2, 4]


def test_a_chat_command_kills_a_running_turn() -> None:
    client = started(turn("long", text="x" * 100, delay=1.0))
    client.say("long").run(5.0).take()
    assert types(client.answer("!help")) == ["render_media"]


def test_a_script_for_the_text_answers_a_chat_command() -> None:
    client = started(turn("!help", text="scripted"), turn(text="any"))
    assert text_of(client.answer("!help")) == "scripted"
    assert types(client.answer("!help")) == ["render_media"]  # not the turn for any text


def test_blank_text_with_a_file_starts_a_turn() -> None:
    assert unit(started(), "", file_ids=["x"])[2] == "user_turn_end"


# -- scripted answers ----------------------------------------------------------------------


def test_an_answer_replaces_that_of_a_chat_command_once() -> None:
    client = started(command("!help", show(media("mine")), notice("note", severity="warning")))
    rendered, noted = client.answer("!help")
    assert rendered["content"] == "mine"
    assert (noted["content"], noted["severity"]) == ("note", "warning")
    assert client.answer("!help")[0]["content"] != "mine"


def test_any_input_can_be_refused_or_ignored() -> None:
    client = started(command("hello", error="no"), command(None, times=2))
    (error,) = client.answer("hello")
    assert (error["type"], error["message"]) == ("error", "no")
    assert client.answer("hello") == client.answer("x") == []
    assert text_of(client.answer("hello")) == "You said: hello"


def test_any_command_can_be_answered_by_a_script() -> None:
    client = started(answer("ping"), answer("set_agent", error="no", times=2))
    assert client.ask(PING) == []
    assert types(client.ask(PING)) == ["pong"]
    for _ in range(2):
        assert types(client.ask({"type": "set_agent", "agent_key": "gpt"})) == ["error"]
    (changed,) = client.ask({"type": "set_agent", "agent_key": "gpt"})
    assert changed["type"] == "agent_configuration_changed"


def test_answers_can_be_dropped() -> None:
    client = started(answer("ping"))
    client.core.unscript()
    assert types(client.ask(PING)) == ["pong"]


# -- the start of a turn -------------------------------------------------------------------


def test_the_second_pong_comes_before_the_turn() -> None:
    events = unit(started(), "hello")
    assert events[:3] == ["pong", "pong", "user_turn_end"]
    assert events[-1] == "user_turn_start"


def test_pings_are_answered_in_order_during_a_turn() -> None:
    client = started(turn(text="x" * 50, delay=1.0))
    client.say("go").run(3.0).take()
    assert types(client.send(PING).send(PING).take()) == ["pong", "pong"]
    assert types(client.run().take())[-1] == "user_turn_start"


def test_an_earlier_error_comes_before_the_first_pong() -> None:
    client = started()
    client.send({"type": "set_agent", "agent_key": "nosuch"})
    events = unit(client, "hello")
    assert events[:4] == ["error", "pong", "pong", "user_turn_end"]


def test_a_cancel_before_the_turn_starts_cancels_nothing() -> None:
    client = started()
    events = unit(client, "hello", CANCEL)
    assert events[:5] == ["pong", "pong", "cancelled", "system_message", "user_turn_end"]
    assert "completion" in events
    assert events[-1] == "user_turn_start"
    assert events.count("cancelled") == 1


def test_a_second_cancel_ends_the_turn() -> None:
    client = started(turn(text="x" * 100, delay=1.0))
    client.say("go").send(CANCEL).until("user_turn_end").send(CANCEL)
    events = client.run().take()
    assert types(events).count("cancelled") == 2
    assert text_of(events) == ""


@pytest.mark.parametrize("start", [0.0, 5.0])
def test_a_script_sets_when_its_turn_starts(start: float) -> None:
    client = started(turn(text="a", start=start))
    client.say("go")
    assert ("user_turn_end" in types(client.take())) == (start == 0.0)
    client.run(4.9)
    client.until("user_turn_end") if start else None
    assert client.now == pytest.approx(max(start, 4.9))


@given(st.lists(st.sampled_from(["ping", "cancel", "wait"]), max_size=8), st.floats(0, 0.5))
def test_pongs_keep_the_order_of_pings_and_every_turn_ends_once(
    steps: list[str], wait: float
) -> None:
    client = started(turn(text="x" * 20, delay=0.05))
    client.say("go")
    for step in steps:
        if step == "wait":
            client.run(wait)
        else:
            client.send(PING if step == "ping" else CANCEL)
    events = types(client.run().take())
    assert events.count("pong") == steps.count("ping")
    assert events.count("cancelled") == steps.count("cancel")
    assert events.count("user_turn_end") == events.count("user_turn_start") == 1


# -- failures before the interaction -------------------------------------------------------


FAILED = ["user_turn_end", "chat_session_added", "error", "user_turn_start"]


def test_an_unknown_file_fails_before_the_interaction() -> None:
    client = started()
    assert unit(client, "x", file_ids=["nosuch"]) == ["pong", "pong", *FAILED]
    (chat,) = client.core.state.chats.values()
    assert chat.messages == []


def test_a_turn_can_be_scripted_to_fail_before_its_interaction() -> None:
    events = started(turn("x", unprepared="broken agent")).answer("x")
    assert types(events) == FAILED
    assert events[2]["message"] == "broken agent"


# -- dials ---------------------------------------------------------------------------------


@pytest.mark.parametrize("restart", [False, True])
@pytest.mark.parametrize(("query", "key"), [({}, "default"), ({"agent_key": "gpt"}, "gpt")])
def test_a_dial_with_a_session_alone_gives_it_the_default_agent(
    query: dict[str, str], key: str, restart: bool
) -> None:
    client = DirectClient()
    client.dial(agent_key="gpt")
    client.answer("hello")
    (chat,) = client.core.state.chats
    if restart:
        client.core.restart()
    again = client.dial(chat_session_id=chat, **query)
    session = client.take(again)[6]["chat_session"]
    assert (session["session_id"], session["agent_config"]["key"]) == (chat, key)
    assert len(session["messages"]) == 2


# -- recordings ----------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["input_units", "chat_commands"])
def test_recorded_inputs_are_answered_in_the_recorded_order(recordings: Path, name: str) -> None:
    """Each recorded input is answered by events of the same types."""
    client = started(*recorded(recordings / f"{name}.jsonl"))
    rows = [json.loads(line) for line in (recordings / f"{name}.jsonl").read_text().splitlines()]
    events = [(row["dir"], json.loads(row["text"])) for row in rows if row.get("text")]
    inputs = [event for way, event in events if way == "out" and event["type"] == "text_input"]
    ends = [types(client.ask(event))[-1:] for event in inputs]
    expected = []
    for text in (event["text"] for event in inputs):
        found = [e for e in recorded_after(events, text) if e not in ("pong", "cancelled")]
        expected.append(found[-1:])
    assert ends == expected


def recorded_after(events: list[tuple[str, Event]], text: str) -> list[str]:
    """Return the types of the events between an input and the client's next command."""
    found: list[str] = []
    inside = False
    for way, event in events:
        if way == "out" and event["type"] in ("ping", "client_wants_cancel"):
            continue
        if way == "out":
            if inside:
                return found
            inside = event.get("text") == text
        elif inside:
            found.append(str(event["type"]))
            if event["type"] == "user_turn_start":
                return found
    return found
