"""``realtime-trio chat`` at a terminal, driven through a pseudo-terminal and read as a screen."""

from __future__ import annotations

import base64
import re
import signal
from pathlib import Path

import pytest

from realtime_trio import testing as t
from tests.cli.chat import CONVERSATION, Served, chatting, leave, printed, say
from tests.cli.command import DATA
from tests.cli.terminal import open_terminal

SCREENS = DATA / "screens"


@pytest.mark.parametrize("colour", [True, False], ids=["colour", "plain"])
@pytest.mark.parametrize("columns", [100, 60])
def test_shows_a_conversation(served: Served, tmp_path: Path, columns: int, colour: bool) -> None:
    """Markdown, tools, a sub-agent and media; a table and code are complete at any width."""
    served.script(CONVERSATION)
    extra = {} if colour else {"NO_COLOR": "1"}
    expected = (SCREENS / f"chat-{columns}.txt").read_text()
    with chatting(served, tmp_path, columns=columns, rows=60, **extra) as terminal:
        terminal.send("Show me\r")
        terminal.until(lambda: f"{terminal.text}\n" == expected)
        assert bool(terminal.colours) == colour
        leave(terminal)


def test_edits_lines_and_keeps_a_history(served: Served, tmp_path: Path) -> None:
    """Arrow keys edit, several lines form one message, and the next chat remembers them."""
    with chatting(served, tmp_path) as terminal:
        terminal.send("wrld\x1b[D\x1b[D\x1b[Do\x1b[F!\r")
        terminal.until(r"You said: world!")
        terminal.send("one\x1b\rtwo\\\rthree")
        terminal.until(r"you > one\n +\.\.\. two\n +\.\.\. three")
        terminal.send("\r")
        terminal.until(r"You said: one")
        leave(terminal)
    assert served.said == ["world!", "one\ntwo\nthree"]
    assert (tmp_path / "history").stat().st_mode & 0o077 == 0
    with chatting(served, tmp_path) as terminal:
        terminal.send("\x12wor")  # Ctrl-R
        terminal.until(r"world!")
        terminal.send("\r")
        terminal.until(r"you > world!")
        terminal.send("\r")
        terminal.until(r"You said: world!")
        leave(terminal)
    assert served.said[2:] == ["world!"]


def test_a_paste_is_one_message(served: Served, tmp_path: Path) -> None:
    """It has several lines, and more bytes than a terminal's line may have."""
    pasted = "\n".join(",".join(f"{number:05d}" for number in range(500)) for _ in range(3))
    with chatting(served, tmp_path) as terminal:
        terminal.paste(pasted)
        terminal.send("\r")
        terminal.until(lambda: "connected\nyou >" in terminal.text and bool(served.said))
        terminal.until(r"00499")
        leave(terminal)
    assert served.said == [pasted]


def test_edits_with_the_keys_of_vi(served: Served, tmp_path: Path) -> None:
    with chatting(served, tmp_path, "--vi") as terminal:
        terminal.send("hello word\x1b")
        terminal.until(r"you > hello word")
        terminal.send("bcwworld\r")
        terminal.until(r"You said: hello world")
        leave(terminal)


def test_ctrl_c_clears_a_line_and_leaves_an_empty_one(served: Served, tmp_path: Path) -> None:
    with chatting(served, tmp_path) as terminal:
        terminal.send("half of a")
        terminal.until(r"you > half of a")
        terminal.send("\x03")
        terminal.until(r"you >$")
        terminal.send("\x03")
        assert terminal.status() == 0
    assert served.said == []


def test_ctrl_c_cancels_an_answer_and_keeps_what_is_typed(served: Served, tmp_path: Path) -> None:
    served.script(t.turn("go", t.say("Some words. "), t.wait(600), t.say("never")))
    with chatting(served, tmp_path) as terminal:
        terminal.send("go\r")
        terminal.until(r"Some words")
        terminal.send("next")
        terminal.until(r"you > next")
        terminal.send("\x03")
        terminal.until(r"\[cancelled\]")
        terminal.until(r"you > next")
        terminal.send("\r")
        terminal.until(r"You said: next")
        leave(terminal)
    assert served.said == ["go", "next"]


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGHUP], ids=lambda each: each.name)
def test_a_signal_leaves_tidily(served: Served, tmp_path: Path, how: signal.Signals) -> None:
    with chatting(served, tmp_path) as terminal:
        terminal.signal(how)
        assert terminal.status() == 0
        assert "Traceback" not in terminal.printed


def test_sigint_works_like_ctrl_c(served: Served, tmp_path: Path) -> None:
    """SIGINT from another process does what Ctrl-C does."""
    with chatting(served, tmp_path) as terminal:
        terminal.send("half")
        terminal.until(r"you > half")
        terminal.signal(signal.SIGINT)
        terminal.until(r"you >$")
        terminal.signal(signal.SIGINT)
        assert terminal.status() == 0


def test_reports_and_survives_a_lost_link(served: Served, tmp_path: Path) -> None:
    """Typed text survives, and so does text sent while there is no link."""
    with chatting(served, tmp_path) as terminal:
        terminal.send("half a se")
        terminal.until(r"you > half a se")
        served.go_down(refusals=8)
        terminal.until(r"disconnected \(it broke\): reconnecting[^$]*you > half a se")
        terminal.until(r"reconnecting in \d+ s")
        terminal.send("ntence\r")
        terminal.until(r"> half a sentence")
        served.clear_faults()
        terminal.until(r"connected again")
        terminal.until(r"You said: half a sentence")
        leave(terminal)
    assert served.said == ["half a sentence"]


def test_reports_a_link_that_comes_back_immediately(served: Served, tmp_path: Path) -> None:
    with chatting(served, tmp_path) as terminal:
        terminal.send("one\r")
        terminal.until(printed("You said: one"))
        served.hang_up()
        terminal.until(r"connected again[^$]*resynced\nyou >")
        terminal.send("two\r")
        terminal.until(r"You said: two[^$]*connected\nyou >")
        leave(terminal)


def test_continues_after_the_process_was_stopped(served: Served, tmp_path: Path) -> None:
    """The link broke while it was stopped: typed text and answers are still there."""
    with chatting(served, tmp_path) as terminal:
        terminal.send("one\r")
        terminal.until(printed("You said: one"))
        terminal.send("half")
        terminal.until(r"you > half")
        terminal.signal(signal.SIGSTOP)
        served.hang_up()
        terminal.signal(signal.SIGCONT)
        terminal.until(r"connected again[^$]*resynced\nyou > half")
        terminal.send(" a word\r")
        terminal.until(r"You said: half a word")
        leave(terminal)
    assert served.said == ["one", "half a word"]


def test_shows_a_message_with_a_file_once(served: Served, tmp_path: Path) -> None:
    """The server's echo names the file."""
    (tmp_path / "notes.txt").write_text("content")
    with chatting(served, tmp_path) as terminal:
        terminal.send("/upload ~/notes.txt\r")
        terminal.until(r"goes with the next message")
        terminal.send("read it\r")
        shown = terminal.until(printed("You said: read it"))
        leave(terminal)
    assert shown.replace("You said: read it", "").count("read it") == 1
    assert "[document" not in shown


def test_a_dumb_terminal_has_plain_lines(served: Served, tmp_path: Path) -> None:
    """A line that the terminal cut is not sent."""
    with open_terminal(
        "chat", served.url, "--token", "any", TERM="dumb", HOME=str(tmp_path)
    ) as terminal:
        terminal.until(r"you$")
        terminal.send("x" * 5_000 + "\n")
        terminal.until(r"not sent: the terminal cuts lines at 4095 bytes")
        terminal.send("short\n")
        terminal.until(r"You said: short")
        assert "\x1b" not in terminal.received.decode()
        terminal.send("\x04")
        assert terminal.status() == 0
    assert served.said == ["short"]


def test_folds_and_unfolds_thoughts(served: Served, tmp_path: Path) -> None:
    served.script(t.turn("why", t.think("Because it is so."), t.say("It is."), times=2))
    with chatting(served, tmp_path) as terminal:
        terminal.send("why\r")
        shown = terminal.until(printed(r"It is\."))
        assert "thought, 4 words" in shown
        assert "Because" not in shown
        terminal.send("\x14")
        terminal.until(r"Because it is so\.[^$]*thoughts are shown")
        terminal.send("why\r")
        terminal.until(r"(?s)Because it is so\..*Because it is so\.")
        leave(terminal)


def test_completes_commands_and_their_arguments(served: Served, tmp_path: Path) -> None:
    (tmp_path / "picture.png").write_bytes(b"x")
    with chatting(served, tmp_path) as terminal:
        terminal.send("/re")
        terminal.until(r"/resume +continue a session")
        terminal.send("n")
        for typed, shown, completed in (
            ("", r"/rename +name the session", r"you > /rename"),
            ("\x03/agent he", r"helper +Helper", r"you > /agent helper"),
            ("\x03/voice al", r" alloy", r"you > /voice alloy"),
        ):
            terminal.send(typed)
            terminal.until(shown)
            terminal.send("\t")
            terminal.until(completed)
        terminal.send("\x03/upload ~/pic")
        terminal.until(r" picture\.png")
        terminal.send("\t")
        terminal.until(r"you > /upload ~/picture\.png")
        leave(terminal)


def test_runs_every_command(served: Served, tmp_path: Path) -> None:
    """All commands, one after the other."""
    (tmp_path / "a b.txt").write_text("content")
    served.script(t.turn("draw", t.show(t.media("<svg/>", "image/svg+xml", name="../m.svg"))))
    steps = [
        ("/help", r"/quit +leave"),
        ("/nonsense x", r"no command /nonsense"),
        ("/agent", r"\*default[^$]* helper"),
        ("/agent nobody", r"no agent 'nobody'; available: default, helper"),
        ("/agent helper", r" Helper · "),
        ("/voice", r" alloy[^$]* ash"),
        ("/voice nothing", r"no voice 'nothing'"),
        ("/voice ash", r"voice ash"),
        ("/rename Trip to Rome", r"Trip to Rome · "),
        ("/sessions", r"no sessions yet"),
        ("/upload", r"which file"),
        ("/upload 'a b.txt", r"cannot read the names"),
        ("/upload ~/missing", r"missing: No such file"),
        ("/upload '~/a b.txt'", r"~/a b\.txt goes with the next message[^$]* 1 file "),
        ("/copy", r"there is no answer yet"),
        ("read it", printed("You said: read it")),
        ("/copy", r"copied \d+ characters"),
        ("/sessions", r"\*admin-\S+ +Trip to Rome"),
        ("//slash", r"You said: /slash"),
        ("/save", r"no media; there are 0"),
        ("draw", r"▣ 1 +\.\./m\.svg"),
        ("/save 7", r"no media 7; there are 1"),
        ("/save 1 ~", r"saved \S+/m\.svg"),
        ("/save all ~/none", r"media 1: No such file"),
        ("/state", r"agent +helper"),
        ("/stats", r"link +open, 1 opened"),
        ("/resume", r"which session"),
        ("/resume nothing", r"no session 'nothing'"),
        ("/delete", r"to delete the current session: /delete admin-"),
        ("/rename", r"which name"),
        ("/new nobody", r"(?s)no agent 'nobody'.*no agent 'nobody'"),
        ("/new", r"Demo · admin-\S+ · 0 in"),
        ("/resume Trip to Rome", r"Trip to Rome · "),
    ]
    with chatting(served, tmp_path, rows=200, columns=120) as terminal:
        for typed, wanted in steps:
            terminal.send(f"{typed}\r")
            terminal.until(wanted)
            terminal.until(r"you >$")
        terminal.send("/quit\r")
        assert terminal.status() == 0
    assert (tmp_path / "m.svg").read_text() == "<svg/>"


def test_copies_to_the_clipboard_of_the_terminal(served: Served, tmp_path: Path) -> None:
    """With OSC 52, which works through ssh."""
    with chatting(served, tmp_path) as terminal:
        say(terminal, "hi")
        terminal.send("/copy\r")
        terminal.until(r"copied 12 characters")
        leave(terminal)
    found = re.search(rb"\x1b\]52;c;([^\a]+)\a", terminal.received)
    assert found is not None
    assert base64.b64decode(found[1]) == b"You said: hi"


def test_control_characters_do_not_reach_the_terminal(served: Served, tmp_path: Path) -> None:
    served.script(t.turn("x", t.say("a\x1b[2J\x1b]0;title\x07b [link](http://real.example)")))
    with chatting(served, tmp_path) as terminal:
        terminal.send("x\r")
        text = "a␛[2J␛]0;title␇b link (http://real.example)"
        assert "Welcome" in terminal.until(printed(re.escape(text)))
        leave(terminal)


def test_reports_a_failed_answer(served: Served, tmp_path: Path) -> None:
    served.script(t.turn("x", unprepared="no such file"))
    with chatting(served, tmp_path) as terminal:
        terminal.send("x\r")
        terminal.until(r"no such file")
        terminal.send("y\r")
        terminal.until(r"You said: y")
        leave(terminal)


def test_names_an_unknown_session_or_agent(served: Served) -> None:
    for option, told in (
        ("--session", "the server has no session 'nothing'"),
        ("--agent", "the server has no agent 'nothing'; available: default, helper"),
    ):
        with open_terminal("chat", served.url, "--token", "any", option, "nothing") as terminal:
            assert terminal.status() == 2
            assert told in " ".join(terminal.printed.split())
