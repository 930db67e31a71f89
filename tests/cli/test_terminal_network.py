"""A chat at a terminal whose network changes: its connection becomes silent, a new one works."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import attrs
import pytest
from anyio.from_thread import start_blocking_portal

from realtime_trio import testing as t
from realtime_trio.cli._connect import PATIENT
from realtime_trio.server import open_server
from tests.cli.chat import CONVERSATION, Served, chatting, leave, printed, say
from tests.source import ROOT
from tests.system.proxy import open_proxy

WATCHFUL = "tests.cli.watchful_chat"


@attrs.frozen
class Network:
    """A network between the chat and a server. ``change`` makes the open connections silent."""

    served: Served
    change: Callable[[], object]


@pytest.fixture
def network() -> Iterator[Network]:
    with (
        start_blocking_portal("trio") as portal,
        portal.wrap_async_context_manager(open_server()) as server,
    ):
        served = Served(server, portal.call)
        with portal.wrap_async_context_manager(open_proxy(served.url)) as proxy:
            served.url = proxy.url
            yield Network(served, lambda: portal.call(proxy.vanish))


@pytest.mark.parametrize("columns", [100, 60])
def test_typed_text_survives_a_changed_network(
    network: Network, tmp_path: Path, columns: int
) -> None:
    with chatting(network.served, tmp_path, columns=columns, program=WATCHFUL) as terminal:
        say(terminal, "one")
        terminal.send("half a")
        terminal.until(r"you > half a")
        network.change()
        terminal.until(r"disconnected \(it broke\): reconnecting, what you type stays")
        terminal.send(" sentence")
        terminal.until(r"connected again[^$]*resynced\nyou > half a sentence$")
        assert terminal.text.count("You said: one") == 1
        terminal.send("\r")
        terminal.until(printed("You said: half a sentence"))
        leave(terminal)
    assert network.served.said == ["one", "half a sentence"]


def test_text_sent_into_a_silent_connection_can_be_sent_again(
    network: Network, tmp_path: Path
) -> None:
    with chatting(network.served, tmp_path, program=WATCHFUL) as terminal:
        say(terminal, "one")
        network.change()
        terminal.send("two\r")
        terminal.until(r"no answer: the link was lost[^$]*; the up arrow returns your text")
        terminal.until(r"connected again[^$]*resynced\nyou >$")
        terminal.send("\x1b[A")
        terminal.until(r"you > two$")
        terminal.send("\r")
        terminal.until(printed("You said: two"))
        leave(terminal)
    assert network.served.said == ["one", "two"]


def test_shows_an_answer_that_ended_during_the_silence(network: Network, tmp_path: Path) -> None:
    network.served.script(t.turn("go", t.say("Some "), t.wait(0.1), t.say("words.")))
    with chatting(network.served, tmp_path, program=WATCHFUL) as terminal:
        say(terminal, "one")
        terminal.send("go\r")
        terminal.until(r"\nSome")
        network.change()
        terminal.until(r"\nSome words\.\n[^$]*resynced\nyou >")
        say(terminal, "two")
        network.change()
        terminal.until(r"You said: two[^$]*connected again[^$]*resynced\nyou >")
        assert terminal.text.count("Some words.") == 1
        assert terminal.text.count("You said: two") == 1
        leave(terminal)


def test_repeats_nothing_after_a_changed_network(network: Network, tmp_path: Path) -> None:
    """Neither parts of an answer around tools and media, nor answers of a sub-agent."""
    network.served.script(CONVERSATION)
    with chatting(network.served, tmp_path, rows=200, program=WATCHFUL) as terminal:
        terminal.send("Show me\r")
        terminal.until(printed(r"That is all\."))
        before = terminal.text.split("\n")[:-2]
        network.change()
        terminal.until(r"connected again[^$]*resynced\nyou >")
        assert terminal.text.split("\n")[: len(before)] == before
        assert terminal.text.split("\n")[len(before) : -2] == [
            "",
            "disconnected (it broke): reconnecting, what you type stays",
            "connected again",
        ]
        leave(terminal)


def test_notices_a_silent_connection_within_the_documented_time() -> None:
    interval, timeout = PATIENT.ping_interval, PATIENT.pong_timeout
    assert interval is not None
    assert timeout is not None
    seconds = interval + timeout
    page = (ROOT / "docs" / "reference" / "command-line.md").read_text(encoding="utf-8")
    assert f"notices within {seconds:.0f} seconds" in " ".join(page.split())
