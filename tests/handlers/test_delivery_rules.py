"""Rules D1-D3: duplicates, unknown types, and the source of an error."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import attrs
import pytest

from realtime_trio._core._local_events import LinkEvent, Malformed
from realtime_trio._core._notifications import AudioOutput, SystemNotification
from realtime_trio._core._state import AudioSlice, ControlSlice, TextSlice
from realtime_trio._handlers import NOT_FOLDED, LaneFold, handles, lanes_of
from realtime_trio._handlers._fold import SLICES, fold_event
from realtime_trio._processor import EventStreamProcessor
from realtime_trio.events import (
    REGISTRY,
    AudioFrame,
    CancelledEvent,
    HistoryEvent,
    Lane,
    PingEvent,
    ServerEvent,
    SessionEvent,
    TextDeltaEvent,
    UnknownEvent,
    UserTurnStartEvent,
    event,
)
from realtime_trio.events._registry import Direction

from .talk import (
    CANCELLED,
    MAIN,
    TURN_END,
    TURN_START,
    Json,
    Talk,
    attached,
    begin,
    call,
    chat_session,
    completion,
    end,
    interaction,
    media,
    message,
    names,
    of_session,
    only,
    result,
    select,
    sub_started,
    system,
    text,
    thought,
    user,
)

SAMPLE: Json = {"content": "AAAA", "content_type": "audio/L16"}
ENTRY = {"session_id": "listed"}

# One event of each kind that always emits something when it is applied.
TELLING: list[Json] = [
    text("x"),
    thought("x"),
    message("x"),
    media(),
    system("x"),
    user("x"),
    end(call("t")),
    select(call("t2")),
    begin(call("t3")),
    sub_started(),
    interaction(False),
    chat_session(),
    TURN_START,
    CANCELLED,
    {"type": "error", "message": "x"},
    {"type": "chat_session_name_changed", "session_name": "x"},
    {"type": "session_metadata_changed", "meta": {}},
    {"type": "chat_session_added", "chat_session": ENTRY},
    {"type": "voice_list", "voices": []},
    {"type": "agent_voice_changed", "voice": {"voice_id": "v"}},
    {"type": "avatar_connection_changed", "avatar_session": {"id": "a"}},
]


# -- D1: delivered twice -------------------------------------------------------------------


@pytest.mark.parametrize("event", TELLING, ids=[event["type"] for event in TELLING])
def test_d1_a_duplicate_is_dropped(event: Json) -> None:
    talk = Talk()
    assert talk(event | {"id": "e1"}) != []
    state = talk.now
    assert talk(event | {"id": "e1"}) == []
    after = talk.now
    assert (after.text, after.control, after.audio) == (state.text, state.control, state.audio)
    assert talk.counters["duplicates"] == 1
    assert talk.counters["events"] == 3


def test_d1_every_lane_drops_its_part() -> None:
    talk = Talk()
    talk(TURN_START | {"id": "e"}, TURN_END, text("x"))
    assert talk(TURN_START | {"id": "e"}) == []
    assert talk.session()["open_message"] is not None
    assert talk.state["turn"]["can_send_input"] is False
    assert talk.now.audio.user_turn is False


@pytest.mark.parametrize(
    "event", [each for each in TELLING if each["type"] != "chat_session_changed"]
)
@pytest.mark.parametrize(
    "fields", [{}, {"id": None}, {"id": ""}, {"id": 5}, {"id": ["a"]}, {"id": {}}]
)
def test_d1_an_event_without_an_id_is_never_a_duplicate(event: Json, fields: Json) -> None:
    talk = Talk()
    talk(event | fields, event | fields)
    assert talk.counters["duplicates"] == 0


def test_d1_the_end_of_an_interaction_is_not_its_start() -> None:
    talk = Talk()
    notes = talk(interaction(True, id="i"), text("x"), interaction(False, id="i"))
    assert names(notes) == [
        "message-streaming",
        "message-complete",
        "session-notifications-cleared",
    ]
    talk(text("y"))
    assert talk(interaction(False, id="i"), interaction(True, id="i")) == []
    assert talk.counters["duplicates"] == 2
    assert talk.session()["open_message"]["content"] == "y"


def test_d1_the_same_id_in_another_session_is_another_event() -> None:
    talk = Talk()
    talk(text("a", id="e"), text("b", "other", id="e"), thought("c", id="e"), message("d", id="e"))
    assert talk.counters["duplicates"] == 0
    assert talk.transcript() == [
        ("assistant", "a"),
        ("assistant (thought)", "c"),
        ("assistant", "d"),
    ]


def test_d1_two_spellings_are_one_type() -> None:
    talk = Talk()
    body: Json = {"message": {"role": "user", "content": "x"}, "id": "e"}
    talk(of_session("open_a_i_user_message", **body), of_session("openai_user_message", **body))
    assert talk.transcript() == [("user", "x")]


def test_d1_a_repeated_stream_emits_nothing() -> None:
    talk = Talk()
    stream = [
        user("?", id="1"),
        interaction(True, id="2"),
        text("x", id="3"),
        begin(call("t"), id="4"),
        completion(False, input_tokens=1, id="5"),
        end(call("t"), results=[result("t")], id="6"),
        interaction(False, id="2"),
    ]
    talk(*stream)
    before = talk.session()
    assert talk(*stream) == []
    assert talk.session() == before
    assert attached(talk.last()) == [("t", "done")]


def test_d1_the_last_1024_ids_are_known() -> None:
    talk = Talk()
    talk(*(text("x", id=f"e{i}") for i in range(1024)))
    assert talk(text("x", id="e0")) == []
    talk(text("x", id="e1024"))
    assert talk(text("x", id="e1")) == []
    assert names(talk(text("x", id="e0"))) == ["message-streaming"]


def test_d1_a_duplicate_does_not_make_its_id_newer() -> None:
    talk = Talk()
    talk(text("x", id="old"), *(text("x", id=f"e{i}") for i in range(1023)), text("x", id="old"))
    talk(text("x", id="next"))
    assert talk(text("x", id="old")) != []


def test_d1_an_id_does_not_expire_with_time() -> None:
    talk = Talk()
    talk(text("x", id="e"), at=0.0)
    assert talk(text("x", id="e"), at=1e9) == []


def test_d1_a_late_event_may_be_repeated() -> None:
    talk = Talk()
    talk(CANCELLED, text("x", id="e"), select(call("t"), id="s"))
    assert talk.counters["late_deltas"] == 2
    notes = talk(completion(True), text("x", id="e"), select(call("t"), id="s"))
    assert names(notes) == ["message-streaming", "tool-notification"]
    assert talk.counters["duplicates"] == 0


def test_d1_a_malformed_event_may_be_repeated() -> None:
    talk = Talk()
    talk(text("x", id="e") | {"content": None})
    assert names(talk(text("x", id="e"))) == ["message-streaming"]


def test_d1_an_event_that_emits_nothing_is_applied_too() -> None:
    talk = Talk()
    talk(text("", id="e"), of_session("history", vendor="v", messages=[], id="h"))
    assert talk(text("x", id="e"), of_session("history", vendor="v", messages=[], id="h")) == []
    assert talk.counters["duplicates"] == 2


@pytest.mark.parametrize("id", ["stream", "", None, 5])
def test_d1_the_id_of_an_audio_delta_names_its_stream(id: Any) -> None:
    talk = Talk()
    notes = talk(*[of_session("audio_delta", id=id, **SAMPLE)] * 3)
    assert names(notes) == ["audio-output"] * 3
    assert talk.counters["duplicates"] == 0


def test_d1_unknown_types_have_ids_too() -> None:
    talk = Talk()
    odd = {"type": "odd", "session_id": "a", "id": "e"}
    talk(odd, odd, odd | {"session_id": "b"}, odd | {"type": "odder"}, odd | {"id": "f"})
    talk(odd | {"session_id": [1]}, odd | {"id": {}}, odd | {"id": {}})
    assert (talk.counters["unknown"], talk.counters["duplicates"]) == (7, 1)


def test_d1_a_typed_event_is_identified_by_its_id_too() -> None:
    processor = EventStreamProcessor()
    delta = TextDeltaEvent(session_id=MAIN, role="assistant", content="x", id="e")
    assert len(processor.process_event(delta)) == 1
    assert processor.process_event(text("x", id="e")) == ()


def test_d1_a_partly_skipped_event_may_be_repeated() -> None:
    talk = Talk()
    spoiled = text("x", id="e") | {"format": 5}
    assert names(talk(spoiled, spoiled, text("x", id="e"))) == ["message-streaming"] * 3
    assert talk(text("x", id="e"), spoiled) == []
    assert (talk.counters["tolerated"], talk.counters["duplicates"]) == (3, 2)


def test_d1_skipped_parts_are_counted_by_the_home_lane() -> None:
    talk = Talk()
    session = {"session_id": MAIN, "version": "x"}
    changed = {"type": "chat_session_changed", "chat_session": session, "id": "e"}
    talk(changed, changed)
    assert (talk.counters["tolerated"], talk.counters["duplicates"]) == (2, 0)
    assert talk.counters["events"] == 3


@pytest.mark.parametrize("size", [64, 65, 256, 257, 100_000])
@pytest.mark.parametrize("letter", ["x", "é", "\U0001f600"])
def test_d1_a_long_id_is_remembered_too(size: int, letter: str) -> None:
    talk = Talk()
    one, other = letter * size, letter * (size - 1) + "y"
    notes = talk(text("x", id=one), text("x", id=one), text("x", id=other))
    assert names(notes) == ["message-streaming"] * 2
    odd = {"type": "odd" + one, "session_id": one, "id": one}
    talk(odd, odd, odd | {"session_id": other}, odd | {"type": "odd" + other}, odd | {"id": other})
    assert (talk.counters["unknown"], talk.counters["duplicates"]) == (4, 2)


def test_d1_the_memory_of_an_id_is_bounded() -> None:
    talk = Talk()
    talk(text("x", id="x" * 100_000), text("y", "s" * 100_000, id="é" * 200))
    for key in dict(talk.now.text.seen.items()):
        assert isinstance(key, tuple)
        assert all(part is None or len(part) <= 256 for part in key)


def test_d1_the_id_is_read_from_the_json_object() -> None:
    class Token:
        """An id converted by its class: equal only to itself."""

    @event("numbered", lanes=Lane.TEXT)
    class NumberedEvent(ServerEvent):
        id: Any = attrs.field(converter=lambda _: Token(), default=None)

    try:
        talk = Talk()
        one = {"type": "numbered", "id": "a"}
        talk(one, one, one | {"id": "b"}, {"type": "numbered"}, {"type": "numbered", "id": 5})
        assert (talk.counters["duplicates"], talk.counters["tolerated"]) == (1, 0)
    finally:
        REGISTRY.remove(REGISTRY.row_of(NumberedEvent))


def test_d1_ids_of_sessions_are_compared_as_text() -> None:
    talk = Talk()
    talk(text("x", id="e") | {"session_id": 5}, text("x", "5", id="e"))
    odd = {"type": "odd", "session_id": 5, "id": "e"}
    talk(odd, odd | {"session_id": "5"}, {"type": "odd", "id": "e"}, odd | {"session_id": None})
    assert talk.counters["duplicates"] == 3


# -- D2: types that nobody knows -----------------------------------------------------------


def test_d2_an_unknown_type_changes_and_emits_nothing() -> None:
    talk = Talk()
    talk(text("x"))
    before = talk.now
    assert talk({"type": "future", "session_id": MAIN, "content": "?"}) == []
    after = talk.now
    assert (after.text, after.control, after.audio) == (before.text, before.control, before.audio)
    assert talk.counters["unknown"] == 1
    assert talk.counters["malformed"] == 0


def test_d2_it_counts_as_delivered() -> None:
    fold = LaneFold(Lane.CONTROL, ControlSlice())
    assert fold.step(UnknownEvent(tag="future", payload={"id": "e"})) == ()
    assert fold.delivered
    assert fold.step(UnknownEvent(tag="future", payload={"id": "e"})) == ()
    assert not fold.delivered
    assert (fold.unknown, fold.duplicates) == (1, 1)


def test_d2_client_events_from_a_server_are_unknown() -> None:
    talk = Talk()
    assert talk({"type": "text_input", "text": "x"}) == []
    assert talk.counters["unknown"] == 1


# -- D3: whose fault -----------------------------------------------------------------------


def test_d3_an_error_of_the_server_is_a_system_notification() -> None:
    talk = Talk()
    talk(text("x"))
    notes = talk({"type": "error", "message": "No.", "source": "runtime"})
    assert notes == [
        {
            "name": "system-notification",
            "type": "error",
            "severity": "error",
            "content": "No.",
            "source": "runtime",
            "session_id": None,
        }
    ]
    assert talk.counters["handler_errors"] == talk.counters["malformed"] == 0
    assert talk.session()["open_message"]["content"] == "x"
    assert talk.now.text.rest.turn.errors == ("No.",)


def test_d3_errors_of_one_turn_are_bounded_and_end_with_it() -> None:
    talk = Talk()
    talk(*({"type": "error", "message": str(i)} for i in range(60)))
    talk(*(system(str(i), "error") for i in range(60, 101)), system("fine", "info"))
    assert talk.now.text.rest.turn.errors == tuple(str(i) for i in range(1, 101))
    talk(TURN_START)
    assert talk.now.text.rest.turn.errors == ()


@pytest.fixture
def raising() -> Iterator[None]:
    """Register an event of two lanes whose first handler raises the first time."""
    failures = [True]

    @event("raising", lanes=(Lane.CONTROL, Lane.TEXT))
    class RaisingEvent(ServerEvent):
        started: list[int] = attrs.field(factory=list)
        session_id: int = 5

    @handles(RaisingEvent, lane=Lane.CONTROL)
    def control(slice_: ControlSlice, event: RaisingEvent) -> tuple[ControlSlice, tuple[()]]:
        if failures:
            failures.clear()
            raise ZeroDivisionError
        return slice_.with_extra("handled", slice_.extra.get("handled", 0) + 1), ()

    @handles(RaisingEvent, lane=Lane.TEXT)
    def text(slice_: TextSlice, event: RaisingEvent) -> tuple[TextSlice, tuple[()]]:
        return slice_.with_extra("handled", slice_.extra.get("handled", 0) + 1), ()

    yield
    REGISTRY.remove(REGISTRY.row_of(RaisingEvent))


@pytest.mark.usefixtures("raising")
def test_d3_a_handler_s_error_is_not_reported_as_a_parse_error() -> None:
    talk = Talk()
    # The two processors share the handler, so it raises in the one that runs first.
    processor = EventStreamProcessor()
    [note] = processor.process_event({"type": "raising"})
    assert attrs.asdict(note) == {
        "event_type": "raising",
        "error": "the control handler of raising raised ZeroDivisionError",
    }
    assert processor.state.counters.handler_errors == 1
    assert processor.state.counters.malformed == 0
    [malformed] = talk(text("x") | {"content": 5})
    assert "raised" not in malformed["error"]
    assert talk.counters["handler_errors"] == 0


@pytest.mark.usefixtures("raising")
def test_d1_a_lane_that_failed_applies_the_repeated_event() -> None:
    processor = EventStreamProcessor()
    processor.process_event({"type": "raising", "id": "e"})
    assert processor.state.control.extra == {}
    assert processor.state.text.extra["handled"] == 1
    assert processor.process_event({"type": "raising", "id": "e"}) == ()
    assert processor.state.control.extra["handled"] == 1
    assert processor.state.text.extra["handled"] == 1
    assert processor.state.counters.duplicates == 0
    assert processor.process_event({"type": "raising", "id": "e"}) == ()
    assert processor.state.counters.duplicates == 1


# -- handlers of one's own -----------------------------------------------------------------


@pytest.fixture
def chart() -> Iterator[type[SessionEvent]]:
    """Register a custom event of the text lane."""

    @event("render_chart", lanes=Lane.TEXT)
    class ChartEvent(SessionEvent):
        points: tuple[int, ...]

    yield ChartEvent
    REGISTRY.remove(REGISTRY.row_of(ChartEvent))


def test_a_custom_handler_gets_its_lane_s_slice(chart: type[Any]) -> None:
    said = SystemNotification(type="system", severity="info", content="a chart")

    @handles(chart)
    def draw(slice_: TextSlice, event: Any) -> tuple[TextSlice, tuple[SystemNotification, ...]]:
        assert set(slice_.sessions) == {MAIN}
        return slice_.with_extra("charts", event.points), (said,)

    talk = Talk()
    notes = talk(of_session("render_chart", points=[1, 2]))
    assert [note["content"] for note in notes] == ["a chart"]
    assert talk.now.text.extra == {"charts": (1, 2)}
    assert draw(talk.now.text, chart(session_id=MAIN, role="r", points=()))[1] == (said,)
    with pytest.raises(ValueError, match="has a handler in the text lane already"):
        handles(chart)(draw)


@pytest.mark.parametrize("wrong", [(None, ()), (AudioSlice(), ()), (TextSlice(), []), None, 5])
def test_a_handler_that_does_not_return_its_slice_has_failed(chart: type[Any], wrong: Any) -> None:
    @handles(chart, lane=Lane.TEXT)
    def draw(slice_: TextSlice, event: Any) -> Any:
        return wrong

    talk = Talk()
    [notes] = talk(of_session("render_chart", points=[]))
    assert notes["error"] == "the text handler of render_chart raised TypeError"
    assert names(talk(text("x"))) == ["message-streaming"]


def test_a_custom_handler_runs_in_the_lanes_of_its_event(chart: type[Any]) -> None:
    with pytest.raises(ValueError, match="ChartEvent does not go to the audio lane"):
        handles(chart, lane=Lane.AUDIO)
    with pytest.raises(ValueError, match=r"goes to 3 lanes: pass one of lane=Lane.CONTROL, "):
        handles(UserTurnStartEvent)
    with pytest.raises(ValueError, match="a protocol event without effect"):
        handles(HistoryEvent)
    with pytest.raises(LookupError):
        handles(type("Unregistered", (ServerEvent,), {}))


def test_an_event_without_a_handler_changes_nothing(chart: type[Any]) -> None:
    talk = Talk()
    before = talk.now.text
    assert talk(of_session("render_chart", points=[])) == []
    assert talk.now.text == before


def test_a_handler_can_be_registered_later(chart: type[Any]) -> None:
    talk = Talk()
    talk(of_session("render_chart", points=[]))

    @handles(chart)
    def draw(slice_: TextSlice, event: Any) -> tuple[TextSlice, tuple[()]]:
        return slice_.with_extra("drawn", True), ()

    talk(of_session("render_chart", points=[]))
    assert talk.now.text.extra == {"drawn": True}


# -- every type is accounted for -----------------------------------------------------------


def test_every_type_is_handled_or_listed_as_not_handled() -> None:
    from realtime_trio._handlers._fold import _REGISTERED

    rows = [row for row in REGISTRY if Direction.SERVER in row.direction and row.builtin]
    expected = {(lane, row.cls) for row in rows for lane in row.lanes}
    expected.add((Lane.AUDIO, AudioFrame))
    known = {
        (lane, cls)
        for lane, cls in _REGISTERED
        if cls.__module__.startswith("realtime_trio.events")
    }
    assert known | NOT_FOLDED == expected
    assert not known & NOT_FOLDED


def test_the_lanes_of_local_events() -> None:
    assert lanes_of(AudioFrame) == (Lane.AUDIO,)
    assert lanes_of(UnknownEvent) == (Lane.CONTROL,)
    assert lanes_of(PingEvent) == (Lane.CONTROL,)
    assert set(SLICES) == set(Lane)


def test_a_built_in_handler_is_registered_once() -> None:
    with pytest.raises(ValueError, match="TextDeltaEvent has a handler in the text lane already"):
        fold_event(TextDeltaEvent, Lane.TEXT)(lambda slice_, _event: (slice_, ()))


def test_an_event_counts_once_and_in_its_home_lane() -> None:
    talk = Talk(session=None)
    talk(TURN_START, TURN_END, CANCELLED, text("x"), {"type": "ping"}, {"type": "made_up"})
    assert talk.counters["events"] == 6
    assert talk.now.revision == 3 + 3 + 3 + 1 + 1 + 1


def test_an_event_may_represent_several() -> None:
    fold = LaneFold(Lane.TEXT, TextSlice())
    fold.step(TextDeltaEvent(session_id=MAIN, role="assistant", content="abc"), 1.0, 3)
    assert (fold.events, fold.handled) == (3, 3)
    assert fold.slice.now == 1.0


def test_coalesced_late_deltas_are_counted_separately() -> None:
    fold = LaneFold(Lane.TEXT, TextSlice())
    fold.step(CancelledEvent())
    assert (
        fold.step(TextDeltaEvent(session_id=MAIN, role="assistant", content="abc"), None, 3) == ()
    )
    assert not fold.delivered
    assert fold.slice.rest.late_deltas == 3
    fold.step(TextDeltaEvent(session_id=MAIN, role="assistant", content="d"))
    assert fold.slice.rest.late_deltas == 4


def test_audio_s_notifications_hold_their_bytes() -> None:
    [notes] = EventStreamProcessor().process_audio(b"\x01\x00")
    assert isinstance(notes, AudioOutput)
    assert notes.data == b"\x01\x00"
    assert only([{"name": notes.name}], "audio-output")


def test_only_applied_wire_events_are_delivered() -> None:
    """Duplicates and late deltas are not delivered to subscribers of the wire event."""
    fold = LaneFold(Lane.TEXT, TextSlice())

    def delta(given: str | None) -> TextDeltaEvent:
        return TextDeltaEvent(session_id=MAIN, role="assistant", content="a", id=given)

    def came(each: ServerEvent) -> bool:
        fold.step(each)
        return fold.delivered

    assert came(delta("1"))
    assert not came(delta("1"))  # a duplicate
    assert came(HistoryEvent(session_id=MAIN, role="assistant", vendor="v", messages=()))
    assert not came(Malformed(event_type="text_delta", error="no"))
    assert came(CancelledEvent())
    assert not came(delta(None))  # late
    assert came(UserTurnStartEvent())
    assert came(delta("2"))


@pytest.mark.usefixtures("raising")
def test_an_event_whose_handler_raised_is_not_delivered() -> None:
    fold = LaneFold(Lane.CONTROL, ControlSlice())
    row = REGISTRY.server_row("raising")
    assert row is not None
    came = []
    for _ in range(2):  # the first time it raises
        event = row.cls()
        assert isinstance(event, ServerEvent)
        fold.step(event)
        came.append(fold.delivered)
    assert came == [False, True]


def test_local_events_do_not_count_as_events() -> None:
    fold = LaneFold(Lane.CONTROL, ControlSlice())
    fold.step(LinkEvent(status="connected"))
    assert (fold.events, fold.handled) == (0, 1)
