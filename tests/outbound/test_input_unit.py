"""The verdict on an input, step by step (protocol.md §7 G)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import pytest
import trio
import trio.testing

from realtime_trio import events as ev
from realtime_trio._config import ClientConfig
from realtime_trio._connection._liveness import end_grace
from realtime_trio._core._codec import Codec
from realtime_trio._core._input_unit import InputSign, InputStage, InputUnit
from realtime_trio._exceptions import InDoubt
from realtime_trio._outbound._outbox import Outbox
from realtime_trio._outbound._turn_gate import GateChange, Phase, TurnGate
from realtime_trio._outbound._writer import write_from

from .test_outbox import Wire, written

CODEC = Codec()
SIGNS = {
    "pong": InputSign.PONG,
    "end": InputSign.TURN_END,
    "start": InputSign.TURN_START,
    "error": InputSign.ERROR,
    "stream": InputSign.STREAM,
}
EVENTS: dict[str, ev.ServerEvent] = {
    "pong": ev.PongEvent(),
    "ping": ev.PingEvent(),
    "end": ev.UserTurnEndEvent(),
    "start": ev.UserTurnStartEvent(),
    "error": ev.ErrorEvent(message="no"),
    "stream": ev.TextDeltaEvent(content="x"),
}


@pytest.mark.parametrize(
    ("signs", "stage"),
    [
        ("", InputStage.SENT),
        ("end start error stream", InputStage.SENT),
        ("pong", InputStage.ASKED),
        ("pong start stream", InputStage.ASKED),
        ("pong error", InputStage.ERRED),
        ("pong end", InputStage.BEGUN),
        ("pong error end", InputStage.BEGUN),
        ("pong end error", InputStage.BEGUN),
        ("pong end start", InputStage.OVER),
        ("pong end start end", InputStage.BEGUN),
        ("pong pong", InputStage.GRACE),
        ("end pong pong", InputStage.GRACE),
        ("error pong pong", InputStage.GRACE),
        ("pong pong pong", InputStage.GRACE),
        ("pong end pong", InputStage.RUNS),
        ("pong error end pong", InputStage.RUNS),
        ("pong pong end", InputStage.RUNS),
        ("pong pong stream", InputStage.RUNS),
        ("pong end start pong", InputStage.ENDED),
        ("pong pong start", InputStage.ENDED),
        ("pong error pong", InputStage.REFUSED),
        ("pong pong error", InputStage.REFUSED),
        ("pong pong error end", InputStage.REFUSED),
    ],
)
def test_each_order_has_its_stage(signs: str, stage: InputStage) -> None:
    """Events before the first pong do not count; the others do, in the rule's order."""
    unit = InputUnit()
    for sign in signs.split():
        unit = unit.after(SIGNS[sign])
    assert unit.stage is stage
    assert unit.open is (stage not in (InputStage.RUNS, InputStage.ENDED, InputStage.REFUSED))


def test_pongs_of_earlier_pings_come_first() -> None:
    """The n-th pong answers the n-th ping."""
    unit = InputUnit(ahead=2)
    for sign in (InputSign.PONG, InputSign.TURN_END, InputSign.PONG, InputSign.ERROR):
        unit = unit.after(sign)
    assert unit == InputUnit()
    assert unit.after(InputSign.PONG).stage is InputStage.ASKED


def ready() -> TurnGate:
    """A gate on a confirmed link, in the user's turn."""
    gate = TurnGate()
    gate.link_opened()
    hear(gate, "start pong")
    assert gate.open
    return gate


def hear(gate: TurnGate, names: str) -> list[GateChange | None]:
    return [gate.received(EVENTS[name]) for name in names.split()]


def ask(gate: TurnGate) -> bool:
    return gate.writing(ev.TextInputEvent(text="x"))


def test_the_gate_is_closed_until_the_second_pong() -> None:
    """Also if the turn of the input has already ended."""
    gate = ready()
    assert not ask(gate)
    assert hear(gate, "pong end start") == [GateChange.HEARD, GateChange.BEGUN, None]
    assert gate.phase is Phase.ASKED
    assert hear(gate, "pong") == [GateChange.OPENED]
    assert gate.open
    assert gate.unit is None


def test_a_voice_turn_before_the_input_is_not_its_turn() -> None:
    """The input killed it, or it ended earlier."""
    gate = ready()
    ask(gate)
    assert hear(gate, "end stream start pong pong") == [None, None, None, GateChange.HEARD, None]
    assert gate.in_grace
    gate.no_turn()
    assert gate.open


def test_a_turn_after_the_verdict_closes_the_gate() -> None:
    """It starts without an ask."""
    gate = ready()
    ask(gate)
    hear(gate, "pong pong")
    gate.no_turn()
    assert hear(gate, "end") == [None]
    assert gate.phase is Phase.AGENT
    assert hear(gate, "start") == [GateChange.OPENED]


def test_other_pings_are_counted_too() -> None:
    """Pings of the link, the liveness check and the application; not an unmatched pong."""
    gate = TurnGate()
    gate.link_opened()
    hear(gate, "start")
    gate.writing(ev.PingEvent())
    ask(gate)
    assert gate.ahead == 2
    gate.writing(ev.PingEvent())
    assert hear(gate, "pong pong") == [None, None]
    assert hear(gate, "pong ping end pong pong") == [
        GateChange.HEARD,
        None,
        GateChange.BEGUN,
        None,
        None,
    ]
    assert gate.phase is Phase.AGENT
    hear(gate, "start pong pong")
    ask(gate)
    assert gate.ahead == 0


def test_an_error_in_the_grace_refuses_immediately() -> None:
    """Its text is kept; the next input starts without it."""
    gate = ready()
    ask(gate)
    assert hear(gate, "pong pong error") == [GateChange.HEARD, None, GateChange.REFUSED]
    assert gate.error == "no"
    ask(gate)
    assert gate.error == ""


def test_an_answer_without_its_start_is_an_answer() -> None:
    """After the server has handled the input, only its turn can send these events."""
    gate = ready()
    ask(gate)
    assert hear(gate, "pong pong stream") == [GateChange.HEARD, None, GateChange.BEGUN]
    assert gate.phase is Phase.AGENT


def test_a_forced_input_replaces_one_without_a_verdict() -> None:
    """Events before its own first pong belong to the other."""
    gate = ready()
    ask(gate)
    assert ask(gate)
    assert gate.inputs == 2
    assert hear(gate, "pong error pong end pong") == [None, None, None, None, GateChange.HEARD]
    assert hear(gate, "end pong") == [GateChange.BEGUN, None]
    assert gate.phase is Phase.AGENT


def test_a_new_link_voids_the_verdict() -> None:
    """Nothing from the old link counts, including its pings."""
    gate = ready()
    ask(gate)
    hear(gate, "pong")
    gate.link_lost()
    assert gate.unit is None
    gate.link_opened()
    assert hear(gate, "pong start") == [None, GateChange.OPENED]


def test_a_cancel_counts_in_a_turn_or_before_the_input_is_handled() -> None:
    """In between it has cancelled nothing."""
    gate = ready()
    ask(gate)
    assert gate.cancellable
    hear(gate, "pong")
    assert not gate.cancellable
    hear(gate, "pong")
    assert not gate.cancellable
    hear(gate, "end")
    assert gate.cancellable


# -- writing -------------------------------------------------------------------------------


def outbox(gate: TurnGate, told: list[str] | None = None) -> Outbox:
    news = [] if told is None else told
    return Outbox(
        ClientConfig(),
        CODEC,
        gate,
        on_kill=lambda: news.append("killed"),
        on_input=lambda: news.append("input"),
    )


async def test_an_input_is_written_between_two_pings(autojump_clock: object) -> None:
    """No urgent frame comes between them, and the pings need no space in the queue."""
    told: list[str] = []
    gate = ready()
    box, wire = outbox(gate, told), Wire(pace=1)
    receipt = box.put_nowait(ev.TextInputEvent(text="x"))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(write_from, box, wire)
        await trio.sleep(0.5)
        for _ in range(100):
            box.put_for_link(ev.PingEvent())
        await trio.sleep(1)
        assert receipt.status == "sending"
        await receipt.sent()
        assert trio.current_time() == 2
        await box.flushed()
        nursery.cancel_scope.cancel()
    assert wire.sent[:4] == [ev.PingEvent, ev.TextInputEvent, ev.PingEvent, ev.PingEvent]
    assert wire.sent.count(ev.PingEvent) == 2 + 64
    assert told == ["input"]
    assert box.statistics().sent == 3 + 64


async def test_a_forced_input_kills_the_turn_and_is_reported(autojump_clock: object) -> None:
    """In this order."""
    told: list[str] = []
    gate = ready()
    hear(gate, "end")
    box = outbox(gate, told)
    box.put_nowait(ev.TextInputEvent(text="x"), force=True)
    await written(box, Wire())
    assert told == ["killed", "input"]


@pytest.mark.parametrize(("cut", "status"), [(0.5, "in-doubt"), (1.5, "in-doubt"), (2.5, "sent")])
async def test_a_link_that_breaks_during_an_input(
    autojump_clock: object, cut: float, status: str
) -> None:
    """The receipt is that of the input alone."""
    box = outbox(ready())
    receipt = box.put_nowait(ev.TextInputEvent(text="x"))
    with trio.move_on_after(cut):
        await write_from(box, Wire(pace=1))
    assert receipt.status == status
    assert box.empty
    if status == "in-doubt":
        with pytest.raises(InDoubt):
            await receipt.sent()


# -- the grace -----------------------------------------------------------------------------


async def graces(gate: TurnGate, config: ClientConfig, moves: Sequence[tuple[float, str]]) -> float:
    """Play events at given times; return when the client decides that there is no turn."""
    ended: list[float] = []

    def no_turn() -> None:
        ended.append(trio.current_time())
        gate.no_turn()

    async with trio.open_nursery() as nursery:
        gate.on_grace = partial(nursery.start_soon, end_grace, gate, config, no_turn)
        for at, names in moves:
            await trio.sleep_until(at)
            if names == "ask":
                ask(gate)
            else:
                hear(gate, names)
        await trio.sleep(10_000)
        nursery.cancel_scope.cancel()
    return ended[-1] if ended else float("inf")


NEVER = float("inf")


@pytest.mark.parametrize(
    ("moves", "at"),
    [
        ([(0, "ask"), (5, "pong pong")], 6),
        ([(0, "ask"), (5, "pong"), (7, "pong")], 8),
        ([(0, "ask"), (5, "pong pong"), (5.5, "end")], NEVER),
        ([(0, "ask"), (5, "pong pong"), (5.5, "error")], NEVER),
        ([(0, "ask"), (5, "pong")], NEVER),
        # Another input in the grace of the first has its own grace.
        ([(0, "ask"), (5, "pong pong"), (5.5, "ask"), (5.6, "pong pong")], 6.6),
    ],
)
async def test_the_grace_begins_at_the_second_pong(
    autojump_clock: object, moves: list[tuple[float, str]], at: float
) -> None:
    assert await graces(ready(), ClientConfig(), moves) == pytest.approx(at)


@pytest.mark.parametrize(
    ("config", "at"),
    [
        (ClientConfig(input_grace=0), 5),
        (ClientConfig(input_grace=7), 12),
        (ClientConfig(input_grace=None), 305),
        (ClientConfig(input_grace=None, turn_silence=None), NEVER),
    ],
)
async def test_the_grace_is_an_option(
    autojump_clock: object, config: ClientConfig, at: float
) -> None:
    moves = [(0.0, "ask"), (5.0, "pong pong")]
    assert await graces(ready(), config, moves) == pytest.approx(at)
