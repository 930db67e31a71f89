"""Sinks: memory, WAV files, pipes, files."""

from __future__ import annotations

import os
import wave
from contextlib import suppress
from pathlib import Path

import pytest
import trio

from realtime_trio.audio import (
    AudioFormat,
    ClockedSink,
    FileSink,
    MemorySink,
    PipeSink,
    open_wav,
    open_wav_sink,
    tone,
)


async def test_memory_keeps_up_to_max_blocks() -> None:
    sink = MemorySink(max_blocks=2)
    for block in (b"aa", b"bb", b"cc"):
        await sink.write(block)
    assert (sink.data, sink.total) == (b"bbcc", 6)
    assert not isinstance(sink, ClockedSink)


async def test_a_wav_file_has_the_written_samples(tmp_path: Path) -> None:
    data = tone(440, 48_000, 24_000)
    async with open_wav_sink(tmp_path / "a.wav", AudioFormat(24_000)) as sink:
        for place in range(0, len(data), 960):
            await sink.write(data[place : place + 960])
        assert sink.frames == 48_000
    source = open_wav(tmp_path / "a.wav")
    assert source.format == AudioFormat(24_000)
    assert b"".join([chunk async for chunk in source]) == data


async def test_a_wav_file_is_complete_however_its_block_is_left(tmp_path: Path) -> None:
    with trio.CancelScope() as scope:
        async with open_wav_sink(tmp_path / "a.wav") as sink:
            await sink.write(bytes(640))
            scope.cancel()
            await trio.sleep_forever()
    with suppress(ZeroDivisionError):
        async with open_wav_sink(tmp_path / "b.wav") as sink:
            await sink.write(bytes(320))
            raise ZeroDivisionError
    async with open_wav_sink(tmp_path / "c.wav"):
        pass
    sizes = []
    for name in "abc":
        with wave.open(str(tmp_path / f"{name}.wav"), "rb") as reader:
            sizes.append(reader.getnframes())
    assert sizes == [320, 160, 0]


async def test_a_wav_file_of_a_process_that_is_killed_still_plays(tmp_path: Path) -> None:
    async with open_wav_sink(tmp_path / "a.wav") as sink:
        for _ in range(110):
            await sink.write(bytes(640))
        with wave.open(str(tmp_path / "a.wav"), "rb") as reader:  # in its current form
            assert reader.getnframes() == 32_000
            assert len(reader.readframes(40_000)) == 64_000


async def test_a_wav_file_that_cannot_be_written_raises(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        async with open_wav_sink(tmp_path / "missing" / "a.wav"):
            pass


async def test_pipes_and_files_get_the_raw_samples(tmp_path: Path) -> None:
    out, into = os.pipe()
    async with trio.lowlevel.FdStream(out) as reading, trio.lowlevel.FdStream(into) as writing:
        await PipeSink(writing).write(b"abcd")
        assert await reading.receive_some(10) == b"abcd"
    with (tmp_path / "a.raw").open("wb") as file:
        await FileSink(file).write(b"abcd")
        assert (tmp_path / "a.raw").read_bytes() == b"abcd"
