"""The live transcript, the latency probe and the transcript, in this process, over memory."""

from __future__ import annotations

import io

import pytest
import trio
import trio.testing
from rich.console import Console

import realtime_trio as rt
from realtime_trio import testing as t
from realtime_trio._core import _notifications as n
from realtime_trio._core._shell_notifications import Connected
from realtime_trio.cli._chat_loop import ChatLoop
from realtime_trio.cli._console import pretty
from realtime_trio.cli._latency_probe import Probe
from realtime_trio.cli._live_transcript import LiveTranscript, follow
from realtime_trio.cli._replay_view import ReplayView
from realtime_trio.cli._terminal_text import clean, one_line
from realtime_trio.cli._transcript import Transcript
from realtime_trio.events import Lane


def make_console(width: int = 60, *, terminal: bool = False) -> tuple[Console, io.StringIO]:
    said = io.StringIO()
    console = Console(
        file=said, width=width, highlight=False, force_terminal=terminal, color_system=None
    )
    return console, said


def delta(
    text: str, message: str = "m1", session: str = "s1", role: str = "assistant"
) -> n.MessageStreaming:
    return n.MessageStreaming(session_id=session, message_id=message, role=role, delta=text)


def shown(*notes: n.Notification, width: int = 60) -> list[str]:
    console, said = make_console(width)
    transcript = LiveTranscript(console)
    for note in notes:
        transcript.show(note, rt.SessionState(), 1.5)
    return said.getvalue().splitlines()


def error(text: str) -> n.SystemNotification:
    return n.SystemNotification(type="error", severity="error", content=text)


# -- pieces --------------------------------------------------------------------------------


def test_pieces_share_a_line_and_wrap_with_a_hanging_indent() -> None:
    lines = shown(*(delta(f"word{i} ") for i in range(12)))
    assert lines[0].startswith("0:01.500  assistant   word0 word1")
    assert all(line.startswith(" " * 22 + "word") for line in lines[1:] if line.strip())
    assert max(map(len, lines)) <= 60


def test_breaks_a_long_word_and_keeps_line_breaks() -> None:
    lines = shown(delta("x" * 50), delta("\nnext"), delta("\n日本語" * 8))
    assert lines[0] == "0:01.500  assistant   " + "x" * 38
    assert lines[1] == " " * 22 + "x" * 12
    assert lines[2] == " " * 22 + "next"
    assert lines[3] == " " * 22 + "日本語"


def test_an_interruption_gets_its_own_line() -> None:
    lines = shown(delta("one "), error("oh"), delta("two"), delta("three", message="m2"))
    assert [line.split()[:3] for line in lines] == [
        ["0:01.500", "assistant", "one"],
        ["0:01.500", "error", "oh"],
        ["…", "two"],
        ["0:01.500", "assistant", "three"],
    ]


def test_pieces_cannot_contain_escape_sequences() -> None:
    assert "\x1b" not in "".join(shown(delta("a\x1b[31mb\x07")))


# -- over a client -------------------------------------------------------------------------


@pytest.fixture
def turn() -> rt.server.ScriptedTurn:
    return t.turn(
        "Hello",
        t.think("Hm, let me see."),
        t.say("I will look."),
        t.use(t.tool("search", {"q": "x"}, result="3 hits")),
        t.use(t.delegate("helper", "Please help.", text="Here it is.")),
        t.show(t.media("# Title")),
        t.speak(b"\x00\x01" * 640),
        t.say("Done."),
    )


async def test_shows_a_conversation_as_it_happens(
    turn: rt.server.ScriptedTurn, autojump_clock: trio.testing.MockClock
) -> None:
    console, said = make_console(100)
    transcript = LiveTranscript(console, echo=False)
    async with rt.server.open_server() as server:
        server.script(turn)
        client_of = rt.open_client(server.url, auth="any")
        async with client_of as client, trio.open_nursery() as nursery:
            await nursery.start(follow, client, transcript)
            await client.ready()
            await transcript.turn_over(1)
            await ChatLoop(client, transcript).say("Hello")
            nursery.cancel_scope.cancel()
    labels = [line[10:].split()[0] for line in said.getvalue().splitlines() if line[:2] == "0:"]
    assert labels[:4] == ["session", "media", "thought", "assistant"]
    text = said.getvalue()
    assert "search  preparing" in text
    assert 'search q="x"  executing' in text
    assert "search → 3 hits" in text
    assert "╭ delegates" in text
    assert "Done.  (123 in" in text
    assert " user " not in text.split("delegates")[0]
    assert transcript.tally.audio_bytes == 1280
    assert transcript.tally.subsessions == 1


async def test_reports_a_failed_turn(autojump_clock: trio.testing.MockClock) -> None:
    console, said = make_console(100)
    transcript = LiveTranscript(console)
    async with rt.server.open_server() as server:
        server.script(t.turn("Hello", text="Well", fail="no more"))
        client_of = rt.open_client(server.url, auth="any")
        async with client_of as client, trio.open_nursery() as nursery:
            await nursery.start(follow, client, transcript)
            await client.ready()
            await ChatLoop(client, transcript).say("Hello")
            nursery.cancel_scope.cancel()
    assert "turn        the server did not end the interaction" in said.getvalue()


async def test_reports_a_stop_without_a_link(autojump_clock: trio.testing.MockClock) -> None:
    console, said = make_console(100)
    transcript = LiveTranscript(console)
    async with rt.server.open_server() as server:
        async with rt.open_client(server.url, auth="any") as client:
            talk = ChatLoop(client, transcript)
        await talk.stop()
    assert "cancel      " in said.getvalue()


async def test_the_probe_times_every_lane(
    turn: rt.server.ScriptedTurn, autojump_clock: trio.testing.MockClock
) -> None:
    probe = Probe(rt.MemoryConnector())
    probe.phase = "x"
    async with rt.server.open_server() as server:
        server.script(turn)
        client_of = rt.open_client(
            server.url,
            auth="any",
            transport=probe,
            config=rt.ClientConfig(coalesce=False, ping_interval=1),
        )
        async with client_of as client, trio.open_nursery() as nursery:
            await nursery.start(probe.listen, client)
            await client.ready()
            async with client.ask("Hello") as asked:
                await asked.wait()
            await client.audio.send(b"\x00\x00")
            for frame in ("no json", '{"type":"nobody_knows"}'):
                probe.record_arrival(frame)
            statistics = client.statistics()
            nursery.cancel_scope.cancel()
    for lane, told in zip(
        Lane, (statistics.control, statistics.audio, statistics.text), strict=True
    ):
        samples = probe.samples["x", lane]
        assert samples
        assert len(samples) <= told.events
        assert all(sample >= 0 for sample in samples)


# -- the transcript ------------------------------------------------------------------------


def transcript_of(*notes: n.Notification) -> str:
    console, said = make_console(80)
    transcript = Transcript(console)
    for note in notes:
        transcript.show(note, rt.SessionState(), 61.25)
    return said.getvalue()


def voice(name: str) -> rt.events.Voice:
    return rt.events.Voice(voice_id=name)


def test_shows_the_rarer_entries() -> None:
    text = transcript_of(
        n.ChatSessionChanged(previous_session_id="s1", current_session_id=None),
        n.SessionCleared(session_id="s1"),
        n.SubsessionEnded(session_id="s", parent_session_id=None, user_session_id="s", depth=0),
        n.VoiceChanged(previous=None, current=voice("alloy"), source="server"),
        n.ToolNotificationRemoved(session_id="s", id="t"),
        n.MediaAdded(
            session_id="s",
            media=n.Media(
                id="x",
                role="assistant",
                content_type="text/html",
                content=None,
                url="https://x",
                name=None,
                sent_by_class=None,
                sent_by_function=None,
                foreign_content=True,
            ),
        ),
        Connected(),
    )
    assert [line.split(maxsplit=2)[1:] for line in text.splitlines()] == [
        ["session", "none"],
        ["session", "s1 cleared"],
        ["╰", "done      none was open"],
        ["voice", "alloy"],
        ["media", "text/html https://x  [foreign]"],
    ]
    assert text.startswith("1:01.250")


def test_content_of_every_kind_is_shown() -> None:
    parts = (
        rt.TextPart(text="seen", thinking=True),
        rt.TextPart(text="read", title="paper.pdf"),
        rt.ImagePart(source_type="url", url="https://x/y.png"),
        rt.ToolUsePart(id="t", name="search", input={"q": 1}),
        rt.ToolResultPart(tool_use_id="t", content="hits"),
        rt.PlaceholderPart(block_type="odd"),
    )
    processor = rt.EventStreamProcessor()
    (note,) = processor.process_event(
        {"type": "message", "session_id": "s", "role": "tool", "content": "x", "format": "text"}
    )
    assert isinstance(note, n.MessageComplete)
    import attrs

    text = transcript_of(attrs.evolve(note, message=attrs.evolve(note.message, content=parts)))
    assert [line[22:] for line in text.splitlines()] == [
        "seen",
        "paper.pdf: read",
        "[image https://x/y.png]",
        "[search q=1]",
        "[result hits]",
        "[odd]",
    ]


# -- text ----------------------------------------------------------------------------------


def test_makes_text_safe_and_short() -> None:
    for mark in "\u061c\u200e\u200f\u202a\u2069\u206a\u206f\u2028\u2029\ufff9":
        assert clean(f"a{mark}b") == "a\ufffdb"
    assert clean("\u200d\u200c\ufe0f") == "\u200d\u200c\ufe0f"  # they join, and steer nothing
    assert clean("a\r\nb\x00\x7f\u202e\ud800c\td") == "a\nb␀␡\ufffd\ufffdc\td"
    assert one_line("a\n b", 10) == "a b"
    assert one_line("x" * 50, 10) == "x" * 9 + "…"
    assert len(one_line("y" * 10**6, 10)) == 10
    assert pretty({"a": 1, "b": ["x", None]}) == 'a=1, b=["x", null]'
    assert pretty("text") == '"text"'


def test_a_replay_on_a_terminal_shows_unfinished_text(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from realtime_trio import _replay
    from realtime_trio.cli import _replay_view

    console, said = make_console(terminal=True)
    monkeypatch.setattr(_replay_view, "make_console", lambda: console)
    view = ReplayView(live=True)
    replay = _replay.Replay()
    line = b'{"type":"text_delta","session_id":"s","role":"assistant","content":"half a sen"}'
    view.show(replay, replay.feed(line), line)
    view.refresh(replay)
    view.flush()
    assert "assistant: half a sen" in said.getvalue()
    view.finish(replay)
    view.close()
    assert "Summary" in said.getvalue()
