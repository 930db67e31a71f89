"""``recorded`` replays the turns of a recording."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest
import trio

from realtime_trio._client._client import open_client
from realtime_trio._core._notifications import MessageComplete
from realtime_trio._turns._outcome import TurnCancelled, TurnCompleted, TurnFailed
from realtime_trio.server import RealtimeServer
from realtime_trio.testing import recorded
from tests.system.record import FOLDER

SESSION = {"session_id": "old", "user_session_id": "old", "role": "assistant"}


def line(t: float, way: str, **event: object) -> str:
    return json.dumps({"t": t, "conn": "A", "dir": way, "text": json.dumps(event)})


RECORDING = [
    json.dumps({"t": 0, "conn": "A", "dir": "open", "url": "ws://x"}),
    line(0.1, "in", type="chat_session_changed", chat_session={"session_id": "old"}),
    line(0.2, "in", type="user_turn_start"),
    line(1.0, "out", type="text_input", text="Hello"),
    line(1.5, "in", type="user_turn_end"),
    line(1.5, "in", type="chat_session_added", chat_session={"session_id": "old"}),
    line(
        1.5,
        "in",
        type="anthropic_user_message",
        vendor="anthropic",
        message={"role": "user", "content": "Hello"},
        **SESSION,
    ),
    line(1.5, "in", type="interaction", started=True, id="i1", **SESSION),
    line(2.0, "in", type="text_delta", content="Hi ", **SESSION),
    line(2.1, "in", type="pong"),
    line(4.0, "in", type="text_delta", content="there", **SESSION),
    json.dumps({"t": 4.0, "conn": "A", "dir": "in", "data": "AQI="}),
    json.dumps({"t": 4.0, "conn": "A", "dir": "in", "data": "not base64"}),
    json.dumps({"t": 4.0, "conn": "A", "dir": "in", "text": "{"}),
    line(
        4.0,
        "in",
        type="history_delta",
        messages=[{"role": "assistant", "content": "Hi there"}],
        **SESSION,
    ),
    line(4.0, "in", type="interaction", started=False, id="i1", **SESSION),
    line(4.0, "in", type="user_turn_start"),
    line(5.0, "in", type="voice_list", voices=[]),
    "no json at all",
    line(6.0, "in", type="user_turn_end"),
    line(6.0, "in", type="user_turn_start"),
    line(7.0, "out", type="text_input", text="killed"),
    line(7.1, "in", type="user_turn_end"),
    line(7.1, "in", type="text_delta", content="a bit", **SESSION),
    line(8.0, "out", type="text_input", text="nothing came"),
]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A recording of three turns, one of them killed."""
    path = tmp_path / "call.jsonl"
    path.write_text("\n".join(RECORDING))
    return path


def test_a_recording_is_split_into_its_turns(path: Path) -> None:
    """A turn has the text of its input; speech has none. An input without events is no turn."""
    assert [turn.user for turn in recorded(path)] == ["Hello", None, "killed"]


async def test_a_recorded_turn_is_replayed(
    realtime_server: RealtimeServer, path: Path, autojump_clock: object
) -> None:
    """With its own timing, and with the ids of the current session."""
    realtime_server.script(*recorded(path))
    async with open_client(realtime_server.url, auth="any") as client:
        await client.ready()
        start = trio.current_time()
        async with client.ask("Hello") as turn:
            assert "".join([piece async for piece in turn.text]) == "Hi there"
        assert trio.current_time() - start == pytest.approx(3.0)
        assert isinstance(turn.outcome, TurnCompleted)
        session_id = client.state.current_session_id
        assert list(client.state.sessions) == [session_id]
        assert client.state.counters.malformed == 1
        assert session_id is not None
        said = [each["content"] for each in realtime_server.transcript(session_id)]
        assert said == ["Hello", "Hi there"]


async def test_a_turn_can_be_replayed_faster(
    realtime_server: RealtimeServer, path: Path, autojump_clock: object
) -> None:
    """Twice the speed takes half the time."""
    realtime_server.script(*recorded(path, speed=2))
    async with open_client(realtime_server.url, auth="any") as client:
        await client.ready()
        start = trio.current_time()
        async with client.ask("Hello"):
            pass
        assert trio.current_time() - start == pytest.approx(1.5)


async def test_a_recorded_turn_can_be_cancelled(
    realtime_server: RealtimeServer, path: Path, autojump_clock: object
) -> None:
    """The server stops it and confirms, as with any other turn."""
    realtime_server.script(*recorded(path))
    async with open_client(realtime_server.url, auth="any") as client:
        await client.ready()
        async with client.ask("Hello") as turn:
            assert await turn.text.receive() == "Hi "
            await client.cancel()
        assert isinstance(turn.outcome, TurnCancelled)


async def test_a_killed_turn_never_ends_by_itself(
    realtime_server: RealtimeServer, path: Path, autojump_clock: object
) -> None:
    """It runs until a command kills it again."""
    realtime_server.script(*recorded(path))
    async with open_client(realtime_server.url, auth="any") as client:
        await client.ready()
        async with client.ask("killed") as turn:
            assert await turn.text.receive() == "a bit"
            with trio.move_on_after(100) as scope:
                await turn.wait()
            assert scope.cancelled_caught
            await client.get_voices(force=True)
        assert isinstance(turn.outcome, TurnFailed)


async def test_recordings_of_the_embedded_server_give_the_same_messages(
    realtime_server: RealtimeServer, autojump_clock: object
) -> None:
    """The messages are the same, in the same order, including delegations."""
    path = FOLDER / "embedded_delegation.jsonl"
    recorded_notes = [
        json.loads(each) for each in path.with_suffix(".out.jsonl").read_text().splitlines()
    ]
    then = [
        (n["message"]["role"], n["message"]["content"]) for n in recorded_notes if _is_complete(n)
    ]
    realtime_server.script(*recorded(path))
    async with open_client(realtime_server.url, auth="any") as client:
        notes = client.subscribe(MessageComplete)
        await client.ready()
        for question in ("single", "nested", "parallel"):
            async with client.ask(question):
                pass
    assert [(note.message.role, note.message.content) async for note in notes] == then


def _is_complete(note: dict[str, object]) -> bool:
    return note.get("name") == "message-complete"


def test_a_compressed_recording_is_read(path: Path, tmp_path: Path) -> None:
    """Detected by its content, whatever its name."""
    packed = tmp_path / "packed"
    packed.write_bytes(gzip.compress(path.read_bytes()))
    assert recorded(packed) == recorded(path)


def test_a_file_without_frames_is_refused(tmp_path: Path, path: Path) -> None:
    """With a clear message, rather than as an empty script."""
    (tmp_path / "trace").write_text('{"type": "user_turn_start"}\n')
    with pytest.raises(ValueError, match="no frames"):
        recorded(tmp_path / "trace")
    with pytest.raises(ValueError, match="speed"):
        recorded(path, speed=0)
    with pytest.raises(OSError, match="missing"):
        recorded(tmp_path / "missing")
