"""The door without async: the same examples pass through it, on a thread of its own."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
import trio
from anyio.from_thread import BlockingPortal, start_blocking_portal

import realtime_trio as rt
from realtime_trio import events as ev


@pytest.fixture
def portal() -> Iterator[BlockingPortal]:
    with start_blocking_portal(backend="trio") as portal:
        yield portal


@pytest.fixture
def server(portal: BlockingPortal) -> Iterator[rt.server.RealtimeServer]:
    with portal.wrap_async_context_manager(rt.server.open_server()) as server:
        yield server


@pytest.fixture
def url(portal: BlockingPortal, server: rt.server.RealtimeServer) -> str:
    return portal.call(server.listen)


def test_a_conversation(server: rt.server.RealtimeServer, url: str) -> None:
    thoughts = "Let me think."
    tools = [rt.testing.tool("search", result="3 hits")]
    server.script(rt.testing.turn("Hello", thoughts=thoughts, text="Hi there", tools=tools))
    with rt.blocking.open_client(url, auth="any") as client:
        client.ready()
        with client.ask("Hello") as turn:
            assert "".join(turn.text) == "Hi there"
            assert "".join(turn.thoughts) == thoughts
            statuses = [note.status for note in turn.tools]
        assert statuses[-1] == "complete"
        assert isinstance(turn.outcome, rt.TurnCompleted)
        session = client.state.current_session
        assert session is not None
        assert session.messages[0].role == "user"
        assert client.health is not None
        assert client.statistics() is not None


def test_lanes_and_subscriptions_are_iterated(url: str) -> None:
    with rt.blocking.open_client(url, auth="any") as client:
        client.ready()
        with client.subscribe(rt.MessageComplete, ev.UserTurnStartEvent) as notes:
            with pytest.raises(trio.WouldBlock):
                notes.receive_nowait()
            with client.ask("one"):
                pass
            # The control lane's goes first: nothing waits behind the text.
            assert [type(notes.receive()) for _ in range(2)] == [
                ev.UserTurnStartEvent,
                rt.MessageComplete,
            ]
        lane = iter(client.text)  # a subscription: it holds what comes from here on
        with client.ask("two"):
            pass
        assert isinstance(next(lane), rt.MessageAdded)


def test_sessions_are_iterated_page_by_page(url: str) -> None:
    with rt.blocking.open_client(url, auth="any") as client:
        client.ready()
        with client.ask("one"):
            pass
        pages = list(client.sessions())
        assert pages


def test_errors_come_out_as_they_are(url: str) -> None:
    with (  # noqa: PT012  what the body raises is the point
        pytest.raises(ValueError, match="mine"),
        rt.blocking.open_client(url, auth="any") as client,
    ):
        client.ready()
        message = "mine"
        raise ValueError(message)
    with rt.blocking.open_client(url, auth="any") as client:
        with pytest.raises(AttributeError):
            _ = client.nothing_like_it  # type: ignore[attr-defined]
        client.ready()
    with pytest.raises(rt.ClosedError, match="the client is closed"):
        client.ready()


def test_leaving_ends_the_thread(url: str) -> None:
    before = threading.active_count()
    with rt.blocking.open_client(url, auth="any") as client:
        client.ready()
        assert threading.active_count() > before
    assert threading.active_count() <= before + 1


class _Sink:
    format = rt.AudioFormat()

    async def write(self, chunk: bytes) -> None:
        await trio.lowlevel.checkpoint()


def test_playback_is_blocking_too(url: str) -> None:
    with rt.blocking.open_client(url, auth="any") as client:
        client.ready()
        with client.audio.play_to(_Sink()) as playback:
            playback.drained()
            assert playback.statistics() == client.audio.statistics().playback
