"""Speech from espeak-ng, or tones instead."""

from __future__ import annotations

import shlex
import sys
import wave
from io import BytesIO
from pathlib import Path

import pytest

from realtime_trio.audio import level, tone
from realtime_trio.server import _tones, synthesise


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """An empty directory that is the whole PATH."""
    monkeypatch.setenv("PATH", str(tmp_path))
    return tmp_path


def install(place: Path, output: bytes, *, status: int = 0) -> None:
    """Install a program that records its arguments and writes ``output``."""
    (place / "output").write_bytes(output)
    program = place / "espeak-ng"
    here = shlex.quote(str(place))
    program.write_text(
        f'#!/bin/sh\nprintf "%s\\n" "$@" > {here}/said\n'
        f"{shlex.quote(sys.executable)} -c "
        f"'import sys; sys.stdout.buffer.write(open(sys.argv[1], \"rb\").read())' {here}/output\n"
        f"exit {status}\n"
    )
    program.chmod(0o755)


def spoken(pcm: bytes, rate: int) -> bytes:
    """Make a WAV file as a program writes it to a pipe, with endless length fields."""
    file = BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setparams((1, 2, rate, 0, "NONE", ""))
        writer.writeframes(pcm)
    data = bytearray(file.getvalue())
    data[4:8] = (0x7FFFF024).to_bytes(4, "little")
    data[40:44] = (0x7FFFF000).to_bytes(4, "little")
    return bytes(data)


def test_without_espeak_words_become_tones(installed: Path) -> None:
    assert synthesise("nine minutes") == _tones.speech("nine minutes")


def test_espeak_is_used_if_it_is_installed(installed: Path) -> None:
    install(installed, spoken(tone(440, 22_050, 22_050), 22_050))
    pcm = synthesise("--nine minutes", voice="de")
    assert (installed / "said").read_text().splitlines() == [
        *("--stdout", "-v", "de", "--", "--nine minutes")
    ]
    assert len(pcm) == 32_000
    wanted = tone(440, 16_000, 16_000)
    noise = level(bytes_apart(pcm, wanted)).rms_dbfs
    assert noise < -50  # the tone itself has -9


def bytes_apart(one: bytes, other: bytes) -> bytes:
    from realtime_trio.audio._pcm import samples_of, to_bytes

    apart = samples_of(one)
    for place, sample in enumerate(samples_of(other)):
        apart[place] -= sample
    return to_bytes(apart)


@pytest.mark.parametrize("output", [b"", b"no sound", spoken(bytes(100), 22_050)[:20]])
def test_invalid_output_of_espeak_becomes_tones(installed: Path, output: bytes) -> None:
    install(installed, output)
    assert synthesise("nine") == _tones.speech("nine")


def test_a_failure_of_espeak_becomes_tones(installed: Path) -> None:
    install(installed, spoken(bytes(100), 22_050), status=1)
    assert synthesise("nine") == _tones.speech("nine")
    (installed / "espeak-ng").write_text("no program")
    assert synthesise("nine") == _tones.speech("nine")


def test_silence_is_silence(installed: Path) -> None:
    install(installed, spoken(b"", 22_050))
    assert synthesise("") == b""
