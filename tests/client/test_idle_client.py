"""What an idle client holds: tasks and queues, counted."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Any

import pytest
import trio
import trio.testing

from realtime_trio import events as ev
from realtime_trio._client._client import Client, open_client
from realtime_trio._config import ClientConfig
from realtime_trio._idle import EMPTY
from realtime_trio._outbound._send_queue import Entry, EntryQueue
from realtime_trio.server import open_server

SILENT = ClientConfig(ping_interval=None, turn_silence=None)


def _tasks(client: Client) -> list[str]:
    """Return the tasks below the client's own, by the last part of their names."""
    own = client._shell.nursery.parent_task
    pending, found = [own], list[str]()
    while pending:
        children = [
            each for nursery in pending.pop().child_nurseries for each in nursery.child_tasks
        ]
        found += [task.name.rpartition(".")[2] for task in children]
        pending += children
    return sorted(found)


def _queues(client: Client) -> Iterator[deque[Any]]:
    shell = client._shell
    for lane in shell.pipeline._lanes.values():
        yield lane.backlog.entries
    outbox = shell.outbox
    for queue in (outbox._urgent, outbox._commands, outbox.audio):
        yield queue.entries


@pytest.mark.parametrize(
    ("config", "tasks"), [(SILENT, []), (ClientConfig(), ["_until_lost"])], ids=["bare", "default"]
)
async def test_an_idle_client_needs_only_its_own_task(
    config: ClientConfig, tasks: list[str], autojump_clock: object
) -> None:
    """It supervises and receives; a second task checks the liveness of the link."""
    async with (
        open_server() as server,
        open_client(server.url, auth="t", config=config) as client,
    ):
        await client.ready()
        for _ in range(2):
            await trio.sleep(100)
            await trio.testing.wait_all_tasks_blocked()
            assert _tasks(client) == tasks
            assert all(queue is EMPTY for queue in _queues(client))
            async with client.ask("hello"):
                pass
            await (await client.send(ev.GetVoicesEvent())).sent()


async def test_the_writer_stays_while_audio_flows(autojump_clock: object) -> None:
    """A task per frame would cost too much; it ends with the utterance."""
    async with (
        open_server() as server,
        open_client(server.url, auth="t", config=SILENT) as client,
    ):
        await client.ready()
        async with client.push_to_talk():
            for _ in range(3):
                await client.audio.send(b"\0" * 640)
                await trio.testing.wait_all_tasks_blocked()
                assert _tasks(client) == ["writer"]
        await trio.testing.wait_all_tasks_blocked()
        assert _tasks(client) == []


def test_an_empty_queue_is_not_created_twice() -> None:
    """One queue from the first entry to the last, and none before or after."""
    queue = EntryQueue(10, 1000)
    assert queue.entries is EMPTY
    first, second, third = (Entry(b"x", 1) for _ in range(3))
    queue.append(first)
    made = queue.entries
    queue.append(second)
    queue.append(third)
    queue.remove(second)
    assert queue.entries is made
    assert queue.popleft() is first
    assert queue.pop_run(10) == [b"x"]
    assert queue.entries is EMPTY
    queue.append(first)
    assert queue.clear() == [first]
    assert queue.entries is EMPTY
