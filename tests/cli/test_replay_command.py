"""``realtime-trio replay`` as a process."""

from __future__ import annotations

import gzip
import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.cli.command import DATA, Call, environment, refusal, run
from tests.source import PACKAGE

TRACES = sorted(p for p in (DATA / "replay").glob("*.jsonl") if not p.name.endswith(".out.jsonl"))

DELTA = b'{"type":"text_delta","session_id":"s1","role":"assistant","content":"Hi there"}\n'


def normal(value: Any, ids: dict[str, str]) -> Any:
    """Return a value without what the library may choose: its ids, times and wording."""
    if isinstance(value, list):
        return [normal(item, ids) for item in value]
    if not isinstance(value, dict):
        return value
    made: dict[str, Any] = {}
    for key, inner in value.items():
        if key in ("id", "message_id") and re.fullmatch(r"(m|media)\d+", str(inner)):
            made[key] = ids.setdefault(inner, f"id {len(ids)}")
        elif key in ("timestamp", "counters"):
            made[key] = None
        else:
            made[key] = normal(inner, ids)
    if value.get("name") == "processing-error":
        made["error"] = None
    return made


def comparable(output: bytes) -> list[Any]:
    """Return the output lines without ``turn-cancelled``, which the examples omit."""
    parsed = [json.loads(line) for line in output.splitlines()]
    ids: dict[str, str] = {}
    return [normal(line, ids) for line in parsed if line.get("name") != "turn-cancelled"]


@pytest.mark.parametrize("trace", TRACES, ids=lambda path: path.stem)
def test_example_traces_give_the_expected_output(trace: Path, call: Call) -> None:
    done = call("replay", "--json", trace)
    assert (done.status, done.err) == (0, b"")
    assert comparable(done.out) == comparable(trace.with_suffix(".out.jsonl").read_bytes())


def test_finds_the_example_traces() -> None:
    assert len(TRACES) == 5


def test_every_way_to_pass_a_file_gives_the_same_bytes(tmp_path: Path, call: Call) -> None:
    plain = TRACES[1]
    packed = tmp_path / "trace.jsonl"  # told by its content, not by its name
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    outputs = {
        call("replay", "--json", plain).out,
        call("replay", packed, "--json").out,
        run("replay", "-", "--json", stdin=plain.read_bytes()).stdout,
        run("replay", "--json", "-", stdin=packed.read_bytes()).stdout,
    }
    assert len(outputs) == 1


def test_an_empty_file_has_an_empty_state(tmp_path: Path, call: Call) -> None:
    empty = tmp_path / "empty"
    empty.touch()
    done = call("replay", "--json", empty)
    assert done.status == 0
    (line,) = done.lines
    assert json.loads(line)["state"]["sessions"] == {}


def test_replays_a_damaged_archive_up_to_the_damage(tmp_path: Path, call: Call) -> None:
    damaged = tmp_path / "damaged.gz"
    noise = b"".join(b'{"type":"nope","n":%d}\n' % n for n in range(50_000))
    damaged.write_bytes(gzip.compress(DELTA + noise)[:-20_000])
    done = call("replay", "--json", damaged)
    assert done.status == 1
    assert done.err.count(b"\n") == 1
    assert json.loads(done.lines[0])["delta"] == "Hi there"
    assert json.loads(done.lines[-1])["state"]["counters"]["unknown"] > 0


def test_at_stops_after_the_line(call: Call) -> None:
    whole = call("replay", "--json", TRACES[0]).lines
    done = call("replay", "--json", "--at", "9", TRACES[0])
    assert done.status == 0
    assert done.lines[:-1] == [line for line in whole[:-1] if json.loads(line)["event"] <= 9]
    sessions = json.loads(done.lines[-1])["state"]["sessions"]
    assert sessions["admin-amber-basin-01"]["open_message"]["content"] == "Once upon a time"
    assert call("replay", "--json", "--at", "100000", TRACES[0]).lines == whole


@pytest.mark.parametrize("form", [["--json"], [], ["--at", "1"], ["--at", "1", "--json"]])
def test_speed_does_not_change_the_output(tmp_path: Path, call: Call, form: list[str]) -> None:
    trace = tmp_path / "trace"
    trace.write_bytes(DELTA + b'{"__ctl":"advance","ms":60000}\n' + DELTA)
    done = call("replay", trace, "--speed", "1000", *form)
    assert done.status == 0
    assert done.out == call("replay", trace, *form).out


def test_a_closed_pipe_is_not_an_error(tmp_path: Path) -> None:
    long = tmp_path / "long.jsonl"
    long.write_bytes((b'{"type":"error","message":"%b"}\n' % (b"x" * 500)) * 1000)
    for form in (["--json"], []):
        process = subprocess.Popen(
            [sys.executable, "-W", "error", "-m", PACKAGE, "replay", str(long), *form],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment(),
        )
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.read(1)
        process.stdout.close()
        assert process.stderr.read() == b""
        process.stderr.close()
        assert process.wait() == 0


def test_reports_usage_errors_in_one_line(tmp_path: Path, call: Call) -> None:
    file = TRACES[0]
    for arguments, said in (
        (["replay", tmp_path / "none"], "none: No such file or directory"),
        (["replay", tmp_path], "Is a directory"),
        (["replay"], "FILE"),
        (["replay", file, "--at", "-1"], "--at"),
        (["replay", file, "--at", "x"], "--at"),
        (["replay", file, "--speed", "0"], "--speed"),
        (["replay", file, "--speed", "nan"], "--speed"),
        (["replay", "--nope"], "--nope"),
        (["rply", file], "rply"),
    ):
        assert said in refusal(call, *arguments)


def test_a_usage_error_of_a_process_is_one_line() -> None:
    done = run("replay", "/nowhere")
    assert done.returncode == 2
    assert done.stderr == b"realtime-trio: cannot read /nowhere: No such file or directory\n"
    assert done.stdout == b""


# -- the transcript ------------------------------------------------------------------------

ODD = b"".join(
    [
        b'{"type":"chat_session_changed","chat_session":{"session_id":"s1","session_name":"Odd"}}\n',
        b"not json\n",
        b'{"type":"nope"}\n',
        b'{"type":"interaction","session_id":"s1","role":"assistant","started":true,"id":"i1"}\n',
        b'{"type":"interaction","session_id":"s1","role":"assistant","started":true,"id":"i1"}\n',
        b'{"type":"thought_delta","session_id":"s1","role":"assistant (thought)",'
        b'"content":"Hm."}\n',
        b'{"type":"text_delta","session_id":"s1","role":"assistant",'
        b'"content":"[bold]plain[/bold] \\u001b]0;x\\u0007"}\n',
        b'{"__ctl":"advance","ms":1500}\n',
        b'{"type":"cancelled"}\n',
        b'{"type":"text_delta","session_id":"s1","role":"assistant","content":"late"}\n',
        b'{"type":"error","message":"Too bad","source":"runtime"}\n',
        b'{"type":"user_turn_start"}\n',
    ]
)


@pytest.fixture
def transcript(call: Call, tmp_path: Path) -> Callable[..., list[str]]:
    """Return the transcript of a trace, as lines."""

    def made(trace: bytes, *options: str) -> list[str]:
        file = tmp_path / "trace"
        file.write_bytes(trace)
        done = call("replay", file, *options)
        assert (done.status, done.err) == (0, b"")
        return done.lines

    return made


Transcript = Callable[..., list[str]]


def test_a_transcript_is_readable_without_a_terminal(transcript: Transcript) -> None:
    lines = transcript(ODD)
    told = [line.split(maxsplit=2) for line in lines if line[:2] == "0:"]
    assert [(time, label) for time, label, *_ in told] == [
        ("0:00.000", "session"),
        ("0:00.000", "malformed"),
        ("0:00.000", "unknown"),
        ("0:00.000", "duplicate"),
        ("0:00.000", "thought"),
        ("0:01.500", "control"),
        ("0:01.500", "cancelled"),
        ("0:01.500", "assistant"),
        ("0:01.500", "late"),
        ("0:01.500", "error"),
    ]
    assert not any(line != line.rstrip() for line in lines if line[:2] == "0:")


def test_a_transcript_escapes_markup_and_control_characters(transcript: Transcript) -> None:
    text = "\n".join(transcript(ODD))
    assert "[bold]plain[/bold] ␛]0;x␇" in text
    assert "\x1b" not in text
    assert "\x07" not in text


def test_a_transcript_ends_in_a_summary(transcript: Transcript) -> None:
    lines = transcript(ODD)
    summary = {
        cells[1].strip(): cells[2].strip()
        for cells in (line.split("│") for line in lines)
        if len(cells) == 4
    }
    assert summary["lines"] == "12"
    assert summary["malformed"] == "1"
    assert summary["late deltas"] == "1"
    assert summary["unknown"] == "1"
    assert summary["duplicates"] == "1"
    assert summary["messages"] == "2"
    assert summary["tolerated"] == "0"


def test_a_transcript_counts_tolerated_events(transcript: Transcript) -> None:
    lines = transcript(DELTA.replace(b"}", b',"format":5}'))
    assert ["0:00.000", "tolerated", "text_delta"] in [line.split() for line in lines]


def test_a_transcript_shows_deeply_nested_values(transcript: Transcript) -> None:
    """Nested too deeply for a person to read; it shows no secret either."""
    deep = "[" * 700 + "]" * 700
    lines = transcript(
        b'{"t":0,"dir":"open","conn":"A"}\n'
        + f'{{"t":0,"dir":"out","conn":"A","x":{deep}}}\n'.encode()
        + f'{{"t":0,"dir":"gap","conn":"A","token":{deep}}}\n'.encode()
        + f'{{"__ctl":"note","x":{deep}}}\n'.encode()
    )
    sent, gap = (line.split()[1:] for line in lines[1:3])
    # How deep an interpreter can search for secrets depends on its version.
    assert sent in (["→", "sent", "A", "…"], ["→", "sent", "A", f"x={'[' * 57}…"])
    assert gap in (["gap", "A", "…"], ["gap", "A", "token=<redacted>"])
    assert lines[3].split()[1:] == ["control", "note"]


def test_a_transcript_shows_a_lost_link(transcript: Transcript) -> None:
    events = [
        {"t": 0, "conn": "A", "dir": "open"},
        {"t": 1, "conn": "A", "dir": "in", "text": DELTA.decode()},
        {"t": 2, "conn": "A", "dir": "drop", "code": 1006},
        {"t": 3, "conn": "B", "dir": "open"},
        {"t": 4, "conn": "B", "dir": "in", "text": '{"type":"user_turn_start"}'},
    ]
    lines = transcript(b"".join(json.dumps(event).encode() + b"\n" for event in events))
    assert any("Hi there" in line and "[interrupted]" in line for line in lines)


def test_a_transcript_shows_tools_delegations_and_media(transcript: Transcript) -> None:
    lines = transcript((DATA / "replay" / "subsession_with_markers.jsonl").read_bytes())
    text = "\n".join(lines)
    assert "╭ delegates" in text
    child = next(line for line in lines if "Sub text." in line)
    grandchild = next(line for line in lines if "Grandchild." in line)
    assert child.startswith("    0:")
    assert grandchild.startswith("        0:")
    assert any("tool" in line and "aa_chat" in line for line in lines)
    assert any("result" in line and "aa_chat → " in line for line in lines)
    assert lines.index(next(line for line in lines if "Go." in line)) < lines.index(
        next(line for line in lines if " tool " in line)
    )


def test_a_transcript_shows_text_before_the_tools_that_follow_it(transcript: Transcript) -> None:
    """Even if the server never ends the text."""
    of = {"session_id": "s", "role": "assistant"}
    call = {"id": "t1", "name": "roll", "arguments": "{}"}
    result = {"tool_use_id": "t1", "content": "six"}
    run = {**of, "type": "tool_call", "tool_calls": [call]}
    media = {"content_type": "text/html", "content": "<b>6</b>", "foreign_content": False}
    events = (
        {**of, "type": "text_delta", "content": "Rolling "},
        {**of, "type": "text_delta", "content": "a die.\n"},
        {**run, "active": True},
        {**of, "type": "render_media", **media},
        {**run, "active": False, "tool_results": [result]},
        {**of, "type": "text_delta", "content": "It is a six."},
        {"type": "cancelled"},
        {**of, "type": "interaction", "id": "i", "started": True},
        {**of, "type": "text_delta", "content": "Again."},
        {**of, "type": "render_media", **media},
        {**of, "type": "interaction", "id": "i", "started": False},
    )
    lines = transcript(b"".join(json.dumps(event).encode() + b"\n" for event in events))
    shown = [" ".join(line[9:].split()) for line in lines]
    assert shown[:9] == [
        "assistant Rolling a die.",
        "tool roll",
        "media text/html <b>6</b>",
        "result roll → six",
        "cancelled the server cancelled this turn",
        "… It is a six. [cancelled]",
        "assistant Again.",
        "media text/html <b>6</b>",
        "",
    ]


def test_a_recording_shows_sent_events_without_secrets(transcript: Transcript) -> None:
    recording = b"".join(
        json.dumps(line).encode() + b"\n"
        for line in (
            {"t": 0, "conn": "A", "dir": "open", "url": "ws://h/api/rt/ws?token=geheim&x=1"},
            {"t": 0.5, "conn": "A", "dir": "out", "text": '{"type":"text_input","text":"Hello"}'},
            {
                "t": 1,
                "conn": "A",
                "dir": "out",
                "text": '{"type":"set_avatar_session","access_token":"geheim"}',
            },
            {"t": 1, "conn": "A", "dir": "out", "text": "no json"},
            {"t": 1, "conn": "A", "dir": "out", "text": "[1]"},
            {"t": 1, "conn": "A", "dir": "out", "data": "AAAA"},
            {"t": 2, "conn": "A", "dir": "close", "code": 1000},
        )
    )
    text = "\n".join(transcript(recording))
    assert "→ sent" in text
    assert 'text_input text="Hello"' in text
    assert "geheim" not in text
    assert "code=1000" in text


def test_at_shows_the_state_as_a_tree(transcript: Transcript) -> None:
    lines = transcript(ODD, "--at", "6")
    assert lines[0] == "state after line 6"
    text = "\n".join(lines)
    assert "s1 “Odd”  current" in text
    assert "[streaming]" in text
    assert "malformed 1" in text


def test_a_narrow_terminal_wraps(transcript: Transcript, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "50")
    lines = transcript(DELTA.replace(b"Hi there", b"word " * 40) + b'{"type":"user_turn_start"}\n')
    assert max(map(len, lines)) <= 50


def test_uses_colours_only_on_terminals(
    transcript: Transcript, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not any("\x1b[" in line for line in transcript(ODD))
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert any("\x1b[" in line for line in transcript(ODD))


def test_shows_a_loaded_history_once(transcript: Transcript) -> None:
    load = json.dumps(
        {
            "type": "chat_session_changed",
            "chat_session": {
                "session_id": "s1",
                "vendor": "anthropic",
                "messages": [
                    {"role": "user", "content": "old question"},
                    {"role": "assistant", "content": [{"type": "text", "text": "old answer"}]},
                ],
            },
        }
    )
    lines = transcript(f"{load}\n{load}\n".encode())
    assert sum("old answer" in line for line in lines) == 1
    assert any("again, 2 messages of s1" in line for line in lines)


def test_shows_open_messages_and_tools_in_a_state(transcript: Transcript) -> None:
    trace = (DATA / "replay" / "subsession_with_markers.jsonl").read_bytes()
    text = "\n".join(transcript(trace, "--at", "23"))
    assert "open delegations: 2" in text
    assert "aa_chat executing" in text
    assert "[streaming]" in text
