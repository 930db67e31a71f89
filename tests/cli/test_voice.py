"""``voice``: a spoken conversation, its two ends, its meter."""

from __future__ import annotations

import io
import os
import signal
import threading
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
import trio
from rich.console import Console

import realtime_trio as rt
from realtime_trio.audio import (
    AudioFormat,
    FileSink,
    FileSource,
    Level,
    MemorySink,
    MemorySource,
    PipeSink,
    PipeSource,
    Playback,
    open_wav_sink,
    silence,
    tone,
)
from realtime_trio.cli._errors import CommandError
from realtime_trio.cli._meter import Meter, Metered, bar
from realtime_trio.cli._voice import SpokenTranscript, converse
from realtime_trio.cli._voice_ends import open_input, open_output
from realtime_trio.server import open_server
from realtime_trio.testing import emit, turn, wait
from tests.cli.command import Call, refusal

SECOND = tone(440, 16_000, 16_000)


def transcript() -> SpokenTranscript:
    return SpokenTranscript(Console(file=io.StringIO(), width=100))


def said(shown: SpokenTranscript) -> list[str]:
    assert isinstance(shown.console.file, io.StringIO)
    lines = shown.console.file.getvalue().splitlines()
    return [" ".join(line.split()[1:]) for line in lines if line.startswith("0:")]


async def test_a_file_is_said_and_the_answers_are_heard(autojump_clock: object) -> None:
    spoken = (silence(8000) + SECOND + silence(16_000)) * 2
    sink, shown = MemorySink(), transcript()
    async with open_server() as server, rt.open_client(server.url, auth="any") as client:
        await converse(client, MemorySource(spoken), sink, shown, mode="ptt", interrupts=False)
    assert sink.data.count(SECOND[2000:-2000]) == 2  # its echo, but for the fades
    lines = said(shown)
    assert [line for line in lines if line.startswith("user")] == ["user [voice 1.90 s]"] * 2
    assert lines[-1].startswith("voice 3.8 s sent; 3.8 s heard")


async def test_who_talks_in_between_interrupts(autojump_clock: object) -> None:
    spoken = SECOND + silence(3 * 16_000) + SECOND + silence(16_000)
    sink, shown = MemorySink(), transcript()
    async with open_server() as server, rt.open_client(server.url, auth="any") as client:
        server.script(
            turn("[voice]", emit(SECOND * 30), wait(60)), turn("[voice]", emit(SECOND), text="x")
        )
        await converse(client, MemorySource(spoken), sink, shown, mode="ptt", interrupts=True)
    lines = "\n".join(said(shown))
    assert "voice interrupted after " in lines
    assert sink.total < 6 * 32_000


async def test_nothing_said_is_soon_over(autojump_clock: object) -> None:
    shown = transcript()
    async with open_server() as server, rt.open_client(server.url, auth="any") as client:
        source = MemorySource(silence(16_000))
        await converse(client, source, MemorySink(), shown, mode="ptt", interrupts=False)
    assert said(shown)[-1].startswith("voice 0.0 s sent")


async def test_an_interrupt_ends_the_conversation() -> None:
    class Talks(MemorySink):
        """Somebody presses Ctrl-C when the agent begins to speak."""

        async def write(self, chunk: bytes) -> None:
            await super().write(chunk)
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

    shown = transcript()
    async with open_server() as server, rt.open_client(server.url, auth="any") as client:
        server.script(turn("hi", emit(SECOND), wait(60)))
        await client.ready()
        await client.send(rt.events.TextInputEvent(text="hi"))
        source = MemorySource([])
        await converse(client, source, Talks(), shown, mode="ptt", interrupts=True)


# ---- the two ends --------------------------------------------------------------------------


async def test_pipes_and_files_as_standard_streams(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from realtime_trio.cli import _voice_ends

    out, into = os.pipe()
    monkeypatch.setattr(_voice_ends, "_STDIN", out)
    monkeypatch.setattr(_voice_ends, "_STDOUT", into)
    async with AsyncExitStack() as stack:
        source, sink = await open_input(stack, "-"), await open_output(stack, "-")
        assert isinstance(source, PipeSource)
        assert isinstance(sink, PipeSink)
        await sink.write(b"abcd")
        assert await anext(source) == b"abcd"
    os.close(out)
    os.close(into)
    with (tmp_path / "raw").open("w+b") as file:
        monkeypatch.setattr(_voice_ends, "_STDIN", file.fileno())
        monkeypatch.setattr(_voice_ends, "_STDOUT", file.fileno())
        async with AsyncExitStack() as stack:
            source, sink = await open_input(stack, "-"), await open_output(stack, "-")
            assert isinstance(source, FileSource)
            assert isinstance(sink, FileSink)
            await sink.write(b"abcd")
            file.seek(0)
            assert await anext(source) == b"abcd"


async def test_wav_files_by_their_names(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        sink = await open_output(stack, str(tmp_path / "a.wav"))
        await sink.write(SECOND)
    async with AsyncExitStack() as stack:
        source = await open_input(stack, str(tmp_path / "a.wav"))
        assert b"".join([chunk async for chunk in source]) == SECOND


URL = ("voice", "ws://127.0.0.1:1", "--token", "any")


def test_files_that_cannot_be_used(call: Call, tmp_path: Path) -> None:
    text = tmp_path / "a.txt"
    text.write_text("no sound")
    assert refusal(call, *URL, "--input", tmp_path / "b.wav").endswith("No such file or directory")
    assert "is no WAV file" in refusal(call, *URL, "--input", text)


async def test_a_file_that_cannot_be_written(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        with pytest.raises(CommandError, match="cannot write"):
            await open_output(stack, str(tmp_path / "missing" / "a.wav"))


def test_who_one_is_must_be_said(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("REALTIME_TRIO_TOKEN", raising=False)
    assert "say who you are" in refusal(call, "voice", "ws://127.0.0.1:1")


def test_a_server_that_is_not_there(call: Call, tmp_path: Path) -> None:
    async def write() -> None:
        async with open_wav_sink(tmp_path / "a.wav") as sink:
            await sink.write(SECOND)

    trio.run(write)
    done = call(*URL, "--input", tmp_path / "a.wav", "--output", tmp_path / "b.wav")
    assert done.status == 1
    assert done.err.startswith(b"realtime-trio: ")


# ---- the meter -----------------------------------------------------------------------------


def test_a_bar_shows_the_level_and_the_peak() -> None:
    assert bar(Level(-120.0, -120.0)).plain == "▕" + " " * 24 + "▏   - dBFS"
    assert bar(Level(-30.0, -15.0)).plain == "▕" + "█" * 12 + "     │      ▏ -30 dBFS"
    assert bar(Level(0.0, 0.0)).plain.count("█") == 24


async def test_the_meter_draws_on_a_terminal_only(autojump_clock: object) -> None:
    for terminal in (True, False):
        console = Console(file=io.StringIO(), force_terminal=terminal, width=100)
        source = Metered(MemorySource([SECOND, b"\x01"], AudioFormat()))
        meter = Meter(console, source, Playback(MemorySink()))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(meter.run)
            await anext(source)
            assert source.level.rms_dbfs == pytest.approx(-9.0, abs=0.1)
            await trio.sleep(0.3)
            meter.close()
        assert isinstance(console.file, io.StringIO)
        assert ("agent" in console.file.getvalue()) is terminal
        assert await anext(source) == b"\x01"
        assert source.level.rms_dbfs == -120.0
