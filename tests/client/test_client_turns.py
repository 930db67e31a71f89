"""Asking, following and cancelling turns, against the embedded server in memory."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest
import trio
import trio.testing

from realtime_trio import events as ev
from realtime_trio._client._client import Client, open_client
from realtime_trio._config import ClientConfig
from realtime_trio._core._notifications import CancelConfirmed as CancelNote
from realtime_trio._core._notifications import Initialized, MessageComplete
from realtime_trio._exceptions import ClosedError, InDoubt, NotSent, TurnError
from realtime_trio._lanes._subscription import Subscription
from realtime_trio._turns._outcome import TurnCancelled, TurnCompleted, TurnFailed, TurnLost
from realtime_trio._turns._turn_progress import Turn
from realtime_trio.server import RealtimeServer, open_server
from realtime_trio.testing import (
    command,
    delegate,
    emit,
    fail,
    media,
    say,
    think,
    tool,
    turn,
    wait,
)


@asynccontextmanager
async def ready_client(
    config: ClientConfig | None = None,
) -> AsyncGenerator[tuple[RealtimeServer, Client], None]:
    async with (
        open_server() as server,
        open_client(server.url, auth="any", config=config) as client,
    ):
        await client.ready()
        yield server, client


def sent_types(server: RealtimeServer) -> list[str]:
    return [str(seen.type) for seen in server.seen if seen.type is not None]


async def test_a_turn_gives_its_pieces_and_its_outcome(autojump_clock: object) -> None:
    """Text, thoughts, tools, media, sub-sessions: separate and in order."""
    async with ready_client() as (server, client):
        server.script(
            turn(
                "Hello",
                thoughts="hmm",
                text="Hi there",
                tools=[tool("search", {"q": 1}, result="3 hits"), delegate("helper", text="done")],
                media=[media("<b>x</b>", "text/html")],
            )
        )
        async with client.ask("Hello") as asked:
            text = "".join([piece async for piece in asked.text])
            thoughts = "".join([piece async for piece in asked.thoughts])
            tools = [(note.tool_name, note.status) async for note in asked.tools]
            shown = [item.content async for item in asked.media]
            subs = [type(note).__name__ async for note in asked.subsessions]
        assert text.endswith("Hi there")
        assert thoughts == "hmm"
        assert ("search", "complete") in tools
        assert "<b>x</b>" in shown
        assert subs == ["SubsessionStarted", "SubsessionEnded"]
        assert isinstance(asked.outcome, TurnCompleted)
        assert asked.outcome.message is not None
        assert asked.outcome.message.content == "Hi there"
        assert client.state.turn.can_send_input


async def test_unread_pieces_do_not_delay_the_turn(autojump_clock: object) -> None:
    """Leaving the block waits for the outcome and drops the rest."""
    async with ready_client() as (_, client):
        async with client.ask("hello") as asked:
            with pytest.raises(TurnError):
                _ = asked.outcome
        assert isinstance(asked.outcome, TurnCompleted)


async def test_a_failed_turn_has_its_outcome(autojump_clock: object) -> None:
    """A turn whose interaction never ended has failed."""
    async with ready_client() as (server, client):
        server.script(turn("die", say("a bit"), fail()))
        async with client.ask("die") as asked:
            pass
        assert isinstance(asked.outcome, TurnFailed)
        assert asked.outcome.errors
        async with client.ask("again") as asked:
            pass
        assert isinstance(asked.outcome, TurnCompleted)


async def test_concurrent_asks_run_one_after_another(autojump_clock: object) -> None:
    """Each gets its own answer."""
    async with ready_client() as (_, client):
        answers: dict[str, str] = {}

        async def one(text: str) -> None:
            async with client.ask(text) as asked:
                answers[text] = "".join([piece async for piece in asked.text])

        async with trio.open_nursery() as nursery:
            for text in ("one", "two", "three"):
                nursery.start_soon(one, text)
        assert answers == {text: f"You said: {text}" for text in ("one", "two", "three")}


async def test_cancel_ends_the_running_turn(autojump_clock: object) -> None:
    """Concurrent cancels share one request; the outcome is cancelled."""
    async with ready_client() as (server, client):
        server.script(turn("slow", say("begin"), wait(100), say("end")))
        notes = client.control.subscribe()
        async with client.ask("slow") as asked:
            assert await asked.text.receive()
            async with trio.open_nursery() as nursery:
                for _ in range(5):
                    nursery.start_soon(client.cancel)
        assert isinstance(asked.outcome, TurnCancelled)
        assert sent_types(server).count("client_wants_cancel") == 1
        seen = []
        while True:
            try:
                seen.append(notes.receive_nowait())
            except trio.WouldBlock:
                break
        assert any(isinstance(note, CancelNote) for note in seen)


async def test_cancel_returns_without_a_running_turn(autojump_clock: object) -> None:
    """The server's confirmation is enough."""
    async with ready_client() as (_, client):
        assert (await client.cancel()).via == "socket"


async def test_leaving_ask_by_an_exception_cancels_once(autojump_clock: object) -> None:
    """The client sends one cancel, which does not affect the next turn."""
    async with ready_client() as (server, client):
        server.script(turn("slow", say("begin"), wait(100), say("end")))
        turns: list[Turn] = []

        async def leave() -> None:
            async with client.ask("slow") as asked:
                turns.append(asked)
                await asked.text.receive()
                raise KeyError

        with pytest.raises(KeyError):
            await leave()
        assert isinstance(turns[0].outcome, TurnCancelled)
        async with client.ask("next") as asked:
            pass
        assert isinstance(asked.outcome, TurnCompleted)
        assert sent_types(server).count("client_wants_cancel") == 1


async def test_an_unsent_input_is_withdrawn(autojump_clock: object) -> None:
    """If an ask is left while its input waits at the gate, the server never gets it."""
    async with ready_client() as (server, client):
        server.script(turn("slow", say("begin"), wait(5), say("end")))
        await client.text_input("slow")
        await trio.sleep(1)
        with pytest.raises(KeyError):
            async with client.ask("never") as asked:
                raise KeyError
        assert isinstance(asked.outcome, TurnLost)
        await client.ready()
        assert sent_types(server).count("text_input") == 1


async def test_commands_wait_for_the_gate_and_forced_ones_kill_the_turn(
    autojump_clock: object,
) -> None:
    """A command sent during a turn waits for its end; a forced one fails the ask."""
    async with ready_client() as (server, client):
        server.script(
            turn("slow", say("begin"), wait(5), say("end")),
            turn("slow", say("begin"), wait(5), say("end")),
        )
        async with client.ask("slow") as asked:
            await asked.text.receive()
            receipt = await client.get_voices()
            await trio.sleep(1)
            assert receipt.queued
        await receipt.sent()
        assert isinstance(asked.outcome, TurnCompleted)
        async with client.ask("slow") as asked:
            await asked.text.receive()
            forced = await client.get_voices(force=True)
            await forced.sent()
        assert isinstance(asked.outcome, TurnFailed)
        async with client.ask("next") as asked:
            pass
        assert isinstance(asked.outcome, TurnCompleted)


async def test_a_refused_input_fails_immediately(autojump_clock: object) -> None:
    """An error before any user_turn_end is the server's answer to the input."""
    async with ready_client() as (server, client):
        server.script(command("x", error="no"))
        async with client.ask("x") as asked:
            pass
        assert isinstance(asked.outcome, TurnFailed)
        assert asked.outcome.errors
        async with client.ask("next") as asked:
            pass
        assert isinstance(asked.outcome, TurnCompleted)


async def test_initialized_is_emitted_once_per_link(autojump_clock: object) -> None:
    """Also after the short sequence of a reconnect."""
    async with open_server() as server, open_client(server.url, auth="any") as client:
        notes = client.subscribe(Initialized)
        await client.ready()
        async with client.ask("hello"):
            pass
        server.hang_up()
        await trio.sleep(10)
        async with client.ask("hello"):
            pass
        assert notes.statistics().depth == 2


async def test_thoughts_have_their_own_channel(autojump_clock: object) -> None:
    """They are not part of the text."""
    async with ready_client() as (server, client):
        server.script(turn("q", think("deep"), say("shallow")))
        async with client.ask("q") as asked:
            text = "".join([piece async for piece in asked.text])
        assert text == "shallow"


async def test_push_to_talk_sends_its_start_and_its_end(autojump_clock: object) -> None:
    """ptt_end follows the speech, also if the block is cancelled."""
    async with ready_client() as (server, client):
        heard = client.subscribe(MessageComplete)
        async with client.push_to_talk():
            for _ in range(10):
                await client.audio.send(b"\1\0" * 320)
        await heard.receive()
        with trio.move_on_after(1):
            async with client.push_to_talk():
                await trio.sleep_forever()
        await client.ready()
        types = sent_types(server)
        assert types.count("ptt_start") == types.count("ptt_end") == 2


async def test_push_to_talk_that_never_started_is_not_ended(autojump_clock: object) -> None:
    """Cancelled while it waits at the gate, or after the client's end."""
    async with ready_client() as (server, client):
        server.script(turn("long", say("one "), wait(20), say("two")))
        async with client.ask("long"):
            with trio.move_on_after(1):
                async with client.push_to_talk():
                    raise AssertionError
        await client.ready()
        assert not any(str(seen.type).startswith("ptt") for seen in server.seen)
        with suppress(ClosedError):
            async with client.push_to_talk():
                await client.drain()
                await client.get_voices()
                raise AssertionError
        assert [seen.type for seen in server.seen if str(seen.type).startswith("ptt")]


async def test_a_cancel_without_a_waiter_is_withdrawn(autojump_clock: object) -> None:
    """If it was not sent: it would stop the next answer."""
    async with ready_client() as (server, client):
        server.faults.refuse(503, times=3)
        server.hang_up()
        with trio.move_on_after(0.1) as scope:
            await client.cancel()
        assert scope.cancelled_caught
        async with client.ask("hello") as asked:
            pass
        assert isinstance(asked.outcome, TurnCompleted)
        assert "client_wants_cancel" not in sent_types(server)


async def test_an_error_after_the_outcome_cancels_nothing(autojump_clock: object) -> None:
    """The turn is over, so no cancel is sent."""
    async with ready_client() as (server, client):
        with suppress(KeyError):
            async with client.ask("hello") as asked:
                await asked.wait()
                raise KeyError
        assert isinstance(asked.outcome, TurnCompleted)
        assert "client_wants_cancel" not in sent_types(server)


async def test_send_nowait_sends_too(autojump_clock: object) -> None:
    """It raises if the queue is full."""
    async with ready_client(ClientConfig(max_commands=1)) as (server, client):
        await client.send_nowait(ev.PingEvent()).sent()
        receipt = client.send_nowait(ev.GetVoicesEvent())
        with pytest.raises(trio.WouldBlock):
            client.send_nowait(ev.GetAgentsEvent())
        await receipt.sent()
        await trio.testing.wait_all_tasks_blocked()
        assert sent_types(server)[-1] == "get_voices"


async def test_an_input_without_ask_can_be_refused(autojump_clock: object) -> None:
    """The gate opens again, and the next question is answered."""
    async with ready_client() as (_, client):
        await client.text_input("look", file_ids=["no-such-file"])
        async with client.ask("hello") as asked:
            pass
        assert isinstance(asked.outcome, TurnCompleted)


async def test_whole_messages_are_pieces_too(autojump_clock: object) -> None:
    """Those of the user's session, by role."""
    ids = {"session_id": "$session", "parent_session_id": None, "user_session_id": "$user_session"}
    whole = {"type": "message", "format": "markdown", **ids}
    async with ready_client() as (server, client):
        server.script(
            turn(
                "show",
                emit(
                    {**whole, "role": "assistant", "content": "all at once"},
                    {**whole, "role": "assistant (thought)", "content": "hm"},
                    {**whole, "role": "tool", "content": "neither"},
                    {**whole, "role": "assistant", "content": "theirs", "session_id": "sub"},
                ),
            )
        )
        async with client.ask("show") as asked:
            assert [piece async for piece in asked.text] == ["all at once"]
            assert [piece async for piece in asked.thoughts] == ["hm"]


async def test_push_to_talk_ends_its_speech_when_the_client_is_cancelled(
    autojump_clock: object,
) -> None:
    """Cancelling the whole client still sends ptt_end."""
    async with open_server() as server:
        with trio.move_on_after(1):
            async with (
                open_client(server.url, auth="any") as client,
                client.push_to_talk(),
            ):
                await trio.sleep_forever()
        assert sent_types(server)[-1] == "ptt_end"


async def test_receipts_report_what_happened_to_commands(autojump_clock: object) -> None:
    """Sent, and not sent if the client was closed before the gate opened."""
    async with ready_client() as (server, client):
        receipt = await client.get_voices()
        await receipt.sent()
        assert receipt.status == "sent"
        server.script(turn("slow", say("begin"), wait(50), say("end")))
        await (await client.text_input("slow")).sent()
        await trio.sleep(1)
        held = await client.get_voices()
    assert held.status == "not-sent"
    with pytest.raises(NotSent):
        await held.sent()
    with pytest.raises((NotSent, InDoubt)):
        await held.sent()


async def test_sessions_are_read_page_by_page(autojump_clock: object) -> None:
    """The iterator yields each session once."""
    async with ready_client() as (_, client):
        for text in ("a", "b", "c"):
            async with client.ask(text):
                pass
            await client.new_chat_session()
        ids = [entry.session_id async for entry in client.sessions(page=2)]
        assert len(ids) == len(set(ids)) == 3


async def test_a_wire_event_reaches_its_subscribers(autojump_clock: object) -> None:
    """A subscription in the body's first line misses nothing of the initialisation."""
    async with open_server() as server, open_client(server.url, auth="any") as client:
        first = client.subscribe(ev.UiSessionIdChangedEvent)
        await client.ready()
        assert (await first.receive()).ui_session_id == client.state.control.ui_session_id


async def test_a_task_that_subscribes_at_once_misses_nothing(autojump_clock: object) -> None:
    """Nor does what a task subscribes to in its first step; in any order of the tasks."""

    async def consume(client: Client, *, task_status: trio.TaskStatus[Subscription[Any]]) -> None:
        task_status.started(client.subscribe(ev.UiSessionIdChangedEvent))
        await trio.sleep_forever()

    for _ in range(20):
        async with (
            open_server() as server,
            open_client(server.url, auth="any") as client,
            trio.open_nursery() as nursery,
        ):
            first = await nursery.start(consume, client)
            await client.ready()
            assert first.statistics().depth == 1
            nursery.cancel_scope.cancel()
