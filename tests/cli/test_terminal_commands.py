"""The commands of a chat at a terminal of 100 and of 60 columns, read as a screen."""

from __future__ import annotations

import base64
import re
from pathlib import Path

import pytest

from realtime_trio import testing as t
from tests.cli.chat import Served, chatting, leave, printed, say
from tests.cli.command import DATA
from tests.cli.terminal import Terminal

SCREENS = DATA / "screens"
FIRST, SECOND = "admin-monsoon-anchor", "admin-cactus-flame"


@pytest.fixture(params=[100, 60])
def columns(request: pytest.FixtureRequest) -> int:
    width: int = request.param
    return width


def enter(terminal: Terminal, typed: str, wanted: str) -> str:
    """Type a line; wait until its output contains a pattern; return the output."""
    before = printed_rows(terminal)
    terminal.send(f"{typed}\r")

    def answered() -> bool:
        rows = printed_rows(terminal)
        new = "\n".join(rows[len(before) :])
        prompt_is_back = terminal.lines[len(rows) + 1].rstrip() == "you >"
        return (
            rows[: len(before)] == before and re.search(wanted, new) is not None and prompt_is_back
        )

    terminal.until(answered)
    return "\n".join(printed_rows(terminal)[len(before) :])


def rename(terminal: Terminal, name: str) -> None:
    """Name the session: only the status line shows it."""
    terminal.send(f"/rename {name}\r")
    terminal.until(rf" {name} · \d+ in,.*\nyou >$")


def close_menu(terminal: Terminal) -> None:
    """Take the selected completion."""
    terminal.send("\r")
    terminal.until(r"you > .*$")


def printed_rows(terminal: Terminal) -> list[str]:
    """The rows above the status line."""
    return terminal.text.split("\n")[:-2]


def test_deletes_a_session_and_resumes_another(
    served: Served, tmp_path: Path, columns: int
) -> None:
    with chatting(served, tmp_path, columns=columns, rows=200) as terminal:
        say(terminal, "one")
        rename(terminal, "Rome")
        enter(terminal, "/new helper", f"session {SECOND}")
        say(terminal, "two")
        listed = enter(terminal, "/sessions", FIRST)
        assert re.search(rf"(?m)^\*{SECOND} +New chat .* helper +2026-", listed)
        assert re.search(rf"(?m)^{FIRST} +Rome +default +2026-", listed)
        resumed = enter(terminal, f"/resume {FIRST}", "Welcome back!")
        assert "user: one" in resumed
        assert f"Welcome back! Session ID: {FIRST}" in resumed  # the server sends Markdown
        enter(terminal, f"/delete {SECOND}", f"Session '{SECOND}' deleted")
        enter(terminal, f"/delete {SECOND}", f"Session '{SECOND}' not found")
        assert SECOND not in enter(terminal, "/sessions", rf"\*{FIRST}")
        enter(terminal, f"/resume {SECOND}", rf"no session '{SECOND}'; available:\s{FIRST}")
        leave(terminal)


def test_starts_a_session_after_the_current_one_is_deleted(
    served: Served, tmp_path: Path, columns: int
) -> None:
    """A message in the deleted session would store it again. The agent stays."""
    with chatting(served, tmp_path, "--agent", "helper", columns=columns, rows=200) as terminal:
        say(terminal, "one")
        rename(terminal, "Rome")
        enter(terminal, "/sessions", FIRST)  # now the name is known
        enter(terminal, "/delete", rf"(?s)current session:\s/delete {FIRST}")
        deleted = enter(terminal, "/delete Rome", f"session {SECOND}")
        assert f"session {FIRST} was deleted" in deleted
        enter(terminal, "/sessions", "no sessions yet")
        say(terminal, "two")
        assert FIRST not in enter(terminal, "/sessions", rf"\*{SECOND} .* helper ")
        leave(terminal)


def test_sends_a_command_with_an_exclamation_mark_to_the_server(
    served: Served, tmp_path: Path, columns: int
) -> None:
    with chatting(served, tmp_path, columns=columns, rows=200) as terminal:
        assert "• !la: the agents" in enter(terminal, "!help", "!rewind")
        assert "• helper: Helper" in enter(terminal, "!la", "gpt: ")
        enter(terminal, "!nonsense", "Unknown command: !nonsense")
        say(terminal, "hello")
        forked = enter(terminal, "!fork", f"Forked from {FIRST}")
        assert f"session {SECOND}" in forked
        assert "2 messages of" in forked
        leave(terminal)


def test_uploads_files_whose_names_are_completed(
    served: Served, tmp_path: Path, columns: int
) -> None:
    """Also a name with a space, which is one file."""
    (tmp_path / "report.txt").write_text("content")
    (tmp_path / "my new map.svg").write_text("<svg/>")
    with chatting(served, tmp_path, columns=columns, rows=200) as terminal:
        terminal.send("/upl")
        terminal.until(r"/upload +send files")
        terminal.send("\t")
        terminal.until(r"(?m)you > /upload$")
        terminal.send(" ~/rep")
        terminal.until(r"~/rep\n +report\.txt")
        terminal.send("\t")
        terminal.until(r"(?m)you > /upload ~/report\.txt$")
        terminal.send(" ~/my\\ ne")
        terminal.until(r"\n +my new map\.svg")
        terminal.send("\t")
        terminal.until(r"(?m)you > /upload ~/report\.txt ~/my\\ new\\ map\.svg$")
        close_menu(terminal)
        enter(terminal, "", r"~/report\.txt goes with[^$]*~/my new map\.svg goes with")
        assert " · 2 files " in terminal.lines[len(printed_rows(terminal))]
        say(terminal, "read them")
        assert " files " not in terminal.lines[len(printed_rows(terminal))]
        leave(terminal)
    assert [len(event["file_ids"]) for event in served.inputs] == [2]


def test_copies_an_answer_and_saves_media(served: Served, tmp_path: Path, columns: int) -> None:
    (tmp_path / "my maps").mkdir()
    drawn = t.show(t.media("<svg/>", "image/svg+xml", name="map.svg"))
    served.script(t.turn("draw", drawn, t.say("Here **it** is.")))
    with chatting(served, tmp_path, columns=columns, rows=200) as terminal:
        enter(terminal, "/copy", "there is no answer yet")
        enter(terminal, "/save", "no media; there are 0")
        enter(terminal, "draw", r"▣ 1 +map\.svg +image/svg\+xml, 6 bytes +\(/save 1\)")
        terminal.until(printed("Here it is\\."))
        enter(terminal, "/copy", "copied 15 characters")
        terminal.send("/save 1 ~/my\x20m")
        terminal.until(r" my maps/")
        terminal.send("\t")
        terminal.until(r"(?m)you > /save 1 ~/my maps$")
        close_menu(terminal)
        saved = enter(terminal, "", r"(?s)saved\s.*map\.svg")
        leave(terminal)
    copied = re.search(rb"\x1b\]52;c;([^\a]+)\a", terminal.received)
    assert copied is not None
    assert base64.b64decode(copied[1]) == b"Here **it** is."
    path = tmp_path / "my maps" / "map.svg"
    assert path.read_text() == "<svg/>"
    assert "".join(saved.split("\n")).removeprefix("saved").lstrip() == str(path)


def test_shows_the_state_and_the_measurements(served: Served, tmp_path: Path, columns: int) -> None:
    with chatting(served, tmp_path, columns=columns, rows=200) as terminal:
        say(terminal, "one")
        rename(terminal, "Rome")
        state = enter(terminal, "/state", r"handler\s+errors")
        rows = dict(re.findall(r"(?m)^(\S.*?)  +(.*)$", state))
        assert rows["session"] == f"{FIRST} Rome"
        assert rows["messages"] == "2"
        assert rows["turn"] == "the user's"
        assert rows["faults"].startswith("0 malformed, 0 unknown, 0 duplicates, 0")
        measured = enter(terminal, "/stats", "to be sent +0 commands")
        assert re.search(r"(?m)^lane +handled +waiting +high water$", measured)
        assert re.search(r"(?m)^text +\d+ +0 +\d+$", measured)
        assert re.search(r"(?m)^link +open, 1 opened$", measured)
        leave(terminal)


def test_lists_the_commands(served: Served, tmp_path: Path, columns: int) -> None:
    with chatting(served, tmp_path, columns=columns, rows=200) as terminal:
        listed = enter(terminal, "/help", r"(?s)Ctrl-D\s+leaves")
        enter(terminal, "/nonsense", r"no command /nonsense")
        leave(terminal)
    assert listed + "\n" == (SCREENS / f"chat-help-{columns}.txt").read_text()
