"""Converting any source to chunks of one size, paced by a clock."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from realtime_trio.audio import DEFAULT_FORMAT, AudioFormat, MemorySource, tone, tone_source
from realtime_trio.audio._stream import Chunker, Pacer, format_of, paced_chunks


@given(st.binary(max_size=200), st.lists(st.integers(0, 40)), st.integers(1, 30))
def test_a_chunker_keeps_every_byte(data: bytes, cuts: list[int], size: int) -> None:
    chunker = Chunker(size)
    pieces, place = [], 0
    for cut in [*cuts, len(data)]:
        pieces += chunker.feed(data[place : place + cut])
        place += cut
    assert all(len(piece) == size for piece in pieces)
    rest = chunker.rest()
    assert len(rest) < size
    assert b"".join(pieces) + rest == data
    assert chunker.rest() == b""


async def arrivals(
    source: object, *, chunk: float = 0.04, lead: float = 0.1
) -> list[tuple[float, bytes]]:
    start = trio.current_time()
    chunks = paced_chunks(source, DEFAULT_FORMAT, chunk=chunk, lead=lead)  # type: ignore[arg-type]
    async with aclosing(chunks):
        return [(trio.current_time() - start, piece) async for piece in chunks]


async def test_a_stream_is_limited_to_real_time_plus_its_lead(autojump_clock: object) -> None:
    found = await arrivals(tone_source(10.0))
    for number, (when, piece) in enumerate(found):
        assert when == pytest.approx(max(0.0, number * 0.04 - 0.1), abs=1e-6)
        assert len(piece) == 1280
    assert b"".join(piece for _, piece in found) == tone(440, 160_000, 16_000)


async def test_after_a_stall_there_is_no_burst(autojump_clock: object) -> None:
    class Stalls:
        async def __aiter__(self) -> AsyncIterator[bytes]:
            for number in range(50):
                if number == 20:
                    await trio.sleep(30)
                yield bytes(640)

    times = [when for when, _ in await arrivals(Stalls(), chunk=0.02)]
    after = [when for when in times if when > 29]
    assert len(after) == 30
    for earlier, later in zip(after, after[6:], strict=False):
        assert later - earlier >= 0.02 - 1e-9
    for number, when in enumerate(after):
        assert when >= after[0] + number * 0.02 - 0.1 - 1e-9


async def test_a_task_that_wakes_up_late_catches_up(autojump_clock: object) -> None:
    pacer = Pacer(0.0)
    start = trio.current_time()
    pacer.lead = 0.05
    for number in range(100):
        await pacer.wait(0.02)
        if number == 50:
            await trio.sleep(0.03)
    assert trio.current_time() - start == pytest.approx(99 * 0.02 - 0.05, abs=1e-6)


async def test_split_frames_are_joined(autojump_clock: object) -> None:
    data = tone(440, 999, 16_000)
    pieces = [data[place : place + 7] for place in range(0, len(data), 7)]
    found = await arrivals(MemorySource([*pieces, b"\x01"]))
    assert b"".join(piece for _, piece in found) == data
    assert [len(piece) for _, piece in found] == [1280, 718]


async def test_other_formats_are_converted(autojump_clock: object) -> None:
    pytest.importorskip("soxr")
    found = await arrivals(tone_source(1.0, rate=24_000))
    assert sum(len(piece) for _, piece in found) == 32_000
    stereo = MemorySource(bytes(48_000 * 4), AudioFormat(48_000, 2))
    assert sum(len(piece) for _, piece in await arrivals(stereo)) == 32_000


def test_an_iterable_without_a_format_has_the_protocols() -> None:
    assert format_of(object()) == DEFAULT_FORMAT
    assert format_of(tone_source(0.1, rate=8000)) == AudioFormat(8000)
