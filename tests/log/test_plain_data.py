"""Plain data: states come back from JSON, from pickle and from deepcopy as they were."""

from __future__ import annotations

import copy
import json
import math
import pickle
from datetime import UTC, datetime
from typing import Any

import attrs
import pytest
import trio
from hypothesis import HealthCheck, given, settings

import realtime_trio as rt
from realtime_trio import events as ev
from realtime_trio._log._plain_data import _packed, _unpacked
from realtime_trio._log._state_snapshot import digest
from realtime_trio.server import open_server
from tests.strategies import Wire, conversations


def _state(conversation: list[Wire]) -> rt.SessionState:
    processor = rt.EventStreamProcessor()
    for frame in conversation:
        processor.process_frame(frame if isinstance(frame, bytes) else json.dumps(frame))
    return processor.state


def _through_json(value: object) -> Any:
    return rt.from_dict(json.loads(json.dumps(rt.to_dict(value), allow_nan=False)))


@settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow])
@given(conversations())
def test_a_state_comes_back_exactly(conversation: list[Wire]) -> None:
    state = _state(conversation)
    for again in (_through_json(state), pickle.loads(pickle.dumps(state)), copy.deepcopy(state)):
        assert again == state
        assert digest(again) == digest(state)
        assert again.revision == state.revision
    for part in (state.control, state.text, state.audio, *state.sessions.values()):
        assert _through_json(part) == part


def test_what_handlers_keep_comes_back() -> None:
    """Tuples, bytes and numbers that JSON does not have, under any keys."""
    extra = {
        "$ext": (1, b"\x00", {"$bytes": 1}),
        "big": 1 << 80,
        "inf": math.inf,
        "pairs": {(1, 2): "x"},
        "at": datetime(2026, 1, 2, tzinfo=UTC),
    }
    state = rt.SessionState()
    for key, value in extra.items():
        state = attrs.evolve(state, control=state.control.with_extra(key, value))
    again = _through_json(state)
    assert again == state
    assert dict(again.control.extra) == extra
    assert pickle.loads(pickle.dumps(state)) == state


@pytest.mark.parametrize("value", [{1: 2}, {"$items": 3}, [1.5, math.inf], b"x", {"a": [None]}])
def test_packed_values_come_back(value: object) -> None:
    assert _unpacked(json.loads(json.dumps(_packed(value)))) == value


async def test_statistics_and_health_are_plain_data(autojump_clock: object) -> None:
    """For the body of a health endpoint."""
    async with open_server() as server, rt.open_client(server.url, auth="any") as client:
        await client.ready()
        health = json.loads(json.dumps(rt.to_dict(client.health)))
        assert health["$type"] == "Health"
        assert health["status"] == "open"
        assert health["outbox"]["sent"] >= 0
        statistics = json.loads(json.dumps(rt.to_dict(client.statistics())))
        assert statistics["text"]["lane"] == "text"
        assert statistics["text"]["handling"]["max"] >= 0
        assert statistics["total"]["lane"] is None
        with client.text.subscribe() as notes:
            assert rt.to_dict(notes.statistics())["depth"] == 0
        await trio.lowlevel.checkpoint()


def test_notifications_and_events_are_plain_data() -> None:
    """One way, by the names of their fields."""
    note = rt.SessionsUpdated(session_ids=("a", "b"))
    assert rt.to_dict(note) == {"$type": "SessionsUpdated", "session_ids": ["a", "b"]}
    sound = rt.to_dict(rt.AudioOutput(data=b"abc", format=None))
    assert sound["data"] == {"$bytes": "YWJj"}
    media = rt.AvatarSessionStarted(avatar_session_request={"a": [1]}, avatar_session=None)
    assert rt.to_dict(media)["avatar_session_request"] == {"a": [1]}
    event = rt.to_dict(ev.TextInputEvent(text="hi"))
    assert event["text"] == "hi"
    assert event["$type"] == "TextInputEvent"


@attrs.frozen
class Odd:
    """Holds anything."""

    value: object


def test_what_is_no_plain_data_is_refused() -> None:
    with pytest.raises(TypeError, match="not object"):
        rt.to_dict(object())
    with pytest.raises(TypeError, match="a value of object cannot be converted"):
        rt.to_dict(Odd(object()))
    assert rt.to_dict(Odd(datetime(2026, 1, 2)))["value"] == "2026-01-02T00:00:00"
    assert rt.to_dict(Odd(Odd({1})))["value"] == {"value": [1]}
    with pytest.raises(TypeError, match="this is Health"):
        rt.from_dict({"$type": "Health"})
    with pytest.raises(TypeError, match="without"):
        rt.from_dict({})
    with pytest.raises(ValueError, match="not a valid SessionState"):
        rt.from_dict({"$type": "SessionState", "text": 5})
