"""Faults of a server are logged once, by type and place, without the value (§2 L3)."""

from __future__ import annotations

import logging

import pytest

import realtime_trio as rt
from realtime_trio import events as ev
from realtime_trio.testing import emit, say, turn


async def test_each_place_is_logged_once_and_the_event_is_delivered(
    autojump_clock: object, caplog: pytest.LogCaptureFixture
) -> None:
    spoiled = '{"type":"voice_list","voices":[{"voice_id":"v","vendor":["secret"]},"secret"]}'
    two_lanes = '{"type":"error","message":"m","source":{"a":"secret"},"id":"e"}'
    caplog.set_level(logging.WARNING, "realtime_trio")
    async with rt.server.open_server() as server, rt.open_client(server.url, auth="any") as client:
        await client.ready()
        server.script(turn("a", emit(spoiled, spoiled, two_lanes, two_lanes), say("hi")))
        before = client.state.counters
        with client.subscribe(ev.VoiceListEvent, ev.ErrorEvent) as heard:
            async with client.ask("a"):
                pass
            events = [heard.receive_nowait() for _ in range(4)]
        assert [type(event) for event in events] == [ev.VoiceListEvent] * 2 + [ev.ErrorEvent] * 2
        counters = client.state.counters
        assert counters.tolerated - before.tolerated == 4
        assert counters.duplicates == before.duplicates
        assert client.statistics().total.tolerated == counters.tolerated
    told = [(r.name, r.getMessage()) for r in caplog.records if "ill-typed" in r.getMessage()]
    assert told == [
        ("realtime_trio.lanes", f"ignored an ill-typed value in {place}")
        for place in (
            "voice_list at $.voices[].vendor",
            "voice_list at $.voices[]",
            "error at $.source",
        )
    ]
    assert "secret" not in caplog.text
