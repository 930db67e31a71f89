"""Inputs and their verdicts: rule G with the whole client (protocol.md §7)."""

from __future__ import annotations

import json

import pytest
import trio
import trio.testing
from hypothesis import given, settings
from hypothesis import strategies as st

from realtime_trio import events as ev
from realtime_trio._client._client import open_client
from realtime_trio._config import ClientConfig
from realtime_trio._core._notifications import TurnStateChanged
from realtime_trio._exceptions import InDoubt, NotSent
from realtime_trio._outbound._cancel import CancelResult
from realtime_trio._turns._outcome import (
    Outcome,
    TurnCancelled,
    TurnCompleted,
    TurnFailed,
    TurnLost,
)
from realtime_trio._turns._turn_progress import TurnProgress
from realtime_trio.server import ServerConfig, open_server
from realtime_trio.testing import answer, command, notice, say, turn, wait
from tests.handlers.test_recordings import NO_RECORDINGS, RECORDINGS

from .scripted_link import ScriptedLink, scripted_link
from .test_client_turns import ready_client, sent_types

NO_TURN = TurnCompleted(message=None, began=False)


# -- gate and state ------------------------------------------------------------------------

SERVERS = ["pong", "user_turn_end", "user_turn_start", "error", "cancelled", "delta", "interaction"]
OWN = ["input", "forced input", "forced command", "command", "ping", "cancel", "grace", "lost"]
STEPS = st.lists(st.sampled_from([*SERVERS, "pong", "pong", *OWN, "settle"]), max_size=30)
WHOLE: dict[str, dict[str, object]] = {
    "error": {"type": "error", "message": "no"},
    "delta": {"type": "text_delta", "session_id": "s", "content": "x"},
    "interaction": {"type": "interaction", "session_id": "s", "started": True},
}


async def step(link: ScriptedLink, name: str, asks: list[TurnProgress]) -> None:
    match name:
        case "input" | "forced input":
            asks.append(link.put_ask(force=name != "input"))
        case "forced command" | "command":
            link.put(ev.GetVoicesEvent(), force=name != "command")
        case "ping":
            link.put(ev.PingEvent())
        case "cancel":
            link.shell.nursery.start_soon(link.shell.canceller.cancel, link.shell.nursery)
            await trio.lowlevel.checkpoint()
        case "grace":
            if link.shell.gate.in_grace:
                link.shell.observer.no_turn()
        case "lost":
            link.lose()
            link.open()
        case "settle":
            await link.settled()
            assert link.agree
        case _:
            await link.receive(WHOLE.get(name, name))
    await link.write()


@given(STEPS)
@settings(max_examples=300)
def test_gate_and_state_always_agree(steps: list[str]) -> None:
    """Whenever no event is in progress; and every ask ends with the client."""

    async def main() -> None:
        asks: list[TurnProgress] = []
        async with scripted_link() as link:
            for name in steps:
                await step(link, name, asks)
            await link.settled()
            assert link.agree
            # In any case, the end of a turn on a new link decides every written input.
            link.lose()
            link.open()
            await link.receive("pong", "user_turn_start")
            await link.settled()
            assert link.agree
            assert all(ask.outcome is not None for ask in asks if ask.written)

    trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))


async def test_can_send_input_follows_the_input(autojump_clock: object) -> None:
    """False when it is written, true at the verdict, with no change in between."""
    async with ready_client() as (server, client):
        server.script(command("!x", notice("done")), command("bad", error="no"))
        changes = client.subscribe(TurnStateChanged)
        for text in ("!x", "bad", "hello"):
            async with client.ask(text):
                pass
            assert client.state.turn.can_send_input
        said: list[bool] = []
        while changes.statistics().depth:
            said.append((await changes.receive()).can_send_input)
        assert said == [False, True] * 3


async def test_an_earlier_turns_end_does_not_open_the_gate(autojump_clock: object) -> None:
    """The input that was written meanwhile still waits for its verdict."""
    async with scripted_link() as link:
        asked = link.put_ask()
        await link.write()
        await link.receive("user_turn_end", "user_turn_start")
        await link.settled()
        assert not link.client.state.turn.can_send_input
        await link.receive("pong", "user_turn_end", "user_turn_start")
        await link.settled()
        assert not link.client.state.turn.can_send_input
        assert asked.outcome is None
        await link.receive("pong")
        await link.settled()
        assert link.client.state.turn.can_send_input
        assert asked.outcome == TurnCompleted(message=None)


# -- inputs without a turn -----------------------------------------------------------------


async def test_a_chat_command_ends_within_the_grace(autojump_clock: object) -> None:
    """The gate opens, and the next question is answered."""
    async with ready_client() as (_, client):
        begin = trio.current_time()
        async with client.ask("!help") as asked:
            assert [item.content async for item in asked.media]
        assert asked.outcome == NO_TURN
        assert trio.current_time() - begin == pytest.approx(1.0)
        async with client.ask("hello") as asked:
            pass
        assert isinstance(asked.outcome, TurnCompleted)
        assert asked.outcome.began


async def test_the_grace_is_configurable(autojump_clock: object) -> None:
    async with ready_client(ClientConfig(input_grace=0.25)) as (_, client):
        begin = trio.current_time()
        async with client.ask("!help") as asked:
            pass
        assert asked.outcome == NO_TURN
        assert trio.current_time() - begin == pytest.approx(0.25)


async def test_without_a_grace_turn_silence_decides(autojump_clock: object) -> None:
    """The link is kept."""
    config = ClientConfig(input_grace=None, turn_silence=60)
    async with ready_client(config) as (_, client):
        begin = trio.current_time()
        async with client.ask("!help") as asked:
            pass
        assert asked.outcome == NO_TURN
        assert trio.current_time() - begin == pytest.approx(60)
        assert client.health.links == 1


async def test_an_unknown_command_reports_its_error(autojump_clock: object) -> None:
    """Without errors of an earlier command."""
    async with ready_client() as (server, client):
        server.script(answer("set_agent", notice("earlier", severity="error")))
        await client.set_agent("x")
        async with client.ask("!nosuch") as asked:
            pass
        error = "Unknown command: !nosuch"
        assert asked.outcome == TurnCompleted(message=None, began=False, errors=(error,))


async def test_a_turn_that_begins_late_belongs_to_no_ask(autojump_clock: object) -> None:
    """After the verdict, it closes the gate until its end."""
    async with ready_client() as (server, client):
        server.script(turn("late", say("one"), wait(3), say("two"), start=5))
        async with client.ask("late") as asked:
            pass
        assert asked.outcome == NO_TURN
        await trio.sleep(5)
        assert not client.state.turn.can_send_input
        async with client.ask("next") as asked:
            pass
        assert isinstance(asked.outcome, TurnCompleted)
        assert asked.outcome.message is not None
        session = client.state.current_session
        assert session is not None
        assert [message.content for message in session.messages] == [
            "late",
            "onetwo",
            "next",
            "You said: next",
        ]


async def test_many_inputs_wait_in_order(autojump_clock: object) -> None:
    """Each input has its own unit and its own verdict."""
    async with ready_client() as (server, client):
        texts = ["one", "!help", "two", "!nosuch", "three"]
        outcomes: dict[str, Outcome] = {}

        async def one(text: str) -> None:
            async with client.ask(text) as asked:
                pass
            outcomes[text] = asked.outcome

        before = len(sent_types(server))
        async with trio.open_nursery() as nursery:
            for text in texts:
                nursery.start_soon(one, text)
            for text in texts:
                await client.text_input("and " + text)
        await client.ready()
        began = {text: getattr(outcome, "began", None) for text, outcome in outcomes.items()}
        assert began == {text: not text.startswith("!") for text in texts}
        assert sent_types(server)[before:] == ["ping", "text_input", "ping"] * 10


async def test_pings_of_the_application_change_nothing(autojump_clock: object) -> None:
    """They count like all others."""
    async with ready_client() as (server, client):
        server.script(turn("slow", say("a"), wait(2), say("b")), command("bad", error="no"))
        kinds: list[type[Outcome]] = []
        for text in ("!help", "slow", "bad", "hello"):
            client.send_nowait(ev.PingEvent())
            async with client.ask(text) as asked:
                client.send_nowait(ev.PingEvent())
                await trio.sleep(0.5)
                client.send_nowait(ev.PingEvent())
            kinds.append(type(asked.outcome))
        assert kinds == [TurnCompleted, TurnCompleted, TurnFailed, TurnCompleted]


@pytest.mark.parametrize("blank", ["", "   ", "\n\t"])
async def test_a_blank_text_is_refused(autojump_clock: object, blank: str) -> None:
    """By the client, because a server does not answer it."""
    async with ready_client() as (_, client):
        with pytest.raises(ValueError, match="text"):
            async with client.ask(blank):
                pass


# -- errors --------------------------------------------------------------------------------


async def test_an_earlier_commands_error_does_not_fail_the_input(autojump_clock: object) -> None:
    """It arrives while the input is on its way; the turn runs to its end."""
    async with ready_client() as (server, client):
        server.faults.delay(0.05, types=["error"])
        await client.set_agent("nosuch")
        async with client.ask("hello") as asked:
            text = "".join([piece async for piece in asked.text])
        assert text == "You said: hello"
        assert isinstance(asked.outcome, TurnCompleted)
        assert asked.outcome.errors == ()


async def test_an_unprepared_turn_has_failed(autojump_clock: object) -> None:
    """It has a start, an end, an error and no interaction."""
    async with ready_client() as (_, client):
        async with client.ask("look", file_ids=["nosuchfile"]) as asked:
            pass
        assert isinstance(asked.outcome, TurnFailed)
        assert "prepare" in asked.outcome.reason
        assert len(asked.outcome.errors) == 1


async def test_errors_before_the_session_of_a_new_link_fail_no_turn(autojump_clock: object) -> None:
    """A new link can send errors before it has sent the session."""
    error: dict[str, object] = {"type": "error", "message": "no", "source": "elsewhere"}
    loaded: dict[str, object] = {
        "type": "chat_session_changed",
        "chat_session": {"session_id": "s", "messages": []},
    }
    async with scripted_link() as link:
        asked = link.put_ask()
        await link.write()
        begun: dict[str, object] = {"type": "interaction", "session_id": "s", "started": True}
        await link.receive("pong", "pong", loaded, "user_turn_end", begun, error)
        link.lose()
        link.open()
        ended: dict[str, object] = {"type": "interaction", "session_id": "s", "started": False}
        later: dict[str, object] = {"type": "error", "message": "later"}
        await link.receive("pong", {**error, "message": "away"}, loaded, later, ended)
        await link.receive("user_turn_start")
        await link.settled()
        assert asked.outcome == TurnCompleted(message=None, missed=True, errors=("no", "later"))


# -- cancels -------------------------------------------------------------------------------


async def test_a_cancel_directly_after_its_input_takes_effect(autojump_clock: object) -> None:
    """The server confirms it before the turn starts, so the client sends it again."""
    async with ready_client() as (server, client):
        server.script(turn("slow", say("a"), wait(100), say("b"), start=0.5))
        async with client.ask("slow") as asked:
            await asked.receipt.sent()
            begin = trio.current_time()
            assert await client.cancel() == CancelResult("socket")
            assert trio.current_time() - begin == pytest.approx(0.5)
        assert isinstance(asked.outcome, TurnCancelled)
        assert sent_types(server).count("client_wants_cancel") == 2
        async with client.ask("next") as asked:
            pass
        assert isinstance(asked.outcome, TurnCompleted)


async def test_a_cancelled_command_is_cancelled(autojump_clock: object) -> None:
    """It starts no turn; one cancel is enough, and it returns with the verdict."""
    async with ready_client() as (server, client):
        async with client.ask("!help") as asked:
            await asked.receipt.sent()
            assert (await client.cancel()).via == "socket"
        assert asked.outcome == TurnCancelled()
        assert sent_types(server).count("client_wants_cancel") == 1
        async with client.ask("!help") as asked:
            pass
        assert asked.outcome == NO_TURN


async def test_an_earlier_cancel_does_not_cancel_the_next_input(autojump_clock: object) -> None:
    """Its confirmation comes before the first pong; a cancel of the input waits for its own."""
    async with scripted_link() as link:
        shell, done = link.shell, list[str]()

        async def cancel(name: str) -> None:
            await shell.canceller.cancel(shell.nursery)
            done.append(name)

        shell.nursery.start_soon(cancel, "earlier")
        await link.settled()
        assert await link.write() == ["client_wants_cancel"]
        asked = link.put_ask()
        await link.write()
        shell.nursery.start_soon(cancel, "later")
        await link.settled()
        assert await link.write() == ["client_wants_cancel"]
        await link.receive("cancelled", "pong", "pong")
        await link.settled()
        assert done == []
        await link.receive("cancelled", "user_turn_end")
        assert await link.write() == ["client_wants_cancel"]
        await link.receive("cancelled")
        await link.settled()
        assert sorted(done) == ["earlier", "later"]
        await link.receive("user_turn_start")
        await link.settled()
        assert asked.outcome == TurnCancelled()


async def test_a_cancel_by_rest_is_repeated_too(autojump_clock: object) -> None:
    """No caller waits for it on the socket."""
    async with scripted_link() as link:
        link.put_ask()
        await link.write()
        await link.receive("pong", "cancelled", "user_turn_end")
        assert await link.write() == ["client_wants_cancel"]
        await link.receive("cancelled")
        assert await link.write() == []


async def test_a_cancel_of_a_lost_link_is_not_repeated(autojump_clock: object) -> None:
    """A turn on the next link needs its own cancel."""
    async with scripted_link() as link:
        asked = link.put_ask()
        await link.write()
        await link.receive("pong", "pong", "cancelled")
        link.lose()
        link.open()
        await link.receive("pong", "user_turn_end")
        assert await link.write() == []
        await link.settled()
        assert isinstance(asked.outcome, TurnLost)


async def test_a_cancel_withdraws_a_queued_input(autojump_clock: object) -> None:
    """Neither the input nor the cancel reaches the server."""
    async with ready_client() as (server, client):
        server.script(turn("slow", say("a"), wait(5), say("b")))
        await client.text_input("slow")
        await trio.sleep(1)
        async with client.ask("never") as asked:
            assert (await client.cancel()).via == "withdrawn"
        assert asked.outcome == TurnCancelled()
        with pytest.raises(NotSent):
            await asked.receipt.sent()
        await client.ready()
        assert sent_types(server).count("text_input") == 1
        assert "client_wants_cancel" not in sent_types(server)
        assert (await client.cancel()).via == "socket"


# -- forced inputs, voice ------------------------------------------------------------------


async def test_a_forced_input_has_its_own_verdict(autojump_clock: object) -> None:
    """The turn that it kills has failed; later events of that turn do not count for it."""
    async with ready_client() as (server, client):
        server.script(turn("slow", say("a"), wait(5), say("b")))
        async with client.ask("slow") as asked:
            await asked.text.receive()
            await client.text_input("!help", force=True)
        assert isinstance(asked.outcome, TurnFailed)
        async with client.ask("next") as asked:
            pass
        assert isinstance(asked.outcome, TurnCompleted)
        assert asked.outcome.began


async def test_a_forced_command_in_the_grace_opens_the_gate(autojump_clock: object) -> None:
    """The client no longer waits for the verdict."""
    async with ready_client() as (server, client):
        server.script(turn("slow", say("a"), start=0.5))
        async with client.ask("slow") as asked:
            await asked.receipt.sent()
            await (await client.get_voices(force=True)).sent()
            assert client.state.turn.can_send_input
        assert isinstance(asked.outcome, TurnFailed)


async def test_an_input_before_the_first_turn_has_its_own_verdict(autojump_clock: object) -> None:
    """Forced onto a link that has not said whose turn it is."""
    async with scripted_link("pong") as link:
        asked = link.put_ask(force=True)
        await link.write()
        await link.receive("user_turn_start", "pong", "user_turn_end", "pong")
        await link.settled()
        assert link.client.state.control.connection.initialized
        assert asked.outcome is None
        await link.receive("user_turn_start")
        await link.settled()
        assert asked.outcome == TurnCompleted(message=None)
        assert link.agree


async def test_a_voice_turn_before_an_input_is_not_its_turn(autojump_clock: object) -> None:
    """Its end was on the way when the input was written; the command kills it."""
    async with scripted_link() as link:
        asked = link.put_ask("!help")
        await link.write()
        delta: dict[str, object] = {"type": "text_delta", "session_id": "s", "content": "voice"}
        await link.receive("user_turn_end", delta, "pong", "pong")
        await link.settled()
        assert link.shell.gate.in_grace
        link.shell.observer.no_turn()
        await link.settled()
        assert asked.outcome == NO_TURN
        assert asked.text.statistics().depth == 0
        assert link.agree


# -- links ---------------------------------------------------------------------------------


@pytest.mark.parametrize("after", range(14))
async def test_a_link_cut_during_an_input_leaves_no_open_ask(
    autojump_clock: object, after: int
) -> None:
    """At each event of its answer: unknown is lost, and the next one is answered."""
    async with ready_client() as (server, client):
        server.faults.cut(after=after)
        async with client.ask("hello") as asked:
            pass
        assert isinstance(asked.outcome, (TurnLost, TurnCompleted))
        if after < 2:
            assert isinstance(asked.outcome, TurnLost)
        try:
            await asked.receipt.sent()
        except InDoubt:
            assert isinstance(asked.outcome, TurnLost)
        async with client.ask("next") as asked:
            pass
        assert isinstance(asked.outcome, TurnCompleted)


@pytest.mark.parametrize("received", [(), ("pong",), ("pong", "user_turn_end"), ("pong", "pong")])
async def test_a_new_link_voids_an_open_verdict(
    autojump_clock: object, received: tuple[str, ...]
) -> None:
    async with scripted_link() as link:
        asked = link.put_ask()
        await link.write()
        await link.receive(*received)
        link.lose()
        await link.settled()
        assert isinstance(asked.outcome, TurnLost)
        assert link.agree


@pytest.mark.parametrize("lost", ["first", "second"])
async def test_a_lost_pong_delays_the_verdict(autojump_clock: object, lost: str) -> None:
    """Until the next pong of the liveness check."""
    async with ready_client() as (server, client):
        begin = trio.current_time()
        if lost == "first":
            server.script(answer("ping"))
        async with client.ask("!help") as asked:
            if lost == "second":
                await asked.receipt.sent()
                server.script(answer("ping"))
        assert asked.outcome == NO_TURN
        assert 1 < trio.current_time() - begin <= 31
        async with client.ask("hello") as asked:
            pass
        assert isinstance(asked.outcome, TurnCompleted)


async def test_a_server_may_start_the_turn_before_the_second_pong(autojump_clock: object) -> None:
    """Immediately after the input."""
    async with (
        open_server(ServerConfig(turn_start=0.0, pace=0.0)) as server,
        open_client(server.url, auth="any") as client,
    ):
        await client.ready()
        for text in ("hello", "!help", "again"):
            async with client.ask(text) as asked:
                pass
            assert isinstance(asked.outcome, TurnCompleted)
            assert asked.outcome.began is not text.startswith("!")


# -- a real server -------------------------------------------------------------------------


COMMANDS = {
    "ping": ev.PingEvent(),
    "set_agent": ev.SetAgentEvent(agent_key="nosuch"),
    "client_wants_cancel": ev.ClientWantsCancelEvent(),
}
LONE_PINGS = (10.9327, 10.9329)
"""When the recording sent pings that belong to no input."""


@pytest.mark.skipif(not RECORDINGS.is_dir(), reason=NO_RECORDINGS)
async def test_a_real_servers_answers_give_the_right_verdicts(
    autojump_clock: object,
) -> None:
    """Turns, commands, a blank text, an earlier error, an unknown file, an early cancel."""
    lines = (RECORDINGS / "input_units.jsonl").read_text(encoding="utf-8").splitlines()
    frames = [
        (row["t"], row["dir"], json.loads(row["text"]))
        for row in map(json.loads, lines)
        if row["text"]
    ]
    asks: list[tuple[str, TurnProgress]] = []
    wanted: list[str] = []
    heard = 0.0
    async with scripted_link("pong") as link:  # the recording begins after the confirmation
        for at, way, frame in frames:
            if link.shell.gate.in_grace and at - heard > 1:
                link.shell.observer.no_turn()
            if way == "in":
                heard = at
                await link.receive(frame)
                await link.settled()
                wanted += await link.write()
            elif frame["type"] == "text_input":
                asks.append((frame["text"], link.put_ask()))
                await link.write()
            elif frame["type"] != "ping" or at in LONE_PINGS:
                link.put(COMMANDS[frame["type"]])
                await link.write()
        await link.settled()
        assert link.agree
    told = [(text, type(ask.outcome), getattr(ask.outcome, "began", True)) for text, ask in asks]
    assert told == [
        ("hello", TurnCompleted, True),
        ("!help", TurnCompleted, False),
        ("   ", TurnCompleted, False),
        ("!nosuch", TurnCompleted, False),
        ("hello again", TurnCompleted, True),
        ("with file", TurnFailed, True),
        ("cancel me soon", TurnCompleted, True),
        ("!pp", TurnCompleted, False),
        ("tool please #tool", TurnCompleted, True),
        ("slow #slow", TurnCompleted, True),
    ]
    # The recorded client did not send the cancel again.
    assert wanted == ["client_wants_cancel"]
