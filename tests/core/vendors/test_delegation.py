"""The contents of a delegation's call."""

from __future__ import annotations

import json
from typing import Any

import pytest

from realtime_trio._core._messages import Content, ImagePart, TextPart
from realtime_trio._core.vendors._delegation import (
    DelegationStarted,
    Reply,
    delegation_of,
    reply_of,
    request_text,
    thought_text,
)
from realtime_trio.events import ToolCall


def reply_content(result: str) -> Content | None:
    """Return the content of a reply without thoughts."""
    reply = reply_of(result)
    assert reply.thoughts == ()
    return reply.content


@pytest.mark.parametrize(
    ("name", "agent", "session"),
    [
        ("act_oneshot", "clone", "oneshot"),
        ("act_chat", "clone", "chat"),
        ("ateam_chat", "team", "chat"),
        ("ateam_parallel_oneshot", "team", "oneshot"),
        ("aa_chat", "assist", "chat"),
        ("aa_oneshot", "assist", "oneshot"),
        ("aa_oneshot_list", "assist", "chat"),
    ],
)
def test_the_name_determines_target_and_kind(name: str, agent: str, session: str) -> None:
    """Prefix and suffix of the name decide."""
    call = ToolCall(id="t1", name=name, input={"agent_key": "helper"})
    assert delegation_of(call, "s1") == DelegationStarted(
        session_id="s1",
        tool_use_id="t1",
        sub_session_type=session,  # type: ignore[arg-type]
        sub_agent_type=agent,  # type: ignore[arg-type]
        sub_agent_key="helper",
    )


@pytest.mark.parametrize("name", ["think", "act", "aa", "xaa_chat", "team_chat", "action_oneshot"])
def test_other_names_delegate_nothing(name: str) -> None:
    """The prefix counts with its underscore, and only at the start."""
    assert delegation_of(ToolCall(id="t1", name=name, input={}), "s1") is None


def test_a_clone_names_no_agent() -> None:
    """A key that the call does not name is not invented."""
    started = delegation_of(ToolCall(id="t1", name="act_oneshot", input={"agent_key": 5}), "s1")
    assert started is not None
    assert started.sub_agent_key is None


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"message": "hi", "agent_key": "x"}, "hi"),
        ({"request": "do", "process_context": "c"}, "do"),
        ({"prompt": "p"}, "p"),
        ({"_raw": "not json"}, "not json"),
        ({"goal": "g"}, '{"goal": "g"}'),
        ({"message": None, "request": "r"}, "r"),
        ({}, "{}"),
    ],
)
def test_the_request_is_read_from_a_known_field(arguments: dict[str, Any], text: str) -> None:
    """Otherwise it is all arguments as JSON."""
    assert request_text(arguments) == text


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"thought": "hm"}, "hm"),
        ({"thought": ""}, ""),
        ({"idea": "the only text"}, "the only text"),
        ({"a": "x", "b": "y"}, '{"a": "x", "b": "y"}'),
        ({"steps": [1]}, '{"steps": [1]}'),
        ({"_raw": "broken {"}, "broken {"),
        ({}, ""),
    ],
)
def test_a_thought_is_the_text_of_think(arguments: dict[str, Any], text: str) -> None:
    """Whatever the tool names its text."""
    assert thought_text(arguments) == text


@pytest.mark.parametrize(
    ("result", "text"),
    [
        ("Plain.", "Plain."),
        ("", None),
        ('{"agent_message": ""}', None),
        ('{"agent_message": "Hi."}', "Hi."),
        ('{"agent_message": "Hi.", "role": "assistant"}', "Hi."),
        ('{"agent_message": {"role": "assistant", "content": "Hi."}}', "Hi."),
        (
            '{"agent_message": {"role": "assistant", "content": [{"type": "text", "text": "H."}]}}',
            "H.",
        ),
        ('{"agent_message": {"type": "text", "text": "Hi."}}', "Hi."),
        ('{"agent_message": {"text": "Hi."}}', "Hi."),
        ('{"agent_message": [{"type": "text", "text": "H"}, "i."]}', "Hi."),
        ('{"text": "Hi."}', "Hi."),
        ("text: Hi.\ntype: text\n", "Hi."),
        ("text: |\n  Hi.\n", "Hi.\n"),
        ("[1, 2]", "[1, 2]"),
    ],
)
def test_the_reply_is_the_agents_text(result: str, text: str | None) -> None:
    """JSON's agent_message, old YAML's text, or the raw text; an empty one is no message."""
    assert reply_content(result) == text


@pytest.mark.parametrize(
    "record",
    [
        {"agent_message": {"role": "user", "content": "the request"}},
        {"agent_message": {"role": "user", "content": "the request"}, "text": "not this"},
        {"agent_message": "the request", "role": "user"},
        {"agent_message": None},
        {"agent_message": {"role": "assistant"}},
        {"other": 1},
    ],
)
def test_a_message_of_the_user_is_not_a_reply(record: dict[str, Any]) -> None:
    """A result without an answer is shown unchanged."""
    result = json.dumps(record)
    assert reply_content(result) == result


def test_a_reply_may_have_parts() -> None:
    """Its content is normalised like any other."""
    image = {"type": "image", "source": {"type": "url", "url": "http://x/y.png"}}
    content = [{"type": "text", "text": "See"}, image]
    reply = reply_content(json.dumps({"agent_message": {"role": "assistant", "content": content}}))
    assert reply == (TextPart("See"), ImagePart("url", url="http://x/y.png"))


THINKING = {"type": "thinking", "thinking": "hm", "signature": "s"}
SECRET = {"type": "redacted_thinking", "data": "x"}


@pytest.mark.parametrize(
    ("content", "thoughts", "said"),
    [
        ([THINKING, {"type": "text", "text": "Hi."}], ("hm",), "Hi."),
        ([THINKING, THINKING, "Hi", {"type": "text", "text": "."}], ("hm", "hm"), "Hi."),
        (["Hi", THINKING, SECRET, "."], ("hm", "*redacted*"), "Hi."),
        ([THINKING], ("hm",), None),
        ([{**THINKING, "thinking": ""}, "Hi."], (), "Hi."),
        (THINKING, ("hm",), None),
    ],
)
def test_s2_thinking_is_separate_from_the_reply(
    content: Any, thoughts: tuple[str, ...], said: str | None
) -> None:
    """Each block is a separate thought, wherever it is."""
    for message in (content, {"role": "assistant", "content": content}):
        if message is not THINKING:
            result = json.dumps({"agent_message": message})
            assert reply_of(result) == Reply(thoughts, said)


@pytest.mark.parametrize(
    ("document", "thoughts", "said"),
    [
        (
            "- signature: abc\n  thinking: 'hm: so'\n  type: thinking\n"
            "- citations: null\n  text: Hi.\n  type: text\n",
            ("hm: so",),
            "Hi.",
        ),
        ("- data: xyz\n  type: redacted_thinking\n- text: Hi.\n", ("*redacted*",), "Hi."),
        ("thinking: hm\ntype: thinking\n", ("hm",), None),
    ],
)
def test_s2_thinking_in_old_replies(
    document: str, thoughts: tuple[str, ...], said: str | None
) -> None:
    """YAML's blocks are read like JSON's."""
    assert reply_of(document) == Reply(thoughts, said)


@pytest.mark.parametrize(
    "result",
    [
        '{"agent_message": "Hi \\ud83d."}',
        '{"agent_message": {"content": [{"type": "text", "text": "Hi \\ud83d."}]}}',
        '{"text": "Hi \\ud83d."}',
        'text: "Hi \\ud83d."\n',
        'text: "Hi \\ude00."\n',
    ],
)
def test_l4_half_a_pair_in_a_reply(result: str) -> None:
    """It becomes one replacement character."""
    assert reply_content(result) == "Hi \ufffd."


@pytest.mark.parametrize(
    "result", ['{"agent_message": "Hi \\ud83d\\ude00"}', 'text: "Hi \\ud83d\\ude00"']
)
def test_l4_both_halves_of_a_pair_in_a_reply(result: str) -> None:
    """JSON and YAML can escape them separately."""
    assert reply_content(result) == "Hi 😀"
