"""The one table: what stands in it, what it refuses, and that every type of it is handled."""

from __future__ import annotations

from typing import cast

import attrs
import pytest

import realtime_trio as rt
from realtime_trio import events as ev
from realtime_trio._core._local_events import LinkEvent
from realtime_trio._handlers import NOT_FOLDED, lanes_of
from realtime_trio._handlers._fold import _REGISTERED
from tests.wire_strategies import CLIENT_ROWS, SERVER_ROWS

# The rows of the protocol's own tables, counted by hand: a row that is lost fails here.
SERVER_TYPES = 46
CLIENT_TYPES = 28


def test_the_table_holds_the_whole_protocol() -> None:
    assert len(SERVER_ROWS) == SERVER_TYPES
    assert len(CLIENT_ROWS) == CLIENT_TYPES


def test_every_server_type_is_handled_in_each_of_its_lanes_or_named_as_not() -> None:
    for row in SERVER_ROWS:
        for lane in row.lanes:
            handled = (lane, row.cls) in _REGISTERED
            named = (lane, row.cls) in NOT_FOLDED
            assert handled != named, f"{row.type} in the {lane.name} lane"


def test_nothing_is_handled_in_a_lane_that_it_does_not_reach() -> None:
    for lane, cls in _REGISTERED | NOT_FOLDED:
        if not cls.__module__.startswith("realtime_trio"):
            continue  # another test's own
        assert lane in lanes_of(cls), f"{cls.__name__} in the {lane.name} lane"


def test_only_what_cannot_wait_overtakes() -> None:
    assert {row.type for row in SERVER_ROWS if row.urgent} == {"error", "cancelled"}


@pytest.mark.parametrize("row", [*SERVER_ROWS, *CLIENT_ROWS], ids=lambda row: row.type)
def test_a_class_knows_its_type_and_is_immutable(row: ev.Row) -> None:
    assert row.cls.type == row.type
    assert ev.REGISTRY.row_of(row.cls) is row
    assert row.cls.__doc__
    assert not hasattr(row.cls, "__dict__") or "__dict__" not in dir(row.cls)
    some = attrs.fields(cast("type[attrs.AttrsInstance]", row.cls))
    if some:
        with pytest.raises(attrs.exceptions.FrozenInstanceError):
            object.__new__(row.cls).__setattr__(some[0].name, 1)


def test_a_type_of_one_direction_is_not_found_in_the_other() -> None:
    assert ev.REGISTRY.server_row("text_input") is None
    assert ev.REGISTRY.client_row("text_delta") is None
    assert ev.REGISTRY.server_row("ping") is ev.REGISTRY.client_row("ping")
    assert ev.REGISTRY.server_row("no such type") is None


def test_a_class_without_a_row_says_what_to_do() -> None:
    with pytest.raises(LookupError, match=r"@realtime_trio\.event"):
        ev.REGISTRY.row_of(LinkEvent)


def test_what_is_registered_twice_is_refused() -> None:
    with pytest.raises(ValueError, match="'ping' is already registered for PingEvent"):

        @rt.event("ping", lanes=rt.Lane.CONTROL)
        class OtherPing(rt.ServerEvent):
            pass

    with pytest.raises(ValueError, match="open_a_i_user_message"):

        @rt.event("mine", lanes=rt.Lane.TEXT, aliases=["open_a_i_user_message"])
        class OtherUser(rt.ServerEvent):
            pass

    row = ev.REGISTRY.row_of(ev.PingEvent)
    with pytest.raises(ValueError, match="PingEvent is already registered as 'ping'"):
        ev.REGISTRY.add(attrs.evolve(row, type="another"))
    assert ev.REGISTRY.server_row("mine") is None


def test_a_server_event_needs_a_lane_and_a_command_has_none() -> None:
    with pytest.raises(ValueError, match=r"lanes=Lane\.TEXT"):

        @rt.event("nowhere")
        class Nowhere(rt.ServerEvent):
            pass

    @rt.event("my_command")
    class MyCommand(rt.ClientEvent):
        value: int

    row = ev.REGISTRY.row_of(MyCommand)
    assert row.direction is rt.Direction.CLIENT
    ev.REGISTRY.remove(row)
    assert ev.REGISTRY.client_row("my_command") is None


def test_the_protocol_cannot_be_taken_apart() -> None:
    with pytest.raises(ValueError, match="is part of the protocol"):
        ev.REGISTRY.remove(ev.REGISTRY.row_of(ev.PingEvent))


def test_secrets_have_no_repr() -> None:
    event = ev.SetAvatarSessionEvent(access_token="hunter2", avatar_session_id="a")
    assert "hunter2" not in repr(event)
    assert "2 bytes" in repr(ev.AudioFrame(data=b"ab"))
