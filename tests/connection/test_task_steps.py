"""The cost of an event that arrives alone: the steps of tasks, counted."""

from __future__ import annotations

from collections import Counter

import pytest
import trio
import trio.testing

from realtime_trio._client._client import open_client
from realtime_trio._config import ClientConfig
from realtime_trio._core._notifications import MessageStreaming
from realtime_trio._transports._trio_websocket import TrioWebsocketConnector
from realtime_trio._transports._websockets import WebsocketsConnector
from tests.lanes.flow import delta
from tests.transports.peers import TEXT, Connector, frame, frame_server

EVENTS = 20
CONFIG = ClientConfig(ping_interval=None, turn_silence=None)


class Counted(trio.abc.Instrument):
    """Counts the steps of each task by name."""

    def __init__(self) -> None:
        self.steps: Counter[str] = Counter()

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        """Count a step."""
        self.steps[task.name.rpartition(".")[2]] += 1


@pytest.mark.parametrize(
    ("connector", "steps"),
    [
        # The client's task, which reads, folds and wakes; the subscriber's task.
        (WebsocketsConnector(), {"run": 1, "hear": 1}),
        # trio-websocket's reader takes a separate step for each message.
        (TrioWebsocketConnector(), {"_reader_task": 2, "hear": 1}),
    ],
)
async def test_an_event_at_a_steady_pace_takes_two_steps(
    connector: Connector, steps: dict[str, int]
) -> None:
    """One reads and folds it, one receives it; no lane task and no inbox in between."""
    heard = trio.Event()
    pieces: list[str] = []
    streams: list[trio.abc.Stream] = []

    async def serve(stream: trio.abc.Stream) -> None:
        await stream.send_all(frame(TEXT, b'{"type":"pong"}'))
        streams.append(stream)
        while await stream.receive_some(4096):
            pass

    async with (
        frame_server(serve) as url,
        open_client(
            url.partition("?")[0].removesuffix("/ws"), auth="t", transport=connector, config=CONFIG
        ) as client,
        trio.open_nursery() as nursery,
    ):
        notes = client.subscribe(MessageStreaming)

        async def hear() -> None:
            async for note in notes:
                pieces.append(note.delta)
                heard.set()

        async def say(text: str) -> None:
            nonlocal heard
            heard = trio.Event()
            await streams[0].send_all(frame(TEXT, delta(text).encode()))
            await heard.wait()
            await trio.testing.wait_all_tasks_blocked()

        nursery.start_soon(hear)
        await trio.testing.wait_all_tasks_blocked()
        for _ in range(3):  # until the receive task reads itself
            await say("first")
        counted = Counted()
        trio.lowlevel.add_instrument(counted)
        for _ in range(EVENTS):
            await say("next")
        trio.lowlevel.remove_instrument(counted)
        nursery.cancel_scope.cancel()
    assert pieces == ["first"] * 3 + ["next"] * EVENTS
    own = {name: count for name, count in counted.steps.items() if "test_" not in name}
    assert own == {name: count * EVENTS for name, count in steps.items()}
