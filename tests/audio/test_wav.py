"""Sound files: every header of a PCM16 WAV file, and the files that soundfile reads."""

from __future__ import annotations

import contextlib
import io
import os
import struct
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import realtime_trio as rt
from realtime_trio.audio import AudioFormat, WavSource, _extras, level, open_wav, tone
from realtime_trio.audio._pcm import samples_of, swapped
from realtime_trio.audio._wav import _Forward, _Header, _NotPcm16

PCM = tone(440, 1600, 16_000)
GUID = bytes.fromhex("0100000000001000800000aa00389b71")
LIST = b"INFOISFT\x0e\0\0\0Lavf58.76.100\0"


def fmt(
    tag: int = 1, channels: int = 1, rate: int = 16_000, bits: int = 16, more: bytes = b""
) -> bytes:
    block = (bits + 7) // 8 * channels
    return struct.pack("<HHIIHH", tag, channels, rate, rate * block, block, bits) + more


def extensible(channels: int = 1, guid: bytes = GUID, valid: int = 16) -> bytes:
    return fmt(0xFFFE, channels, more=struct.pack("<HHI", 22, valid, 4) + guid)


def chunk(name: bytes, data: bytes, size: int | None = None, *, pad: bytes = b"\0") -> bytes:
    given = len(data) if size is None else size
    return name + struct.pack("<I", given) + data + (pad if len(data) % 2 else b"")


def riff(*chunks: bytes, size: int | None = None, magic: bytes = b"RIFF") -> bytes:
    body = b"WAVE" + b"".join(chunks)
    return magic + struct.pack("<I", len(body) if size is None else size) + body


def samples(size: int | None = None) -> bytes:
    return chunk(b"data", PCM, size)


ENDLESS = 0xFFFF_FFFF
DS64 = struct.pack("<QQQI", 0, len(PCM), len(PCM) // 2, 0)
HEADERS = {
    "plain": riff(chunk(b"fmt ", fmt()), samples()),
    "of 18 bytes": riff(chunk(b"fmt ", fmt(more=b"\0\0")), samples()),
    "extensible": riff(chunk(b"fmt ", extensible()), samples()),
    "extensible, fewer valid bits": riff(chunk(b"fmt ", extensible(valid=14)), samples()),
    "12 bits in 16": riff(chunk(b"fmt ", fmt(bits=12)), samples()),
    "sizes of 0": riff(chunk(b"fmt ", fmt()), samples(0), size=0),
    "endless sizes": riff(chunk(b"fmt ", fmt()), samples(ENDLESS), size=ENDLESS),
    "endless but for the header": riff(chunk(b"fmt ", fmt()), samples(ENDLESS - 36)),
    "a size of 2 GiB": riff(chunk(b"fmt ", fmt()), samples(0x7FFF_FFFF)),
    "a size that is too large": riff(chunk(b"fmt ", fmt()), samples(len(PCM) + 2)),
    "the size of all of it": riff(chunk(b"fmt ", fmt()), samples(), size=4),
    "endless and extensible": riff(chunk(b"fmt ", extensible()), samples(ENDLESS), size=0),
    "chunks before": riff(
        chunk(b"LIST", LIST), chunk(b"fmt ", fmt()), chunk(b"fact", bytes(4)), samples()
    ),
    "chunks of odd size": riff(
        chunk(b"odd!", b"abc"), chunk(b"fmt ", fmt()), chunk(b"id3 ", b"x"), samples()
    ),
    "chunks of odd size without a pad": riff(
        chunk(b"odd!", b"abc", pad=b""),
        chunk(b"fmt ", fmt()),
        chunk(b"id3 ", b"x", pad=b""),
        samples(),
    ),
    "a pad that is not 0": riff(chunk(b"odd!", b"abc", pad=b"x"), chunk(b"fmt ", fmt()), samples()),
    "a large chunk before": riff(chunk(b"JUNK", bytes(100_001)), chunk(b"fmt ", fmt()), samples()),
    "chunks behind": riff(chunk(b"fmt ", fmt()), samples(), chunk(b"LIST", LIST)),
    "more behind": riff(chunk(b"fmt ", fmt()), samples()) + b"and that is all",
    "RF64": riff(
        chunk(b"ds64", DS64), chunk(b"fmt ", fmt()), samples(ENDLESS), chunk(b"LIST", LIST),
        size=ENDLESS, magic=b"RF64",
    ),
    "RF64 without its sizes": riff(chunk(b"fmt ", fmt()), samples(ENDLESS), magic=b"BW64"),
    "no size of a block": riff(chunk(b"fmt ", fmt()[:12] + b"\0\0\x10\0"), samples()),
}  # fmt: skip


async def read(source: WavSource) -> bytes:
    return b"".join([data async for data in source])


@pytest.mark.parametrize("header", HEADERS)
async def test_pcm16_under_any_header(
    header: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "soundfile", None)
    path = tmp_path / "a.wav"
    path.write_bytes(HEADERS[header])
    source = open_wav(path, chunk=0.007)
    assert (source.format, source.frames, source.seconds) == (AudioFormat(16_000), 1600, 0.1)
    assert await read(source) == PCM


@pytest.mark.parametrize("header", ["plain", "endless sizes", "chunks of odd size", "sizes of 0"])
async def test_a_pipe_is_read_too(header: str) -> None:
    out, into = os.pipe()
    os.write(into, HEADERS[header])
    os.close(into)
    with open_wav(f"/dev/fd/{out}") as source:
        os.close(out)
        assert source.frames == (1600 if header in ("plain", "chunks of odd size") else 0)
        assert await read(source) == PCM


async def test_other_formats_are_not_read_from_a_pipe() -> None:
    out, into = os.pipe()
    os.write(into, b"this is text and no sound")
    os.close(into)
    with pytest.raises(rt.RealtimeError, match="A pipe can only be read as WAV"):
        open_wav(f"/dev/fd/{out}")
    os.close(out)


async def test_big_endian_samples_are_swapped(tmp_path: Path) -> None:
    body = b"WAVEfmt " + struct.pack(">IHHIIHH", 16, 1, 2, 8_000, 32_000, 4, 16)
    path = tmp_path / "a.wav"
    path.write_bytes(b"RIFX" + bytes(4) + body + b"data" + struct.pack(">I", 3200) + swapped(PCM))
    source = open_wav(path)
    assert (source.format, source.frames) == (AudioFormat(8_000, 2), 800)
    assert await read(source) == PCM


async def test_a_truncated_file_ends_with_a_whole_frame(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    for size in (len(PCM), 0, ENDLESS):
        whole = riff(chunk(b"fmt ", extensible(channels=2)), samples(size))
        path.write_bytes(whole[:-5])
        source = open_wav(path)
        assert source.frames == 798
        assert await read(source) == PCM[:-8]


async def test_a_file_without_samples_is_empty(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    for behind in (b"", chunk(b"LIST", LIST)):
        path.write_bytes(riff(chunk(b"fmt ", fmt()), chunk(b"data", b""), behind))
        source = open_wav(path)
        assert source.frames == 0
        assert await read(source) == b""


BROKEN = {
    "the file ends too early": [b"", b"RIFF", riff(chunk(b"fmt ", fmt())), riff()],
    "it has no RIFF/WAVE header": [b"this is text and no sound", b"RIFF1234AVI LIST"],
    "it does not describe its samples": [
        riff(samples()), riff(chunk(b"fmt ", fmt()[:14]), samples())
    ],
    "8 bits: expected 16": [riff(chunk(b"fmt ", fmt(bits=8)), samples())],
    "24 bits: expected 16": [riff(chunk(b"fmt ", fmt(bits=24)), samples())],
    "the format 0x0003": [riff(chunk(b"fmt ", fmt(3, bits=32)), samples())],
    "the format 0xfffe": [riff(chunk(b"fmt ", fmt(0xFFFE)), samples())],
    "0 channels": [riff(chunk(b"fmt ", fmt(channels=0)), samples())],
    "at 0 Hz": [riff(chunk(b"fmt ", fmt(rate=0)), samples())],
}  # fmt: skip


@pytest.mark.parametrize("what", BROKEN)
def test_other_formats_name_themselves_and_the_extra(
    what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "soundfile", None)
    path = tmp_path / "a.wav"
    for data in BROKEN[what]:
        path.write_bytes(data)
        with pytest.raises(rt.RealtimeError, match=rf"a\.wav is not a WAV file.*{what}") as caught:
            open_wav(path)
        assert "pip install 'realtime-trio[audio]'" in str(caught.value)


def test_a_missing_libsndfile_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_library(name: str) -> None:
        raise OSError(name)

    monkeypatch.setattr(_extras, "import_module", no_library)
    with pytest.raises(rt.RealtimeError, match="libsndfile, which is missing"):
        _extras.soundfile()


@given(st.binary(max_size=300), st.integers(0, 80))
def test_no_header_raises_another_error(noise: bytes, place: int) -> None:
    """Any file is read or refused, in a time bounded by its size."""
    whole = HEADERS["chunks before"]
    data = whole[:place] + noise + whole[place:]
    with contextlib.suppress(_NotPcm16):
        _Header.read(_Forward(io.BytesIO(data)))


# -- what soundfile reads ------------------------------------------------------------------

SINE = tone(440, 24_000, 48_000)


@pytest.mark.parametrize(
    ("name", "subtype", "exact"),
    [
        ("a.wav", "PCM_16", True),
        ("a.wav", "PCM_24", True),
        ("a.wav", "PCM_32", True),
        ("a.wav", "FLOAT", True),
        ("a.wav", "DOUBLE", True),
        ("a.wav", "PCM_U8", False),
        ("a.wav", "ULAW", False),
        ("a.aiff", "PCM_16", True),
        ("a.au", "PCM_16", True),
        ("a.w64", "PCM_16", True),
        ("a.rf64", "PCM_16", True),
        ("a.flac", "PCM_16", True),
        ("a.flac", "PCM_24", True),
        ("a.ogg", "VORBIS", False),
        ("a.mp3", "MPEG_LAYER_III", False),
    ],
)
async def test_every_other_file_is_read_with_soundfile(
    name: str, subtype: str, exact: bool, tmp_path: Path
) -> None:
    soundfile = pytest.importorskip("soundfile")
    numpy = pytest.importorskip("numpy")
    stereo = numpy.repeat(numpy.frombuffer(SINE, dtype="<i2"), 2).reshape(-1, 2)
    path = tmp_path / name
    soundfile.write(path, stereo / 32768, 48_000, subtype=subtype)
    with open_wav(path) as source:
        assert source.format == AudioFormat(48_000, 2)
        got = await read(source)
    if exact:
        assert got == stereo.tobytes()
        assert source.frames == 24_000
    else:
        assert level(got).rms_dbfs == pytest.approx(level(SINE).rms_dbfs, abs=0.3)
        assert source.seconds == pytest.approx(0.5, abs=0.1)


async def test_floats_beyond_full_scale_are_clipped(tmp_path: Path) -> None:
    soundfile = pytest.importorskip("soundfile")
    numpy = pytest.importorskip("numpy")
    path = tmp_path / "a.wav"
    values = numpy.array([0.5, 2.0, -2.0, numpy.nan, numpy.inf])
    soundfile.write(path, values, 16_000, subtype="FLOAT")
    with open_wav(path) as source:
        assert list(samples_of(await read(source))) == [16384, 32767, -32768, 0, 32767]


def test_other_files_are_refused(tmp_path: Path) -> None:
    pytest.importorskip("soundfile")
    for name in ("a.txt", "a.raw", "a.flac"):
        path = tmp_path / name
        path.write_bytes(b"this is text and no sound")
        with pytest.raises(rt.RealtimeError, match="libsndfile does not recognise it either"):
            open_wav(path)


async def test_a_corrupt_file_raises(tmp_path: Path) -> None:
    soundfile = pytest.importorskip("soundfile")
    path = tmp_path / "a.flac"
    soundfile.write(path, [0.0] * 48_000, 48_000)

    def broken(*_args: object, **_options: object) -> None:
        raise soundfile.LibsndfileError(1)

    with open_wav(path) as source:
        source._reader._file.read = broken  # type: ignore[union-attr]
        with pytest.raises(rt.RealtimeError, match=r"a\.flac is corrupt"):
            await read(source)
