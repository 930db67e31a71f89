"""The programs in ``examples/``: each runs, as a process of its own, against a real socket."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import wave
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from anyio.from_thread import start_blocking_portal

from realtime_trio import testing as t
from realtime_trio.audio import tone
from realtime_trio.cli._demo_script import QUESTIONS, turns
from realtime_trio.server import Account, ServerConfig, open_server
from tests.source import ROOT

EXAMPLES = ROOT / "examples"
ROUTE = QUESTIONS[1]


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """A server with the user of the documentation, and the turns that the examples ask for."""
    users = (Account(), Account(user_id="me", password="secret"))
    picture = t.media("<svg/>", "image/svg+xml", name="../../map.svg")
    link = t.media(None, "image/png", url="https://example.com/x.png")
    with (
        start_blocking_portal("trio") as portal,
        portal.wrap_async_context_manager(open_server(ServerConfig(users=users))) as server,
    ):
        asked = next(each for each in turns() if each.user == ROUTE)
        portal.call(server.script, asked, t.turn("Draw", media=[picture, link], text="Here."))
        yield str(portal.call(server.listen))


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}


def run(name: str, *arguments: str, said: str = "") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-W", "error", str(EXAMPLES / name), *arguments]
    return subprocess.run(
        command,
        input=said,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def lines_of(done: subprocess.CompletedProcess[str]) -> list[str]:
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    return done.stdout.splitlines()


def test_every_program_is_tested_here() -> None:
    """And is short enough to be read at once."""
    text = Path(__file__).read_text()
    programs = sorted(EXAMPLES.glob("*.py"))
    assert len(programs) >= 9
    for program in programs:
        assert f'"{program.name}"' in text
        assert 30 <= len(program.read_text().splitlines()) <= 80, program.name


def test_terminal_chat(url: str) -> None:
    assert lines_of(run("terminal_chat.py", url, said="Hello\n\nAgain\n")) == [
        "You said: Hello",
        "You said: Again",
    ]


def test_save_media(url: str, tmp_path: Path) -> None:
    found = lines_of(run("save_media.py", url, str(tmp_path / "new"), "Draw"))
    assert found[0] == "saved map.svg, 6 bytes"
    assert found[1].startswith("not saved: ")
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["map.svg"]


def test_agent_tree(url: str) -> None:
    found = lines_of(run("agent_tree.py", url, ROUTE))
    for wanted in (
        "weather(place)",
        "-> ok: light rain, 12 °C",
        "[helper]",
        "    assistant: Take the arcade; it has a roof.",
        "assistant: Nine minutes on foot. Take the arcade and you stay dry.",
    ):
        assert wanted in found, "\n".join(found)


def test_voice_files(url: str, tmp_path: Path) -> None:
    question, answer = tmp_path / "question.wav", tmp_path / "answer.wav"
    with wave.open(str(question), "wb") as file:
        file.setparams((1, 2, 16_000, 0, "NONE", ""))
        file.writeframes(tone(330, 16_000, 16_000))
    found = lines_of(run("voice_files.py", url, str(question), str(answer)))
    assert found[-1].endswith(f"seconds of speech are in {answer}")
    with wave.open(str(answer), "rb") as file:
        assert file.getnframes() > 0


def test_support_bot(url: str) -> None:
    assert lines_of(run("support_bot.py", url, "One", "Two")) == ["You said: One", "You said: Two"]


def test_the_tests_of_the_bot_pass() -> None:
    """In a project without settings: the plugin lets them run under trio."""
    command = [sys.executable, "-m", "pytest", "-q", "-c", os.devnull, "--rootdir", str(ROOT)]
    done = subprocess.run(
        [*command, "-p", "no:cacheprovider", str(EXAMPLES / "test_support_bot.py")],
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout
    assert "4 passed" in done.stdout


def test_embedding(url: str) -> None:
    found = lines_of(run("embedding.py", url, "Hello"))
    assert "link: connected" in found
    assert "You said: Hello" in found


def test_embedding_tells_what_failed(url: str) -> None:
    """One group, taken apart by ``except*``."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        nobody = f"http://127.0.0.1:{taken.getsockname()[1]}"
    done = run("embedding.py", nobody, "Hello")
    assert done.returncode == 2
    assert done.stdout.startswith("no connection: ")


def test_reconnecting_ui(url: str) -> None:
    found = lines_of(run("reconnecting_ui.py", url, said="Hello\n"))
    assert "done: TurnCompleted" in found
    assert any(line.startswith("[green] ") for line in found)


def test_fastapi_stream(url: str) -> None:
    """Served by uvicorn, as the page says: a page, an answer as events, and SIGTERM."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, str(EXAMPLES / "fastapi_stream.py"), str(port), url]
    process = subprocess.Popen(command, env=environment(), stderr=subprocess.PIPE, text=True)
    try:
        assert process.stderr is not None
        for line in process.stderr:
            if "running on" in line:
                break
        page = httpx.get(f"http://127.0.0.1:{port}/", timeout=60)
        assert "new EventSource" in page.text
        answer = httpx.get(f"http://127.0.0.1:{port}/ask", params={"text": "Hello"}, timeout=60)
    finally:
        process.send_signal(signal.SIGTERM)
        _, log = process.communicate(timeout=60)
    assert answer.headers["content-type"].startswith("text/event-stream")
    *events, end = answer.text.strip().split("\n\n")
    assert "".join(json.loads(event.removeprefix("data: ")) for event in events) == (
        "You said: Hello"
    )
    assert end == "event: end\ndata: TurnCompleted"
    assert "Application shutdown complete" in log
    assert "Traceback" not in log


def test_metrics(url: str) -> None:
    with socket.socket() as one, socket.socket() as two:
        for port in range(20_000, 60_000, 2):
            try:
                one.bind(("127.0.0.1", port))
                two.bind(("127.0.0.1", port + 1))
            except OSError:
                continue
            break
    command = [sys.executable, str(EXAMPLES / "metrics.py"), url, str(port)]
    process = subprocess.Popen(command, env=environment(), stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "You said: Hello\n"
        assert process.stdout.readline() == "ready\n"
        page = httpx.get(f"http://127.0.0.1:{port}/metrics").text
        health = httpx.get(f"http://127.0.0.1:{port + 1}/health")
    finally:
        process.send_signal(signal.SIGINT)
        said, _ = process.communicate(timeout=60)
    assert said == "stopped\n"
    assert 'realtime_trio_clients{status="open"} 1.0' in page
    assert (health.status_code, health.json()["health"]["status"]) == (200, "open")
    assert health.json()["statistics"]["text"]["events"] > 0
