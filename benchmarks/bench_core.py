"""Decode, fold and lanes beside ``json.loads`` on the same lines."""

from __future__ import annotations

import json
from collections.abc import Callable

import trio

import realtime_trio as rt
from realtime_trio._core._codec import Codec
from realtime_trio._io._pipeline import Pipeline

from .stream import mixed_stream, text_deltas

__all__ = ["growth_subjects", "subjects"]

TURNS = 40


def _parse(frames: list[bytes]) -> None:
    loads = json.loads
    for frame in frames:
        loads(frame)


def _decode(frames: list[bytes]) -> None:
    decode = Codec().decode_text
    for frame in frames:
        decode(frame)


def _core(frames: list[bytes]) -> None:
    process = rt.EventStreamProcessor().process_frame
    for frame in frames:
        process(frame)


async def _through_lanes(frames: list[str], config: rt.ClientConfig) -> None:
    pipeline = Pipeline(config, clock=lambda: 0.0)
    notes = pipeline.subscribe(lane=rt.Lane.TEXT, overflow=rt.Coalesce(1_000_000))

    async def read() -> None:
        async for _ in notes:
            pass

    async with trio.open_nursery() as nursery:
        nursery.start_soon(pipeline.run)
        nursery.start_soon(read)
        for number, frame in enumerate(frames):
            await pipeline.feed_frame(frame)
            if number % 32 == 0:
                await trio.lowlevel.checkpoint()
        pipeline.close()


def subjects() -> tuple[int, dict[str, Callable[[], None]]]:
    """How many events each handles, and what is measured by name, ``json.loads`` first."""
    frames = mixed_stream(TURNS)
    texts = [frame.decode() for frame in frames]
    off, on = rt.ClientConfig(coalesce=False), rt.ClientConfig()
    return len(frames), {
        "json.loads": lambda: _parse(frames),
        "decode": lambda: _decode(frames),
        "core": lambda: _core(frames),
        "lanes": lambda: trio.run(_through_lanes, texts, off),
        "lanes, coalescing": lambda: trio.run(_through_lanes, texts, on),
    }


def growth_subjects() -> dict[str, tuple[int, Callable[[], None]]]:
    """The same deltas as the beginning of one message, and as all of a long one."""
    short, long = text_deltas(10_000), text_deltas(200_000)
    return {
        "10,000 deltas of one message": (len(short), lambda: _core(short)),
        "200,000 deltas of one message": (len(long), lambda: _core(long)),
    }
