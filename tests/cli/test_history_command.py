"""``realtime-trio history`` and ``export``, and journals as the files of other commands."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest
import trio

import realtime_trio as rt
from realtime_trio.server import open_server
from realtime_trio.testing import turn
from tests.cli.command import Call, refusal


@pytest.fixture(scope="module")
def journal(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A journal with one conversation."""
    path = tmp_path_factory.mktemp("history") / "calls.db"

    async def talk() -> None:
        async with open_server() as server:
            server.script(turn("Hello", text="Hi there"))
            kept = rt.Journal(path)
            async with rt.open_client(server.url, auth="any", journal=kept, name="call") as client:
                await client.ready()
                async with client.ask("Hello"):
                    pass
                receipt = await client.set_session_metadata({"api_key": "sk-secret-value"})
                await receipt.sent()

    trio.run(talk)
    return path


def test_lists_the_entries_of_a_journal(journal: Path, call: Call) -> None:
    done = call("history", journal)
    assert done.status == 0
    assert done.lines[0].split()[0] == "1"
    assert any("text_input" in line for line in done.lines)
    assert all(len(line) <= 160 for line in done.lines)
    rows = [json.loads(line) for line in call("history", journal, "--json").lines]
    assert [row["position"] for row in rows] == list(range(1, len(rows) + 1))
    assert any(line.split()[2:] == ["receipt", "sent"] for line in done.lines)
    assert {row["status"] for row in rows} == {None, "sending", "sent"}
    later = call("history", journal, "--json", "--after", "5", "--name", "call").lines
    assert json.loads(later[0])["position"] == 6


def test_shows_the_state_at_a_moment(journal: Path, call: Call) -> None:
    (line,) = call("history", journal, "--find", "s.turn.can_send_input").lines
    found = json.loads(call("history", journal, "--find", "s.turn.can_send_input", "--json").out)
    assert found == {"position": int(line)}
    state = json.loads(call("history", journal, "--at", line, "--json").out)["state"]
    assert state["turn"] == {"can_send_input": True}
    readable = json.loads(call("history", journal, "--at", line).out)
    assert readable["turn"] == {"can_send_input": True}
    assert json.loads(call("history", journal, "--at", "2000-01-01", "--json").out)["state"]
    changes = call("history", journal, "--diff", str(int(line) - 1), line).lines
    assert "~ turn.can_send_input: False -> True" in changes
    rows = call("history", journal, "--json", "--diff", str(int(line) - 1), line).lines
    assert ["turn", "can_send_input"] in [json.loads(row)["path"] for row in rows]
    nothing = call("history", journal, "--find", "s.sessions['x']")
    assert (nothing.status, nothing.lines) == (1, ["no state matches"])


def test_fits_a_narrow_terminal(journal: Path, call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    lines = call("history", journal).lines
    assert max(len(line) for line in lines) == 60


def test_reports_what_a_damaged_journal_lacks(journal: Path, tmp_path: Path, call: Call) -> None:
    path, to = tmp_path / "calls.db", tmp_path / "call.jsonl"
    data = bytearray(journal.read_bytes())
    data[data.rindex(b"RTB") + 60] ^= 1
    path.write_bytes(bytes(data))
    missing, ended = call("history", path).lines[-2:]
    assert missing.startswith("missing: ")
    assert ended == "it ended without being closed"
    done = call("export", path, to)
    assert done.status == 0
    assert done.err.decode().strip() == missing.removesuffix(" (damaged)")
    assert to.exists()


def test_reports_a_gap_and_a_missing_close(tmp_path: Path, call: Call) -> None:
    path = tmp_path / "call.jsonl"
    path.write_text('{"t": 0, "dir": "open", "text": "", "conn": 1}\n')
    assert call("history", path).lines[-1] == "it ended without being closed"


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (["--at", "1", "--find", "s"], "give one of --at, --diff and --find"),
        (["--at", "soon"], "--at takes a position or an ISO time"),
        (["--at", "99999"], "has positions up to"),
        (["--find", "s."], "--find is not a Python expression"),
        (["--find", "state"], "the state is named s"),
        (["--name", "x"], "its sessions are: 'call'"),
    ],
)
def test_rejects_invalid_options(
    journal: Path, call: Call, options: list[str], reason: str
) -> None:
    assert reason in refusal(call, "history", journal, *options)


def test_rejects_a_missing_file(tmp_path: Path, call: Call) -> None:
    assert "cannot read" in refusal(call, "history", tmp_path / "x.db")
    assert "No such file" in refusal(call, "export", tmp_path / "x.db")


def test_exports_a_recording_without_secrets(journal: Path, call: Call, tmp_path: Path) -> None:
    done = call("export", journal)
    assert done.status == 0
    assert b"sk-secret-value" not in done.out
    assert b"Hi there" in done.out
    out = tmp_path / "call.jsonl"
    assert call("export", journal, out, "--name", "call").status == 0
    assert out.read_bytes() == done.out
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    assert b"Hi there" in call("replay", out).out
    assert "cannot write" in refusal(call, "export", journal, tmp_path / "no" / "call.jsonl")


def test_replay_reads_a_journal(journal: Path, call: Call) -> None:
    last = json.loads(call("replay", journal, "--json").lines[-1])
    contents = [
        message["content"]
        for session in last["state"]["sessions"].values()
        for message in session["messages"]
    ]
    assert contents == ["Hello", "Hi there"]


def test_rejects_an_unrelated_database(tmp_path: Path, call: Call) -> None:
    path = tmp_path / "x.db"
    path.write_bytes(b"SQLite format 3\0" + bytes(100))
    assert "cannot open the journal" in refusal(call, "replay", path)
