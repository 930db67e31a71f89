"""Plays random conversations between a client and the embedded server, and judges them."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any, Final, Literal, TypeAlias

import attrs
import trio
from hypothesis import strategies as st

from realtime_trio._client._client import Client, open_client
from realtime_trio._config import ClientConfig
from realtime_trio._connection._recorder import RecordKind
from realtime_trio._core._messages import Message
from realtime_trio._exceptions import ClosedError, InDoubt, LaggedError, NotSent
from realtime_trio._lanes._overflow import Block, Coalesce, DropOldest, Latest, Overflow
from realtime_trio._outbound._receipt import Receipt
from realtime_trio._processor import EventStreamProcessor
from realtime_trio._turns._outcome import Outcome
from realtime_trio.server import Plan, RealtimeServer
from realtime_trio.server._turn_script import Step
from realtime_trio.testing import (
    delegate,
    fail,
    fault_plans,
    say,
    think,
    tool,
    turn,
    use,
    wait,
)

# The faults delay single frames by seconds, which a server that starts its turns at once does not:
# the grace is as long as the silence, so that a late start of a turn is waited for.
CONFIG: Final = ClientConfig(max_attempts=None, turn_silence=20.0, input_grace=None)
PATIENCE: Final = 5_000.0
"""Virtual seconds after which a conversation counts as stuck."""

ANSWERS: Final[dict[str, tuple[Step, ...]]] = {
    "plain": (say("Hello there, "), say("how are you?")),
    "slow": (think("hm"), say("one"), wait(4), say("two"), wait(4), say("three")),
    "tools": (say("so: "), use(tool("search", delay=2.0)), think("hm", by_tool=True), say("end")),
    "helpers": (
        use(
            delegate("helper", "l", say("left"), wait(2), say("more")),
            delegate("helper", "r", text="right"),
        ),
        say("both"),
    ),
    "empty": (wait(1),),
}
FAILING: Final[dict[str, tuple[Step, ...]]] = {"fails": (say("a bit"), fail())}


# -- what is done --------------------------------------------------------------------------


@attrs.frozen(slots=True)
class Ask:
    """A question; ``then`` is what becomes of it while its answer comes."""

    answer: str
    then: Literal["reads", "waits", "cancels", "raises"]


@attrs.frozen(slots=True)
class Command:
    """A command, to be sent at once or when the gate opens."""

    force: bool = False
    kind: Literal["name", "new", "first"] = "name"


@attrs.frozen(slots=True)
class Cancel:
    """A cancel out of the blue."""


@attrs.frozen(slots=True)
class Listen:
    """A subscription whose reader takes ``pace`` seconds for an item; ``None`` never reads."""

    overflow: Overflow
    pace: float | None


@attrs.frozen(slots=True)
class Watch:
    """Somebody follows the state."""


@attrs.frozen(slots=True)
class Pause:
    """Time goes by."""

    seconds: float


@attrs.frozen(slots=True)
class Trouble:
    """Something goes wrong from here on."""

    plans: tuple[Plan, ...]


@attrs.frozen(slots=True)
class Outage:
    """The server hangs up, refuses, or restarts."""

    kind: Literal["hang up", "refuse", "restart"]


Action: TypeAlias = Ask | Command | Cancel | Listen | Watch | Pause | Trouble | Outage

_RULES: Final = (Coalesce(), Coalesce(3), Block(2), DropOldest(5), Latest())


def actions(*, gentle: bool = False) -> st.SearchStrategy[list[Action]]:
    """Conversations with all that can go wrong.

    ``gentle`` ones have nothing in them that a client cannot notice, and nothing that makes
    server and client keep different things: single frames arrive or their link breaks, turns
    neither fail nor are killed.
    """
    answers = [*ANSWERS] if gentle else [*ANSWERS, *FAILING]
    thens = ["reads", "waits"] if gentle else ["reads", "waits", "cancels", "raises"]
    trouble = fault_plans(max_plans=2, frames=not gentle)
    outages = ["hang up", "refuse"] if gentle else ["hang up", "refuse", "restart"]
    ask: st.SearchStrategy[Any] = st.builds(Ask, st.sampled_from(answers), st.sampled_from(thens))
    fault: st.SearchStrategy[Any] = st.builds(Trouble, trouble)
    outage: st.SearchStrategy[Any] = st.builds(Outage, st.sampled_from(outages))
    pause: st.SearchStrategy[Any] = st.builds(Pause, st.sampled_from([0.0, 0.03, 0.3, 1.0, 10.0]))
    command: st.SearchStrategy[Any] = st.builds(Command)
    if not gentle:
        command |= st.builds(Command, st.booleans(), st.sampled_from(["name", "new", "first"]))
    single: st.SearchStrategy[Any] = st.one_of(
        st.builds(Listen, st.sampled_from(_RULES), st.sampled_from([None, 0.0, 1.0])),
        st.builds(Watch),
        pause,
        command,
        command if gentle else st.builds(Cancel),
        st.builds(Pause, st.just(50.0)),
    )
    # What goes wrong is of interest while something goes on.
    groups: list[st.SearchStrategy[tuple[Any, ...]]] = [
        st.tuples(fault, ask),
        st.tuples(ask, pause, fault),
        st.tuples(ask, pause, outage),
        st.tuples(ask, pause, command),
        st.tuples(single),
        st.tuples(single, single),
    ]
    row = st.lists(st.one_of(groups), min_size=1, max_size=8)
    return row.map(lambda parts: [action for part in parts for action in part])


# -- doing it ------------------------------------------------------------------------------


class Ledger:
    """A recorder that remembers what left on which connection."""

    def __init__(self) -> None:
        self.sent: dict[int, list[str | bytes]] = {}

    @asynccontextmanager
    async def open(self) -> AsyncGenerator[None, None]:
        yield

    def record(self, kind: RecordKind, payload: str | bytes, *, conn: int, at: float) -> None:
        if kind == "out":
            self.sent.setdefault(conn, []).append(payload)


@attrs.define
class Player:
    """Plays actions and keeps what it is to be judged by."""

    server: RealtimeServer
    client: Client
    receipts: dict[str, Receipt] = attrs.field(factory=dict[str, Receipt])
    outcomes: list[Outcome] = attrs.field(factory=list[Outcome])
    asked: int = 0
    _number: int = 0
    _first: str | None = None

    async def play(self, actions: Sequence[Action]) -> None:
        """Do it all; ends when every ask has ended."""
        async with trio.open_nursery() as listeners:
            async with trio.open_nursery() as nursery:
                for action in actions:
                    self._number += 1
                    await self._do(action, nursery, listeners)
            self.heal()
            listeners.cancel_scope.cancel()

    def heal(self) -> None:
        """From now on all goes well."""
        self.server.faults.clear()

    async def _do(self, action: Action, nursery: trio.Nursery, listeners: trio.Nursery) -> None:
        match action:
            case Pause(seconds=seconds):
                await trio.sleep(seconds)
            case Ask():
                nursery.start_soon(self._ask, action, f"{action.answer} {self._number}")
                await trio.sleep(0.02)
            case Command():
                await self._command(action)
            case Cancel():
                nursery.start_soon(self._cancel)
            case Listen():
                listeners.start_soon(self._listen, action)
            case Watch():
                listeners.start_soon(self._watch)
            case Trouble(plans=plans):
                self.server.faults.install(*plans)
            case Outage(kind=kind):
                await self._break(kind)

    async def _break(self, kind: str) -> None:
        if kind == "restart":
            await self.server.restart(3.0)
        else:
            if kind == "refuse":
                self.server.faults.refuse(503, times=2)
            self.server.hang_up()

    async def _ask(self, ask: Ask, text: str) -> None:
        steps = (ANSWERS | FAILING)[ask.answer]
        self.server.script(turn(text, *steps))
        self.asked += 1
        with suppress(KeyError):
            async with self.client.ask(text) as asked:
                assert asked.receipt is not None
                self.receipts[text] = asked.receipt
                match ask.then:
                    case "reads":
                        async for _ in asked.text:
                            pass
                    case "cancels":
                        await trio.sleep(1)
                        await self._cancel()
                    case "raises":
                        await trio.sleep(1)
                        raise KeyError
                    case _:
                        pass
        self.outcomes.append(asked.outcome)

    async def _command(self, command: Command) -> None:
        client, name = self.client, f"name-{self._number}"
        self._first = self._first or client.state.current_session_id
        match command.kind:
            case "name":
                receipt = await client.set_chat_session_name(name, force=command.force)
                self.receipts[name] = receipt
            case "new":
                await client.new_chat_session(force=command.force)
            case "first" if self._first is not None:
                await client.resume_chat_session(self._first, force=command.force)
            case _:
                pass

    async def _cancel(self) -> None:
        with suppress(InDoubt, NotSent):
            await self.client.cancel()

    async def _listen(self, listen: Listen) -> None:
        with self.client.subscribe(overflow=listen.overflow) as notes:
            if listen.pace is None:
                # What blocks holds its lane, and the turns in it, for as long as it likes.
                block = isinstance(listen.overflow, Block)
                await trio.sleep(30.0 if block else PATIENCE)
                return
            with suppress(LaggedError, ClosedError):
                async for _ in notes:
                    await trio.sleep(listen.pace)

    async def _watch(self) -> None:
        async with self.client.watch(lambda state: state.turn.can_send_input) as changes:
            async for _ in changes:
                pass


@asynccontextmanager
async def playing(
    server: RealtimeServer, config: ClientConfig = CONFIG
) -> AsyncGenerator[tuple[Player, Ledger], None]:
    """A client of that server, and all that it writes."""
    ledger = Ledger()
    async with open_client(server.url, auth="any", config=config, recorder=ledger) as client:
        yield Player(server, client), ledger


# -- judging it ----------------------------------------------------------------------------


def check_receipts(server: RealtimeServer, player: Player, ledger: Ledger) -> None:
    """Nothing came twice, and every receipt tells the truth about what left and what came."""
    written = Counter(_name(frame) for frames in ledger.sent.values() for frame in frames)
    seen = Counter(_name(each.frame) for each in server.seen)
    for name, receipt in player.receipts.items():
        assert seen[name] <= 1, f"{name} came {seen[name]} times"
        match receipt.status:
            case "sent":
                assert written[name] == 1, f"{name} is said to be sent"
            case "not-sent":
                assert (written[name], seen[name]) == (0, 0), f"{name} is said not to be sent"
            case "in-doubt":
                assert written[name] == 0, f"{name} is said to be in doubt"
            case _:
                message = f"{name} is {receipt.status} for ever"
                raise AssertionError(message)


def check_links(server: RealtimeServer, ledger: Ledger) -> None:
    """On each link the server saw what was written, in order, up to where it broke."""
    for connection, frames in ledger.sent.items():
        came = [each.frame for each in server.seen if each.connection == connection]
        # A link that broke may have swallowed the last ones, or brought one that is in doubt.
        assert came[: len(frames)] == frames[: len(came)]
        assert len(came) <= len(frames) + 1


def check_all_came(server: RealtimeServer, ledger: Ledger) -> None:
    """What was written on the last link, which nothing broke, came."""
    connection = max(ledger.sent)
    came = [each.frame for each in server.seen if each.connection == connection]
    assert came == ledger.sent[connection]


def _name(frame: str | bytes) -> str | None:
    if isinstance(frame, bytes):
        return None
    event: dict[str, str] = json.loads(frame)
    return event.get("text") or event.get("session_name")


Line: TypeAlias = tuple[str, object, tuple[str, ...], tuple[str, ...]]


def of_client(client: Client, server: RealtimeServer) -> list[Line]:
    """What the client says was said in its current session.

    A turn that was killed is left out where the server has forgotten it: the client has not. So
    is the client's own copy of one that the server had finished, behind the list with the whole
    of it (protocol.md §8 S1: the list ends with another turn).
    """
    session = client.state.current_session
    assert session is not None
    theirs = [line[1] for line in of_server(server, client) if line[0] == "user"]
    turns: list[list[Message]] = [[]]
    for message in session.messages:
        if message.role == "user" and not message.is_sub_session:
            turns.append([])
        turns[-1].append(message)
    kept: list[list[Message]] = []
    listed: list[object] = []  # what begins each turn so far; no two inputs are the same
    for messages in filter(None, turns):
        content = messages[0].content
        if not _killed(messages) or (content in theirs and content not in listed):
            kept.append(messages)
        listed.append(content)
    return [line for turn in kept for line in _lines(turn)]


def of_server(server: RealtimeServer, client: Client) -> list[Line]:
    """What the server has of that session, read by a processor that knows nothing else."""
    session_id = client.state.current_session_id
    (chat,) = [each for each in server.export_chats() if each["session_id"] == session_id]
    processor = EventStreamProcessor()
    processor.process_event({"type": "chat_session_changed", "chat_session": chat})
    session = processor.state.current_session
    assert session is not None
    return _lines(session.messages)


def _killed(turn: Sequence[Message]) -> bool:
    """Whether a turn ended without an answer, or in the middle of one or of a tool."""
    in_tool = turn[-1].metadata.stop_reason == "tool_use"
    return len(turn) == 1 or in_tool or any(message.status != "complete" for message in turn)


def _lines(messages: Sequence[Message]) -> list[Line]:
    """Role, content, tools and results of each message; delegations stand elsewhere."""
    lines: list[Line] = []
    for message in messages:
        if message.is_sub_session:
            continue
        tools = {call.id: call.name for call in message.tool_calls if not _delegates(call.name)}
        if message.tool_calls and not (tools or message.content):
            continue
        results = [each.content for each in message.tool_results if each.tool_use_id in tools]
        lines.append((message.role, message.content, (*tools.values(),), (*map(str, results),)))
    return lines


def _delegates(name: str) -> bool:
    return name.startswith(("act_", "ateam_", "aa_"))
