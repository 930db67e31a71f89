"""The other processes of the question "fleet": one that follows, one that hears a channel.

Each prints a line when it is ready, and a line of figures in the end. Frames carry the time at
which they were handed to the node or to Redis; the clock is the same in all processes.
"""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import attrs
import trio

import realtime_trio as rt
from realtime_trio.events import TextDeltaEvent

__all__ = ["Heard", "delta", "follower", "heard", "hearer"]

CHANNEL = "frames"
_WIDTH = 18
_STAMP = f"{{:{_WIDTH}.6f}}"


def delta(session: str) -> str:
    """A delta of an answer, with the time of now in its text."""
    text = _STAMP.format(time.perf_counter())
    return json.dumps(
        {"type": TextDeltaEvent.type, "session_id": session, "role": "assistant", "content": text}
    )


@attrs.frozen(slots=True)
class Heard:
    """What one of the processes has measured: seconds."""

    p50: float
    p99: float
    cpu: float
    """Processor time of an event."""


@contextmanager
def follower(url: str, name: str, count: int) -> Iterator[subprocess.Popen[str]]:
    """A process that is attached to a session, until it has heard so many deltas."""
    with _process("follow", url, name, str(count)) as process:
        yield process


@contextmanager
def hearer(url: str, count: int) -> Iterator[subprocess.Popen[str]]:
    """A process that hears the frames of a channel, as the simplest worker would."""
    with _process("hear", url, CHANNEL, str(count)) as process:
        yield process


@contextmanager
def _process(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    root = str(Path(__file__).parents[len((__package__ or "").split("."))])
    command = [sys.executable, "-m", f"{__package__}._fleet", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=root) as process:
        assert process.stdout is not None
        try:
            process.stdout.readline()
            yield process
        finally:
            process.terminate()


def heard(process: subprocess.Popen[str]) -> Heard:
    """The figures of a process, once it has them."""
    assert process.stdout is not None
    return Heard(**json.loads(process.stdout.readline()))


def _tell(times: list[float], cpu: float) -> None:
    times.sort()
    count = len(times)
    figures = Heard(times[count // 2], times[count * 99 // 100], cpu / count)
    print(json.dumps(attrs.asdict(figures)), flush=True)


async def _follow(url: str, name: str, count: int) -> None:
    times: list[float] = []
    config = rt.ClientConfig(coalesce=False)
    log = rt.fleet.RedisLog(url)
    async with rt.fleet.open_fleet(log, config=config) as fleet, fleet.attach(name) as session:
        notes = session.text.subscribe()
        print("ready", flush=True)
        began = time.process_time()
        async for note in notes:
            if isinstance(note, rt.MessageStreaming):
                now = time.perf_counter()
                # Deltas that waited together come as one.
                at = range(0, len(note.delta), _WIDTH)
                times += [now - float(note.delta[i : i + _WIDTH]) for i in at]
                if len(times) >= count:
                    break
        _tell(times, time.process_time() - began)


async def _hear(url: str, channel: str, count: int) -> None:
    times: list[float] = []
    coredis = importlib.import_module("coredis")
    async with coredis.Redis.from_url(url) as client, client.pubsub(channels=[channel]) as heard:
        print("ready", flush=True)
        began = time.process_time()
        async for message in heard:
            if message["type"] == "message":
                now = time.perf_counter()
                event = json.loads(message["data"])
                times.append(now - float(event["content"]))
                if len(times) == count:
                    break
        _tell(times, time.process_time() - began)


if __name__ == "__main__":
    what, *rest = sys.argv[1:]
    trio.run({"follow": _follow, "hear": _hear}[what], rest[0], rest[1], int(rest[2]))
