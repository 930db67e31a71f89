"""Log records of the lanes: slow code by name, dropped items, evictions, full lanes."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import trio
import trio.testing

import realtime_trio as rt
from realtime_trio import events as ev
from realtime_trio._config import ClientConfig, LaneBounds
from realtime_trio._core._notifications import MessageStreaming
from realtime_trio._lanes import _custom_code
from realtime_trio._lanes._overflow import Coalesce, DropOldest, Latest
from realtime_trio._lanes._pipeline import Pipeline
from realtime_trio._throttle import Throttle

OWN = '{"type":"own_slow","value":1}'
SECRET = "payload-marker"


class Clock:
    """A clock that handlers advance."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The clock that times handlers and selectors, and a new throttle."""
    made = Clock()
    monkeypatch.setattr(_custom_code, "clock", made)
    monkeypatch.setattr(_custom_code, "_throttle", Throttle(10))
    monkeypatch.setattr(_custom_code, "_named", 0.0)
    return made


@pytest.fixture
def own() -> Iterator[type[Any]]:
    @rt.event("own_slow", lanes=rt.Lane.TEXT)
    class OwnSlow(rt.ServerEvent):
        value: int

    yield OwnSlow
    ev.REGISTRY.remove(ev.REGISTRY.row_of(OwnSlow))


def said(caplog: pytest.LogCaptureFixture) -> list[str]:
    """What was logged, at WARNING and above."""
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]


def delta(text: str, message: int = 0) -> str:
    return (
        f'{{"type":"text_delta","session_id":"s{message}","role":"assistant","content":"{text}"}}'
    )


async def handled(*frames: str, config: ClientConfig | None = None) -> None:
    """Let a pipeline handle all frames."""
    pipeline = Pipeline(config or ClientConfig(), clock=lambda: 1.0)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(pipeline.run)
        await trio.testing.wait_all_tasks_blocked()
        for frame in frames:
            pipeline.feed_nowait([frame])
            await trio.testing.wait_all_tasks_blocked()
        pipeline.close()


async def test_a_slow_handler_is_named_immediately_and_then_rarely(
    own: type[Any], clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    """Four calls within the pause make one record; the next record has their number."""
    steps = iter([0.25, 0.2, 0.2, 0.2, 0.1, 20.0])

    @rt.handles(own)
    def sluggish(slice_: rt.TextSlice, event: Any) -> Any:
        clock.now += next(steps)
        return slice_, ()

    await handled(*[OWN] * 6)
    name = f"{__name__}.{sluggish.__qualname__}"
    assert said(caplog) == [
        f"the handler {name} held the event loop for 250 ms",
        f"the handler {name} held the event loop for 20000 ms (4 times since the last report)",
    ]
    assert {record.name for record in caplog.records} == {"realtime_trio.lanes"}


async def test_a_raising_handler_is_named_without_its_message(
    own: type[Any], clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    @rt.handles(own)
    def faulty(slice_: rt.TextSlice, event: Any) -> Any:
        raise ValueError(SECRET)

    await handled(OWN, OWN)
    assert said(caplog) == [f"the handler {__name__}.{faulty.__qualname__} raised ValueError"]
    assert SECRET not in caplog.text
    assert all(record.exc_info is None for record in caplog.records)


def test_the_processor_neither_times_nor_logs(
    own: type[Any], clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    @rt.handles(own)
    def sluggish(slice_: rt.TextSlice, event: Any) -> Any:
        clock.now += 1
        return slice_, ()

    rt.EventStreamProcessor().process_event({"type": "own_slow", "value": 1})
    assert clock.now == 1
    assert not caplog.records


async def test_a_slow_selector_is_named(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    """Also if it is behind a partial, or is a callable object."""
    pipeline = Pipeline(ClientConfig(), clock=lambda: 1.0)

    def sluggish(state: rt.SessionState, seconds: float = 0.3) -> int:
        clock.now += seconds
        return state.revision

    class Selector:
        def __call__(self, state: rt.SessionState) -> int:
            return sluggish(state)

    selectors: list[Callable[[rt.SessionState], int]] = [
        sluggish,
        Selector(),
        functools.partial(sluggish, seconds=12),
        functools.partial(sluggish, seconds=0.1),
    ]
    for selector in selectors:
        assert await pipeline.watch(selector).receive() == 0
    inner = f"{__name__}.{sluggish.__qualname__}"
    assert said(caplog) == [
        f"the selector {inner} held the event loop for 300 ms",
        f"the selector {__name__}.{Selector.__qualname__} held the event loop for 300 ms",
        f"the selector {inner} held the event loop for 12000 ms",
    ]


async def test_a_slow_step_without_custom_code_is_logged(
    clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    """But not if a slow handler was named since the step began."""
    _custom_code.log_slow_step(rt.Lane.TEXT, 1.0, 1.25, 3)
    clock.now = 2.0
    _custom_code.log_slow("handler", handled, 1.5)
    _custom_code.log_slow_step(rt.Lane.AUDIO, 1.4, 2.1, 3)
    assert said(caplog) == [
        "a step of the text lane held the event loop for 250 ms (3 events)",
        f"the handler {__name__}.handled held the event loop for 500 ms",
    ]


async def test_dropped_items_are_counted_and_the_rest_logged_at_the_end(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """``Latest`` drops items by design, so it is logged at DEBUG."""
    caplog.set_level(logging.DEBUG, "realtime_trio.lanes")
    pipeline = Pipeline(ClientConfig(), clock=lambda: 1.0)
    lossy = pipeline.subscribe(MessageStreaming, overflow=DropOldest(max_items=1))
    newest = pipeline.subscribe(MessageStreaming, overflow=Latest())
    async with trio.open_nursery() as nursery:
        nursery.start_soon(pipeline.run)
        await trio.testing.wait_all_tasks_blocked()
        for number in range(6):
            pipeline.feed_nowait([delta(SECRET, number)])
            await trio.testing.wait_all_tasks_blocked()
        pipeline.close()
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        ("WARNING", "dropped 1 items of the text lane (DropOldest)"),
        ("DEBUG", "replaced 1 items of the text lane (Latest)"),
        ("WARNING", "dropped 4 items of the text lane (DropOldest)"),
        ("DEBUG", "replaced 4 items of the text lane (Latest)"),
    ]
    assert SECRET not in caplog.text
    lossy.close()
    newest.close()


async def test_an_evicted_subscription_is_named_by_its_classes(
    caplog: pytest.LogCaptureFixture,
) -> None:
    pipeline = Pipeline(ClientConfig(), clock=lambda: 1.0)
    streams = pipeline.subscribe(MessageStreaming, overflow=Coalesce(max_items=1))
    others = pipeline.subscribe(overflow=Coalesce(max_items=1))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(pipeline.run)
        await trio.testing.wait_all_tasks_blocked()
        pipeline.feed_nowait([delta(SECRET, 0), delta(SECRET, 1)])
        await trio.testing.wait_all_tasks_blocked()
        pipeline.close()
    evicted = sorted(line.partition(": ")[0] for line in said(caplog))
    assert evicted == [
        "evicted a subscription to MessageStreaming",
        "evicted a subscription to all notifications",
    ]
    assert SECRET not in caplog.text
    streams.close()
    others.close()


async def test_a_lane_that_fills_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """At WARNING from the last level on."""
    caplog.set_level(logging.DEBUG, "realtime_trio.lanes")
    config = ClientConfig(text=LaneBounds(max_items=4))
    pipeline = Pipeline(config, clock=lambda: 1.0)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(pipeline.run)
        await trio.testing.wait_all_tasks_blocked()
        pipeline.feed_nowait([delta("x", number) for number in range(4)])
        await trio.testing.wait_all_tasks_blocked()
        pipeline.close()
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        ("INFO", "the text lane is 50 % full"),
        ("WARNING", "the text lane is 95 % full"),
        ("INFO", "the text lane has drained"),
    ]


async def test_a_malformed_event_is_logged_once_per_type(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Only types in the registry are logged: any other is text from the server."""
    bad = f'{{"type":"text_delta","content":["{SECRET}"]}}'
    await handled(bad, bad, f"{{{SECRET}", f'["{SECRET}"]')
    assert said(caplog) == [
        "ignored text_delta: it could not be read",
        "ignored a frame without a type: it could not be read",
    ]
    assert SECRET not in caplog.text
