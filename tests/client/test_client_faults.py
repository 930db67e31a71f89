"""Random use under random faults: every ask ends, nothing is sent twice."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress

import attrs
import trio
import trio.testing
from hypothesis import example, given, settings
from hypothesis import strategies as st

from realtime_trio._client._client import Client, open_client
from realtime_trio._config import ClientConfig
from realtime_trio._core._messages import Message
from realtime_trio._exceptions import InDoubt, NotSent, RealtimeError
from realtime_trio._outbound._receipt import Receipt
from realtime_trio._turns._outcome import TurnCompleted
from realtime_trio._turns._turn_progress import Turn
from realtime_trio.server import RealtimeServer, open_server
from realtime_trio.server._turn_script import Say, Wait
from realtime_trio.testing import say, tool, turn, wait

CONFIG = ClientConfig(max_attempts=None, turn_silence=60)


def _refuse(server: RealtimeServer) -> None:
    server.faults.refuse(503, times=2)
    server.hang_up()


FAULTS: dict[str, Callable[[RealtimeServer], None]] = {
    "cut": lambda server: server.faults.cut(after=3),
    "cut clean mid-frame": lambda server: server.faults.cut(after=7, how="mid-frame"),
    "hang up": lambda server: server.hang_up(),
    "stall": lambda server: server.faults.stall(15, after=2),
    "long stall": lambda server: server.faults.stall(120, after=1),
    "mute": lambda server: server.faults.mute(after=2),
    "drop start": lambda server: server.faults.drop(["user_turn_start"], times=1),
    "drop end": lambda server: server.faults.drop(["user_turn_end"], times=1),
    "drop some": lambda server: server.faults.drop(["text_delta"], probability=0.5, times=5),
    "drop interaction": lambda server: server.faults.drop(["interaction"], times=1),
    "drop cancelled": lambda server: server.faults.drop(["cancelled"], times=1),
    "garble": lambda server: server.faults.garble(probability=0.3, times=3),
    "duplicate": lambda server: server.faults.duplicate(["text_delta"], times=3),
    "delay": lambda server: server.faults.delay(0.5, times=5),
    "refuse": _refuse,
    "nothing": lambda server: None,
}

ACTIONS = st.one_of(
    st.tuples(st.just("ask"), st.sampled_from(["plain", "slow", "tools"])),
    st.tuples(st.just("ask and cancel"), st.sampled_from(["slow", "tools"])),
    st.tuples(st.just("ask and raise"), st.sampled_from(["slow", "plain"])),
    st.tuples(st.just("command"), st.sampled_from(["a", "b", "c"])),
    st.tuples(st.just("force"), st.sampled_from(["a", "b"])),
    st.tuples(st.just("cancel"), st.just("")),
    st.tuples(st.just("fault"), st.sampled_from(sorted(FAULTS))),
    st.tuples(st.just("sleep"), st.sampled_from(["0.05", "1", "20"])),
)


@attrs.define
class Talk:
    """Plays a list of actions and records what it did."""

    server: RealtimeServer
    client: Client
    number: int = 0
    receipts: list[tuple[str, Receipt]] = attrs.field(factory=list[tuple[str, Receipt]])
    asks: int = 0
    ended: int = 0

    async def play(self, actions: list[tuple[str, str]]) -> None:
        async with trio.open_nursery() as nursery:
            for kind, what in actions:
                self.number += 1
                match kind:
                    case "fault":
                        FAULTS[what](self.server)
                    case "sleep":
                        await trio.sleep(float(what))
                    case "command" | "force":
                        await self.command(force=kind == "force")
                    case "cancel":
                        nursery.start_soon(self.cancel)
                    case _:
                        nursery.start_soon(self.ask, kind, what, self.number)
                        await trio.sleep(0.02)

    async def command(self, *, force: bool) -> None:
        name = f"name-{self.number}"
        self.receipts.append((name, await self.client.set_chat_session_name(name, force=force)))

    async def cancel(self) -> None:
        try:
            await self.client.cancel()
        except RealtimeError as exc:
            assert isinstance(exc, (InDoubt, NotSent)), exc  # noqa: PT017

    async def ask(self, kind: str, what: str, number: int) -> None:
        text = f"{what} {number}"
        scripts: dict[str, list[Say | Wait]] = {
            "plain": [say("hello")],
            "slow": [say("one"), wait(3), say("two")],
            "tools": [say("first"), wait(1)],
        }
        tools = [tool("search", delay=2)] if what == "tools" else []
        self.server.script(turn(text, *scripts[what], tools=tools, text="end"))
        turns: list[Turn] = []
        self.asks += 1
        with suppress(KeyError):
            async with self.client.ask(text) as asked:
                turns.append(asked)
                self.receipts.append((text, asked.receipt))
                if kind != "ask":
                    await trio.sleep(1)
                if kind == "ask and raise":
                    raise KeyError
                if kind == "ask and cancel":
                    await self.cancel()
        assert turns[0].outcome is not None
        self.ended += 1


def counts_at_the_server(server: RealtimeServer) -> Counter[str]:
    """Return how often the server got each named command or input."""
    counts: Counter[str] = Counter()
    for seen in server.seen:
        if seen.event is not None:
            counts[str(seen.event.get("text") or seen.event.get("session_name"))] += 1
    return counts


@given(st.lists(ACTIONS, min_size=1, max_size=12), st.integers(0, 2**16))
@settings(max_examples=60)
def test_under_any_fault_every_ask_ends_and_receipts_hold(
    actions: list[tuple[str, str]], seed: int
) -> None:
    """Sent means once, not sent means never, in doubt means at most once."""

    async def main() -> None:
        trio._core._run._r.seed(seed)
        with trio.fail_after(5000):
            async with open_server() as server:
                async with open_client(server.url, auth="any", config=CONFIG) as client:
                    talk = Talk(server, client)
                    await talk.play(actions)
                    server.faults.clear()
                    await client.drain()
                assert talk.ended == talk.asks
                counts = counts_at_the_server(server)
                for name, receipt in talk.receipts:
                    allowed = {"sent": (0, 1), "not-sent": (0,), "in-doubt": (0, 1)}
                    assert counts[name] in allowed[receipt.status], (name, receipt)
                assert max(counts.values(), default=0) <= max(1, counts["None"])

    trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))


@given(st.lists(ACTIONS, min_size=1, max_size=8), st.integers(0, 2**16))
@settings(max_examples=40)
@example([("ask", "plain"), ("fault", "long stall"), ("ask", "plain"), ("force", "a")], 0)
def test_after_the_faults_the_transcript_is_the_servers(
    actions: list[tuple[str, str]], seed: int
) -> None:
    """After one more turn and a reconnection, client and server have the same transcript.

    A killed turn is the exception: the server has forgotten it, the client has not. So is a turn
    that was followed by another while the link was lost: the list holds both, but its last message
    is not the turn's, so the turn stays after the list (§8 S1).
    """

    async def main() -> None:
        trio._core._run._r.seed(seed)
        with trio.fail_after(5000):
            async with (
                open_server() as server,
                open_client(server.url, auth="any", config=CONFIG) as client,
            ):
                await Talk(server, client).play(actions)
                server.faults.clear()
                server.hang_up()
                await trio.sleep(60)
                async with client.ask("last") as asked:
                    pass
                assert isinstance(asked.outcome, TurnCompleted)
                await trio.sleep(5)
                session = client.state.current_session
                assert session is not None
                theirs = _texts(server.transcript(session.id))
                turns = _turns(session.messages)
                whole = [_spoken_texts(turn)[0] for turn in turns if not _killed(turn)]
                mine = [
                    text
                    for turn in turns
                    if not _killed(turn) or _spoken_texts(turn)[0] in {*theirs} - {*whole}
                    for text in _spoken_texts(turn)
                ]
                assert mine == theirs

    trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))


def _turns(messages: Sequence[Message]) -> list[list[Message]]:
    """Return the messages from each user message to the next."""
    turns: list[list[Message]] = []
    for message in messages:
        if message.role == "user" or not turns:
            turns.append([])
        turns[-1].append(message)
    return turns


def _killed(turn: Sequence[Message]) -> bool:
    """Whether a turn ended without an answer, or during one."""
    return len(turn) == 1 or any(message.status != "complete" for message in turn)


def _spoken_texts(messages: Sequence[Message]) -> list[str]:
    """Return the texts of a turn without thoughts."""
    return [
        str(message.content)
        for message in messages
        if message.role in ("user", "assistant") and message.content
    ]


def _texts(messages: list[dict[str, object]]) -> list[str]:
    found: list[str] = []
    for message in messages:
        content = message["content"]
        if isinstance(content, str):
            found.append(content)
            continue
        assert isinstance(content, list)
        found += [block["text"] for block in content if block.get("type") == "text"]
    return found
