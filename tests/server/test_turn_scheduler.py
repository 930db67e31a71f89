"""What a scripted turn streams: order, cancels, delegations, failures, history."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime_trio.server import Agent, ScriptedTurn, ServerConfig
from realtime_trio.testing import (
    delegate,
    emit,
    fail,
    media,
    say,
    show,
    think,
    tool,
    turn,
    use,
    wait,
)
from tests.server.clients import DirectClient, Event, text_of
from tests.server.wire_shapes import types

CANCEL: Event = {"type": "client_wants_cancel"}


def started(*scripts: ScriptedTurn, **query: str) -> DirectClient:
    """Make an initialised client."""
    client = DirectClient(ServerConfig(), *scripts)
    client.dial(**query)
    client.take()
    return client


def transcript(client: DirectClient) -> list[dict[str, Any]]:
    """Return the history of the only chat."""
    (chat,) = client.core.state.chats.values()
    return chat.messages


def of(events: list[Any], type_: str) -> list[Event]:
    """Return the events of that type."""
    return [event for event in events if isinstance(event, dict) and event["type"] == type_]


# -- script selection ----------------------------------------------------------------------


def test_echoes_without_a_script() -> None:
    assert text_of(started().answer("hello there")) == "You said: hello there"


def test_a_script_for_the_text_comes_before_one_for_any() -> None:
    client = started(turn(text="any"), turn("Hello", text="mine"), turn(text="other"))
    said = [text_of(client.answer(text)) for text in ("Hello", "Hello", "x", "y")]
    assert said == ["mine", "any", "other", "You said: y"]


def test_a_script_can_be_used_several_times() -> None:
    client = started(turn("Hello", text="hi", times=2))
    assert [text_of(client.answer("Hello")) for _ in range(3)] == ["hi", "hi", "You said: Hello"]


def test_scripts_can_be_dropped() -> None:
    client = started(turn(text="hi"))
    client.core.unscript()
    assert text_of(client.answer("x")) == "You said: x"


# -- text and timing -----------------------------------------------------------------------


def test_a_delay_precedes_each_delta() -> None:
    client = started(turn(None, say(*"abc"), delay=2.0))
    client.say("go").run(1.9)
    assert text_of(client.take()) == ""
    client.run(2.0)
    assert text_of(client.take()) == "a"
    client.run(2.2)
    assert types(client.take())[-1] == "user_turn_start"


def test_a_wait_sends_nothing() -> None:
    client = started(turn(None, say("a"), wait(100.0), say("b")))
    client.say("go").run(99.0)
    assert text_of(client.take()) == "a"
    client.run(2.0)
    assert text_of(client.take()) == "b"


def test_a_size_sets_the_exact_deltas() -> None:
    client = started(turn(None, say("abcde", size=2)))
    deltas = of(client.answer("go"), "text_delta")
    assert [delta["content"] for delta in deltas] == ["ab", "cd", "e"]


@given(st.text(max_size=200), st.integers(0, 5))
def test_any_text_arrives_and_is_stored(text: str, seed: int) -> None:
    client = DirectClient(ServerConfig(seed=seed), turn(text=text))
    client.dial()
    assert text_of(client.answer("go")) == text
    blocks = transcript(client)[1]["content"] if text else []
    assert "".join(block["text"] for block in blocks) == text


def test_deltas_are_small() -> None:
    client = DirectClient(ServerConfig(delta_sizes=(2, 4)), turn(text="x" * 100))
    client.dial()
    sizes = [len(delta["content"]) for delta in of(client.answer("go"), "text_delta")]
    assert all(2 <= size <= 4 for size in sizes[:-1])
    assert len(set(sizes)) > 1


def test_the_keywords_have_a_fixed_order() -> None:
    script = turn(
        "go",
        thoughts=["one", "two"],
        preface="first",
        tools=[tool("a")],
        delegate=delegate(text="b"),
        media=media("m"),
        events=[{"type": "history", "session_id": "$session"}],
        text="last",
    )
    found = [t for t in types(started(script).answer("go")) if t != "chat_session_added"]
    order = ["complete_thought", "complete_thought", "text_delta", "tool_select_delta"]
    order += ["subsession_started", "subsession_ended", "render_media", "history", "text_delta"]
    places = iter(found)
    assert all(type_ in places for type_ in order)


def test_token_counts_and_stop_reason_come_from_the_script() -> None:
    script = turn(text="a", stop_reason="max_tokens", input_tokens=7, output_tokens=9)
    done = of(started(script).answer("go"), "completion")[-1]
    assert (done["stop_reason"], done["input_tokens"], done["output_tokens"]) == (
        "max_tokens",
        7,
        9,
    )


def test_raw_frames_leave_unchanged() -> None:
    raw = {"type": "mine", "session_id": "$session", "user_session_id": "$user_session", "n": 1}
    client = started(turn(None, emit(raw, "no json", b"\x00\x00")))
    events = client.answer("go")
    chat = transcript_id(client)
    assert {**raw, "session_id": chat, "user_session_id": chat} in events
    assert "no json" in events
    assert b"\x00\x00" in events


def transcript_id(client: DirectClient) -> str:
    """Return the id of the only chat."""
    return next(iter(client.core.state.chats))


# -- tools ---------------------------------------------------------------------------------


def test_results_are_in_the_order_of_the_calls() -> None:
    slow, quick = tool("slow", result="s", delay=5.0), tool("quick", result="q")
    client = started(turn(tools=[slow, quick], text="done"))
    end = of(client.answer("go"), "tool_call")[-1]
    assert [call["name"] for call in end["tool_calls"]] == ["slow", "quick"]
    assert [result["content"] for result in end["tool_results"]] == ["s", "q"]


def test_an_error_is_marked_in_the_result() -> None:
    client = started(turn(tools=[tool("bad", result="no", is_error=True, id="toolu_1")]))
    end = of(client.answer("go"), "tool_call")[-1]
    expected = {"type": "tool_result", "tool_use_id": "toolu_1", "content": "no", "is_error": True}
    assert end["tool_results"] == [expected]


def test_a_tool_can_send_its_own_events() -> None:
    shown = {"type": "message", "session_id": "$session", "content": "x"}
    client = started(turn(tools=[tool("talk", events=[shown])]))
    found = types(client.answer("go"))
    begin = found.index("tool_call")
    assert begin < found.index("message") < found.index("tool_call", begin + 1)


@pytest.mark.parametrize("agent_key", ["default", "gpt"])
def test_the_history_matches_calls_and_results(agent_key: str) -> None:
    script = turn(None, think("hm"), say("a"), use(tool("x", {"n": 1}), tool("y")), text="b")
    client = started(script, agent_key=agent_key)
    client.answer("go")
    text = json.dumps(transcript(client))
    if agent_key == "default":
        roles = [message["role"] for message in transcript(client)]
        assert roles == ["user", "assistant", "user", "assistant"]
        kinds = [block["type"] for block in transcript(client)[1]["content"]]
        assert kinds == ["thinking", "text", "tool_use", "tool_use"]
        assert transcript(client)[1]["content"][2]["input"] == {"n": 1}
    else:
        roles = [message["role"] for message in transcript(client)]
        assert roles == ["user", "assistant", "tool", "tool", "assistant"]
        call = transcript(client)[1]["tool_calls"][0]
        assert call["function"] == {"name": "x", "arguments": '{"n": 1}'}
        assert transcript(client)[2]["tool_call_id"] == call["id"]
    assert text.count('"x"') >= 1


def test_the_think_tool_is_in_the_history_as_a_tool() -> None:
    client = started(turn(None, think("deep", by_tool=True), text="b"))
    client.answer("go")
    (block,) = transcript(client)[1]["content"]
    assert (block["name"], block["input"]) == ("think", {"thought": "deep"})


def test_openai_thinks_without_a_tool() -> None:
    client = started(turn(None, think("deep", by_tool=True), text="b"), agent_key="gpt")
    assert "tool_call" not in types(client.answer("go"))


# -- delegations ---------------------------------------------------------------------------


def test_sub_sessions_run_interleaved() -> None:
    one = delegate("helper", "one", text="a" * 60, delay=1.0)
    other = delegate("helper", "two", text="b" * 60, delay=1.0)
    events = started(turn(tools=[one, other], text="done")).answer("go")
    deltas = of(events, "text_delta")[:-1]
    order = [delta["session_id"] for delta in deltas]
    assert len(set(order[:2])) == 2
    changes = sum(a != b for a, b in itertools.pairwise(order))
    assert changes > len(order) / 2
    assert len(of(events, "subsession_started")) == len(of(events, "subsession_ended")) == 2


def test_sub_sessions_nest() -> None:
    inner = delegate("helper", "inner", text="deep")
    outer = delegate("helper", "outer", use(inner), text="outer done")
    events = started(turn(tools=[outer], text="done")).answer("go")
    first, second = of(events, "subsession_started")
    user = first["user_session_id"]
    assert first["session_id"] == first["parent_session_id"] == user
    child = second["session_id"]
    assert child != user
    assert second["parent_session_id"] == child
    assert second["user_session_id"] == user
    deep = next(e for e in of(events, "text_delta") if e["parent_session_id"] == child)
    assert deep["user_session_id"] == user


@pytest.mark.parametrize(
    ("by", "kind", "name", "head"),
    [
        ("assist", "chat", "aa_chat", ""),
        ("assist", "oneshot", "aa_oneshot", "oneshot-"),
        ("clone", "oneshot", "act_oneshot", "clone-oneshot-"),
        ("clone", "chat", "act_chat", "clone-"),
        ("team", "chat", "ateam_chat", ""),
    ],
)
def test_kinds_of_delegation(by: Any, kind: Any, name: str, head: str) -> None:
    client = started(turn(tools=[delegate("helper", "do it", text="yes", by=by, kind=kind)]))
    events = client.answer("go")
    call = of(events, "tool_call")[0]["tool_calls"][0]
    assert call["name"] == name
    start = of(events, "subsession_started")[0]
    assert (start["sub_agent_type"], start["sub_session_type"]) == (by, kind)
    child = next(e for e in events if e.get("parent_session_id") and e["type"] == "text_delta")
    assert child["session_id"].startswith(head)
    result = transcript(client)[2]["content"][0]["content"]
    assert json.loads(result) == {"role": "assistant", "agent_message": "yes"}


@pytest.mark.parametrize(
    "call",
    [delegate("nobody"), delegate("helper", "x", use(delegate("nobody")))],
    ids=["direct", "nested"],
)
def test_a_delegation_to_a_missing_agent_fails_when_it_is_scripted(call: Any) -> None:
    client = started()
    with pytest.raises(ValueError, match=r"'nobody'.*'default', 'helper', 'gpt'"):
        client.core.script([turn(text="fine"), turn(tools=[tool("a"), call])])
    assert text_of(client.answer("x")) == "You said: x"  # none of them was queued


def test_a_clone_needs_no_agent_of_its_name() -> None:
    client = started(turn(tools=[delegate("nobody", by="clone", text="b")], text="c"))
    assert "subsession_started" in types(client.answer("go"))


def test_an_invalid_step_fails_when_it_is_scripted() -> None:
    with pytest.raises(TypeError, match="not a str"):
        started(turn(None, "say"))  # type: ignore[arg-type]


def test_the_turn_continues_after_a_failed_sub_session() -> None:
    broken = delegate("helper", "do", say("half"), fail("boom"))
    events = started(turn(tools=[broken], text="done")).answer("go")
    assert "boom" in [e["content"] for e in of(events, "system_message")]
    assert types(events)[-1] == "user_turn_start"
    assert of(events, "text_delta")[-1]["session_id"] == events[-2]["chat_session"]["session_id"]


def test_a_gpt_agent_delegates_in_its_vendors_format() -> None:
    events = started(turn(tools=[delegate(text="hi")], text="x"), agent_key="gpt").answer("go")
    call = of(events, "tool_call")[0]["tool_calls"][0]
    assert set(call) == {"id", "name", "arguments"}
    assert "anthropic_user_message" in types(events)  # the helper's own vendor


# -- cancels -------------------------------------------------------------------------------


def test_late_deltas_come_between_confirmation_and_notice() -> None:
    client = started(turn(text="x" * 100, delay=1.0, late=2))
    client.say("go").run(3.5).take()
    events = client.ask(CANCEL)
    assert [e["type"] for e in events][:4] == [
        "cancelled",
        "text_delta",
        "text_delta",
        "system_message",
    ]
    assert text_of(events) == text_of(events[:3])
    assert events[4]["type"] == "interaction"


def test_no_more_late_deltas_than_there_is_text() -> None:
    client = started(turn(None, say("a", "b"), delay=1.0, late=50))
    client.say("go").run(1.5).take()
    events = client.ask(CANCEL)
    assert text_of(events) == "b"
    assert events[-1]["type"] == "user_turn_start"


def test_text_before_a_cancel_is_stored() -> None:
    client = started(turn(None, say(*"abcdef"), delay=1.0))
    client.say("go").run(3.5).send(CANCEL).run()
    assert transcript(client)[1]["content"][0]["text"] == "abc"


def test_a_second_cancel_changes_nothing() -> None:
    client = started(turn(tools=[tool("sleep", delay=10.0)], text="x"))
    client.say("go").run(1.0).take()
    client.send(CANCEL).send(CANCEL)
    assert types(client.take()).count("cancelled") == 2
    assert of(client.run().take(), "completion")[-1]["stop_reason"] == "client_cancel"


def test_a_cancel_ends_a_wait_but_not_a_tool() -> None:
    client = started(turn(None, wait(1000.0)), turn(tools=[tool("sleep", delay=1000.0)]))
    client.say("go").run(1.0).send(CANCEL).run(1.0)
    assert client.take()[-1]["type"] == "user_turn_start"
    client.say("go").run(1.0).send(CANCEL).run(900.0)
    assert "user_turn_start" not in types(client.take())
    client.run(200.0)
    assert client.take()[-1]["type"] == "user_turn_start"


@pytest.mark.parametrize("step", [think("a" * 99), think("a" * 99, by_tool=True)])
def test_a_cancel_in_a_thought(step: Any) -> None:
    client = started(turn(None, step, text="never", delay=1.0))
    client.say("go").run(2.5).take()
    events = client.ask(CANCEL)
    assert "complete_thought" not in types(events)
    assert "text_delta" not in types(events)
    assert types(events)[-1] == "user_turn_start"


def test_a_cancel_while_tools_are_selected() -> None:
    client = started(turn(tools=[tool("a"), tool("b")], delay=1.0))
    client.say("go").run(1.5).take()
    assert "tool_call" not in types(client.ask(CANCEL))


def test_a_cancel_ends_all_sub_sessions() -> None:
    calls = [delegate("helper", text="x" * 99, delay=delay) for delay in (1.0, 1.5, 700.0)]
    client = started(turn(tools=[*calls, tool("t", delay=5.0)], text="never"))
    client.say("go").run(4.0).take()
    events = client.send({"type": "client_wants_cancel"}).run(10.0).take()
    assert len(of(events, "subsession_ended")) == 3
    assert events[-1]["type"] == "user_turn_start"
    assert of(events, "text_delta") == []


def test_media_of_a_tool_names_its_sender() -> None:
    client = started(turn(tools=[tool("search_web", media=[media("x")])]))
    (shown,) = of(client.answer("go"), "render_media")
    assert (shown["sent_by_class"], shown["sent_by_function"]) == ("SearchTools", "search_web")
    assert (shown["role"], shown["user_session_id"]) == ("tool", None)


def test_an_invalid_step_raises() -> None:
    wrong: Any = "no step"
    with pytest.raises(TypeError, match="not a str"):
        started(ScriptedTurn(steps=(wrong,))).answer("go")


# -- failures ------------------------------------------------------------------------------


@pytest.mark.parametrize("by", ["system_message", "error"])
def test_a_failed_turn_has_no_end(by: Any) -> None:
    client = started(turn(None, say("half"), fail("boom", by=by)))
    events = client.answer("go")
    assert by in types(events)
    assert [e["started"] for e in of(events, "interaction")] == [True]
    assert [e["running"] for e in of(events, "completion")] == [True]
    assert types(events)[-2:] == ["chat_session_added", "user_turn_start"]
    assert transcript(client)[1]["content"][0]["text"] == "half"


# -- killed turns --------------------------------------------------------------------------

COMMANDS: list[Event] = [
    {"type": "get_agents"},
    {"type": "no_such_event"},
    {"type": "set_chat_session_name", "session_name": "x"},
    {"type": "resume_chat_session", "session_id": "another"},
    {"type": "ptt_start"},
]


@pytest.mark.parametrize("command", COMMANDS)
def test_commands_kill_the_turn(command: Event) -> None:
    client = started(turn(text="x" * 100, delay=1.0))
    client.say("go").run(5.0).take()
    events = client.ask(command)
    assert "text_delta" not in types(events)
    assert "user_turn_start" not in types(events)
    assert transcript(client) == []


@pytest.mark.parametrize(
    "frame", ['{"type": "ping"}', '{"type": "pong"}', "{bad", "[]", b"\0", b""]
)
def test_harmless_commands_do_not_kill_the_turn(frame: Any) -> None:
    client = started(turn(text="x" * 100, delay=1.0))
    client.say("go").run(5.0).take()
    assert types(client.ask(frame))[-1] == "user_turn_start"


def test_resuming_the_current_session_does_not_kill_the_turn() -> None:
    client = started(turn(text="x" * 100, delay=1.0))
    client.say("go").run(5.0).take()
    events = client.ask({"type": "resume_chat_session", "session_id": transcript_id(client)})
    assert events[0]["type"] == "chat_session_changed"
    assert events[0]["chat_session"]["messages"] == []
    assert types(events)[-1] == "user_turn_start"


def test_after_the_last_event_nothing_can_be_killed() -> None:
    client = started(turn(text="ok"))
    client.say("go").until("user_turn_start").send({"type": "get_voices"})
    assert [message["role"] for message in transcript(client)] == ["user", "assistant"]


# -- reproducibility -----------------------------------------------------------------------

SCRIPT = turn(
    None,
    think("hm"),
    use(tool("a", delay=0.5), delegate(text="b" * 30), delegate(text="c" * 30, delay=0.2)),
    show(media("x")),
    text="and so on " * 5,
)


def conversation(seed: int) -> list[Any]:
    """Return everything that one client receives."""
    client = DirectClient(ServerConfig(seed=seed), SCRIPT)
    client.dial()
    return [client.take(), client.answer("go"), client.answer("again")]


def test_the_seed_determines_everything() -> None:
    assert conversation(1) == conversation(1)
    assert conversation(1) != conversation(2)


def test_custom_agents() -> None:
    agents = (Agent(key="mine", name="Mine"), Agent(key="gpt", name="G", vendor="openai"))
    client = DirectClient(ServerConfig(agents=agents))
    client.dial()
    listed = of(client.take(), "agent_list")[0]["agents"]
    assert [agent["key"] for agent in listed] == ["mine", "gpt"]


STEPS = st.one_of(
    st.text(max_size=30).map(say),
    st.builds(think, st.text(max_size=20), by_tool=st.booleans()),
    st.builds(lambda n: use(*(tool("t", delay=n / 3) for _ in range(n))), st.integers(1, 3)),
    st.builds(lambda n: use(*(delegate(text="y" * n) for _ in range(2))), st.integers(0, 20)),
    st.just(fail("boom")),
    st.floats(0, 3).map(wait),
)


@given(st.lists(STEPS, max_size=5), st.floats(0, 4), st.integers(0, 3), st.booleans())
def test_every_turn_ends_however_it_is_cancelled(
    steps: list[Any], after: float, late: int, gpt: bool
) -> None:
    client = started(
        turn(None, *steps, delay=0.1, late=late), agent_key="gpt" if gpt else "default"
    )
    client.say("go").until("user_turn_end").run(after).send(CANCEL).run()
    events = client.take()
    assert events[0]["type"] == "user_turn_end"
    assert types(events).count("user_turn_start") == 1
    opened = [e for e in of(events, "tool_call") if e["active"]]
    closed = [e for e in of(events, "tool_call") if not e["active"]]
    thinking = [e for e in closed if e["tool_calls"][0]["name"] == "think"]
    assert len(opened) == len(closed) - len(thinking)
    assert len(of(events, "subsession_started")) == len(of(events, "subsession_ended"))
    assert text_of(client.answer("next")) == "You said: next"
