"""The outbox and the gate: the order of sent frames, and their receipts."""

from __future__ import annotations

import json
from collections.abc import Sequence

import pytest
import trio
import trio.testing
from hypothesis import given, settings
from hypothesis import strategies as st

from realtime_trio import events as ev
from realtime_trio._config import ClientConfig
from realtime_trio._connection._backoff import Backoff
from realtime_trio._core._codec import Codec
from realtime_trio._exceptions import ClosedError, InDoubt, NotSent
from realtime_trio._outbound._outbox import Outbox
from realtime_trio._outbound._turn_gate import GateChange, Phase, TurnGate
from realtime_trio._outbound._writer import write_from

CODEC = Codec()
# An input and its whole turn.
ANSWERED = [ev.PongEvent(), ev.PongEvent(), ev.UserTurnEndEvent(), ev.UserTurnStartEvent()]


class Wire:
    """The target of a writer: keeps the types; ``pace`` is the time that a frame takes."""

    def __init__(self, pace: float = 0.0) -> None:
        self.sent: list[object] = []
        self.pace = pace

    async def send_text(self, text: str) -> None:
        await trio.sleep(self.pace)
        self.sent.append(type(CODEC.decode_command(json.loads(text))))

    async def send_bytes(self, data: bytes) -> None:
        await trio.sleep(self.pace)
        self.sent.append(data)

    async def ping(self) -> None:
        await trio.sleep(self.pace)
        self.sent.append("ping")


def outbox(*, gate: TurnGate | None = None, config: ClientConfig | None = None) -> Outbox:
    if gate is None:
        gate = TurnGate()
        gate.received(ev.UserTurnStartEvent())
    return Outbox(
        config or ClientConfig(), CODEC, gate, on_kill=lambda: None, on_input=lambda: None
    )


async def written(box: Outbox, wire: Wire) -> list[object]:
    """Write everything that can be sent now."""
    async with trio.open_nursery() as nursery:
        nursery.start_soon(write_from, box, wire)
        await box.flushed()
        nursery.cancel_scope.cancel()
    return wire.sent


# -- order ---------------------------------------------------------------------------------


async def test_urgent_goes_before_commands_and_those_before_audio(autojump_clock: object) -> None:
    """Each kind keeps its order."""
    box = outbox()
    box.put_audio_nowait(b"1")
    box.put_unbounded(ev.PttEndEvent())
    box.put_audio_nowait(b"2")
    box.put_nowait(ev.GetVoicesEvent())
    box.put_nowait(ev.GetAgentsEvent())
    box.put_nowait(ev.ClientWantsCancelEvent())
    box.put_for_link(ev.PongEvent())
    box.put_for_link(None)
    assert await written(box, Wire()) == [
        ev.ClientWantsCancelEvent,
        ev.PongEvent,
        "ping",
        ev.GetVoicesEvent,
        ev.GetAgentsEvent,
        b"1",
        ev.PttEndEvent,
        b"2",
    ]


async def test_cancel_overtakes_3000_frames_on_a_slow_link(autojump_clock: object) -> None:
    """It is the next frame that is sent."""
    box, wire = outbox(), Wire(pace=0.002)
    for _ in range(3000):
        await box.put_audio(b"\0" * 640)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(write_from, box, wire)
        await trio.sleep(0.1)
        before = len(wire.sent)
        receipt = await box.put(ev.ClientWantsCancelEvent())
        await receipt.sent()
        assert wire.sent.index(ev.ClientWantsCancelEvent) - before <= 1
        nursery.cancel_scope.cancel()


class Runs:
    """Keeps frames that were written together."""

    def __init__(self, box: Outbox) -> None:
        self.box = box
        self.runs: list[list[bytes]] = []

    async def send_many(self, frames: Sequence[bytes]) -> None:
        await trio.lowlevel.checkpoint()
        self.runs.append(list(frames))
        if len(self.runs) == 1:
            self.box.put_for_link(ev.PongEvent())


async def written_in_runs(box: Outbox) -> tuple[list[list[bytes]], list[object]]:
    """Write everything that can be sent now, to a wire that takes several frames at once."""
    runs, wire = Runs(box), Wire()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(write_from, box, wire, runs.send_many)
        await box.flushed()
        nursery.cancel_scope.cancel()
    return runs.runs, wire.sent


async def test_queued_audio_is_sent_together(autojump_clock: object) -> None:
    """Up to a bound in frames and in bytes, and up to the next frame that is not audio."""
    box = outbox()
    for number in range(40):
        box.put_audio_nowait(bytes([number]))
    box.put_audio_nowait(bytes(16_000))
    box.put_audio_nowait(bytes(1000))
    box.put_unbounded(ev.PttEndEvent())
    box.put_audio_nowait(b"behind")
    runs, others = await written_in_runs(box)
    assert runs == [
        [bytes([number]) for number in range(33)],
        [*(bytes([number]) for number in range(33, 40)), bytes(16_000)],
        [bytes(1000)],
        [b"behind"],
    ]
    assert others == [ev.PongEvent, ev.PttEndEvent]
    assert box.statistics().sent == 45
    assert box.statistics().audio_bytes == 0


async def test_a_command_at_the_closed_gate_does_not_delay_audio(autojump_clock: object) -> None:
    """Once it can be sent, it goes first."""
    gate = TurnGate()
    box = outbox(gate=gate)
    box.put_nowait(ev.ResumeChatSessionEvent(session_id="s1"))
    for number in range(3):
        box.put_audio_nowait(bytes([number]))
    runs, others = await written_in_runs(box)
    assert [len(run) for run in runs] == [3]
    gate.received(ev.UserTurnStartEvent())
    for number in range(3):
        box.put_audio_nowait(bytes([number]))
    _, others = await written_in_runs(box)
    assert others[0] is ev.ResumeChatSessionEvent


async def test_a_command_that_passes_does_not_wait_for_one_that_does_not(
    autojump_clock: object,
) -> None:
    """With force, and the resume of the current session."""
    gate = TurnGate()
    gate.session_id = "s1"
    box = outbox(gate=gate)
    box.put_nowait(ev.GetVoicesEvent())
    box.put_nowait(ev.ResumeChatSessionEvent(session_id="s2"))
    box.put_nowait(ev.ResumeChatSessionEvent(session_id="s1"))
    box.put_nowait(ev.GetAgentsEvent(), force=True)
    wire = Wire()
    assert await written(box, wire) == [ev.ResumeChatSessionEvent, ev.GetAgentsEvent]
    gate.received(ev.UserTurnStartEvent())
    box.wake()
    await written(box, wire)
    assert wire.sent[2:] == [ev.GetVoicesEvent, ev.ResumeChatSessionEvent]


# -- receipts ------------------------------------------------------------------------------


async def test_receipts_follow_their_command(autojump_clock: object) -> None:
    """Queued, sending, sent; in doubt if the link broke; not sent if it was withdrawn."""
    box = outbox()
    receipt = box.put_nowait(ev.GetVoicesEvent())
    assert receipt.queued
    assert "get_voices" in repr(receipt)
    await written(box, Wire())
    await receipt.sent()
    assert receipt.status == "sent"
    assert not box.withdraw(receipt)

    cut = box.put_nowait(ev.GetVoicesEvent())
    with trio.move_on_after(1):
        await write_from(box, Wire(pace=5))
    with pytest.raises(InDoubt):
        await cut.sent()

    back = box.put_nowait(ev.GetVoicesEvent())
    assert box.withdraw(back)
    with pytest.raises(NotSent):
        await back.sent()

    left = box.put_nowait(ev.GetVoicesEvent())
    box.close("the end")
    with pytest.raises(NotSent, match="the end"):
        await left.sent()
    with pytest.raises(ClosedError):
        box.put_nowait(ev.GetVoicesEvent())


# -- bounds --------------------------------------------------------------------------------


async def test_queues_are_bounded_in_items_and_bytes(autojump_clock: object) -> None:
    """An empty queue takes any size; waiting tasks get space in order."""
    box = outbox(config=ClientConfig(max_commands=2, max_command_bytes=100))
    box.put_nowait(ev.TextInputEvent(text="x" * 1000))
    with pytest.raises(trio.WouldBlock):
        box.put_nowait(ev.GetVoicesEvent())
    order: list[int] = []

    async def put(number: int) -> None:
        await box.put(ev.GetVoicesEvent())
        order.append(number)

    async with trio.open_nursery() as nursery:
        for number in range(5):
            nursery.start_soon(put, number)
            await trio.testing.wait_all_tasks_blocked()
        assert not order
        wire = Wire()
        nursery.start_soon(write_from, box, wire)
        await trio.testing.wait_all_tasks_blocked()
        for event in ANSWERED:
            box._gate.received(event)
        box.wake()
        await trio.testing.wait_all_tasks_blocked()
        assert order == [0, 1, 2, 3, 4]
        nursery.cancel_scope.cancel()


async def test_closing_wakes_tasks_that_wait_for_space(autojump_clock: object) -> None:
    """They get ClosedError."""
    box = outbox(config=ClientConfig(max_commands=1))
    box.put_nowait(ev.GetVoicesEvent())
    async with trio.open_nursery() as nursery:

        async def put() -> None:
            with pytest.raises(ClosedError):
                await box.put(ev.GetVoicesEvent())

        nursery.start_soon(put)
        nursery.start_soon(put)
        await trio.testing.wait_all_tasks_blocked()
        box.close("the end")


async def test_ptt_end_always_fits(autojump_clock: object) -> None:
    """Also if the audio queue is full."""
    box = outbox(config=ClientConfig(max_audio_frames=1))
    box.put_audio_nowait(b"1")
    with pytest.raises(trio.WouldBlock):
        box.put_audio_nowait(b"2")
    box.put_unbounded(ev.PttEndEvent())
    assert await written(box, Wire()) == [b"1", ev.PttEndEvent]


async def test_the_oldest_audio_can_be_dropped(autojump_clock: object) -> None:
    """But never ptt_end."""
    box = outbox()
    assert box.drop_oldest_audio() == 0
    box.put_unbounded(ev.PttEndEvent())
    box.put_audio_nowait(b"123")
    assert box.drop_oldest_audio() == 3
    assert box.statistics().audio_dropped == 1
    assert await written(box, Wire()) == [ev.PttEndEvent]


async def test_pongs_beyond_the_bound_are_omitted(autojump_clock: object) -> None:
    """A flood of pings gets a bounded number of answers."""
    box = outbox()
    for _ in range(1000):
        box.put_for_link(ev.PongEvent())
    assert box.statistics().urgent == 64


# -- links ---------------------------------------------------------------------------------


async def test_a_lost_link_drops_its_frames(autojump_clock: object) -> None:
    """Pings are dropped, audio is dropped and counted, commands and cancels stay."""
    box = outbox()
    box.put_for_link(ev.PingEvent())
    box.put_nowait(ev.ClientWantsCancelEvent())
    box.put_nowait(ev.GetVoicesEvent())
    box.put_audio_nowait(b"1")
    box.put_unbounded(ev.PttEndEvent())
    assert box.link_lost() == 1
    await box.put_audio(b"2")
    box.put_audio_nowait(b"3")
    assert box.statistics().audio_dropped == 3
    box.link_opened()
    box.put_audio_nowait(b"4")
    assert await written(box, Wire()) == [
        ev.ClientWantsCancelEvent,
        ev.GetVoicesEvent,
        ev.PttEndEvent,
        b"4",
    ]


async def test_draining_takes_only_new_cancels(autojump_clock: object) -> None:
    """It takes new commands again afterwards."""
    box = outbox()
    with box.draining():
        with pytest.raises(ClosedError):
            box.put_nowait(ev.GetVoicesEvent())
        box.put_nowait(ev.ClientWantsCancelEvent())
        box.put_unbounded(ev.PttEndEvent())
    box.put_nowait(ev.GetVoicesEvent())
    assert not box.empty
    await written(box, Wire())
    assert box.empty
    await box.emptied()


# -- a cancelled send ----------------------------------------------------------------------


@given(
    cancel_after=st.integers(0, 12),
    full=st.booleans(),
    seed=st.integers(0, 2**16),
    audio=st.booleans(),
)
@settings(max_examples=150)
def test_a_cancelled_send_has_queued_once_or_not_at_all(
    cancel_after: int, full: bool, seed: int, audio: bool
) -> None:
    """Whenever it is cancelled; if it raised Cancelled, not at all."""

    async def main() -> None:
        trio._core._run._r.seed(seed)
        box = outbox(config=ClientConfig(max_commands=1, max_audio_frames=1))
        wire = Wire(pace=1)
        if full:
            box.put_nowait(ev.GetAgentsEvent())
            box.put_audio_nowait(b"first")
        outcomes: list[bool] = []

        async def send() -> None:
            with trio.CancelScope() as scope:
                nursery.start_soon(cancel, scope)
                if audio:
                    await box.put_audio(b"mine")
                else:
                    await box.put(ev.GetVoicesEvent())
                outcomes.append(True)
                return
            outcomes.append(False)

        async def cancel(scope: trio.CancelScope) -> None:
            for _ in range(cancel_after):
                await trio.lowlevel.checkpoint()
            scope.cancel()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(write_from, box, wire)
            nursery.start_soon(send)
            await trio.sleep(100)
            nursery.cancel_scope.cancel()
        mine = wire.sent.count(b"mine" if audio else ev.GetVoicesEvent)
        assert outcomes == [mine == 1]
        assert mine in (0, 1)

    trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))


# -- the gate ------------------------------------------------------------------------------


def start(gate: TurnGate) -> None:
    gate.received(ev.UserTurnStartEvent())


def test_the_gate_follows_its_rules() -> None:
    """It closes for an input and for user_turn_end, and opens for user_turn_start."""
    gate = TurnGate()
    assert not gate.open
    assert gate.received(ev.UserTurnStartEvent()) is GateChange.OPENED
    assert gate.open
    assert not gate.writing(ev.TextInputEvent(text="x"))
    assert not gate.open
    for event in ANSWERED[:3]:
        gate.received(event)
    assert gate.received(ev.ErrorEvent(message="in a turn that goes on")) is None
    assert not gate.open
    start(gate)
    gate.received(ev.UserTurnEndEvent())
    assert not gate.open


def test_an_error_before_any_turn_refuses_the_input() -> None:
    """Unless it answers another command or arrives before the first pong."""
    gate = TurnGate()
    start(gate)
    assert gate.received(ev.ErrorEvent(message="x")) is None
    gate.writing(ev.TextInputEvent(text="x"))
    assert gate.received(ev.ErrorEvent(message="earlier")) is None
    assert gate.received(ev.PongEvent()) is GateChange.HEARD
    assert gate.received(ev.ErrorEvent(message="x", source="set_agent")) is None
    assert gate.received(ev.ErrorEvent(message="its own", source="text_input")) is None
    assert gate.received(ev.ErrorEvent(message="another")) is None
    assert not gate.open
    assert gate.received(ev.PongEvent()) is GateChange.REFUSED
    assert gate.error == "its own"
    assert gate.open


@pytest.mark.parametrize(
    ("event", "harmless"),
    [
        (ev.PingEvent(), True),
        (ev.PongEvent(), True),
        (ev.ClientWantsCancelEvent(), True),
        (ev.ResumeChatSessionEvent(session_id="s1"), True),
        (ev.ResumeChatSessionEvent(session_id="s2"), False),
        (ev.GetVoicesEvent(), False),
        (ev.PttEndEvent(), False),
    ],
)
def test_only_harmless_commands_pass_a_closed_gate(event: ev.Event, harmless: bool) -> None:
    """Other commands that are written anyway kill the turn and open it."""
    gate = TurnGate()
    gate.session_id = "s1"
    start(gate)
    gate.writing(ev.TextInputEvent(text="x"))
    assert gate.allows(event, force=False) is harmless
    assert gate.allows(event, force=True)
    assert gate.writing(event) is not harmless
    assert gate.open is not harmless


def test_new_and_resume_never_close_the_gate() -> None:
    """No user_turn_start follows them."""
    gate = TurnGate()
    start(gate)
    gate.writing(ev.NewChatSessionEvent())
    gate.writing(ev.ResumeChatSessionEvent(session_id="s"))
    assert gate.open


def test_a_new_link_is_closed_until_a_turn_event() -> None:
    """A stream shows that a turn runs; ping and pong show nothing."""
    gate = TurnGate()
    start(gate)
    gate.link_opened()
    gate.received(ev.PongEvent())
    assert gate.phase is Phase.UNKNOWN
    gate.received(
        ev.TextDeltaEvent(session_id="s", role="assistant", content="x", user_session_id=None)
    )
    assert gate.phase.value == Phase.AGENT.value
    assert gate.streamed
    gate.link_opened()
    assert not gate.streamed


def test_the_current_session_is_known() -> None:
    """From chat_session_changed, until it is deleted."""
    gate = TurnGate()
    gate.received(ev.ChatSessionChangedEvent(chat_session=ev.ChatSession(session_id="s1")))
    gate.received(ev.ChatSessionChangedEvent(chat_session=None))
    gate.received(ev.DeleteChatSessionEvent(session_id="other"))
    assert gate.session_id == "s1"
    gate.received(ev.DeleteChatSessionEvent())
    assert gate.session_id is None


@pytest.mark.parametrize("named", [None, "", "s1"])
def test_a_deleted_current_session_may_continue(named: str | None) -> None:
    """The end of the user's turn shows it, unless another session has become current."""
    gate = TurnGate()
    gate.received(ev.UserTurnEndEvent())
    assert gate.session_id is None
    gate.received(ev.ChatSessionChangedEvent(chat_session=ev.ChatSession(session_id="s1")))
    gate.received(ev.DeleteChatSessionEvent(session_id=named))
    gate.received(ev.DeleteChatSessionEvent())
    assert gate.session_id is None
    gate.received(ev.UserTurnEndEvent())
    assert gate.session_id == "s1"
    gate.received(ev.DeleteChatSessionEvent())
    gate.received(ev.ChatSessionChangedEvent(chat_session=ev.ChatSession(session_id="s2")))
    gate.received(ev.UserTurnEndEvent())
    assert gate.session_id == "s2"


# -- backoff -------------------------------------------------------------------------------


@given(st.integers(1, 10_000), st.floats(0, 1, exclude_max=True))
def test_a_pause_is_within_its_limit(attempt: int, chance: float) -> None:
    """Full jitter: between zero and a limit that grows up to a bound."""
    backoff = Backoff.of(ClientConfig())
    assert 0 <= backoff.delay(attempt, chance) <= backoff.ceiling(attempt) <= 30
    assert backoff.ceiling(attempt) <= backoff.ceiling(attempt + 1)


def test_without_jitter_a_pause_equals_its_limit() -> None:
    """For a predictable time."""
    backoff = Backoff.of(ClientConfig(backoff_jitter=0))
    assert [backoff.delay(n, 0.3) for n in (1, 2, 3, 20)] == [0.5, 1, 2, 30]
