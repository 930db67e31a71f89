"""``serve``, ``chat``, ``record`` and ``demo`` as processes."""

from __future__ import annotations

import getpass
import gzip
import json
import os
import pty
import re
import signal
import socket
import subprocess
import sys
import tempfile
import wave
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

import pytest
import trio
from anyio.from_thread import start_blocking_portal

from realtime_trio._connection._recording import Recorder
from realtime_trio.server import Account, ServerConfig, open_server
from tests.cli.command import Call, environment, refusal, run
from tests.source import PACKAGE

TOKEN = "REALTIME_TRIO_TOKEN"
PASSWORD = "REALTIME_TRIO_PASSWORD"
SECRET = "geheim-passwort-1"


def program(*arguments: str | Path) -> list[str]:
    return [sys.executable, "-u", "-W", "error", "-m", PACKAGE, *map(str, arguments)]


def start(*arguments: str | Path, **extra: str) -> subprocess.Popen[bytes]:
    return spawn(program(*arguments), **extra)


def spawn(command: list[str], **extra: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(**extra),
    )


def read_until(stream: IO[bytes] | None, wanted: str) -> str:
    """Return the output of a process up to the first line that contains ``wanted``."""
    assert stream is not None
    said = ""
    for line in stream:
        said += line.decode()
        if wanted in said:
            return said
    raise AssertionError(said)


def end(process: subprocess.Popen[bytes]) -> tuple[int, str, str]:
    try:
        out, err = process.communicate(timeout=60)
    except subprocess.TimeoutExpired:
        process.kill()  # or its pipes would fail some other test
        out, err = process.communicate()
    return process.returncode, out.decode(), err.decode()


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """The address of a server that runs as a process, slow enough to be interrupted."""
    process = start("serve", "--port", "0", "--pace", "0.01")
    found = re.search(r"listening on (\S+)\n", read_until(process.stdout, "realtime-trio chat"))
    assert found is not None
    yield found[1]
    process.send_signal(signal.SIGINT)
    assert end(process) == (0, "", "")


TOLD = pytest.mark.parametrize(
    "how", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=lambda each: each.name
)


@TOLD
def test_serve_ends_on_a_signal(how: signal.Signals) -> None:
    """Without an error, even in the background of a script, where SIGINT is ignored."""
    command = ["sh", "-c", 'trap "" INT; exec "$@"', "sh", *program("serve", "--port", "0")]
    process = spawn(command)
    read_until(process.stdout, "realtime-trio chat")
    process.send_signal(how)
    assert end(process) == (0, "", "")


def test_chat_answers_each_line(url: str) -> None:
    done = run(
        "chat", url, "--token", "any", stdin=b"Hello there\n\n  \nAnd now without a line break"
    )
    said = done.stdout.decode()
    assert done.returncode == 0, done.stderr
    assert done.stderr == b""
    told = [line.split(maxsplit=1)[1] for line in said.splitlines() if line.startswith("0:")]
    assert [" ".join(line.split()) for line in told[2:]] == [
        "user Hello there",
        "assistant You said: Hello there (123 in, 4 out)",
        "user And now without a line break",
        "assistant You said: And now without a line break (123 in, 7 out)",
    ]


@pytest.mark.parametrize(("password", "status"), [("secret", 0), ("wrong", 1)])
def test_serve_accepts_the_documented_user(url: str, password: str, status: int) -> None:
    done = run("chat", url, "--user", "me", stdin=b"Hello", env=environment(**{PASSWORD: password}))
    assert done.returncode == status
    assert (b"You said: Hello" in done.stdout) == (status == 0)


def test_the_first_interrupt_cancels_and_the_second_leaves(url: str) -> None:
    process = start("chat", url, **{TOKEN: "any"})
    read_until(process.stdout, "─")
    assert process.stdin is not None
    process.stdin.write(b"word " * 400 + b"\n")
    process.stdin.flush()
    read_until(process.stdout, "You said:")
    process.send_signal(signal.SIGINT)
    read_until(process.stdout, "─")
    process.send_signal(signal.SIGINT)
    status, _, err = end(process)
    assert (status, err) == (0, "")


@pytest.fixture(scope="module")
def strict() -> Iterator[str]:
    """The address of a server that accepts only users who have logged in."""
    with start_blocking_portal("trio") as portal:
        config = ServerConfig(
            accept_any_token=False, users=(Account(user_id="me", password=SECRET),)
        )
        server_of = portal.wrap_async_context_manager(open_server(config))
        with server_of as server:
            yield portal.call(server.listen)


def test_logs_in_with_a_password(strict: str, tmp_path: Path) -> None:
    """The password comes from the environment, and is not passed on."""
    file = tmp_path / "call.jsonl"
    for command in (["chat", strict], ["record", strict, file, "--say", "Hello"]):
        env = environment(**{PASSWORD: SECRET, TOKEN: "ignored, since a user is named"})
        done = run(*command, "--user", "me", stdin=b"Hello", env=env)
        assert (done.returncode, SECRET.encode() in done.stdout + done.stderr) == (0, False)
        assert b"You said: Hello" in done.stdout
    assert SECRET not in file.read_text()


def test_prompts_for_a_password_at_a_terminal(strict: str) -> None:
    """It is not shown; the conversation continues in the same terminal."""
    master, slave = pty.openpty()
    process = subprocess.Popen(
        program("chat", strict, "--user", "me"),
        stdin=slave,
        stdout=subprocess.PIPE,
        stderr=slave,
        env=environment(),
        # Or it would ask at the terminal that these tests run in.
        start_new_session=True,
    )
    os.close(slave)
    shown = b""
    while b"password of me:" not in shown:
        shown += os.read(master, 1024)
    os.write(master, f"{SECRET}\n".encode())
    read_until(process.stdout, "─")
    os.write(master, b"Hello\n")
    said = read_until(process.stdout, "You said: Hello")
    os.write(master, b"\x04")
    with suppress(OSError):  # its end, for a terminal
        while more := os.read(master, 1024):
            shown += more
    os.close(master)
    assert process.wait(60) == 0
    assert process.stdout is not None
    process.stdout.close()
    assert SECRET not in shown.decode() + said


def test_reports_a_wrong_password_in_one_line(strict: str, call: Call) -> None:
    """Even if the process could not prompt for one."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(PASSWORD, "guessed")
        done = call("chat", strict, "--user", "me")
    assert (done.status, done.out) == (1, b"")
    assert re.fullmatch(rb"realtime-trio: [^\n]*refused login[^\n]*\n", done.err)
    assert b"guessed" not in done.err


@pytest.mark.parametrize("typed", ["", EOFError()], ids=["empty", "end of input"])
def test_a_missing_password_is_a_usage_error(
    call: Call, monkeypatch: pytest.MonkeyPatch, typed: str | Exception
) -> None:
    monkeypatch.delenv(PASSWORD, raising=False)
    command = ("chat", "http://localhost", "--user", "me")
    assert PASSWORD in refusal(call, *command)

    def ask(prompt: str) -> str:
        if isinstance(typed, Exception):
            raise typed
        return typed

    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr(getpass, "getpass", ask)
    assert PASSWORD in refusal(call, *command)


def test_replay_reads_a_recording(url: str, tmp_path: Path, call: Call) -> None:
    file = tmp_path / "call.jsonl.gz"
    done = run("record", url, file, "--say", "Hello", "--say", "again", "--token", "geheim-token-1")
    assert done.returncode == 0, done.stderr
    assert re.fullmatch(r"\S+call\.jsonl\.gz: \d+ lines\n", done.stderr.decode())
    assert "You said: again" in done.stdout.decode()
    state = json.loads(call("replay", "--json", file).lines[-1])["state"]
    (session,) = state["sessions"].values()
    assert [message["content"] for message in session["messages"]] == [
        "Hello",
        "You said: Hello",
        "again",
        "You said: again",
    ]
    assert state["counters"]["malformed"] == 0
    shown = call("replay", file).out.decode()
    assert "text_input" in shown
    assert "geheim" not in shown
    assert "REDACTED-must-never" not in shown


def test_reports_a_recording_that_ends_early(
    url: str, tmp_path: Path, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> bytes:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Recorder, "_line", full)
    done = call("record", url, tmp_path / "call.jsonl", "--say", "Hello", "--token", "any")
    assert done.status == 1
    assert b"You said: Hello" in done.out
    assert b"the recording ends early (OSError: No space left on device)" in done.err


def test_a_closed_pipe_ends_a_recording(url: str, tmp_path: Path) -> None:
    process = start("record", url, tmp_path / "call.jsonl", "--token", "any", "--say", "Hello")
    assert process.stdout is not None
    process.stdout.close()
    assert process.wait(60) == 0
    for pipe in (process.stdin, process.stderr):
        assert pipe is not None
        pipe.close()


@TOLD
def test_record_runs_until_a_signal(url: str, tmp_path: Path, how: signal.Signals) -> None:
    file = tmp_path / "call.jsonl.gz"
    process = start("record", url, file, "--token", "any")
    read_until(process.stdout, "─")
    process.send_signal(how)
    status, _, err = end(process)
    assert status == 0
    assert "lines" in err
    lines = [json.loads(line) for line in gzip.decompress(file.read_bytes()).splitlines()]
    assert lines[0]["dir"] == "open"
    assert lines[-1]["dir"] == "close"


def test_respects_nohup(url: str, tmp_path: Path) -> None:
    """A command that was started with ``nohup`` outlives its terminal."""
    file = tmp_path / "call.jsonl"
    command = program("record", url, file, "--token", "any")
    process = spawn(["sh", "-c", 'trap "" HUP; exec "$@"', "sh", *command])
    read_until(process.stdout, "─")
    process.send_signal(signal.SIGHUP)
    process.send_signal(signal.SIGTERM)
    assert end(process)[0] == 0
    assert b'"dir":"close"' in file.read_bytes()


@contextmanager
def deaf() -> Iterator[tuple[str, Callable[[], None]]]:
    """The address of a server that accepts a connection and sends nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        held: list[socket.socket] = []

        def wait() -> None:
            listener.settimeout(60)
            held.append(listener.accept()[0])

        yield f"http://127.0.0.1:{listener.getsockname()[1]}", wait
        for each in held:
            each.close()


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM], ids=lambda each: each.name)
@pytest.mark.parametrize("command", ["chat", "record", "voice"])
def test_ends_on_a_signal_while_dialling(command: str, how: signal.Signals, tmp_path: Path) -> None:
    """Nothing has started, so nothing is printed."""
    if (command, how) == ("chat", signal.SIGTERM):
        pytest.skip("nothing of a chat needs to be ended in good order")
    more: dict[str, list[str | Path]] = {
        "chat": [],
        "record": [tmp_path / "x.jsonl"],
        "voice": ["--input", "-", "--output", tmp_path / "x.wav"],
    }
    with deaf() as (address, wait):
        process = start(command, address, *more[command], "--token", "any")
        wait()
        process.send_signal(how)
        assert end(process) == (130, "", "")


INTERRUPTER = """
import importlib.abc, os, signal, sys

class Interrupter(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name == os.environ["INTERRUPT_AT"]:
            os.kill(os.getpid(), signal.SIGINT)
        return None

sys.meta_path.insert(0, Interrupter())
"""


@pytest.mark.parametrize(
    "module",
    [
        "trio",
        "realtime_trio._exceptions",
        "realtime_trio._config",
        "realtime_trio.cli",
        "realtime_trio.__main__",
        "cyclopts",
        "realtime_trio.cli._app",
        "realtime_trio.cli._serve",
        "realtime_trio.server",
    ],
)
def test_ends_on_an_interrupt_during_the_import(tmp_path: Path, module: str) -> None:
    """Python itself would print a traceback of a hundred lines."""
    (tmp_path / "sitecustomize.py").write_text(INTERRUPTER)
    env = environment(INTERRUPT_AT=module)
    env["PYTHONPATH"] = f"{tmp_path}{os.pathsep}{env['PYTHONPATH']}"
    done = run("serve", "--port", "0", env=env)
    assert (done.returncode, done.stdout, done.stderr) == (130, b"", b"")


def test_reports_usage_errors_in_one_line(
    call: Call, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv(TOKEN, raising=False)
    file = tmp_path / "call.jsonl"
    file.touch()
    for arguments, said in (
        (["chat"], "URL"),
        (["chat", "http://localhost"], TOKEN),
        (["chat", "http://localhost", "--token", "x", "--user", "me"], "not both"),
        (["chat", "ftp://localhost", "--token", "x"], "https://host"),
        (["chat", "http://me:pw@localhost", "--token", "x"], "must not have a user"),
        (["record", "http://localhost", file, "--token", "x"], "--overwrite"),
        (["record", "http://localhost", tmp_path / "no" / "x", "--token", "x"], "No such file"),
        (["serve", "--port", "70000"], "--port"),
        (["serve", "--pace", "-1"], "--pace"),
        (["serve", "--host", "256.0.0.1", "--port", "0"], "cannot listen"),
        (["demo", "extra"], "extra"),
    ):
        assert said in refusal(call, *arguments)


ESCAPE = "a\x1b[2Jb\u202ec\u200fd\u061ce\x9bf\x07g\x7fh\nrealtime-trio: i"


@pytest.mark.parametrize(
    "arguments",
    [
        ["replay", ESCAPE],
        ["replay", "--" + ESCAPE],
        [ESCAPE],
        ["chat", ESCAPE, "--token", "x"],
        ["chat", "http://" + ESCAPE, "--token", "x"],
        ["chat", "http://localhost", "--" + ESCAPE],
        ["record", "http://localhost", ESCAPE + "/x", "--token", "x"],
        ["voice", "http://localhost", "--input", ESCAPE, "--output", "-", "--token", "x"],
        ["voice", "http://localhost", "--mode", ESCAPE, "--token", "x"],
        ["serve", "--host", ESCAPE, "--port", "0"],
        ["serve", "--port", ESCAPE],
        ["events", ESCAPE],
        ["bench", "--compare", ESCAPE],
        ["bench", ESCAPE],
    ],
    ids=lambda arguments: " ".join(arguments).partition("a\x1b")[0].strip() or "command",
)
def test_an_error_line_has_no_control_characters(call: Call, arguments: list[str]) -> None:
    """No matter what the arguments contain; surrogates represent bytes that are not text."""
    for each in (arguments, [each.replace("d", "d\udcff") for each in arguments]):
        done = call(*each)
        said = done.err.decode()
        assert done.status in (1, 2)
        assert said.count("\n") == 1
        assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e]", said)
        assert done.out == b""


def test_the_name_of_a_recording_is_printed_without_control_characters(
    url: str, tmp_path: Path, call: Call
) -> None:
    file = tmp_path / "a\x1b[2Jb\u202ec"
    done = call("record", url, file, "--token", "any", "--say", "Hello")
    assert done.status == 0
    assert "a␛[2Jb\ufffdc: " in done.err.decode()


def test_a_port_in_use_is_a_usage_error(url: str, call: Call) -> None:
    port = url.rpartition(":")[2]
    assert "Address already in use" in refusal(call, "serve", "--port", port)


def test_reports_an_unreachable_server_in_one_line(call: Call) -> None:
    done = call("chat", "http://127.0.0.1:1", "--token", "geheim")
    assert (done.status, done.out) == (1, b"")
    assert re.fullmatch(rb"realtime-trio: [^\n]*127\.0\.0\.1:1[^\n]*\n", done.err)
    assert b"geheim" not in done.err


def test_the_demo_shows_everything_in_time(tmp_path: Path) -> None:
    # Without a PATH there is no synthesiser: the words are tones, and of one length.
    done = run("demo", "--wav", tmp_path / "heard.wav", env=environment(PATH=""))
    said = done.stdout.decode()
    assert done.returncode == 0, done.stderr.decode()
    assert done.stderr == b""
    for wanted in (
        "connected at http://127.0.0.1:",
        "thought     Rayleigh",
        "weather  preparing",
        'weather place="here"  executing',
        "find_route  complete",
        "weather → light rain",
        "╭ delegates default → helper",
        "assistant   Take the arcade",
        "╰ done",
        "image/svg+xml map.svg",
        "user        [voice",
        "level       you ▕██",
        "agent ▕██",
        "voice       interrupted after",
        "0 underruns",
        f"as it was heard: {tmp_path / 'heard.wav'}",
        "cancelled   the server cancelled this turn",
        "deltas were queued",
        "From the socket to the subscriber",
        "ms from the call to turn-cancelled",
        "the user's; 0 tools and 0 delegations are open",
        "0 malformed, 0 unknown, 0 handler errors",
    ):
        assert wanted in said, said
    assert "\x1b" not in said
    overtaken = re.search(r"with ([\d,]+) events queued", said)
    assert overtaken is not None
    assert int(overtaken[1].replace(",", "")) >= 5_000
    told = re.search(r"([\d.]+) s said, ([\d.]+) s heard", said)
    assert told is not None
    with wave.open(str(tmp_path / "heard.wav"), "rb") as heard:
        assert heard.getnframes() / 16_000 == pytest.approx(float(told[2]), abs=0.06)
    interrupted = re.search(r"interrupted after ([\d.]+) s, ([\d.]+) s unheard", said)
    assert interrupted is not None
    assert float(interrupted[1]) + float(interrupted[2]) == pytest.approx(40 * 0.16, abs=0.11)


def test_the_demo_chooses_a_file_for_the_speech(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, call: Call
) -> None:
    from realtime_trio.cli import _demo

    places: list[Path] = []

    async def heard(wav: Path, _script: object) -> None:
        places.append(wav)
        await trio.lowlevel.checkpoint()

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    assert "cannot write" in refusal(call, "demo", "--wav", tmp_path / "missing" / "a.wav")
    monkeypatch.setattr(_demo, "_demo", heard)
    assert call("demo").status == call("demo").status == 0
    first, other = places
    assert first.name == other.name == "demo.wav"
    assert first.parent != other.parent
    assert first.parent.parent == tmp_path

    async def hang(*_: object) -> None:
        await trio.sleep_forever()

    monkeypatch.undo()
    monkeypatch.setattr(_demo, "_converse", hang)
    monkeypatch.setattr(_demo, "_DEADLINE", 0.01)
    done = call("demo", "--wav", tmp_path / "a.wav")
    assert (done.status, done.out) == (1, b"")
    assert b"did not finish within 0.01 seconds" in done.err
