"""A pipeline of pipecat: three processors that pass everything on, and one that counts."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

from loguru import logger
from pipecat.frames.frames import EndFrame, Frame, InterruptionFrame, StartFrame, TextFrame
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineWorker
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.workers.runner import WorkerRunner

__all__ = ["interrupted", "passed"]

logger.remove()  # as fast as possible: without its log
# Without services that a bot may need and a stream does not.
_LEAN: dict[str, Any] = {
    "enable_rtvi": False,
    "enable_turn_tracking": False,
    "idle_timeout_secs": None,
}
_TEXT = "value distance event in "


class _Pass(FrameProcessor):
    """Passes every frame on and counts text; pauses on request."""

    def __init__(self) -> None:
        super().__init__()
        self.go = asyncio.Event()
        self.go.set()
        self._passed = 0
        self._awaited = 0
        self._reached = asyncio.Event()

    async def has_passed(self, count: int) -> None:
        """Wait until so many text frames were passed on."""
        self._awaited = count
        if self._passed < count:
            await self._reached.wait()

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        """Pass the frame on."""
        await super().process_frame(frame, direction)
        if not self.go.is_set() and type(frame) is TextFrame:
            await self.go.wait()
        await self.push_frame(frame, direction)
        if type(frame) is TextFrame:
            self._passed += 1
            if self._passed == self._awaited:
                self._reached.set()


class _Count(FrameProcessor):
    """The end of the pipeline, without a queue."""

    def __init__(self) -> None:
        super().__init__(enable_direct_mode=True)
        self.started = asyncio.Event()
        self.interrupted = asyncio.Event()
        self.full = asyncio.Event()
        self.left = 0

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        """Count a frame."""
        await super().process_frame(frame, direction)
        if type(frame) is TextFrame:
            self.left -= 1
            if not self.left:
                self.full.set()
        elif type(frame) is InterruptionFrame:
            self.interrupted.set()
        elif type(frame) is StartFrame:
            self.started.set()
        await self.push_frame(frame, direction)


@asynccontextmanager
async def _pipeline(
    **options: Any,
) -> AsyncGenerator[tuple[PipelineWorker, list[_Pass], _Count], None]:
    """Run a pipeline, as pipecat's documentation does."""
    processors, end = [_Pass() for _ in range(3)], _Count()
    worker = PipelineWorker(Pipeline([*processors, end]), **options)
    runner = WorkerRunner(handle_sigint=False)
    await runner.add_workers(worker)
    running = asyncio.create_task(runner.run())
    await end.started.wait()
    yield worker, processors, end
    await worker.queue_frame(EndFrame())
    await running


async def _passed(count: int, *, lean: bool) -> float:
    frames = [TextFrame(_TEXT) for _ in range(count)]
    async with _pipeline(**_LEAN if lean else {}) as (worker, _, end):
        end.left = count
        began = time.process_time()
        for frame in frames:
            await worker.queue_frame(frame)
        await end.full.wait()
        return time.process_time() - began


async def _interrupted(count: int) -> float:
    async with _pipeline(**_LEAN) as (worker, processors, end):
        last = processors[-1]
        last.go.clear()
        for _ in range(count):
            await worker.queue_frame(TextFrame(_TEXT))
        await processors[-2].has_passed(count)
        for _ in range(100):  # let the last processor queue them
            await asyncio.sleep(0)
        began = time.perf_counter()
        await worker.queue_frame(InterruptionFrame())
        await end.interrupted.wait()
        took = time.perf_counter() - began
        last.go.set()
        return took


def passed(count: int, *, lean: bool) -> float:
    """Return the CPU seconds until so many frames have passed three processors."""
    return asyncio.run(_passed(count, lean=lean))


def interrupted(count: int) -> float:
    """Return the seconds from an interruption to the end of a pipeline with so many frames."""
    return asyncio.run(_interrupted(count))
