"""Time travel: what a log gives at any of its positions."""

from __future__ import annotations

import gzip
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import trio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import realtime_trio as rt
from realtime_trio import events as ev
from realtime_trio._history import _time_travel
from realtime_trio._history._journal_lines import journal_lines
from realtime_trio._history._line_entries import read_lines
from realtime_trio._history._state_diff import MISSING
from realtime_trio._journal._journal_store import JournalStore
from realtime_trio._journal._log_store import LogClaim, LogGap, StoredSnapshot
from realtime_trio._log._log_block import BlockGroup
from realtime_trio._log._log_entries import AudioEntry, CommandEntry, LogItem, ReceiptEntry
from realtime_trio._log._log_fold import LogFold
from realtime_trio._log._state_snapshot import StateSnapshot, digest, write_snapshot
from realtime_trio._replay import EPOCH, Replay
from realtime_trio.server import open_server
from realtime_trio.testing import tool, turn
from tests.log.stories import groups, header

NAME = "call"


def prefix(story: list[BlockGroup], position: int) -> LogFold:
    fold = LogFold()
    fold.apply_groups(story, until=position)
    return fold


def tens(frame: str) -> list[BlockGroup]:
    """A header, and thirty times the same frame."""
    groups: list[BlockGroup] = [(1.0, [header()])]
    for _ in range(3):
        items: list[LogItem] = [frame] * 10
        groups.append((2.0, items))
    return groups


async def append(
    journal: JournalStore, claim: LogClaim, first: int, story: list[BlockGroup]
) -> int:
    for group in story:
        await journal.append(claim, first, [group])
        first += len(group[1])
    return first


def snapshot_of(fold: LogFold) -> StoredSnapshot:
    data = write_snapshot(StateSnapshot(position=fold.position, at=1.0, cut=fold.cut()))
    return StoredSnapshot(position=fold.position, data=data)


@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(story=groups(), data=st.data())
def test_every_position_of_a_journal_has_its_state(
    story: list[BlockGroup], data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("history") / "calls.db"

    async def main() -> None:
        journal = JournalStore(path, durability="none")
        async with journal.opened():
            claim = await journal.claim(NAME)
            end = await append(journal, claim, 1, story) - 1
            await journal.close(claim)
        async with rt.open_history(path, name=NAME) as history:
            assert (history.first, history.last, history.gaps) == (1, end, ())
            assert history.ended_clean
            for position in data.draw(st.lists(st.integers(0, end), max_size=6)):
                assert history.at(position) == prefix(story, position).state
            entries = [entry async for entry in history.entries()]
            assert [entry.position for entry in entries] == list(range(1, end + 1))
            times = [at for at, items in story for _ in items]
            for moment in {times[0] - 1, *times}:
                expected = sum(at <= moment for at in times)
                assert history.position_at(moment) == expected

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_time_travel, "_CUT_EVERY", 5)
        trio.run(main)


async def test_questions_to_a_conversation(tmp_path: Path) -> None:
    """What the documentation shows."""
    path = tmp_path / "calls.db"
    async with open_server() as server:
        server.script(turn(text="Hi there", tools=[tool("search", result="3 hits")]))
        journal = rt.Journal(path)
        async with rt.open_client(server.url, auth="any", journal=journal, name=NAME) as client:
            await client.ready()
            async with client.ask("Hello"):
                pass
            live = client.state
            async with rt.open_history(path) as history:  # while it is being written
                assert history.name == NAME
                assert not history.ended_clean
    async with rt.open_history(path) as history:
        assert history.ended_clean
        moment = history.find(lambda state: state.turn.can_send_input)
        assert moment is not None
        assert history.at(moment).turn.can_send_input
        assert not history.at(moment - 1).turn.can_send_input
        end = history.find(
            lambda state: (
                state.current_session is not None and len(state.current_session.messages) == 2
            )
        )
        assert end is not None
        state = history.at(end)
        assert history.at(history.last).sessions == live.sessions
        assert history.find(lambda state: False, after=end) is None
        changes = history.diff(moment, end)
        paths = [change.path for change in changes]
        assert ("sessions", state.current_session_id, "messages", 0) in paths
        first = next(c for c in changes if c.path[-2:] == ("messages", 0))
        assert first.before is MISSING
        assert str(first).startswith(f"+ sessions.{state.current_session_id}.messages.0: Message(")
        assert str(MISSING) == "MISSING"
        (removed,) = [c for c in history.diff(end, moment) if c.path == first.path]
        assert str(removed).startswith("- sessions.")
        (flag,) = history.diff(moment - 1, moment)[:0] or [
            c for c in history.diff(moment - 1, moment) if c.path == ("turn", "can_send_input")
        ]
        assert str(flag) == "~ turn.can_send_input: False -> True"
        entries = [entry async for entry in history.entries(since=moment)]
        assert {entry.kind for entry in entries} >= {"event", "command", "receipt", "local"}
        assert any(isinstance(entry.event, ev.UserTurnEndEvent) for entry in entries)
        command = next(entry for entry in entries if entry.kind == "command")
        assert isinstance(command.frame, str)
        assert json.loads(command.frame)["type"] == "text_input"
        by_time = history.at(time=entries[-1].at)
        assert by_time == history.at(history.last)
        assert history.at(time=0.0) == rt.SessionState()
        for wrong in (-1, history.last + 1):
            with pytest.raises(ValueError, match="has positions up to"):
                history.at(wrong)
        with pytest.raises(TypeError, match="a position or a time"):
            history.at()


async def test_a_gap_says_so(tmp_path: Path) -> None:
    path = tmp_path / "calls.db"
    text = '{"type": "text_delta", "session_id": "s", "content": "x"}'
    story = tens(text)
    journal = JournalStore(path)
    async with journal.opened():
        claim = await journal.claim(NAME)
        await append(journal, claim, 1, story[:2])
        fold = prefix(story, 21)
        gap = LogGap(first=12, last=21, why="jumped")
        await journal.put_gap(claim, gap, snapshot_of(fold))
        await append(journal, claim, 22, story[3:])
    async with rt.open_history(path) as history:
        assert history.gaps == (gap,)
        for position in (5, 11, 21, 25, 31):
            assert digest(history.at(position)) == digest(prefix(story, position).state)
        with pytest.raises(rt.HistoryGap, match="12 to 21 jumped") as caught:
            history.at(15)
        assert (caught.value.first, caught.value.last) == (12, 21)
        count = history.find(lambda s: len(s.sessions["s"].open_message.content) == 25, after=11)  # type: ignore[union-attr]
        assert count == 26
        assert [entry.position async for entry in history.entries(since=9)][:4] == [10, 11, 22, 23]


async def test_a_trimmed_beginning_and_a_lost_snapshot(tmp_path: Path) -> None:
    path = tmp_path / "calls.db"
    text = '{"type": "text_delta", "session_id": "s", "content": "x"}'
    story = tens(text)
    journal = JournalStore(path)
    async with journal.opened():
        claim = await journal.claim(NAME)
        await append(journal, claim, 1, story)
        journal._file._db.execute("DELETE FROM blocks WHERE last <= 11")
        await journal.put_snapshot(claim, snapshot_of(prefix(story, 21)))
    async with rt.open_history(path) as history:
        assert history.first == 12
        assert history.at(25) == prefix(story, 25).state
        with pytest.raises(rt.HistoryGap, match="no state is left before position 15"):
            history.at(15)
        assert history.find(lambda _: True) == 22


async def test_a_damaged_end_is_a_gap(tmp_path: Path) -> None:
    path = tmp_path / "calls.db"
    story = tens("no JSON")
    journal = JournalStore(path)
    async with journal.opened():
        claim = await journal.claim(NAME)
        await append(journal, claim, 1, story)
        journal._file._db.execute("UPDATE blocks SET data = x'00' WHERE first = 12")
        await journal.close(claim)
    async with rt.open_history(path) as history:
        assert history.gaps == (LogGap(first=12, last=31, why="damaged"),)
        assert not history.ended_clean
        assert history.at(11).counters.malformed == 10
        with pytest.raises(rt.HistoryGap, match="12 to 31 damaged"):
            history.at(31)


# -- recordings and traces -----------------------------------------------------------------

TRACES = sorted((Path(__file__).parent.parent / "data" / "recordings").glob("embedded_*.jsonl"))


@pytest.mark.parametrize(
    "path", [each for each in TRACES if ".out." not in each.name], ids=lambda each: each.stem
)
async def test_a_recording_folds_as_replay_folds_it(path: Path) -> None:
    replay = Replay()
    for line in read_lines(path):
        replay.feed(line)
    async with rt.open_history(path) as history:
        assert history.name is None
        assert history.at(history.last) == replay.state


async def test_the_lines_of_a_trace(tmp_path: Path) -> None:
    lines: list[Any] = [
        {"__ctl": "config", "max_sessions": 3, "max_messages": "many"},
        {"type": "text_delta", "session_id": "s", "content": "x"},
        {"__ctl": "advance", "ms": 1500},
        {"__ctl": "set_user_session_id", "id": "s"},
        {"__ctl": "reset"},
        {"__ctl": "link_lost"},
        {"__ctl": "unknown"},
    ]
    text = "\n".join(map(json.dumps, lines)) + "\n\nno JSON\n"
    path = tmp_path / "trace.jsonl.gz"
    path.write_bytes(gzip.compress(text.encode()))
    async with rt.open_history(path) as history:
        state = history.at(history.last)
        assert state.text.rest.limits == rt.Limits(3, 10_000)
        assert state.text.user_session_id == "s"
        assert state.counters.malformed == 1
        kinds = [entry.kind async for entry in history.entries()]
        assert kinds == ["begin", "event", "user-session", "reset", "local", "event"]
        assert history.at(time=datetime.fromtimestamp(EPOCH + 1, UTC)) == history.at(2)


async def test_the_lines_of_a_recording(tmp_path: Path) -> None:
    lines = [
        {"t": 0, "dir": "open", "text": "", "conn": 1},
        {"t": 1, "dir": "in", "data": "AAAB", "conn": 1},
        {"t": 2, "dir": "in", "data": "no base64", "conn": 1},
        {"t": 3, "dir": "out", "text": '{"type": "ping"}', "conn": 1},
        {"t": 4, "dir": "drop", "text": "", "conn": 1},
    ]
    path = tmp_path / "call.jsonl"
    path.write_text("\n".join(map(json.dumps, lines)))
    async with rt.open_history(path) as history:
        assert not history.ended_clean
        state = history.at(history.last)
        assert (state.audio.byte_count, state.counters.malformed) == (3, 1)
        entries = [entry async for entry in history.entries()]
        assert [entry.frame for entry in entries if entry.kind == "audio"] == [b"\0\0\1"]


async def test_what_is_no_history_says_so(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("hello\n")
    with pytest.raises(ValueError, match="is not a journal, recording or trace"):
        async with rt.open_history(path):
            pass
    with pytest.raises(ValueError, match="only journals have session names"):
        async with rt.open_history(path, name="call"):
            pass
    with pytest.raises(FileNotFoundError):
        async with rt.open_history(tmp_path / "nothing"):
            pass
    journal = JournalStore(tmp_path / "calls.db")
    async with journal.opened():
        pass
    with pytest.raises(rt.JournalError, match="has no session None; its sessions are: none"):
        async with rt.open_history(journal.path):
            pass
    async with journal.opened():
        await journal.claim(NAME)
    with pytest.raises(rt.JournalError, match="no session 'x'; its sessions are: 'call'"):
        async with rt.open_history(journal.path, name="x"):
            pass
    async with rt.open_history(journal.path) as history:
        assert history.last == 0
        assert history.at(0) == rt.SessionState()


async def test_a_journal_as_lines_folds_to_the_same(tmp_path: Path) -> None:
    path = tmp_path / "calls.db"
    raw = '{"type": "text_delta", "session_id": "s", "content": "\ud83d"}'
    async with open_server() as server:
        server.script(turn(text="Hi there", tools=[tool("search", result="3 hits")]))
        journal = rt.Journal(path, audio="full")
        async with rt.open_client(server.url, auth="any", journal=journal, name=NAME) as client:
            await client.ready()
            async with client.ask("Hello"):
                pass
            client._shell.pipeline.set_user_session_id("u")
            client._shell.pipeline.reset()
            await client._shell.pipeline.feed([b"\0\1\2", raw])
    async with rt.open_history(path) as history:
        kinds = [entry async for entry in history.entries()]
        assert [e.frame for e in kinds if e.kind == "audio"] == [b"\0\1\2"]
        replay = Replay()
        for line in journal_lines(path):
            replay.feed(line)
        state = history.at(history.last)
        contents = [
            m.content for m in replay.state.sessions[client.state.current_session_id or ""].messages
        ]
        assert contents == ["Hello", "Hi there"]
        assert replay.state.audio.byte_count == state.audio.byte_count == 3
        assert replay.state.text.user_session_id == "u"
    assert AudioEntry(b"").data == b""


async def test_a_command_repeated_behind_a_snapshot_is_one_line(tmp_path: Path) -> None:
    """The commands that have not ended there are logged once more; each life counts its own."""
    first, second, third = (
        CommandEntry(1, "ping", '{"type":"ping"}'),
        CommandEntry(2, "ping", '{"type":"ping","id":"2"}'),
        CommandEntry(1, "ping", '{"type":"ping","id":"3"}'),
    )
    sending, waits = ReceiptEntry(1, "sending"), ReceiptEntry(2, "sending")
    items: list[LogItem] = [first, sending, second, first, sending, second, waits]
    items += [ReceiptEntry(1, "sent"), ReceiptEntry(2, "in-doubt")]
    journal = JournalStore(tmp_path / "calls.db", durability="none")
    async with journal.opened():
        claim = await journal.claim(NAME)
        story = [(1.0, [header(), *items, header(), third, sending])]
        await append(journal, claim, 1, story)
    lines = [json.loads(line) for line in journal_lines(journal.path)]
    sent = [line["text"] for line in lines if line.get("dir") == "out"]
    assert sent == [first.frame, second.frame, third.frame]
