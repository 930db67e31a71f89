"""The invariants of the sans-IO core for random conversations, including invalid ones."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable
from typing import Any

import attrs
import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from realtime_trio._core._codec import Codec
from realtime_trio._core._local_events import Malformed, Reading
from realtime_trio._core._messages import Message
from realtime_trio._core._notifications import (
    MessageAdded,
    MessageComplete,
    MessageStreaming,
    MessageUpdated,
    Notification,
    SessionCleared,
    SessionMessagesLoaded,
    SessionNotificationsCleared,
    ToolNotification,
    ToolNotificationRemoved,
)
from realtime_trio._core._render import notification_to_json, state_to_json
from realtime_trio._core._state import Limits, SessionState
from realtime_trio._exceptions import DecodeError
from realtime_trio._handlers import lanes_of
from realtime_trio._processor import EventStreamProcessor, Folds, malformed_lane
from realtime_trio.events import (
    REGISTRY,
    AudioFrame,
    Direction,
    Lane,
    ServerEvent,
    TextDeltaEvent,
    ThoughtDeltaEvent,
)
from tests.strategies import BY_TYPE, SPELLINGS, Wire, conversations

relaxed = settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
tight = st.none() | st.builds(
    Limits, max_sessions=st.integers(1, 3), max_messages=st.integers(1, 5)
)

CODEC = Codec()


def fold(processor: EventStreamProcessor, wire: Wire, at: float) -> tuple[Notification, ...]:
    """Fold frames that arrived over the socket."""
    if isinstance(wire, bytes):
        return processor.process_audio(wire, at=at)
    return processor.process_event(wire, at=at)


def decoded(wire: Wire) -> tuple[ServerEvent, tuple[Lane, ...]]:
    """Return the event and its lanes."""
    if isinstance(wire, bytes):
        return AudioFrame(data=wire), (Lane.AUDIO,)
    try:
        made = CODEC.read_mapping(wire)
    except DecodeError as exc:
        bad = Malformed(event_type=exc.event_type, error=str(exc))
        return bad, (malformed_lane(exc.event_type),)
    return made, lanes_of(type(made.event if isinstance(made, Reading) else made))


def deep(state: SessionState) -> Any:
    """Return a deep copy of everything in a state."""
    rest = state.text.rest
    memories: list[Any] = [
        state.text.seen,
        state.control.seen,
        state.audio.seen,
        *(record.calls for record in rest.records.values()),
        *(record.delegations for record in rest.records.values()),
    ]
    return json.dumps(state_to_json(state)), repr(state), [memory.items() for memory in memories]


def test_the_grammar_knows_every_type() -> None:
    rows = [row for row in REGISTRY if Direction.SERVER in row.direction and row.builtin]
    assert {row.type for row in rows} == set(BY_TYPE)
    assert {row.type: [row.type, *row.aliases] for row in rows if row.aliases} == SPELLINGS


@relaxed
@given(st.data())
@pytest.mark.parametrize("kind", sorted(BY_TYPE))
def test_the_grammar_generates_valid_events(kind: str, data: st.DataObject) -> None:
    wire = data.draw(BY_TYPE[kind])
    made, _ = decoded(wire)
    assert (made.event if isinstance(made, Reading) else made).type == kind


# -- lanes, batches, coalesced deltas ---------------------------------------------------------


class Lanes:
    """Three queues folded in any order; adjacent deltas can be folded as one."""

    def __init__(self, stream: list[Wire], limits: Limits | None) -> None:
        self.folds = Folds(limits)
        self.queues: dict[Lane, list[tuple[ServerEvent, float]]] = {lane: [] for lane in Lane}
        self.told: dict[Lane, list[Notification]] = {lane: [] for lane in Lane}
        for at, wire in enumerate(stream):
            made, lanes = decoded(wire)
            for lane in lanes:
                self.queues[lane].append((made, float(at)))

    def run(self, lane: Lane, count: int, merge: int) -> None:
        """Let a lane handle a batch."""
        for _ in range(count):
            if self.queues[lane]:
                made, at = self.queues[lane].pop(0)
                made, weight = self._merged(lane, made, merge)
                self.told[lane].extend(self.folds.by_lane[lane].step(made, at, weight))

    def _merged(self, lane: Lane, first: ServerEvent, merge: int) -> tuple[ServerEvent, int]:
        weight = 1
        while (
            weight < merge
            and isinstance(first, TextDeltaEvent | ThoughtDeltaEvent)
            and first.id is None
            and first.content
            and self.queues[lane]
            and blank(first) == blank(self.queues[lane][0][0])
        ):
            following: Any = self.queues[lane].pop(0)[0]
            first = with_content(first, first.content + following.content)
            weight += 1
        return first, weight


def with_content(delta: Any, content: str) -> ServerEvent:
    changed: ServerEvent = attrs.evolve(delta, content=content)
    return changed


def blank(each: ServerEvent) -> ServerEvent | None:
    """Return a delta without its content, for comparison."""
    return with_content(each, "") if type(each) in (TextDeltaEvent, ThoughtDeltaEvent) else None


def joined(told: Iterable[Notification]) -> list[Notification]:
    """Return the notifications with adjacent pieces of one message joined."""
    made: list[Notification] = []
    for note in told:
        last = made[-1] if made else None
        if (
            isinstance(note, MessageStreaming)
            and isinstance(last, MessageStreaming)
            and note.message_id == last.message_id
        ):
            made[-1] = attrs.evolve(last, delta=last.delta + note.delta)
        else:
            made.append(note)
    return made


@relaxed
@given(conversations(), tight, st.data())
def test_any_schedule_batches_and_coalescing_give_the_same_state(
    stream: list[Wire], limits: Limits | None, data: st.DataObject
) -> None:
    in_order = Lanes(stream, limits)
    processor = EventStreamProcessor(limits=limits)
    for at, wire in enumerate(stream):
        fold(processor, wire, float(at))
        for lane in decoded(wire)[1]:
            in_order.run(lane, 1, 1)
    assert in_order.folds.state == processor.state

    lanes = Lanes(stream, limits)
    # With space for only one session, each piece of another one is evicted at once, as a message
    # of its own, so these cannot be coalesced.
    merge = 1 if limits is not None and limits.max_sessions == 1 else 5
    while any(lanes.queues.values()):
        lane = data.draw(st.sampled_from([each for each in Lane if lanes.queues[each]]))
        lanes.run(lane, data.draw(st.integers(1, 4)), data.draw(st.integers(1, merge)))
    assert lanes.folds.state == processor.state
    for lane in Lane:
        assert joined(lanes.told[lane]) == joined(in_order.told[lane])
    event(f"late: {bool(processor.state.counters.late_deltas)}")


# -- frames and mappings -------------------------------------------------------------------


@relaxed
@given(conversations(), st.booleans())
def test_mappings_and_frames_agree(stream: list[Wire], ascii_only: bool) -> None:
    by_mapping, by_text, by_bytes = (EventStreamProcessor() for _ in range(3))
    for at, wire in enumerate(stream):
        notes = fold(by_mapping, wire, float(at))
        if isinstance(wire, bytes):
            assert (
                by_text.process_audio(wire, at=at) == by_bytes.process_audio(wire, at=at) == notes
            )
            continue
        frame = json.dumps(wire, ensure_ascii=ascii_only)
        assert by_text.process_frame(frame, at=at) == notes
        assert by_bytes.process_frame(frame.encode(), at=at) == notes
    assert by_mapping.state == by_text.state == by_bytes.state


@relaxed
@given(conversations())
def test_typed_events_and_mappings_agree(stream: list[Wire]) -> None:
    by_mapping, typed = EventStreamProcessor(), EventStreamProcessor()
    for wire in stream:
        made, _ = decoded(wire)
        if not isinstance(made, Malformed):
            assert typed.process_event(made) == fold(by_mapping, wire, 0.0)
    assert typed.state == by_mapping.state


# -- what never happens --------------------------------------------------------------------


class Observer:
    """Follows a conversation from outside and checks what the rules promise."""

    def __init__(self, limits: Limits | None) -> None:
        self.processor = EventStreamProcessor(limits=limits)
        self.streamed: dict[str, str] = defaultdict(str)
        self.finished: dict[str, Message] = {}
        self.ranks: dict[tuple[str, str], int] = {}

    def take(self, wire: Wire, at: float) -> None:
        before = self.processor.state
        notes = fold(self.processor, wire, at)
        after = self.processor.state
        assert after.counters.handler_errors == 0
        assert after.counters.events == before.counters.events + 1
        self._pieces(wire, before, after, notes)
        for note in notes:
            self._messages(note)
            self._tools(note)
        self._stored(notes, after)
        if isinstance(wire, dict) and wire.get("type") == "user_turn_start":
            duplicate = after.counters.duplicates != before.counters.duplicates
            if not duplicate and after.counters.malformed == before.counters.malformed:
                self._turn_is_over(after)

    def _pieces(
        self, wire: Wire, before: SessionState, after: SessionState, notes: tuple[Notification, ...]
    ) -> None:
        """A delta is streamed completely, or it was late, a duplicate or malformed."""
        made, _ = decoded(wire)
        if isinstance(made, Reading):
            made = made.event
        pieces = [note.delta for note in notes if isinstance(note, MessageStreaming)]
        expected = []
        if isinstance(made, TextDeltaEvent | ThoughtDeltaEvent) and made.content:
            was, now = before.counters, after.counters
            if was.late_deltas == now.late_deltas and was.duplicates == now.duplicates:
                expected = [made.content]
        assert pieces == expected

    def _messages(self, note: Notification) -> None:
        if isinstance(note, MessageStreaming):
            assert note.message_id not in self.finished
            self.streamed[note.message_id] += note.delta
        elif isinstance(note, MessageComplete):
            message = note.message
            assert message.id not in self.finished
            assert message.status != "streaming"
            assert message.session_id == note.session_id
            self.finished[message.id] = message
            assert self.streamed.pop(message.id, message.content) == message.content

    def _tools(self, note: Notification) -> None:
        """The status of a call never moves backward; after its end, its id can be reused."""
        if isinstance(note, ToolNotification):
            key = (note.session_id, note.id)
            rank = ("preparing", "executing", "complete").index(note.status)
            known = self.ranks.get(key, -1)
            assert rank < known if known == 2 else known < rank
            assert note.tool_name != "think" or note.status == "preparing"
            self.ranks[key] = rank
        elif isinstance(note, ToolNotificationRemoved):
            key = (note.session_id, note.id)
            assert self.ranks[key] < 2
            self.ranks[key] = 2
        elif isinstance(note, SessionNotificationsCleared | SessionCleared):
            gone = isinstance(note, SessionCleared)
            for key in [key for key in self.ranks if key[0] == note.session_id]:
                if gone or self.ranks[key] < 2:
                    del self.ranks[key]

    def _stored(self, notes: tuple[Notification, ...], after: SessionState) -> None:
        """An announced message is stored, unless the same event removed it again."""
        last: dict[str, Message] = {}
        for note in notes:
            if isinstance(note, MessageComplete | MessageAdded | MessageUpdated):
                last[note.message.id] = note.message
        gone = any(isinstance(note, SessionCleared | SessionMessagesLoaded) for note in notes)
        limit = after.text.rest.limits.max_messages
        for message in last.values():
            session = after.sessions.get(message.session_id)
            if session is None:
                assert gone
                continue
            kept = {each.id: each for each in session.messages}
            if session.open_message is not None:
                kept[session.open_message.id] = session.open_message.snapshot()
            assert kept.get(message.id, message) == message
            assert message.id in kept or gone or len(session.messages) == limit

    def _turn_is_over(self, state: SessionState) -> None:
        assert state.text.active_tools == ()
        assert state.text.subsessions == ()
        assert state.text.open == {}
        assert all(not session.waiting_tools for session in state.sessions.values())
        assert self.streamed == {}
        self.ranks.clear()

    def end(self) -> None:
        """Every streamed message is there."""
        open_ = {each.id: each.content for each in self.processor.state.text.open.values()}
        assert dict(self.streamed) == open_


@relaxed
@given(conversations(max_size=20), tight)
def test_nothing_raises_leaks_or_is_lost(stream: list[Wire], limits: Limits | None) -> None:
    watch = Observer(limits)
    for at, wire in enumerate(stream):
        watch.take(wire, float(at))
    watch.end()


@relaxed
@given(conversations(max_size=20), tight)
def test_the_bounds_hold(stream: list[Wire], limits: Limits | None) -> None:
    processor = EventStreamProcessor(limits=limits)
    for wire in stream:
        fold(processor, wire, 0.0)
        kept = processor.state.text.rest
        existing = [each for each in kept.records.values() if each.exists]
        assert len(existing) <= kept.limits.max_sessions
        assert all(len(each.messages) <= kept.limits.max_messages for each in kept.records.values())
        assert kept.current_session_id is None or kept.current_session_id in kept.records
        assert set(processor.state.text.open) <= set(kept.records)
        assert {session_id for session_id, _ in kept.tools} <= set(kept.records)


@relaxed
@given(conversations(), tight, st.sets(st.integers(0, 40)))
def test_emitted_values_never_change(
    stream: list[Wire], limits: Limits | None, moments: set[int]
) -> None:
    processor = EventStreamProcessor(limits=limits)
    kept: list[tuple[SessionState, Any]] = []
    told: list[tuple[Notification, str]] = []
    for at, wire in enumerate(stream):
        if at in moments:
            kept.append((processor.state, deep(processor.state)))
        told += [(note, repr(note)) for note in fold(processor, wire, float(at))]
    for state, said in kept:
        assert deep(state) == said
    for note, said in told:
        assert repr(note) == said


@relaxed
@given(conversations(), conversations(), conversations())
def test_two_futures_of_one_state_do_not_mix(
    past: list[Wire], one: list[Wire], other: list[Wire]
) -> None:
    folds = Folds()
    for at, wire in enumerate(past):
        step(folds, wire, float(at))
    begin = [(lane, folds.by_lane[lane].slice) for lane in Lane]
    states = []
    for future in (one, other, one):
        for lane, slice_ in begin:
            folds.by_lane[lane].slice = slice_
        for at, wire in enumerate(future, len(past)):
            step(folds, wire, float(at))
        states.append((folds.text.slice, folds.control.slice, folds.audio.slice))
    assert states[0] == states[2]


def step(folds: Folds, wire: Wire, at: float) -> None:
    made, lanes = decoded(wire)
    for lane in lanes:
        folds.by_lane[lane].step(made, at)


@relaxed
@given(conversations(), conversations())
def test_reset_keeps_what_is_stored_and_nothing_else(past: list[Wire], future: list[Wire]) -> None:
    processor = EventStreamProcessor()
    for wire in past:
        fold(processor, wire, 0.0)
    before = processor.state
    processor.reset()
    state = processor.state
    assert list(state.sessions) == list(before.sessions)
    for session_id, session in state.sessions.items():
        assert session.messages == before.sessions[session_id].messages
        assert session.open_message is None
        assert session.waiting_tools == ()
    assert (state.text.active_tools, state.text.subsessions) == ((), ())
    assert (state.text.seen.items(), state.control.seen.items(), state.audio.seen.items()) == (
        [],
        [],
        [],
    )
    assert state.counters == before.counters
    for wire in future:
        fold(processor, wire, 0.0)
    assert processor.state.counters.handler_errors == 0


@relaxed
@given(conversations())
def test_every_notification_can_be_rendered(stream: list[Wire]) -> None:
    processor = EventStreamProcessor()
    for at, wire in enumerate(stream):
        for note in fold(processor, wire, float(at)):
            row = notification_to_json(note)
            assert json.loads(json.dumps(row)) == row
            assert row["name"] == note.name
    state = state_to_json(processor.state)
    assert json.loads(json.dumps(state)) == state
