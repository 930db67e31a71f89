"""Recordings of a real server, compared with transcripts written by a person.

The recordings are not part of the repository (``REALTIME_TRIO_SHARED`` names the directory that
has them, or they are next to it). The transcripts are: tests/data/recordings/ has a script for
each. For every session, it lists the tokens and the messages (in brackets, how a message ended if
not normally; after a bar, its tools and their results; an ellipsis for text that was replaced by
lorem ipsum), and then the notifications that the application receives.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import attrs
import pytest

from realtime_trio._core._render import notification_to_json, state_to_json
from realtime_trio._replay import Replay

from .talk import Json

HERE = Path(__file__).resolve()
SHARED = Path(os.environ.get("REALTIME_TRIO_SHARED") or HERE.parents[2].parent / "shared")
RECORDINGS = SHARED / "recordings"
SCRIPTS = HERE.parents[1] / "data" / "recordings"
NAMES = sorted(path.stem for path in SCRIPTS.glob("*.txt"))

NO_RECORDINGS = "no recordings: set REALTIME_TRIO_SHARED to the directory that holds recordings/"

pytestmark = pytest.mark.skipif(not RECORDINGS.is_dir(), reason=NO_RECORDINGS)


@attrs.frozen(slots=True)
class Replayed:
    """A folded recording: its notifications and the final state."""

    told: list[Json]
    state: Json

    def script(self) -> str:
        lines = [f"current session: {self.state['current_session_id']}", ""]
        for session_id, session in self.state["sessions"].items():
            spent = f"{session['input_tokens']} tokens in, {session['output_tokens']} out"
            lines += [f"[{session_id}] {spent}", *map(line, session["messages"]), ""]
        on_the_way = filter(None, map(heard, self.told))
        return "\n".join([*lines, "[told on the way]", *on_the_way, ""])


def replay(name: str) -> Replayed:
    replay, told = Replay(), list[Json]()
    for raw in (RECORDINGS / f"{name}.jsonl").read_bytes().splitlines():
        told.extend(notification_to_json(note) for note in replay.feed(raw))
    return Replayed(told, state_to_json(replay.state))


def shown(content: Any) -> str:
    """Return text in one line, with an ellipsis for replaced text."""
    said = content if isinstance(content, str) else json.dumps(content)
    if said.startswith("lorem "):
        return "…"
    return said.rstrip(" ").replace("\n", "↵") + "␣" * (len(said) - len(said.rstrip(" ")))


def line(message: Json) -> str:
    """Return a message as a line of the script."""
    results = {each["tool_use_id"]: each for each in message["tool_results"]}
    ended = "" if message["status"] == "complete" else f" [{message['status']}]"
    tools = ""
    for call in message["tool_calls"]:
        result = results[call["id"]]
        failed = " (failed)" if result["is_error"] else ""
        arguments = json.dumps(call["input"], separators=(",", ":"))
        tools += f" | {call['name']}{arguments} ->{failed} {shown(result['content'])}"
    return f"{message['role']}{ended}: {shown(message['content'])}{tools}"


def heard(note: Json) -> str | None:
    """Return a notable notification as one line; ``None`` for those of every turn."""
    match note:
        case {"name": "tool-notification", "status": status, "tool_name": tool}:
            return f"{status} {tool}"
        case {"name": "system-notification", "type": kind, "severity": severity, "content": said}:
            return f"{kind} {severity}: {said.splitlines()[0][:24]}"
        case {"name": "subsession-started", "sub_agent_type": agent, "sub_session_type": kind}:
            return f"delegated ({agent}, {kind}), depth {note['depth']}"
        case {"name": "media-added", "media": media}:
            return f"media of {media['role']}: {media['content_type']}"
        case {"name": "subsession-ended", "depth": depth}:
            return f"delegation ended, depth {depth}"
        case {"name": "chat-session-changed", "current_session_id": current}:
            return f"in {current}"
        case {"name": "session-messages-loaded", "messages": messages}:
            return f"loaded {len(messages)}"
        case {"name": "response-cancelled", "session_ids": sessions}:
            return f"cancelled in {len(sessions)}"
        case {"name": "tool-notification-removed" | "session-cleared" | "processing-error" as name}:
            return str(name)
    return None


def test_every_recording_has_its_script() -> None:
    assert sorted(path.stem for path in RECORDINGS.glob("*.jsonl")) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_the_recording_matches_its_script(name: str) -> None:
    expected = (SCRIPTS / f"{name}.txt").read_text(encoding="utf-8")
    assert replay(name).script() == expected


@pytest.mark.parametrize("name", NAMES)
def test_nothing_is_open_at_the_end_and_nothing_failed(name: str) -> None:
    state = replay(name).state
    counters = state["counters"]
    assert {key for key, value in counters.items() if value} == {"events"}
    assert state["active_tools"] == []
    assert state["subsessions"] == []
    # The last input of one recording was sent on a mute link.
    assert state["turn"] == {"can_send_input": name != "reconnect"}
    for session in state["sessions"].values():
        assert session["open_message"] is None
        assert session["waiting_tools"] == []


@pytest.mark.parametrize("name", NAMES)
def test_sub_sessions_are_marked(name: str) -> None:
    state = replay(name).state
    for session_id, session in state["sessions"].items():
        for message in session["messages"]:
            delegated = message["user_session_id"] not in (session_id, None)
            assert message["is_sub_session"] is delegated
            assert (message["parent_session_id"] == state["current_session_id"]) is delegated


@pytest.mark.parametrize("name", NAMES)
def test_each_message_is_announced_as_it_is_stored_or_loaded(name: str) -> None:
    replayed = replay(name)
    last: dict[str, Json] = {}
    for note in replayed.told:
        found = (
            [note["message"]] if note["name"].startswith("message-") and "message" in note else []
        )
        for message in found + note.get("messages", []):
            last[message["id"]] = message
    for session in replayed.state["sessions"].values():
        for message in session["messages"]:
            assert last[message["id"]] == message


def test_names_and_metadata_are_as_set() -> None:
    sessions = replay("tool_turn").state["sessions"]
    assert [session["name"] for session in sessions.values()] == ["Named by tool"]
    told = [note["name"] for note in replay("sessions").told]
    assert told.count("sessions-updated") == 8


def test_thoughts_are_separate_messages() -> None:
    [session] = replay("text_turn").state["sessions"].values()
    thoughts = [m for m in session["messages"] if m["role"] == "assistant (thought)"]
    assert [m["metadata"]["stop_reason"] for m in thoughts] == [None, "tool_use"]
    assert all(m["tool_calls"] == [] for m in thoughts)
