"""A link that is lost and replaced: what continues and what is emitted."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from typing import TypeVar

import pytest
import trio
import trio.testing

from realtime_trio import events as ev
from realtime_trio._client._client import Client, open_client
from realtime_trio._config import ClientConfig
from realtime_trio._core._notifications import Initialized, SessionMessagesLoaded
from realtime_trio._core._shell_notifications import (
    Disconnected,
    Reconnected,
    Reconnecting,
    SessionRestored,
)
from realtime_trio._exceptions import ConnectionLost
from realtime_trio._lanes._overflow import Block
from realtime_trio._lanes._subscription import Subscription
from realtime_trio._transports._memory import MemoryConnector
from realtime_trio._turns._outcome import TurnCompleted, TurnLost
from realtime_trio.abc import Transport
from realtime_trio.server import RealtimeServer, ServerConfig, open_server
from realtime_trio.testing import emit, say, turn, wait


def sent_types(server: RealtimeServer) -> list[str]:
    return [str(seen.type) for seen in server.seen if seen.type is not None]


T = TypeVar("T")


def held(notes: Subscription[T]) -> list[T]:
    """Return the items that a subscription holds now."""
    found: list[T] = []
    while True:
        try:
            found.append(notes.receive_nowait())
        except trio.WouldBlock:
            return found


async def test_a_lost_link_is_replaced(autojump_clock: object) -> None:
    """Subscriptions get the notifications and continue; the next question is answered."""
    async with open_server() as server, open_client(server.url, auth="any") as client:
        await client.ready()
        notes = client.subscribe(Disconnected, Reconnecting, Reconnected, Initialized)
        ui_session_id = client.state.control.ui_session_id
        server.hang_up()
        await trio.sleep(5)
        told = [type(note) for note in held(notes)]
        assert told == [Disconnected, Reconnecting, Reconnected, Initialized]
        assert client.state.control.connection.status == "connected"
        async with client.ask("hello") as asked:
            assert "".join([piece async for piece in asked.text]) == "You said: hello"
        assert isinstance(asked.outcome, TurnCompleted)
        assert not asked.outcome.missed
        assert client.state.control.ui_session_id == ui_session_id
        assert client.health.links == 2


async def test_a_turn_continues_over_a_new_link(autojump_clock: object) -> None:
    """The ask survives, its outcome has a gap, and the session is resynced."""
    async with open_server() as server, open_client(server.url, auth="any") as client:
        await client.ready()
        server.script(turn("tell", say("one "), wait(1), say("two "), wait(20), say("three")))
        loaded = client.subscribe(SessionMessagesLoaded)
        async with client.ask("tell") as asked:
            assert await asked.text.receive()
            server.hang_up()
        assert isinstance(asked.outcome, TurnCompleted)
        assert asked.outcome.missed
        await trio.sleep(1)
        assert sent_types(server).count("resume_chat_session") == 1
        session = client.state.current_session
        assert session is not None
        assert session.messages[-1].content == "one two three"
        assert held(loaded)


async def test_a_message_cut_by_a_lost_link_is_interrupted(autojump_clock: object) -> None:
    """The server forgot the turn and the session; the received part stays."""
    config = ClientConfig(backoff_initial=0.1)
    async with (
        open_server() as server,
        open_client(server.url, auth="any", config=config) as client,
    ):
        await client.ready()
        server.script(turn("tell", say("one "), wait(60)))
        async with client.ask("tell") as asked:
            assert await asked.text.receive()
            server.hang_up()
            await trio.sleep(5)
            assert client.state.text.rest.links_lost == 1
            [opened] = client.state.text.open.values()
            assert opened.cut


async def test_a_notification_reports_the_resync(autojump_clock: object) -> None:
    """After a turn with a gap, once the requested list is in the state."""
    async with open_server() as server, open_client(server.url, auth="any") as client:
        await client.ready()
        server.script(turn("tell", say("one "), wait(1), say("two "), wait(20), say("three")))
        news = client.subscribe(Reconnected, SessionRestored)
        async with client.ask("tell") as asked:
            assert await asked.text.receive()
            server.faults.drop({"text_delta"}, times=1)
            await trio.sleep(2)
            server.hang_up()
            await client.set_chat_session_name("later")
            back = await news.receive()
        session_id = client.state.current_session_id
        assert back == Reconnected(missed=True, session_id=session_id, commands=1)
        assert await news.receive() == SessionRestored(session_id=session_id, reloaded=True)
        session = client.state.current_session
        assert session is not None
        assert session.messages[-1].content == "one two three"


async def test_a_complete_session_is_reported_too(autojump_clock: object) -> None:
    """In the user's turn nothing is missing: once per link that lasts long enough."""
    async with open_server() as server, open_client(server.url, auth="any") as client:
        await client.ready()
        news = client.subscribe(Reconnected, SessionRestored)
        session_id = client.state.current_session_id
        server.hang_up()
        assert await news.receive() == Reconnected(session_id=session_id)
        assert await news.receive() == SessionRestored(session_id=session_id)
        # The link ends after its pong and before any other event.
        server.faults.drop({"user_turn_start", "chat_session_changed"}, times=2)
        server.hang_up()
        assert isinstance(await news.receive(), Reconnected)
        server.hang_up()
        assert isinstance(await news.receive(), Reconnected)
        assert await news.receive() == SessionRestored(session_id=session_id)
        await trio.sleep(100)
        assert held(news) == []


async def test_a_session_is_not_restored_before_its_lane_has_it(autojump_clock: object) -> None:
    """A subscriber that blocks the text lane delays only that notification."""
    async with open_server() as server, open_client(server.url, auth="any") as client:
        await client.ready()
        server.script(turn("tell", say("one "), wait(20), say("two")))
        async with client.ask("tell") as asked:
            assert await asked.text.receive()
            stuck = client.text.subscribe(overflow=Block(1))
            news = client.subscribe(Reconnected, SessionRestored)
            server.hang_up()
            assert isinstance(await news.receive(), Reconnected)
            await trio.sleep(60)
            assert client.state.turn.can_send_input
            assert held(news) == []
            stuck.close()
        assert (await news.receive()).name == "session-restored"


async def test_a_link_that_is_away_is_not_initialized(autojump_clock: object) -> None:
    """In the state, until the new link has sent its initial data."""
    async with open_server() as server, open_client(server.url, auth="any") as client:
        await client.ready()
        news = client.subscribe(Disconnected, Initialized)
        assert client.state.control.connection.initialized
        server.hang_up()
        await news.receive()
        assert not client.state.control.connection.initialized
        await news.receive()
        assert client.state.control.connection.initialized


async def test_a_turn_that_ended_while_away_is_lost(autojump_clock: object) -> None:
    """Its end is unknown; the server's list has the answer, so there is no resync."""
    config = ClientConfig(backoff_initial=30, backoff_jitter=0)
    async with (
        open_server() as server,
        open_client(server.url, auth="any", config=config) as client,
    ):
        await client.ready()
        server.script(turn("tell", say("one "), wait(5), say("two")))
        async with client.ask("tell") as asked:
            assert await asked.text.receive()
            server.hang_up()
        assert isinstance(asked.outcome, TurnLost)
        await trio.sleep(1)
        assert "resume_chat_session" not in sent_types(server)
        session = client.state.current_session
        assert session is not None
        assert session.messages[-1].content == "one two"


async def test_commands_wait_for_the_new_links_gate(autojump_clock: object) -> None:
    """Commands queued without a link are sent once; audio is dropped and counted."""
    async with open_server() as server, open_client(server.url, auth="any") as client:
        await client.ready()
        news = client.subscribe(Reconnected)
        server.faults.refuse(503, times=2)
        server.hang_up()
        await trio.testing.wait_all_tasks_blocked()
        receipt = await client.get_voices()
        await client.audio.send(b"\0\0")
        assert client.health.status == "away"
        async with client.ask("hello") as asked:
            pass
        assert isinstance(asked.outcome, TurnCompleted)
        assert receipt.status == "sent"
        assert sent_types(server).count("get_voices") == 1
        assert client.health.outbox.audio_dropped == 1
        (back,) = held(news)
        assert (back.attempts, back.commands, back.audio_dropped) == (3, 2, 1)
        assert not any(isinstance(seen.frame, bytes) for seen in server.seen)


async def test_a_mute_link_is_dialled_again(autojump_clock: object) -> None:
    """A link that is accepted but sends nothing does not count."""
    async with open_server() as server, open_client(server.url, auth="any") as client:
        await client.ready()
        notes = client.subscribe(Reconnected)
        server.faults.mute(times=1)
        server.hang_up()
        await trio.sleep(30)
        assert [note.attempts for note in held(notes)] == [2]
        async with client.ask("hello") as asked:
            pass
        assert isinstance(asked.outcome, TurnCompleted)


async def test_a_link_that_falls_silent_is_replaced(autojump_clock: object) -> None:
    """Only the websocket answers, the server behind it does not."""
    async with open_server() as server, open_client(server.url, auth="any") as client:
        await client.ready()
        notes = client.subscribe(Disconnected, Reconnected)
        server.faults.mute(times=1)
        await trio.sleep(90)
        assert [type(note) for note in held(notes)] == [Disconnected, Reconnected]


async def test_a_consumer_that_never_reads_keeps_its_link(autojump_clock: object) -> None:
    """After ten minutes without reading, pings are still answered and checked."""
    async with open_server() as server, open_client(server.url, auth="any") as client:
        _unread = client.subscribe(overflow=Block(1))
        await trio.sleep(600)
        assert client.health.links == 1
        assert client.health.pong_age is not None
        assert client.health.pong_age < 60


async def test_the_servers_ping_is_answered_immediately(autojump_clock: object) -> None:
    """In the receive path, whatever the application does."""
    async with open_server() as server, open_client(server.url, auth="any") as client:
        await client.ready()
        server.script(turn("p", say("a"), emit({"type": "ping"}), wait(9)))
        async with client.ask("p"):
            await trio.sleep(1)
            assert "pong" in sent_types(server)


async def test_a_silent_turn_replaces_the_link(autojump_clock: object) -> None:
    """If user_turn_start was lost, the new link reports it, and the ask ends."""
    async with open_server() as server, open_client(server.url, auth="any") as client:
        await client.ready()
        server.faults.drop(["user_turn_start"], times=1)
        async with client.ask("hello") as asked:
            pass
        assert isinstance(asked.outcome, (TurnCompleted, TurnLost))
        assert 300 <= trio.current_time() < 340
        async with client.ask("again") as asked:
            pass
        assert isinstance(asked.outcome, TurnCompleted)


async def test_a_client_yields_to_another_with_its_session(autojump_clock: object) -> None:
    """The first client ends with an error that says so."""
    async with open_server() as server:
        ended = trio.Event()

        async def first(task_status: trio.TaskStatus[Client]) -> None:
            with pytest.raises(ConnectionLost, match="another client") as caught:
                await stay(task_status)
            assert caught.value.clean
            ended.set()

        async def stay(task_status: trio.TaskStatus[Client]) -> None:
            async with open_client(server.url, auth="any") as client:
                await client.ready()
                task_status.started(client)
                await trio.sleep_forever()

        async with trio.open_nursery() as nursery:
            client = await nursery.start(first)
            ui_session_id = client.state.control.ui_session_id
            async with second_client(server, ui_session_id) as other:
                await other.ready()
                await ended.wait()
                await trio.sleep(60)
                assert other.health.links == 1


def second_client(
    server: RealtimeServer, ui_session_id: str | None
) -> AbstractAsyncContextManager[Client]:
    """Open a client with the ui_session_id of another."""
    inner = MemoryConnector()

    class Taking:
        async def connect(self, url: str, nursery: trio.Nursery) -> Transport:
            return await inner.connect(f"{url}&ui_session_id={ui_session_id}", nursery)

    return open_client(server.url, auth="any", transport=Taking())


async def test_a_restarted_server_is_dialled_again(autojump_clock: object) -> None:
    """The complete initialisation arrives again, and the session with its messages."""
    async with open_server() as server, open_client(server.url, auth="any") as client:
        await client.ready()
        async with client.ask("hello"):
            pass
        before = client.state.current_session_id
        await server.restart(downtime=3)
        async with client.ask("again") as asked:
            pass
        assert isinstance(asked.outcome, TurnCompleted)
        session = client.state.current_session
        assert session is not None
        assert session.id == before
        contents = [message.content for message in session.messages]
        assert contents == ["hello", "You said: hello", "again", "You said: again"]


async def test_flapping_makes_the_pauses_longer(autojump_clock: object) -> None:
    """A link that breaks immediately does not reset the pause; a stable one does."""
    config = ClientConfig(backoff_jitter=0)
    async with (
        open_server() as server,
        open_client(server.url, auth="any", config=config) as client,
    ):
        await client.ready()
        notes = client.subscribe(Reconnecting)
        for _ in range(3):
            server.hang_up()
            await trio.sleep(6)
        await trio.sleep(60)
        server.hang_up()
        await trio.sleep(6)
        assert [note.delay for note in held(notes)] == [0.5, 1.0, 2.0, 0.5]


async def test_an_urgent_cancel_overtakes_queued_audio(autojump_clock: object) -> None:
    """Behind 3000 frames on a slow link, it is the next frame that is sent."""
    async with open_server() as server, open_client(server.url, auth="any") as client:
        await client.ready()
        for _ in range(3000):
            client.audio.send_nowait(b"\0" * 640)
        with trio.move_on_after(1):
            await client.cancel()
        kinds = [seen.type for seen in server.seen]
        assert kinds.index("client_wants_cancel") < 100


async def test_a_slow_subscriber_does_not_delay_ready(autojump_clock: object) -> None:
    """A subscriber that never reads does not delay the turns of others."""
    config = ServerConfig()
    async with open_server(config) as server, open_client(server.url, auth="any") as client:
        _notes = client.subscribe(ev.TextDeltaEvent)
        await client.ready()
        async with client.ask("x" * 5000) as asked:
            pass
        assert isinstance(asked.outcome, TurnCompleted)
