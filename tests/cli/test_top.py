"""``realtime-trio top``: a picture of a client in a terminal, a pipe and an SVG file."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
import trio
from anyio.from_thread import start_blocking_portal

import realtime_trio as rt
from realtime_trio import testing as t
from realtime_trio.cli._top_view import TopView, draw
from realtime_trio.server import open_server
from tests.cli.command import Call, refusal, run
from tests.cli.terminal import open_terminal
from tests.cli.test_live import make_console


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with (
        start_blocking_portal("trio") as portal,
        portal.wrap_async_context_manager(open_server()) as server,
    ):
        fault = t.turn("fail", t.notice("no more tokens", severity="error"), text="Sorry.")
        slow = t.turn("slow", t.use(t.tool("dig", delay=600)), text="never")
        portal.call(server.script, fault, slow)
        yield str(portal.call(server.listen))


def words(text: str) -> str:
    return " ".join(text.split())


def test_once_prints_one_picture(url: str, call: Call, tmp_path: Path) -> None:
    picture = tmp_path / "top.svg"
    done = call("top", url, "--token", "any", "--say", "fail", "--once", "--svg", picture)
    shown = done.out.decode()
    assert (done.status, done.err) == (0, b"")
    for wanted in (
        "control",
        "latency",
        "link open, 1 opened",
        "turn the user's",
        "no more tokens",
    ):
        assert wanted in words(shown)
    assert max(map(len, shown.splitlines())) <= 100
    saved = picture.read_text()
    assert saved.startswith("<svg")
    assert "tokens" in saved


def test_plays_a_recording(url: str, call: Call, tmp_path: Path) -> None:
    file = tmp_path / "call.jsonl"
    said = ("--say", "Hello", "--say", "again")
    assert call("record", url, file, "--token", "any", *said).status == 0
    done = call("top", file, "--once")
    assert done.status == 0, done.err
    assert "session admin-" in words(done.out.decode())


def test_redraws_until_a_signal(url: str) -> None:
    with open_terminal("top", url, "--token", "any", "--say", "slow") as terminal:
        terminal.until(r"turn +the agent's")
        terminal.until(r"tools +dig")
        terminal.signal(signal.SIGINT)
        assert terminal.status() == 0


def test_reports_usage_errors_in_one_line(url: str, call: Call, tmp_path: Path) -> None:
    assert "neither an address nor a file" in refusal(call, "top", "nowhere")
    (tmp_path / "x").write_text("no recording")
    assert "contains no frames" in refusal(call, "top", tmp_path / "x")
    assert "cannot read" in refusal(call, "top", tmp_path)
    done = call("top", url, "--token", "x", "--once", "--svg", tmp_path / "no" / "x.svg")
    assert (done.status, b"cannot write" in done.err) == (1, True)


def test_ends_tidily_if_the_disk_is_full(url: str) -> None:
    with open("/dev/full", "wb") as full:
        done = run("top", url, "--token", "any", "--once", stdout=full)
    assert done.returncode == 1
    assert done.stderr.count(b"\n") == 1


def test_draws_an_empty_picture() -> None:
    """Before the first link."""
    console, said = make_console(100)
    console.print(draw(TopView()))
    assert "none" in said.getvalue()


async def test_each_subscriber_has_a_row(autojump_clock: object) -> None:
    """It has the class, the rule and the lag; beyond the limit only the number of subscribers."""
    async with open_server() as server, rt.open_client(server.url, auth="any") as client:
        await client.ready()
        late = client.subscribe(rt.MessageComplete, overflow=rt.DropOldest(1))
        for name in ("one", "two", "three"):
            server.script(t.turn(name, text="word"))
            async with client.ask(name):
                pass
        text = client.text.subscribe(overflow=rt.Block(1))
        await client.text_input("one")
        await trio.sleep(5)
        view = TopView.of(client, {}, ())
        console, said = make_console(100)
        console.print(draw(view))
        second, first = view.subscribers
        assert first.blocking
        assert (second.depth, second.dropped) == (1, late.statistics().dropped)
        assert second.dropped >= 2
        shown = words(said.getvalue())
        assert f"text: everything, blocks Block(1) {first.depth} " in shown
        numbers = f"1 {second.bytes:,} {second.high_water} 0 {second.dropped}"
        assert f"all: MessageComplete DropOldest(1) {numbers}" in shown
        text.close()
        many = [client.subscribe(rt.events.ErrorEvent) for _ in range(20)]
        console, said = make_console(100)
        console.print(draw(TopView.of(client, {}, ())))
        assert f"and {len(many) + 1 - 12} more" in words(said.getvalue())
