"""``voice``: a spoken conversation, its two ends, its meter."""

from __future__ import annotations

import io
import os
import re
import signal
import subprocess
import sys
import wave
from collections.abc import AsyncGenerator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest
import trio
from anyio.from_thread import start_blocking_portal
from rich.console import Console

import realtime_trio as rt
from realtime_trio._voice._talk import VoiceMode
from realtime_trio.audio import (
    DEFAULT_FORMAT,
    FileSink,
    FileSource,
    Level,
    LiveSource,
    MemorySink,
    MemorySource,
    PipeSink,
    PipeSource,
    Playback,
    open_wav_sink,
    silence,
    tone,
)
from realtime_trio.audio._pcm import samples_of
from realtime_trio.audio._stream import iterating
from realtime_trio.cli._command_error import CommandError
from realtime_trio.cli._level_meter import Meter, Metered, bar, measured
from realtime_trio.cli._voice import SpokenTranscript, converse
from realtime_trio.cli._voice_devices import check_output, detector, open_input, open_output
from realtime_trio.server import open_server
from realtime_trio.testing import emit, speak, turn, wait
from tests.audio.sources import Live
from tests.cli.command import Call, environment, refusal, run
from tests.cli.test_network_commands import end, read_until, start
from tests.examples import embedded_server
from tests.source import PACKAGE, ROOT

SECOND = tone(440, 16_000, 16_000)


def transcript() -> SpokenTranscript:
    return SpokenTranscript(Console(file=io.StringIO(), width=100))


def said(shown: SpokenTranscript) -> list[str]:
    assert isinstance(shown.console.file, io.StringIO)
    lines = shown.console.file.getvalue().splitlines()
    return [" ".join(line.split()[1:]) for line in lines if line.startswith("0:")]


async def test_sends_a_file_and_plays_the_answers(autojump_clock: object) -> None:
    spoken = (silence(8000) + SECOND + silence(16_000)) * 2
    sink, shown = MemorySink(), transcript()
    async with open_server() as server, rt.open_client(server.url, auth="any") as client:
        await converse(client, MemorySource(spoken), sink, shown, mode="ptt", interrupts=False)
    assert sink.data.count(SECOND[2000:-2000]) == 2  # its echo, but for the fades
    lines = said(shown)
    assert [line for line in lines if line.startswith("user")] == ["user [voice 1.90 s]"] * 2
    assert lines[-1].startswith("voice 3.8 s sent; 3.8 s heard")


async def test_speech_interrupts_the_answer(autojump_clock: object) -> None:
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


@pytest.mark.parametrize("mode", ["vad", "realtime"])
async def test_the_server_can_detect_the_utterances(
    autojump_clock: object, mode: VoiceMode
) -> None:
    sink, shown = MemorySink(), transcript()
    async with open_server() as server, rt.open_client(server.url, auth="any") as client:
        source = MemorySource(SECOND + silence(32_000))
        await converse(client, source, sink, shown, mode=mode, interrupts=False)
    assert SECOND[8000:-2000] in sink.data
    assert said(shown)[-1].startswith("voice 3.0 s sent")


async def test_silence_ends_soon(autojump_clock: object) -> None:
    shown = transcript()
    async with open_server() as server, rt.open_client(server.url, auth="any") as client:
        source = MemorySource(silence(16_000))
        await converse(client, source, MemorySink(), shown, mode="ptt", interrupts=False)
    assert said(shown)[-1].startswith("voice 0.0 s sent")


async def test_the_end_of_the_client_ends_the_conversation(autojump_clock: object) -> None:
    """Nobody says anything, so only the end of the client can end it."""
    shown, gone = transcript(), trio.Event()
    config = rt.ClientConfig(max_attempts=2, backoff_initial=0.1)

    async def serve(*, task_status: trio.TaskStatus[str]) -> None:
        async with open_server() as server:
            task_status.started(server.url)
            await gone.wait()

    async def vanish() -> None:
        await trio.sleep(5)
        gone.set()

    async def talk(url: str) -> None:
        async with rt.open_client(url, auth="any", config=config) as client:
            nursery.start_soon(vanish)
            silent = Live(silence(1000 * 16_000))
            await converse(client, silent, MemorySink(), shown, mode="ptt", interrupts=True)

    async with trio.open_nursery() as nursery:
        url = await nursery.start(serve)
        with pytest.raises(rt.RealtimeError):
            await talk(url)
    assert trio.current_time() < 100
    assert said(shown)[-1].startswith("voice 0.0 s sent")


async def test_does_not_wait_long_for_a_missing_answer(autojump_clock: object) -> None:
    shown = transcript()
    async with open_server() as server, rt.open_client(server.url, auth="any") as client:
        source = MemorySource(SECOND)  # quiet follows in the source, so the server hears no end
        await converse(client, source, MemorySink(), shown, mode="vad", interrupts=False)
    assert trio.current_time() == pytest.approx(1 + 5, abs=0.5)


async def test_plays_a_slow_answer(autojump_clock: object) -> None:
    sink, shown = MemorySink(), transcript()
    async with open_server() as server, rt.open_client(server.url, auth="any") as client:
        server.script(turn("[voice]", wait(60), emit(SECOND), text="x"))
        server.faults.delay(1.5)  # each way
        source = MemorySource(SECOND)  # it ends in the middle of the utterance
        await converse(client, source, sink, shown, mode="ptt", interrupts=False)
    assert sink.total == len(SECOND)


async def test_reports_audio_lost_with_the_link(autojump_clock: object) -> None:
    shown = transcript()
    async with (
        open_server() as server,
        rt.open_client(server.url, auth="any") as client,
        client.audio.play_to(MemorySink()),
    ):
        await client.ready()
        client._shell.outbox.link_lost()
        client.audio.send_nowait(SECOND)
        shown.at(0.0)
        shown.sum_up(client.audio.statistics())
    assert said(shown)[-1].startswith("voice 1.0 s sent, 1 frames of it dropped; 0.0 s heard")


async def test_options_configure_the_detector(autojump_clock: object) -> None:
    shown = transcript()
    async with open_server() as server, rt.open_client(server.url, auth="any") as client:
        source = MemorySource(SECOND + silence(16_000))
        deaf = detector(minimum_dbfs=-5.0)
        await converse(client, source, MemorySink(), shown, mode="ptt", interrupts=False, vad=deaf)
        assert client.audio.statistics().sending.given == 0


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--vad-threshold", "0"),
        ("--vad-threshold", "inf"),
        ("--vad-minimum", "1"),
        ("--vad-attack", "0"),
        ("--vad-hangover", "-1"),
        ("--vad-pre-roll", "nan"),
        ("--vad-learning", "-0.5"),
    ],
)
def test_rejects_invalid_options_of_the_detector(call: Call, option: str, value: str) -> None:
    ends = ("--input", "-", "--output", "-")
    assert f"{option} cannot be {value}" in refusal(call, *URL, *ends, f"{option}={value}")


# -- the two ends --------------------------------------------------------------------------


async def test_uses_pipes_and_files_as_standard_streams(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from realtime_trio.cli import _voice_devices

    out, into = os.pipe()
    monkeypatch.setattr(_voice_devices, "_STDIN", out)
    monkeypatch.setattr(_voice_devices, "_STDOUT", into)
    async with AsyncExitStack() as stack:
        source, sink = await open_input(stack, "-"), await open_output(stack, "-")
        assert isinstance(source, PipeSource)
        assert isinstance(sink, PipeSink)
        await sink.write(b"abcd")
        assert await anext(source) == b"abcd"
    os.close(out)
    os.close(into)
    with (tmp_path / "raw").open("w+b") as file:
        monkeypatch.setattr(_voice_devices, "_STDIN", file.fileno())
        monkeypatch.setattr(_voice_devices, "_STDOUT", file.fileno())
        async with AsyncExitStack() as stack:
            source, sink = await open_input(stack, "-"), await open_output(stack, "-")
            assert isinstance(source, FileSource)
            assert isinstance(sink, FileSink)
            await sink.write(b"abcd")
            file.seek(0)
            assert await anext(source) == b"abcd"


async def test_opens_wav_files_by_name(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        sink = await open_output(stack, str(tmp_path / "a.wav"))
        await sink.write(SECOND)
    async with AsyncExitStack() as stack:
        source = await open_input(stack, str(tmp_path / "a.wav"))
        assert b"".join([chunk async for chunk in source]) == SECOND


URL = ("voice", "ws://127.0.0.1:1", "--token", "any")


def test_rejects_unusable_files(call: Call, tmp_path: Path) -> None:
    text, out = tmp_path / "a.txt", ("--output", "-")
    text.write_text("no sound")
    missing = refusal(call, *URL, *out, "--input", tmp_path / "b.wav")
    assert missing.endswith("No such file or directory")
    assert "is not a WAV file" in refusal(call, *URL, *out, "--input", text)
    for name in (text, tmp_path / "." / "a.txt"):
        both = ("--input", text, "--output", name, "--overwrite")
        assert "cannot be both --input and --output" in refusal(call, *URL, *both)
    assert "--overwrite" in refusal(call, *URL, "--input", "-", "--output", text)
    check_output(str(text), source="-", overwrite=True)
    assert text.read_text() == "no sound"


async def test_reports_a_file_that_cannot_be_written(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        with pytest.raises(CommandError, match="cannot write"):
            await open_output(stack, str(tmp_path / "missing" / "a.wav"))


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the system has no full device")
async def test_reports_a_full_disk() -> None:
    async def fill() -> None:
        async with AsyncExitStack() as stack:
            sink = await open_output(stack, "/dev/full")
            await sink.write(SECOND * 2)

    with pytest.raises(CommandError, match="cannot write /dev/full: No space left"):
        await fill()


def test_requires_credentials(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("REALTIME_TRIO_TOKEN", raising=False)
    ends = ("--input", "-", "--output", "-")
    assert "no credentials" in refusal(call, "voice", "ws://127.0.0.1:1", *ends)


def test_logs_in_with_a_password(tmp_path: Path) -> None:
    """The server knows the name and the password, and any token."""
    quiet = tmp_path / "quiet.wav"
    with wave.open(str(quiet), "wb") as writer:
        writer.setparams((1, 2, 16_000, 0, "NONE", ""))
        writer.writeframes(bytes(640))
    ends = ("--input", quiet, "--output", "-", "--user", "me")
    with embedded_server() as address:
        done = run("voice", address, *ends, env=environment(REALTIME_TRIO_PASSWORD="secret"))
        assert done.returncode == 0, done.stderr
        wrong = run("voice", address, *ends, env=environment(REALTIME_TRIO_PASSWORD="geheim"))
    assert wrong.returncode == 1
    assert b"geheim" not in wrong.stderr


def test_reports_an_unreachable_server(call: Call, tmp_path: Path) -> None:
    async def write() -> None:
        async with open_wav_sink(tmp_path / "a.wav") as sink:
            await sink.write(SECOND)

    trio.run(write)
    done = call(*URL, "--input", tmp_path / "a.wav", "--output", tmp_path / "b.wav")
    assert done.status == 1
    assert done.err.startswith(b"realtime-trio: ")
    assert not (tmp_path / "b.wav").exists()


# -- the meter -----------------------------------------------------------------------------


def test_a_bar_shows_the_level_and_the_peak() -> None:
    assert bar(Level(-120.0, -120.0)).plain == "▕" + " " * 16 + "▏   -/   - dBFS"
    assert bar(Level(-30.0, -15.0)).plain == "▕" + "█" * 8 + "   │    ▏ -30/ -15 dBFS"
    assert bar(Level(0.0, 0.0)).plain.count("█") == 16


async def test_a_source_measures_its_level() -> None:
    source = measured(MemorySource([SECOND[:1001], SECOND[1001:], b"\x01"]))
    assert type(source) is Metered
    async for _ in source:
        pass
    assert source.take().rms_dbfs == pytest.approx(-9.0, abs=0.1)  # also of the odd chunks
    assert source.take() == Level(-120.0, -120.0)


async def test_a_live_source_stays_live(autojump_clock: object) -> None:
    inner = Live(SECOND)
    source = measured(inner)
    assert isinstance(source, LiveSource)
    await trio.sleep(0.5)
    assert source.flush() == inner.flushed == 16_000


async def metering(console: Console, seconds: float) -> list[str]:
    """Return what a meter shows for a second of sound on both sides, then silence."""
    lines: list[str] = []
    playback = Playback(MemorySink())
    source = Metered(MemorySource(SECOND + silence(32_000), chunk=0.1))

    async def listen() -> None:
        async with iterating(source) as chunks:
            async for _ in chunks:
                await trio.sleep(0.1)

    async with trio.open_nursery() as nursery:
        playback.feed(SECOND, DEFAULT_FORMAT)
        nursery.start_soon(playback.run)
        nursery.start_soon(listen)
        meter = Meter(console, source, playback, say=lambda line: lines.append(line.plain))
        nursery.start_soon(meter.run)
        await trio.sleep(seconds)
        nursery.cancel_scope.cancel()
    return lines


async def test_the_meter_is_drawn_on_a_terminal(autojump_clock: object) -> None:
    console = Console(file=io.StringIO(), force_terminal=True, width=100)
    assert await metering(console, 0.5) == []
    assert isinstance(console.file, io.StringIO)
    shown = console.file.getvalue()
    assert shown.count("agent") >= 5
    assert shown.count("  -9/  -6 dBFS") >= 8


@pytest.mark.parametrize("terminal", [False, True], ids=["file", "dumb terminal"])
async def test_prints_the_meter_now_and_then_without_a_terminal(
    terminal: bool, monkeypatch: pytest.MonkeyPatch, autojump_clock: object
) -> None:
    monkeypatch.setenv("TERM", "dumb")
    console = Console(file=io.StringIO(), force_terminal=terminal, width=100)
    lines = await metering(console, 10.0)
    assert 1 <= len(lines) <= 2  # silence is not told
    assert " ".join(lines[0].split()) == " ".join(
        f"you {bar(Level(-9.0, -6.0)).plain} agent {bar(Level(-9.0, -6.0)).plain}".split()
    )
    assert isinstance(console.file, io.StringIO)
    assert console.file.getvalue() == ""


async def test_a_meter_without_a_user(autojump_clock: object) -> None:
    console = Console(file=io.StringIO(), width=100)
    lines: list[str] = []
    playback = Playback(MemorySink())
    async with trio.open_nursery() as nursery:
        playback.feed(SECOND, DEFAULT_FORMAT)
        nursery.start_soon(playback.run)
        meter = Meter(console, None, playback, say=lambda line: lines.append(line.plain), every=0.4)
        nursery.start_soon(meter.run)
        await trio.sleep(1.05)
        nursery.cancel_scope.cancel()
    assert lines == [bar(Level(-9.0, -6.0)).plain] * 2


# -- as a process --------------------------------------------------------------------------

TOKEN = "REALTIME_TRIO_TOKEN"
ECHO = SECOND[2000:-2000]  # of a second that comes back, but for the fades


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """The address of a server process that echoes."""
    process = start("serve", "--port", "0")
    found = re.search(r"listening on (\S+)\n", read_until(process.stdout, "realtime-trio chat"))
    assert found is not None
    yield found[1]
    process.send_signal(signal.SIGINT)
    assert end(process) == (0, "", "")


@pytest.fixture
def endless() -> Iterator[str]:
    """The address of a server in a thread, whose first answer has no end."""

    @asynccontextmanager
    async def listening() -> AsyncGenerator[str, None]:
        async with open_server() as server:
            server.script(turn("[voice]", speak(SECOND * 60), wait(60)))
            yield await server.listen()

    with (
        start_blocking_portal(backend="trio") as portal,
        portal.wrap_async_context_manager(listening()) as address,
    ):
        yield address


@pytest.fixture
def question(tmp_path: Path) -> Path:
    """A second of speech and some silence."""
    path = tmp_path / "question.wav"
    with wave.open(str(path), "wb") as writer:
        writer.setparams((1, 2, 16_000, 0, "NONE", ""))
        writer.writeframes(SECOND + silence(16_000))
    return path


def sound_of(path: Path) -> bytes:
    """Return the samples of a WAV file, after a check of its header."""
    with wave.open(str(path), "rb") as reader:
        assert reader.getparams()[:3] == (1, 2, 16_000)
        assert path.stat().st_size == 44 + 2 * reader.getnframes()
        return reader.readframes(reader.getnframes())


def test_talks_from_and_records_to_wav_files(url: str, question: Path, tmp_path: Path) -> None:
    heard = tmp_path / "heard.wav"
    done = run(
        *("voice", url, "--input", question, "--output", heard), env=environment(**{TOKEN: "any"})
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert ECHO in sound_of(heard)
    told = done.stdout.decode()
    assert re.search(r"user +\[voice 1\.\d\d s\]", told)
    assert re.search(r"level +you ▕█+", told)
    assert re.search(r"agent ▕█+", told)
    assert re.search(r"voice +1\.\d s sent; 1\.\d s heard, 0 underruns", told)
    again = run("voice", url, "--token", "x", "--input", question, "--output", heard)
    assert again.returncode == 2
    assert b"--overwrite" in again.stderr
    assert ECHO in sound_of(heard)


def test_pipes_carry_nothing_but_audio(url: str) -> None:
    done = run(
        *("voice", url, "--token", "x", "--input", "-", "--output", "-"),
        stdin=SECOND + silence(16_000),
    )
    assert done.returncode == 0, done.stderr
    told = done.stderr.decode()
    assert "You said" in told
    heard = re.search(r"([\d.]+) s heard", told)
    assert heard is not None
    assert len(done.stdout) / 32_000 == pytest.approx(float(heard[1]), abs=0.06)
    assert ECHO in done.stdout
    assert max(samples_of(done.stdout)) < 17_000  # a byte of text would be noise
    assert "Traceback" not in told


def test_uses_files_as_standard_streams(url: str, tmp_path: Path) -> None:
    raw, heard = tmp_path / "question.raw", tmp_path / "heard.raw"
    raw.write_bytes(SECOND + silence(16_000))
    command = [sys.executable, "-W", "error", "-m", PACKAGE, "voice", url, "--token", "x"]
    with raw.open("rb") as into, heard.open("wb") as out:
        done = subprocess.run(
            [*command, "--input", "-", "--output", "-"],
            stdin=into,
            stdout=out,
            stderr=subprocess.PIPE,
            env=environment(),
            check=False,
            timeout=60,
        )
    assert done.returncode == 0, done.stderr
    assert ECHO in heard.read_bytes()


def test_resamples_a_file_of_another_rate(
    url: str, tmp_path: Path, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("soxr")
    path = tmp_path / "question.wav"
    with wave.open(str(path), "wb") as writer:
        writer.setparams((2, 2, 24_000, 0, "NONE", ""))
        writer.writeframes(tone(440, 24_000, 24_000) + silence(24_000))  # half a second of each
    command = ("voice", url, "--token", "x", "--input", path, "--output")
    done = call(*command, tmp_path / "heard.wav")
    assert (done.status, done.err) == (0, b"")
    assert 0.9 < len(sound_of(tmp_path / "heard.wav")) / 32_000 < 1.1
    monkeypatch.setitem(sys.modules, "soxr", None)
    done = call(*command, tmp_path / "none.wav")
    assert done.status == 1
    assert re.fullmatch(rb"realtime-trio: [^\n]*needs soxr: pip install [^\n]*\n", done.err)
    assert sound_of(tmp_path / "none.wav") == b""


def test_a_closed_pipe_ends_the_conversation(endless: str, question: Path) -> None:
    with start("voice", endless, "--token", "x", "--input", question, "--output", "-") as process:
        assert process.stdout is not None
        assert len(process.stdout.read(6400)) == 6400
        process.stdout.close()
        assert process.stderr is not None
        told = process.stderr.read().decode()
        assert process.wait(60) == 0
        assert "Traceback" not in told


@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_leaves_a_complete_file(
    endless: str, question: Path, tmp_path: Path, sign: signal.Signals
) -> None:
    heard = tmp_path / "heard.wav"
    process = start("voice", endless, "--token", "x", "--input", question, "--output", heard)
    for _ in range(2):
        read_until(process.stdout, "agent ▕█")  # it sounds for a while
    process.send_signal(sign)
    status, out, err = end(process)
    assert (status, err) == (0, "")
    assert re.search(r"voice +1\.\d s sent; \d\.\d s heard", out)
    sound = sound_of(heard)
    assert 0 < len(sound) < 60 * 32_000
    assert SECOND[2000:4000] in sound


def test_reports_a_vanished_server_in_one_line(tmp_path: Path) -> None:
    question = tmp_path / "question.wav"
    with wave.open(str(question), "wb") as writer:
        writer.setparams((1, 2, 16_000, 0, "NONE", ""))
        writer.writeframes(SECOND + silence(60 * 16_000))  # it would go on for a minute
    heard = tmp_path / "heard.wav"
    server = start("serve", "--port", "0")
    try:
        said = read_until(server.stdout, "realtime-trio chat")
        found = re.search(r"listening on (\S+)\n", said)
        assert found is not None
        process = start("voice", found[1], "--token", "x", "--input", question, "--output", heard)
        read_until(process.stdout, "You said")
    finally:
        server.kill()
        end(server)
    status, _, err = end(process)
    assert status == 1
    assert re.fullmatch(r"realtime-trio: [^\n]+\n", err)
    assert ECHO in sound_of(heard)


FAKE = '''
"""A microphone that hears a question, and a speaker that writes to a file."""
import os, threading, time, wave
from types import SimpleNamespace

class PortAudioError(Exception):
    pass

STATUS = SimpleNamespace(input_overflow=False, output_underflow=False)

class Stream:
    def __init__(self, *, callback, blocksize, **options):
        self.callback, self.frames, self.stop = callback, blocksize, threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.start = self.thread.start

    def close(self):
        self.stop.set()
        self.thread.join()

class RawInputStream(Stream):
    def run(self):
        with wave.open(os.environ["FAKE_MIC"], "rb") as said:
            while not self.stop.wait(0.02):
                data = said.readframes(self.frames)
                if not data:  # asked again, where the first time was too early
                    said.rewind()
                data += bytes(2 * self.frames - len(data))
                self.callback(memoryview(data), self.frames, None, STATUS)

class RawOutputStream(Stream):
    def run(self):
        with open(os.environ["FAKE_SPEAKER"], "wb", 0) as heard:
            while not self.stop.wait(0.02):
                block = bytearray(2 * self.frames)
                self.callback(block, self.frames, None, STATUS)
                heard.write(block)
'''


def test_uses_the_microphone_and_the_speaker(url: str, tmp_path: Path) -> None:
    """With a stand-in for sounddevice: its threads, its clock, no hardware."""
    (tmp_path / "sounddevice.py").write_text(FAKE)
    path, heard = tmp_path / "said.wav", tmp_path / "heard.raw"
    with wave.open(str(path), "wb") as writer:
        writer.setparams((1, 2, 16_000, 0, "NONE", ""))
        # The connection stands before it speaks; then it waits for the answer.
        writer.writeframes(silence(16_000) + SECOND + silence(5 * 16_000))
    places = {"FAKE_MIC": str(path), "FAKE_SPEAKER": str(heard)}
    process = start(
        "voice", url, "--token", "x", PYTHONPATH=f"{tmp_path}{os.pathsep}{ROOT}", **places
    )
    told = read_until(process.stdout, "You said")
    process.send_signal(signal.SIGINT)
    status, _, err = end(process)
    assert (status, err) == (0, ""), told
    assert SECOND[4000:8000] in heard.read_bytes()


@pytest.mark.parametrize(
    ("module", "named"),
    [
        ("raise OSError('PortAudio library not found')", "PortAudio"),
        ("raise ImportError", "[audio]"),
    ],
)
def test_names_the_package_that_a_device_needs(tmp_path: Path, module: str, named: str) -> None:
    (tmp_path / "sounddevice.py").write_text(module)
    env = environment(PYTHONPATH=f"{tmp_path}{os.pathsep}{ROOT}")
    for ends in ([], ["--input", "mic", "--output", "-"]):
        done = run("voice", "ws://127.0.0.1:1", "--token", "x", *ends, env=env)
        assert (done.returncode, done.stdout) == (1, b"")
        assert re.fullmatch(
            rb"realtime-trio: a microphone or a speaker needs [^\n]+\n", done.stderr
        )
        assert named in done.stderr.decode()
