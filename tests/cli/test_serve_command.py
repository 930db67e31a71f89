"""``serve`` with scripted answers, faults and a log; and ``send``, which talks to it."""

from __future__ import annotations

import json
import re
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from anyio.from_thread import start_blocking_portal

from realtime_trio import testing as t
from realtime_trio.cli._fault_spec import FAULTS, install_fault, parse_fault
from realtime_trio.cli._serve_script import read_script
from realtime_trio.server import Faults, ServerConfig, open_server
from tests.cli.command import Call, environment, refusal, run
from tests.cli.test_network_commands import PASSWORD, end, read_until, start

SCRIPT = """
welcome = "Hello from a file."
pace = 0.0

[[turn]]
user = "Is it raining?"
thoughts = ["Look outside."]
preface = "Let me look."
text = "It is."
media = { content = "<svg/>", content_type = "image/svg+xml", name = "sky.svg" }
times = 3

[[turn.tools]]
name = "weather"
input = { place = "here" }
result = "light rain"

[[turn.delegate]]
agent = "helper"
request = "Which way is dry?"
text = "The arcade."

[[turn]]
user = "In this order"
steps = [
    { say = "One. " }, { wait = 0.001 }, { think = "Hm." },
    { tools = { name = "dig" } }, { delegate = { agent = "helper", text = "Two." } },
    { media = { content = "x", content_type = "text/plain" } },
    { speak = "aloud" }, { notice = "careful" }, { say = "Three." }, { fail = "broken" },
]

[[command]]
user = "!more"
media = { content = "more help" }
notice = "that is all"

[[command]]
user = "!no"
error = "refused"

[[fault]]
name = "duplicate"
types = ["pong"]
"""


@contextmanager
def serving(*arguments: str | Path, **extra: str) -> Iterator[tuple[str, str, list[str]]]:
    """A server as a process: its address, its banner, and after the block its whole output."""
    process = start("serve", "--port", "0", *arguments, **extra)
    banner = read_until(process.stdout, "realtime-trio chat")
    found = re.search(r"listening on (\S+)\n", banner)
    assert found is not None
    printed: list[str] = []
    try:
        yield found[1], banner, printed
    finally:
        process.send_signal(signal.SIGTERM)
        status, out, err = end(process)
        printed += out.splitlines()
    assert (status, err) == (0, "")


@pytest.fixture
def script(tmp_path: Path) -> Path:
    file = tmp_path / "script.toml"
    file.write_text(SCRIPT)
    return file


def test_answers_as_the_script_says(script: Path, call: Call) -> None:
    with serving("--script", script, "--verbose") as (url, banner, printed):
        assert "4 answers" in banner
        assert "fault: duplicate:types=pong\n" in banner
        done = call("send", url, "Is it raining?", "--token", "any")
        assert (done.status, done.out.decode()) == (0, "Let me look.\n\nIt is.\n")
        ordered = call("send", url, "In this order", "--token", "any")
        assert ordered.status == 1
        assert ordered.out.decode().startswith("One.")
        assert "Hello from a file." in run("chat", url, "--token", "any", stdin=b"").stdout.decode()
    log = "\n".join(printed)
    for wanted in (
        "#1  connected",
        "→ text_input  Is it raining?",
        "text_delta  It is.",
        "tool_call",
    ):
        assert re.sub(r" +", " ", wanted) in re.sub(r" +", " ", log), log
    assert "disconnected" in log


def test_reads_every_part_of_a_script(script: Path) -> None:
    found = read_script(script)
    assert [len(each.steps) for each in found.scripts] == [5, 10, 2, 1]
    assert (found.welcome, found.pace) == ("Hello from a file.", 0.0)
    assert found.faults == (("duplicate", {"types": ["pong"]}),)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("no toml", "is not a TOML file"),
        ("nonsense = 1", "the file has 'nonsense'"),
        ("turn = 5", "turn must be a table"),
        ("[[turn]]\ntxet = 'x'", r"turn\[0\] has 'txet'; allowed: user"),
        ("[[turn]]\ntext = 5", r"turn\[0\]\.text must be a string, not 5"),
        ("[[turn]]\ntimes = true", r"turn\[0\]\.times must be a whole number"),
        ("[[turn]]\ntools = { input = {} }", r"turn\[0\]\.tools\[0\] needs name, a string"),
        ("[[turn]]\nsteps = [ { jump = 1 } ]", r"turn\[0\]\.steps\[0\] has 'jump'"),
        ("[[turn]]\nsteps = [ { wait = 'x' } ]", r"wait must be seconds"),
        ("[[turn]]\ndelegate = { agent = 'nobody' }", r"no such agent"),
        ("[[command]]\nnotice = 'x'", r"command\[0\] needs user, a string"),
        ("[[fault]]\nafter = 1", r"fault\[0\] needs name, a string"),
        ("[[fault]]\nname = 'melt'", r"no fault 'melt'; available: cut, delay"),
    ],
)
def test_reports_an_invalid_script_in_one_line(
    tmp_path: Path, call: Call, text: str, told: str
) -> None:
    file = tmp_path / "script.toml"
    file.write_text(text)
    assert re.search(told, refusal(call, "serve", "--port", "0", "--script", file))


def test_reports_files_that_cannot_be_read(tmp_path: Path, call: Call) -> None:
    missing = tmp_path / "missing"
    assert "No such file" in refusal(call, "serve", "--script", missing)
    assert "No such file" in refusal(call, "serve", "--recording", missing)
    (tmp_path / "empty").write_text("")
    assert "contains no frames" in refusal(call, "serve", "--recording", tmp_path / "empty")


def test_answers_from_a_recording(tmp_path: Path, call: Call) -> None:
    file = tmp_path / "call.jsonl"
    with serving("--demo") as (url, banner, _):
        assert "ask: Why is the sky blue?" in banner
        done = call("record", url, file, "--token", "any", "--say", "Why is the sky blue?")
        assert done.status == 0
    with serving("--recording", file) as (url, banner, _):
        assert "say: Why is the sky blue?" in banner
        done = call("send", url, "Why is the sky blue?", "--token", "any")
        assert done.out.startswith(b"Air scatters")


def test_lets_in_one_user_only(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a password from the environment; other tokens are refused."""
    monkeypatch.setenv(PASSWORD, "geheim-1")
    with serving("--user", "maria", **{PASSWORD: "geheim-1"}) as (url, banner, _):
        assert banner.endswith(f"realtime-trio chat {url} --user maria\n")
        assert "geheim-1" not in banner
        assert call("send", url, "Hello", "--user", "maria").out == b"You said: Hello\n"
        assert call("send", url, "Hello", "--user", "me").status == 1
        assert call("send", url, "Hello", "--token", "any").status == 1
    monkeypatch.delenv(PASSWORD)
    assert PASSWORD in refusal(call, "serve", "--user", "maria")


def test_installs_a_fault_from_the_command_line(call: Call) -> None:
    with serving("--fault", "refuse:status=503,times=1", "--verbose") as (url, banner, _):
        assert "fault: refuse:status=503,times=1\n" in banner
        assert call("send", url, "Hello", "--token", "any").out == b"You said: Hello\n"


@pytest.mark.parametrize("name", FAULTS)
def test_every_fault_can_be_installed(name: str) -> None:
    values = {
        "after": "3",
        "bytes_per_second": "1000",
        "how": "mid-frame",
        "jitter": "0.1",
        "probability": "0.5",
        "seconds": "0.2",
        "size": "100",
        "status": "503",
        "times": "2",
        "types": "text_delta+pong",
    }
    spec = f"{name}:" + ",".join(f"{key}={values[key]}" for key in FAULTS[name])
    install_fault(Faults(0), *parse_fault(spec), "here")
    first = FAULTS[name][0]
    assert parse_fault(f"{name}:{values[first]}") == (name, {first: values[first]})


@pytest.mark.parametrize(
    ("spec", "told"),
    [
        ("melt", "no fault 'melt'; available: cut, delay"),
        ("cut:colour=red", "cut takes after, how, times, not 'colour'"),
        ("cut:after=x", "after must be a number of frames, not 'x'"),
        ("cut:after=-1", "after must be a number of frames"),
        ("cut:how=softly", "how must be clean, abort or mid-frame"),
        ("delay", "delay needs seconds, as in delay:seconds=1.5"),
        ("delay:seconds=nan", "seconds must be a number of seconds"),
        ("delay:0.1,0.2", "'0.2' has no name"),
    ],
)
def test_reports_an_invalid_fault_in_one_line(call: Call, spec: str, told: str) -> None:
    assert told in refusal(call, "serve", "--port", "0", "--fault", spec)


# -- send ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with (
        start_blocking_portal("trio") as portal,
        portal.wrap_async_context_manager(open_server(ServerConfig(pace=0.0))) as server,
    ):
        portal.call(
            server.script,
            t.turn("break", t.say("Well, "), unprepared="boom"),
            t.turn("show", media=t.media("# Title", "text/markdown"), times=2),
        )
        yield str(portal.call(server.listen))


def test_send_prints_the_answer(url: str, call: Call) -> None:
    done = call("send", url, "Hello there", "--token", "any")
    assert (done.status, done.out, done.err) == (0, b"You said: Hello there\n", b"")
    assert call("send", url, "show", "--token", "any").out == b"# Title\n"


def test_send_reads_standard_input(url: str) -> None:
    done = run("send", url, "-", "--token", "any", stdin=b"zwei\nZeilen\n")
    assert done.stdout.decode() == "You said: zwei\nZeilen\n"


def test_send_uploads_a_file(url: str, tmp_path: Path, call: Call) -> None:
    file = tmp_path / "x.txt"
    file.write_text("content")
    assert call("send", url, "read", "--token", "any", "--upload", file).status == 0
    missing = refusal(call, "send", url, "read", "--token", "any", "--upload", tmp_path / "y")
    assert "cannot upload" in missing
    assert "No such file" in missing


def test_send_as_json_ends_with_the_outcome(url: str, call: Call) -> None:
    done = call("send", url, "Hello", "--token", "any", "--json")
    *notes, outcome = map(json.loads, done.lines)
    assert [note["event"] for note in notes] == list(range(len(notes)))
    assert "message-complete" in {note["name"] for note in notes}
    assert (outcome["outcome"], outcome["reason"], outcome["errors"]) == ("completed", None, [])
    assert outcome["message"]["content"] == "You said: Hello"


def test_reports_a_failed_turn_by_a_line_and_a_status(url: str, call: Call) -> None:
    done = call("send", url, "break", "--token", "any")
    assert done.status == 1
    assert b"realtime-trio: the turn failed" in done.err
    assert b"boom" in done.err


def test_send_rejects_invalid_options(url: str, call: Call) -> None:
    assert "nothing to send" in refusal(call, "send", url, " ", "--token", "any")
    options = ("send", url, "x", "--token", "any")
    assert "no session 'nothing'" in refusal(call, *options, "--session", "nothing")
    told = refusal(call, *options, "--agent", "nobody")
    assert told == "the server has no agent 'nobody'; available: default, helper, gpt"


def test_a_closed_pipe_ends_send(url: str) -> None:
    with open("/dev/full", "wb") as full:
        done = run("send", url, "Hello", "--token", "any", stdout=full)
    assert (done.returncode, done.stderr.count(b"\n")) == (1, 1)


def test_chat_in_a_pipe_prints_json(url: str) -> None:
    done = run("chat", url, "--token", "any", "--json", stdin=b"Hello\nAgain\n", env=environment())
    notes = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 0, done.stderr
    contents = [each["message"]["content"] for each in notes if each["name"] == "message-complete"]
    assert contents == ["You said: Hello", "You said: Again"]
