"""Sources: memory, tones, WAV files, pipes, blocking files."""

from __future__ import annotations

import gc
import io
import os
import wave
from collections.abc import AsyncIterable
from pathlib import Path

import pytest
import trio

import realtime_trio as rt
from realtime_trio.audio import (
    AudioFormat,
    FileSource,
    MemorySource,
    PipeSource,
    open_wav,
    silence_source,
    tone,
    tone_source,
)


async def collect(source: AsyncIterable[bytes]) -> list[bytes]:
    return [chunk async for chunk in source]


def write_wav(
    path: Path, data: bytes, *, rate: int = 16_000, channels: int = 1, width: int = 2
) -> Path:
    with wave.open(str(path), "wb") as writer:
        writer.setnchannels(channels)
        writer.setsampwidth(width)
        writer.setframerate(rate)
        writer.writeframes(data)
    return path


async def test_memory_can_be_read_repeatedly() -> None:
    source = MemorySource(bytes(1500))
    for _ in range(2):
        assert [len(chunk) for chunk in await collect(source)] == [640, 640, 220]
    assert await collect(MemorySource([b"ab", b"c"])) == [b"ab", b"c"]


async def test_memory_may_be_left_at_any_time() -> None:
    """Warnings are errors here, including that of an unclosed generator."""
    async for chunk in MemorySource(bytes(1500)):
        assert len(chunk) == 640
        break
    gc.collect()


async def test_tones_and_silence() -> None:
    assert b"".join(await collect(tone_source(0.05, 300))) == tone(300, 800, 16_000)
    stereo = silence_source(0.05, AudioFormat(8000, 2))
    assert b"".join(await collect(stereo)) == bytes(1600)


async def test_a_wav_file_has_its_own_format(tmp_path: Path) -> None:
    data = tone(440, 2400, 24_000) * 2
    source = open_wav(write_wav(tmp_path / "a.wav", data, rate=24_000, channels=2))
    assert source.format == AudioFormat(24_000, 2)
    assert source.frames == 2400
    assert source.seconds == pytest.approx(0.1)
    chunks = await collect(source)
    assert b"".join(chunks) == data
    assert len(chunks[0]) == 480 * 4
    assert await collect(source) == []  # at its end, and closed
    source.close()


async def test_a_wav_file_is_closed_with_its_block(tmp_path: Path) -> None:
    with open_wav(write_wav(tmp_path / "a.wav", bytes(6400))) as source:
        async for _ in source:
            break
    assert await collect(source) == []


def test_other_files_are_refused(tmp_path: Path) -> None:
    text = tmp_path / "a.txt"
    text.write_text("this is text and no sound")
    with pytest.raises(rt.RealtimeError, match=r"a\.txt is not a WAV file"):
        open_wav(text)
    text.write_text("")
    with pytest.raises(rt.RealtimeError, match="ends too early"):
        open_wav(text)
    with pytest.raises(FileNotFoundError):
        open_wav(tmp_path / "missing.wav")


async def test_a_pipe_is_read_to_its_end() -> None:
    out, into = os.pipe()
    data = bytes(range(256)) * 20
    async with trio.lowlevel.FdStream(out) as reading, trio.lowlevel.FdStream(into) as writing:
        await writing.send_all(data)
        await writing.aclose()
        assert b"".join(await collect(PipeSource(reading))) == data


async def test_a_blocking_file_is_read_in_threads() -> None:
    assert b"".join(await collect(FileSource(io.BytesIO(bytes(1500))))) == bytes(1500)
    out, into = os.pipe()
    with os.fdopen(out, "rb", buffering=0) as file:
        with trio.move_on_after(0.01) as scope:  # a waiting thread is abandoned
            await collect(FileSource(file))
        assert scope.cancelled_caught
        os.close(into)
