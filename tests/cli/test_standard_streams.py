"""The standard streams: characters that a terminal cannot encode, closed pipes, full disks."""

from __future__ import annotations

import errno
import io
import json
import re
import signal
import subprocess
import sys
import wave
from collections.abc import Iterator
from pathlib import Path

import pytest

from realtime_trio.cli._standard_streams import as_text, is_output_failure, prepare, silence
from tests.cli.command import DATA, environment, run
from tests.cli.test_network_commands import end, program, read_until, start
from tests.source import PACKAGE

TRACE = DATA / "replay" / "subsession_with_markers.jsonl"
FULL = Path("/dev/full")

C_LOCALE = {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}
TERMINALS = {
    "ascii": {"PYTHONIOENCODING": "ascii"},
    "strict": {"PYTHONIOENCODING": "ascii:strict"},
    "latin-1": {"PYTHONIOENCODING": "latin-1"},
    "cp1252": {"PYTHONIOENCODING": "cp1252"},
    "C": C_LOCALE,
}
terminals = pytest.mark.parametrize("terminal", TERMINALS.values(), ids=TERMINALS)
two_terminals = pytest.mark.parametrize(
    "terminal", [TERMINALS["cp1252"], C_LOCALE], ids=["cp1252", "C"]
)

SAID = "h\u00e9llo \N{CJK UNIFIED IDEOGRAPH-4F60} \N{GRINNING FACE}"
OFFLINE = {
    "replay": ["replay", str(TRACE)],
    "replay --at": ["replay", str(TRACE), "--at", "9"],
    "replay --json": ["replay", "--json", str(TRACE)],
    "events": ["events"],
    "events --json-schema": ["events", "--json-schema"],
    "events --asyncapi": ["events", "--asyncapi"],
    "history": ["history", str(TRACE)],
    "history --json": ["history", "--json", str(TRACE)],
    "top": ["top", "--once", str(DATA / "recordings" / "embedded_text.jsonl")],
    "bench": ["bench", SAID],
    "help": ["--help"],
    "help of a command": ["voice", "--help"],
}
offline = pytest.mark.parametrize("command", OFFLINE.values(), ids=OFFLINE)


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """A server that runs in a terminal of plain ASCII."""
    process = start("serve", "--port", "0", "--pace", "0.001", PYTHONIOENCODING="ascii")
    found = re.search(r"listening on (\S+)\n", read_until(process.stdout, "realtime-trio chat"))
    assert found is not None
    yield found[1]
    process.send_signal(signal.SIGINT)
    assert end(process) == (0, "", "")


def shell(line: str, *arguments: str | Path) -> subprocess.CompletedProcess[bytes]:
    """Run a command with its streams redirected by a shell: ``line`` contains ``"$@"``."""
    command = [sys.executable, "-W", "error", "-m", PACKAGE, *map(str, arguments)]
    return subprocess.run(
        ["sh", "-c", line, "sh", *command],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
        env=environment(),
        timeout=120,
    )


# -- what cannot be encoded ----------------------------------------------------------------


@offline
@two_terminals
def test_every_command_replaces_characters_that_cannot_be_encoded(
    command: list[str], terminal: dict[str, str]
) -> None:
    done = run(*command, env=environment(**terminal))
    assert b"Traceback" not in done.stderr
    if command[0] == "bench":
        assert done.returncode == 2
        assert done.stderr.count(b"\n") == 1
    else:
        assert (done.returncode, done.stderr) == (0, b"")
        assert done.stdout


@terminals
def test_a_transcript_keeps_characters_that_can_be_encoded(
    tmp_path: Path, terminal: dict[str, str]
) -> None:
    trace = tmp_path / "trace"
    event = {"type": "error", "message": f"{SAID} bye"}
    trace.write_text(json.dumps(event) + "\n")
    shown = run("replay", trace, env=environment(**terminal)).stdout
    (line,) = [line for line in shown.splitlines() if b"bye" in line]
    plain = "PYTHONIOENCODING" not in terminal or terminal["PYTHONIOENCODING"].startswith("ascii")
    encoding = "ascii" if plain else terminal["PYTHONIOENCODING"]
    assert line.endswith(f"{SAID} bye".encode(encoding, "replace"))


def test_json_lines_are_the_same_in_every_terminal(tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    trace.write_text(json.dumps({"type": "error", "message": SAID}) + "\n")
    made = {
        run("replay", "--json", trace, env=environment(**each)).stdout
        for each in TERMINALS.values()
    }
    (output,) = made
    assert output.isascii()
    assert json.loads(output.splitlines()[0])["content"] == SAID


@two_terminals
def test_chats_in_an_ascii_terminal(url: str, tmp_path: Path, terminal: dict[str, str]) -> None:
    """Typed text and arguments reach the server unchanged."""
    env = environment(**terminal, REALTIME_TRIO_TOKEN="any")
    done = run("chat", url, stdin=SAID.encode() + b"\n", env=env)
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"You said: h" in done.stdout
    file = tmp_path / "call.jsonl"
    done = run("record", url, file, "--say", SAID, env=env)
    assert done.returncode == 0, done.stderr
    sent = [json.loads(line) for line in file.read_text().splitlines()]
    texts = [json.loads(each["text"]) for each in sent if each["dir"] == "out" and "text" in each]
    assert SAID in [each.get("text") for each in texts]


def test_runs_the_demo_and_voice_in_an_ascii_terminal(url: str, tmp_path: Path) -> None:
    terminal = TERMINALS["ascii"]
    heard = tmp_path / "heard.wav"
    done = run("demo", "--wav", heard, env=environment(**terminal))
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"light rain" in done.stdout
    said = tmp_path / "said.wav"
    with wave.open(str(said), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes(bytes(3200))
    env = environment(**terminal, REALTIME_TRIO_TOKEN="any")
    done = run("voice", url, "--input", said, "--output", tmp_path / "answer.wav", env=env)
    assert (done.returncode, done.stderr) == (0, b"")


def test_accepts_any_file_name(tmp_path: Path) -> None:
    missing = tmp_path / SAID
    for terminal in (TERMINALS["ascii"], C_LOCALE):
        done = run("replay", missing, env=environment(**terminal))
        assert done.returncode == 2
        assert re.fullmatch(rb"realtime-trio: cannot read [^\n]*\n", done.stderr)


def test_reads_an_argument_of_another_locale_as_utf_8() -> None:
    assert as_text(SAID) == SAID
    assert as_text("h\udcc3\udca9llo") == "h\u00e9llo"
    assert as_text("h\udce9llo") == "h\ufffdllo"


# -- no more output ------------------------------------------------------------------------


@offline
def test_a_closed_pipe_ends_a_command(command: list[str]) -> None:
    done = shell('{ "$@"; echo "status $?" >&2; } | head -c 1', *command)
    assert b"Traceback" not in done.stderr
    assert done.stderr.endswith(b"status 2\n" if command[0] == "bench" else b"status 0\n")
    assert done.stderr.count(b"\n") == (2 if command[0] == "bench" else 1)


@pytest.mark.skipif(not FULL.exists(), reason="no /dev/full: this system has none")
@offline
def test_reports_a_full_disk_in_one_line(command: list[str]) -> None:
    if command[0] == "bench":
        pytest.skip("this misuse writes nothing")
    done = shell('"$@" >/dev/full', *command)
    assert done.returncode == 1
    assert done.stderr == (b"realtime-trio: cannot write the output: No space left on device\n")


@pytest.mark.skipif(not FULL.exists(), reason="no /dev/full: this system has none")
def test_a_full_disk_ends_a_conversation(url: str, tmp_path: Path) -> None:
    for command in (
        ("record", url, tmp_path / "call.jsonl", "--say", "Hello", "--token", "any"),
        ("chat", url, "--token", "any"),
        ("serve", "--port", "0"),
    ):
        done = shell('"$@" >/dev/full', *command)
        assert done.returncode == 1
        assert done.stderr == b"realtime-trio: cannot write the output: No space left on device\n"
    replay = run("replay", "--json", tmp_path / "call.jsonl")
    assert replay.returncode == 0


@pytest.mark.parametrize(
    ("streams", "command"),
    [
        (">&-", ["replay", str(TRACE)]),
        (">&-", ["replay", "--json", str(TRACE)]),
        ("2>&-", ["events"]),
        ("<&-", ["replay", "--json", "-"]),
        ("<&- >&- 2>&-", ["replay", "-"]),
    ],
)
def test_runs_with_a_stream_closed_from_the_start(streams: str, command: list[str]) -> None:
    done = shell(f'"$@" {streams}', *command)
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.skipif(not FULL.exists(), reason="no /dev/full: this system has none")
@pytest.mark.parametrize("streams", ["2>/dev/full", "2>&-"])
def test_keeps_the_status_if_stderr_is_unwritable(streams: str) -> None:
    done = shell(f'"$@" {streams}', "replay", "/nowhere")
    assert (done.returncode, done.stdout) == (2, b"")


def test_recognises_an_output_failure() -> None:
    assert is_output_failure(OSError(errno.ENOSPC, "full"))
    assert not is_output_failure(OSError(errno.ENOSPC, "full", "a file"))
    assert not is_output_failure(OSError(errno.ECONNRESET, "reset"))
    assert not is_output_failure(ValueError())


def test_a_silenced_stream_discards(tmp_path: Path) -> None:
    path = tmp_path / "file"
    with path.open("w") as stream:
        silence(stream)
        stream.write("lost")
    assert path.read_text() == ""
    silence(io.StringIO())  # without a descriptor there is nothing to do


def test_leaves_a_stream_of_another_kind_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stdout", stream)
    prepare()
    assert sys.stdout is stream


def test_a_missing_stream_discards(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("stdin", "stdout", "stderr"):
        monkeypatch.setattr(sys, name, None)
    prepare()
    assert sys.stdin.read() == ""
    sys.stdout.write(SAID)
    sys.stderr.write(SAID)
    for stream in (sys.stdin, sys.stdout, sys.stderr):
        stream.close()


def test_covers_every_command() -> None:
    from realtime_trio.cli._app import _COMMANDS

    named = {command[0] for command in OFFLINE.values()} - {"--help"}
    assert named | {"serve", "chat", "record", "demo", "send", "node", "export"} == set(_COMMANDS)
    assert program("x")[-1] == "x"
