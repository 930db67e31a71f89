"""Three ways to follow a conversation agree: processor, client, replay of its recording."""

from __future__ import annotations

from pathlib import Path

import pytest

from realtime_trio.events import Lane
from realtime_trio.server import ServerConfig

from .conversations import CONVERSATIONS
from .three_ways import Account, Conversation, converse, process, replayed

CONFIG = ServerConfig(pace=0.001, toolset_count=1)


def agree(one: Account, other: Account) -> None:
    """Compare lane by lane first: it reads better when it fails."""
    for lane in Lane:
        assert one.told[lane] == other.told[lane], lane
    assert one.state == other.state


@pytest.mark.parametrize("conversation", CONVERSATIONS, ids=lambda each: each.__name__)
async def test_three_ways_agree(tmp_path: Path, conversation: Conversation) -> None:
    """Equal state lines, and in each lane equal notifications."""
    path = tmp_path / "call.jsonl"
    client, tap = await converse(path, conversation, CONFIG)
    assert client.told[Lane.TEXT]
    agree(process(tap.frames), client)
    lines = path.read_bytes().splitlines(keepends=True)
    agree(replayed(lines), client)
    assert b"tok-secret" not in b"".join(lines)
