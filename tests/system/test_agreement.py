"""Three ways to follow a conversation agree: processor, client, replay of its recording."""

from __future__ import annotations

from pathlib import Path

import attrs
import pytest
import trio.testing

from realtime_trio._core._notifications import TurnStateChanged
from realtime_trio.events import Lane
from realtime_trio.server import ServerConfig

from .conversations import CONVERSATIONS
from .record import FOLDER, RECORDED, SECRET, replay_lines
from .three_ways import Account, Conversation, converse, process, replayed

CONFIG = ServerConfig(pace=0.001, toolset_count=1)


def agree(one: Account, other: Account) -> None:
    """Compare lane by lane first: it reads better when it fails."""
    for lane in Lane:
        assert one.notes[lane] == other.notes[lane], lane
    assert one.state == other.state


@pytest.mark.parametrize("conversation", CONVERSATIONS, ids=lambda each: each.__name__)
async def test_three_ways_agree(
    tmp_path: Path, conversation: Conversation, mock_clock: trio.testing.MockClock
) -> None:
    """Equal state lines, and in each lane equal notifications."""
    path = tmp_path / "call.jsonl"
    client, tap = await converse(path, conversation, CONFIG, mock_clock)
    assert client.notes[Lane.TEXT]
    agree(_apart(process(tap.frames)), _apart(client))
    lines = path.read_bytes().splitlines(keepends=True)
    agree(_apart(replayed(lines)), _apart(client))
    assert SECRET.encode() not in b"".join(lines)


def _apart(one: Account) -> Account:
    """With the changes of the turn behind all else of their lane.

    The client is told of an input before it is written, its recording when it has left, and a
    processor when its turn begins.
    """
    turn = [note for note in one.notes[Lane.CONTROL] if note["name"] == TurnStateChanged.name]
    others = [note for note in one.notes[Lane.CONTROL] if note["name"] != TurnStateChanged.name]
    return attrs.evolve(one, notes={**one.notes, Lane.CONTROL: others + turn})


@pytest.mark.parametrize("name", RECORDED)
def test_a_recording_of_the_embedded_server_replays_as_ever(name: str) -> None:
    """Byte for byte the output that was read once and frozen."""
    path = FOLDER / f"{name}.jsonl"
    frozen = path.with_suffix(".out.jsonl").read_bytes().splitlines(keepends=True)
    assert list(replay_lines(path)) == frozen


@pytest.mark.parametrize("name", RECORDED)
def test_a_recording_holds_no_secret(name: str) -> None:
    """Neither the token that it was made with nor the hash that the server gives away."""
    text = (FOLDER / f"{name}.jsonl").read_text(encoding="ascii")
    assert SECRET not in text
    assert "chat_user_data" in text
    users = [line for line in text.splitlines() if "chat_user_data" in line]
    assert all("password_hash" not in line or "<redacted>" in line for line in users)
