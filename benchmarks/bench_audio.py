"""How many voices does one core carry: from the wire to a sink, and from a source to the wire?"""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager

import attrs
import trio
import trio.testing

import realtime_trio as rt
from realtime_trio.audio import AudioFormat, tone

from ._kit import Kit
from ._wires import Canned

TITLE = "Audio: concurrent streams of PCM16, 16 kHz mono"
PROCESSES = (1, 3)

COUNTS = (1, 10, 100)
_RATE = 16_000
_TURN = ('{"type":"user_turn_start"}', '{"type":"user_turn_end"}')
_CONFIG = rt.ClientConfig(ping_interval=None, turn_silence=None)


@attrs.frozen(slots=True, kw_only=True)
class Load:
    """Return the start times of ``streams``, spread over one frame."""

    streams: int
    seconds: int
    frame: float = 0.02
    rate: int = _RATE

    @property
    def frames(self) -> list[bytes]:
        """A tone, cut into frames."""
        samples = round(self.frame * self.rate)
        return [
            tone(440, samples, self.rate, first=number * samples)
            for number in range(round(self.seconds / self.frame))
        ]


class _Sink:
    """Drops the blocks."""

    format = AudioFormat(_RATE)

    def __init__(self) -> None:
        self.size = 0

    async def write(self, chunk: bytes) -> None:
        """Count a block."""
        await trio.lowlevel.checkpoint()
        self.size += len(chunk)


class _Source:
    """Yields prepared chunks."""

    format = AudioFormat(_RATE)

    def __init__(self, load: Load) -> None:
        self._frames = load.frames

    async def __aiter__(self) -> AsyncGenerator[bytes, None]:
        for frame in self._frames:
            yield frame


@asynccontextmanager
async def _clients(count: int) -> AsyncGenerator[list[tuple[rt.Client, Canned]], None]:
    async with AsyncExitStack() as stack:
        opened: list[tuple[rt.Client, Canned]] = []
        for _ in range(count):
            wire = Canned()
            opening = rt.open_client(
                "memory://canned", auth="token", transport=wire, config=_CONFIG
            )
            opened.append((await stack.enter_async_context(opening), wire))
            wire.play(_TURN[:1])
        await trio.testing.wait_all_tasks_blocked()
        yield opened


async def _hand_out(load: Load, frames: list[str | bytes], wires: list[Canned]) -> None:
    """Let each frame arrive on each wire at its time."""
    start = trio.current_time()
    for number, frame in enumerate(frames):
        for place, wire in enumerate(wires):
            await trio.sleep_until(start + (number + place / len(wires)) * load.frame)
            wire.play([frame])


async def _arrive(load: Load) -> float:
    """The baseline: frames arrive at their pace, and a task only takes them."""
    wires = [Canned() for _ in range(load.streams)]

    async def take(wire: Canned) -> None:
        while True:
            await wire.receive()

    async with trio.open_nursery() as nursery:
        for wire in wires:
            nursery.start_soon(take, wire)
        await trio.testing.wait_all_tasks_blocked()
        gc.collect()
        began = time.process_time()
        await _hand_out(load, list(load.frames), wires)
        taken = time.process_time() - began
        nursery.cancel_scope.cancel()
    return taken


async def _hear(load: Load) -> float:
    """Play frames that arrive at their pace; return the CPU seconds."""
    frames: list[str | bytes] = [*load.frames]
    if load.rate != _RATE:
        frames.insert(0, _voice(load.rate))
    async with _clients(load.streams) as clients, AsyncExitStack() as stack:
        sinks = [_Sink() for _ in clients]
        playing = [
            await stack.enter_async_context(client.audio.play_to(sink))
            for (client, _), sink in zip(clients, sinks, strict=True)
        ]
        for _, wire in clients:
            wire.play(_TURN[1:])
        await trio.testing.wait_all_tasks_blocked()
        gc.collect()
        began = time.process_time()
        await _hand_out(load, frames, [wire for _, wire in clients])
        for _, wire in clients:
            wire.play(_TURN[:1])
        for (client, _), playback in zip(clients, playing, strict=True):
            await client.ready()
            await playback.drained()
        taken = time.process_time() - began
        heard = {sink.size for sink in sinks}
    assert min(heard) > 0.99 * 2 * _RATE * load.seconds, heard
    return taken


def _voice(rate: int) -> str:
    return (
        '{"type":"agent_voice_changed","voice":{"voice_id":"v","vendor":"v","description":"",'
        f'"output_format":"pcm16_{rate}"}}}}'
    )


async def _speak(load: Load) -> float:
    """Send sources at their pace; return the CPU seconds."""
    async with _clients(load.streams) as clients:
        sources = [_Source(load) for _ in clients]
        gc.collect()
        began = time.process_time()
        async with trio.open_nursery() as nursery:
            for (client, _), source in zip(clients, sources, strict=True):
                nursery.start_soon(client.audio.send_from, source)
                await trio.sleep(load.frame / len(clients))
        taken = time.process_time() - began
        for client, _ in clients:
            assert client.audio.statistics().sending.dropped == 0
    return taken


def _core(run: Callable[[Load], Awaitable[float]], load: Load) -> float:
    """Return the percentage of one core that a load takes: CPU time over the audio's duration."""
    return trio.run(run, load) / load.seconds * 100


def measure(kit: Kit) -> None:
    """Receive one stream, ten, a hundred; then a hundred in other ways."""
    seconds = kit.pick(1, 3)
    most = COUNTS[-1]
    hundred = Load(streams=most, seconds=seconds)
    only, heard = f"arrive only, {most}", f"heard, {most}"
    subjects = {only: (_arrive, hundred)}
    subjects |= {f"heard, {n}": (_hear, attrs.evolve(hundred, streams=n)) for n in COUNTS}
    subjects |= {
        f"{heard}, frames of 100 ms": (_hear, attrs.evolve(hundred, frame=0.1)),
        f"{heard}, from 24 kHz": (_hear, attrs.evolve(hundred, rate=24_000)),
        f"said, {most}": (_speak, hundred),
    }
    _core(_hear, Load(streams=1, seconds=1))  # to warm up
    for _ in range(kit.pick(2, 3)):
        for name, (run, load) in subjects.items():
            percent = _core(run, load)
            full = load.streams == most and name != only
            kit.sample(name, percent, "% of a core", base=only if full else None)
            if name == heard:
                carried = most * 100 / percent
                kit.sample("streams that one core carries", carried, "streams", better="higher")
    for count in COUNTS:
        percent = statistics.median(kit.samples(f"heard, {count}"))
        kit.point("heard", count, percent, x_label="streams", unit="% of a core")
    kit.note("frames of 20 ms in real time, no two streams in step; their arrival is included")
