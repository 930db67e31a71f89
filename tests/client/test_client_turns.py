"""Asking, following and cancelling turns, against the embedded server in memory."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress

import pytest
import trio
import trio.testing

from realtime_trio import events as ev
from realtime_trio._client._client import Client, open_client
from realtime_trio._config import ClientConfig
from realtime_trio._core._notifications import CancelConfirmed as CancelNote
from realtime_trio._core._notifications import Initialized, MessageComplete
from realtime_trio._exceptions import ClosedError, InDoubt, NotSent, TurnError
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
    """Text, thoughts, tools, media, sub-sessions come apart and in order; the message is whole."""
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


async def test_pieces_that_nobody_reads_do_not_keep_the_turn(autojump_clock: object) -> None:
    """Leaving the block waits for the outcome and throws the rest away."""
    async with ready_client() as (_, client):
        async with client.ask("hello") as asked:
            with pytest.raises(TurnError):
                _ = asked.outcome
        assert isinstance(asked.outcome, TurnCompleted)


async def test_a_failed_turn_says_so(autojump_clock: object) -> None:
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


async def test_two_asks_wait_for_each_other(autojump_clock: object) -> None:
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


async def test_cancel_ends_the_turn_that_runs(autojump_clock: object) -> None:
    """Concurrent cancels share one request; the turn's outcome is cancelled."""
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


async def test_cancel_returns_when_nothing_runs(autojump_clock: object) -> None:
    """The server's word is enough."""
    async with ready_client() as (_, client):
        assert (await client.cancel()).via == "socket"


async def test_leaving_ask_by_an_exception_cancels_once(autojump_clock: object) -> None:
    """The server is told to stop, and the next turn is not touched by it."""
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


async def test_an_input_that_did_not_leave_is_taken_back(autojump_clock: object) -> None:
    """An ask that is left while its input waits at the gate never reaches the server."""
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


async def test_commands_wait_for_the_gate_and_forced_ones_kill(autojump_clock: object) -> None:
    """A command sent in a turn leaves after it; a forced one fails the ask at once."""
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


async def test_an_input_that_is_refused_fails_at_once(autojump_clock: object) -> None:
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


async def test_initialized_is_told_once_a_link(autojump_clock: object) -> None:
    """Also on the short sequence of a reconnection."""
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


async def test_thinking_is_a_turn_of_its_own_kind(autojump_clock: object) -> None:
    """Thoughts do not come into the text."""
    async with ready_client() as (server, client):
        server.script(turn("q", think("deep"), say("shallow")))
        async with client.ask("q") as asked:
            text = "".join([piece async for piece in asked.text])
        assert text == "shallow"


async def test_push_to_talk_says_both_ends(autojump_clock: object) -> None:
    """ptt_end follows the speech, also where the block is cancelled."""
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


async def test_push_to_talk_that_never_began_is_not_ended(autojump_clock: object) -> None:
    """Cancelled while it waits at the gate, or after the client's own end."""
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


async def test_a_cancel_that_nobody_waits_for_is_taken_back(autojump_clock: object) -> None:
    """Where it has not left: it would stop the next answer."""
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
    """The turn is over: there is nobody to be told."""
    async with ready_client() as (server, client):
        with suppress(KeyError):
            async with client.ask("hello") as asked:
                await asked.wait()
                raise KeyError
        assert isinstance(asked.outcome, TurnCompleted)
        assert "client_wants_cancel" not in sent_types(server)


async def test_what_is_sent_without_waiting_leaves_too(autojump_clock: object) -> None:
    """Or is refused where its queue is full."""
    async with ready_client(ClientConfig(max_commands=1)) as (server, client):
        await client.send_nowait(ev.PingEvent()).sent()
        receipt = client.send_nowait(ev.GetVoicesEvent())
        with pytest.raises(trio.WouldBlock):
            client.send_nowait(ev.GetAgentsEvent())
        await receipt.sent()
        await trio.testing.wait_all_tasks_blocked()
        assert sent_types(server)[-1] == "get_voices"


async def test_an_input_of_nobodys_may_be_refused_too(autojump_clock: object) -> None:
    """Said without ask: the gate opens again, and the next question is answered."""
    async with ready_client() as (_, client):
        await client.text_input("look", file_ids=["no-such-file"])
        async with client.ask("hello") as asked:
            pass
        assert isinstance(asked.outcome, TurnCompleted)


async def test_whole_messages_are_pieces_as_well(autojump_clock: object) -> None:
    """Those of the user's own session, by their role."""
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


async def test_push_to_talk_ends_its_speech_when_all_is_cancelled(autojump_clock: object) -> None:
    """Cancelling the whole client still says ptt_end."""
    async with open_server() as server:
        with trio.move_on_after(1):
            async with (
                open_client(server.url, auth="any") as client,
                client.push_to_talk(),
            ):
                await trio.sleep_forever()
        assert sent_types(server)[-1] == "ptt_end"


async def test_receipts_tell_what_became_of_commands(autojump_clock: object) -> None:
    """Sent, and not sent where the client was closed before the gate opened."""
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
    """The iterator gives every session once."""
    async with ready_client() as (_, client):
        for text in ("a", "b", "c"):
            async with client.ask(text):
                pass
            await client.new_chat_session()
        ids = [entry.session_id async for entry in client.sessions(page=2)]
        assert len(ids) == len(set(ids)) == 3


async def test_a_wire_event_reaches_who_asks_for_its_class(autojump_clock: object) -> None:
    """What subscribes at the first line of the body misses nothing of the initialisation."""
    async with open_server() as server, open_client(server.url, auth="any") as client:
        first = client.subscribe(ev.UiSessionIdChangedEvent)
        await client.ready()
        assert (await first.receive()).ui_session_id == client.state.control.ui_session_id
