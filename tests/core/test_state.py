"""The state: what it says of itself, and what two states have in common."""

from __future__ import annotations

import pytest

from realtime_trio._core._state import (
    AudioSlice,
    ControlSlice,
    Counters,
    Session,
    SessionState,
    TextSlice,
)
from realtime_trio._core._values import evolve
from realtime_trio._processor import EventStreamProcessor
from tests.handlers.talk import MAIN, begin, call, chat_session, message, sub_started, text


def state_of(*events: object) -> SessionState:
    processor = EventStreamProcessor()
    for event in events:
        processor.process_event(event)  # type: ignore[arg-type]
    return processor.state


def test_an_empty_state_is_empty() -> None:
    state = SessionState()
    assert state == EventStreamProcessor().state
    assert dict(state.sessions) == {}
    assert (state.current_session_id, state.current_session) == (None, None)
    assert (state.turn.can_send_input, state.catalog.user) == (False, None)
    assert state.counters == Counters()


def test_sessions_are_a_mapping_in_the_order_of_their_arrival() -> None:
    state = state_of(text("x", "b"), chat_session("a"))
    sessions = state.sessions
    assert list(sessions) == ["b", "a"]
    assert len(sessions) == 2
    assert "b" in sessions
    assert isinstance(sessions["b"], Session)
    assert state.current_session == sessions["a"]
    with pytest.raises(KeyError):
        sessions["unknown"]
    with pytest.raises(TypeError):
        hash(sessions)


def test_sessions_equal_mappings_of_equal_sessions() -> None:
    sessions = state_of(text("x"), message("y", "b")).sessions
    assert sessions == state_of(text("x"), message("y", "b")).sessions
    assert sessions == dict(sessions)
    assert dict(sessions) == sessions
    assert sessions != state_of(text("z"), message("y", "b")).sessions
    assert sessions != {}
    assert sessions.__eq__(5) is NotImplemented


def test_how_a_text_was_cut_and_when_it_came_makes_no_difference() -> None:
    processor = EventStreamProcessor()
    processor.process_event(text("a"), at=0.0)
    processor.process_event(text("b"), at=7.0)
    assert processor.state.text == state_of(text("ab")).text


def test_a_current_session_that_is_not_known_is_none() -> None:
    text_slice = TextSlice()
    assert SessionState(text=text_slice).current_session is None
    assert state_of(chat_session(), {"type": "delete_chat_session"}).current_session is None


def test_a_text_slice_shows_what_it_holds() -> None:
    slice_ = state_of(chat_session(), sub_started(), begin(call("t")), text("x", id="e")).text
    assert [tool.id for tool in slice_.active_tools] == ["t"]
    assert [opened.depth for opened in slice_.subsessions] == [1]
    assert slice_.user_session_id == MAIN
    assert slice_.seen.get((MAIN, "text_delta", "e", None)) is True
    assert slice_.extra == {}


@pytest.mark.parametrize("slice_", [ControlSlice(), TextSlice(), AudioSlice()])
def test_every_slice_keeps_what_handlers_of_one_s_own_give_it(
    slice_: ControlSlice | TextSlice | AudioSlice,
) -> None:
    fuller = slice_.with_extra("a", 1).with_extra("b", 2).with_extra("a", 3)
    assert fuller.extra == {"a": 3, "b": 2}
    assert slice_.extra == {}
    with pytest.raises(TypeError):
        fuller.extra["c"] = 4  # type: ignore[index]


def test_what_is_known_of_a_session() -> None:
    sessions = state_of(
        chat_session(session_name="n", metadata={"a": 1}, agent_config={"key": "k"}),
        text("x", "sub", parent=MAIN),
    ).sessions
    main, sub = sessions[MAIN], sessions["sub"]
    assert (main.name, main.metadata, main.is_sub_session) == ("n", {"a": 1}, False)
    assert main.agent is not None
    assert (sub.parent_session_id, sub.user_session_id, sub.is_sub_session) == (MAIN, MAIN, True)
    assert sub.open_message is not None
    assert sub.open_message.content == "x"


def test_a_slice_equals_none_of_another_lane() -> None:
    assert ControlSlice() == ControlSlice()
    assert TextSlice() != ControlSlice()
    assert AudioSlice() != "audio"


@pytest.mark.parametrize("cls", [ControlSlice, TextSlice, AudioSlice])
def test_unequal_is_the_contrary_of_equal(cls: type[ControlSlice | TextSlice | AudioSlice]) -> None:
    """When something came to be known counts for neither."""
    one, later, other = cls(), evolve(cls(), now=5.0), cls().with_extra("a", 1)
    assert one == later
    assert not one != later  # noqa: SIM202  the operator is what is tested
    assert one != other
    assert not one == other  # noqa: SIM201
