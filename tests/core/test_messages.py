"""Messages: what is under construction, and what it becomes."""

from __future__ import annotations

from datetime import UTC, datetime

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime_trio._core._messages import (
    ASSISTANT,
    NO_METADATA,
    Message,
    MessageMetadata,
    OpenMessage,
    moment,
)
from realtime_trio._core._values import Rope
from realtime_trio._processor import EventStreamProcessor
from tests.handlers.talk import MAIN, message

HEAD = Message(
    id="m1",
    session_id=MAIN,
    role=ASSISTANT,
    content="",
    status="streaming",
    timestamp=moment(0.0),
)


def test_a_message_under_construction_shows_what_it_has_so_far() -> None:
    under_way = OpenMessage(HEAD, Rope.of("a").append("b"), 7)
    assert (under_way.id, under_way.role, under_way.content) == ("m1", ASSISTANT, "ab")
    assert under_way.snapshot() == attrs.evolve(HEAD, content="ab")
    assert under_way == OpenMessage(HEAD, Rope.of("ab"), 8)
    assert under_way != OpenMessage(HEAD, Rope.of("abc"), 7)
    assert under_way != OpenMessage(attrs.evolve(HEAD, role="system"), Rope.of("ab"), 7)


def test_a_message_under_construction_equals_what_says_the_same() -> None:
    one, two = OpenMessage(HEAD, Rope.of("ab"), 7), OpenMessage(HEAD, Rope.of("a").append("b"), 8)
    assert one == two
    assert hash(one) == hash(two)
    assert not one != two  # noqa: SIM202  the operator is what is tested
    assert one != OpenMessage(HEAD, Rope.of("ac"), 7)
    assert one.__eq__("ab") is NotImplemented


def test_a_message_that_is_finished_keeps_all_but_its_status() -> None:
    metadata = MessageMetadata(1, 2, "end_turn")
    finished = OpenMessage(HEAD, Rope.of("ab")).finish("cancelled", metadata)
    assert finished == attrs.evolve(HEAD, content="ab", status="cancelled", metadata=metadata)
    assert HEAD.metadata is NO_METADATA


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_every_time_can_be_shown(at: float) -> None:
    shown = moment(at)
    assert shown.tzinfo is UTC
    if 0 <= at < 4e9:
        assert abs(shown.timestamp() - at) < 1e-5


@pytest.mark.parametrize(("at", "year"), [(1e300, 9999), (-1e300, 1), (0.0, 1970)])
def test_a_clock_gone_mad_costs_no_message(at: float, year: int) -> None:
    processor = EventStreamProcessor()
    processor.process_event(message("x"), at=at)
    [stored] = processor.state.sessions[MAIN].messages
    assert stored.timestamp.year == year
    assert stored.timestamp >= datetime.min.replace(tzinfo=UTC)
