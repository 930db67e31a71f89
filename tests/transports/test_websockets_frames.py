"""The fast path through frames, compared with the library's own."""

from __future__ import annotations

import importlib.util
import itertools
import random
import sys
from collections.abc import Iterator

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from websockets.client import ClientProtocol
from websockets.frames import CloseCode, Frame, Opcode
from websockets.protocol import OPEN, SERVER, Event, Protocol
from websockets.uri import WebSocketURI

from realtime_trio._transports import _dial as dial
from realtime_trio._transports import _websockets_frames as module
from realtime_trio._transports._websockets_frames import FrameReader, FrameWriter

LONGEST = 1000
TEXT, BINARY, CONT, CLOSE, PING, PONG = (
    Opcode.TEXT,
    Opcode.BINARY,
    Opcode.CONT,
    Opcode.CLOSE,
    Opcode.PING,
    Opcode.PONG,
)


def opened(max_size: int = LONGEST) -> ClientProtocol:
    """Return a client's protocol after a successful upgrade."""
    protocol = ClientProtocol(
        WebSocketURI(False, "a.example", 80, "/", ""), max_size=max_size, state=OPEN
    )
    protocol.parser = Protocol.parse(protocol)
    next(protocol.parser)
    return protocol


def framed(opcode: int, payload: bytes, *, fin: bool = True, wide: int = 0) -> bytes:
    """Return a frame of a server; ``wide`` uses a longer form of its length than needed."""
    size = len(payload)
    width = max(wide, 0 if size < 126 else 2 if size < 1 << 16 else 8)
    length = {0: bytes([size]) if size < 126 else b"", 2: b"\x7e", 8: b"\x7f"}[width]
    head = bytes([(0x80 if fin else 0) | opcode]) + length
    return head + (size.to_bytes(width) if width else b"") + payload


class StreamResult:
    """The result of a stream: messages, answers, and its end."""

    def __init__(self, protocol: ClientProtocol) -> None:
        self.protocol = protocol
        self.messages: list[str | bytes] = []
        self.garbled = False

    def summary(self) -> tuple[object, ...]:
        protocol = self.protocol
        return (
            self.messages,
            [type(message) for message in self.messages],
            self.garbled,
            type(protocol.parser_exc),
            protocol.close_rcvd,
            protocol.close_sent,
            protocol.state,
            [unmasked(data) for data in protocol.data_to_send()],
        )


def unmasked(data: bytes) -> list[tuple[Opcode, bytes, bool]]:
    """Return the frames of a client as a server reads them."""
    if not data:
        return []
    server = Protocol(SERVER, max_size=None)
    server.receive_data(data)
    return [frame_of(event) for event in server.events_received()]


def frame_of(event: Event) -> tuple[Opcode, bytes, bool]:
    assert isinstance(event, Frame)
    return event.opcode, bytes(event.data), event.fin


def through_the_library(stream: bytes) -> StreamResult:
    """Feed the library byte by byte, so that the first fault is the reported one."""
    told = StreamResult(opened())
    parts: list[Frame] = []
    for byte in stream:
        told.protocol.receive_data(bytes([byte]))
        for event in told.protocol.events_received():
            assert isinstance(event, Frame)
            if event.opcode not in (TEXT, BINARY, CONT) or told.garbled:
                continue
            parts.append(event)
            if not event.fin:
                continue
            whole = b"".join(part.data for part in parts)
            try:
                told.messages.append(whole.decode() if parts[0].opcode is TEXT else whole)
            except UnicodeDecodeError:
                told.garbled = True
                told.protocol.fail(CloseCode.INVALID_DATA)
            parts = []
        if told.garbled or told.protocol.close_rcvd or told.protocol.parser_exc:
            break
    return told


def through_our_reader(stream: bytes, cuts: list[int]) -> StreamResult:
    """Feed the reader under test."""
    told = StreamResult(opened())
    reader = FrameReader(told.protocol, LONGEST)
    for piece in pieces(stream, cuts):
        told.messages += reader.feed(piece)
        if reader.over:
            break
    told.garbled = reader._failed  # pyright: ignore[reportPrivateUsage]
    return told


def pieces(stream: bytes, cuts: list[int]) -> Iterator[bytes]:
    marks = [0, *sorted({cut % (len(stream) + 1) for cut in cuts}), len(stream)]
    for start, stop in itertools.pairwise(marks):
        if start < stop:
            yield stream[start:stop]


payloads = st.one_of(
    st.binary(max_size=130),
    st.text(max_size=60).map(str.encode),
    # If the boundary of a frame is lost, these look like frames.
    st.integers(1, 90).map(lambda n: framed(TEXT, b"a") * n),
    st.sampled_from([125, 126, 127, LONGEST, LONGEST + 1]).map(lambda n: b"x" * n),
)
good = st.builds(
    framed, st.sampled_from([TEXT, TEXT, BINARY]), st.text(max_size=60).map(str.encode)
)
any_frame = st.builds(
    framed,
    st.one_of(st.sampled_from([TEXT, BINARY, CONT, PING, PONG]), st.integers(0, 127)),
    payloads,
    fin=st.booleans(),
    wide=st.sampled_from([0, 0, 2, 8]),
)
control = st.builds(framed, st.sampled_from([PING, PONG]), st.binary(max_size=125))
fragments = st.lists(st.text(max_size=20).map(str.encode), min_size=2, max_size=4).map(
    lambda parts: b"".join(
        framed(TEXT if n == 0 else CONT, part, fin=n == len(parts) - 1)
        for n, part in enumerate(parts)
    )
)
ending = st.sampled_from([b"", framed(CLOSE, b"\x03\xe8bye"), framed(CLOSE, b"\x01"), b"\x81"])
streams = st.tuples(
    st.lists(st.one_of(good, good, control, fragments, any_frame), max_size=12).map(b"".join),
    ending,
    st.binary(max_size=6),
).map(b"".join)


@settings(max_examples=300, deadline=None)
@given(streams, st.lists(st.integers(0, 20_000), max_size=8))
@example(framed(TEXT, b"\xff") + framed(TEXT, b"after"), [])
@example(framed(TEXT, b"a", fin=False) + framed(TEXT, b"b"), [])
@example(framed(TEXT, b"a" * (LONGEST + 1))[:10], [])
@example(framed(TEXT, b"a") + framed(PING, b"p") + framed(TEXT, b"b"), [1, 2, 3, 4, 5, 6, 7])
@example(framed(TEXT, b"a" * (LONGEST + 1)), [])
@example(framed(BINARY, framed(TEXT, b"a") * 60), [3])
@example(framed(BINARY, framed(TEXT, b"a") * 60, wide=8), [5, 9])
@example(framed(CLOSE, b"") + framed(TEXT, b"behind the end"), [])
@example(b"\x81\xff" + bytes(20), [])
@example(b"\x00\xfe", [])
@example(b"\x83\x7e", [])
@example(b"\x89\x7f\x00", [1])
def test_the_fast_path_agrees_with_the_library(stream: bytes, cuts: list[int]) -> None:
    """With any bytes and any chunks: the same messages, answers and end."""
    assert through_our_reader(stream, cuts).summary() == through_the_library(stream).summary()


@settings(max_examples=300, deadline=None)
@given(st.lists(st.one_of(good, good, control, fragments, any_frame), max_size=6))
@example([framed(TEXT, b"a"), framed(TEXT, b"\xff"), framed(TEXT, b"after")])
@example([framed(TEXT, b"a", fin=False), framed(TEXT, b"b")])
@example([framed(TEXT, b"a", wide=2), framed(TEXT, b"b" * 126), framed(TEXT, b"c")])
@example([framed(TEXT, b"a" * LONGEST), framed(TEXT, b"a" * (LONGEST + 1))])
@example([framed(CLOSE, b""), framed(TEXT, b"behind the end")])
@example([b"\x81\x7f" + bytes(127)])  # as long as if the marker of a long form were a length
@example([b"\x81\x85" + bytes(133)])  # the same for a mask
@example([b"\x81\x02", b"\x81\x00", framed(TEXT, b"c")])
@example([b"\x81", b"\x01a", framed(TEXT, b"b")])
def test_frames_that_arrive_alone(frames: list[bytes]) -> None:
    """One read per frame, as at a steady pace, takes an even shorter path."""
    cuts = list(itertools.accumulate(map(len, frames)))
    assert (
        through_our_reader(b"".join(frames), cuts).summary()
        == through_the_library(b"".join(frames)).summary()
    )


def test_the_fast_path_resumes_after_the_slow_one() -> None:
    """Whatever caused the slow path: the library must see no other frame."""
    reader = FrameReader(opened(), LONGEST)
    text = framed(TEXT, b"four")
    for odd in (
        [framed(PING, b"")],
        [text + framed(TEXT, b"b")],
        [text[:1], text[1:]],
        [text[:2], text[2:]],
        [framed(TEXT, b"a", fin=False), framed(CONT, b"b")],
        [framed(TEXT, b"a", wide=8)],
    ):
        for piece in odd:
            reader.feed(piece)
        assert reader._plain  # pyright: ignore[reportPrivateUsage]
    assert reader.feed(text) == ["four"]


def test_plain_frames_do_not_reach_the_library() -> None:
    """Otherwise the fast path would save nothing."""
    protocol = opened()
    reader = FrameReader(protocol, 1 << 16)

    def refuse(data: bytes | bytearray) -> None:
        raise AssertionError

    protocol.receive_data = refuse  # type: ignore[method-assign]
    stream = framed(TEXT, b"a") + framed(BINARY, bytes(200)) + framed(TEXT, b"c" * 65_535)
    assert reader.feed(stream) == ["a", bytes(200), "c" * 65_535]


def test_a_large_frame_in_small_pieces() -> None:
    """The library handles it, but not the frames after it."""
    protocol = ClientProtocol(WebSocketURI(False, "a.example", 80, "/", ""), state=OPEN)
    protocol.parser = Protocol.parse(protocol)
    next(protocol.parser)
    reader = FrameReader(protocol, 1 << 20)
    stream = framed(TEXT, b"a" * 70_000) + framed(TEXT, b"b") + framed(BINARY, bytes(65_536))
    messages = [
        m for piece in pieces(stream, [*range(0, 140_000, 997)]) for m in reader.feed(piece)
    ]
    assert messages == ["a" * 70_000, "b", bytes(65_536)]


@pytest.mark.parametrize("part", [b"", b"a", b"ab"])
def test_many_fragments_use_memory_for_their_bytes_only(part: bytes) -> None:
    """A message of a million fragments is one piece of memory while it arrives."""
    protocol = opened(2**20)
    reader = FrameReader(protocol, 2**20)
    reader.feed(framed(BINARY, part, fin=False))
    for _ in range(10):
        reader.feed(framed(CONT, part, fin=False) * 1000)
        held = (getattr(reader, name) for name in FrameReader.__slots__ if name != "_protocol")
        assert sum(map(sys.getsizeof, held)) < len(part) * 12_000 + 1000
    assert reader.feed(framed(CONT, b"end")) == [part * 10_001 + b"end"]


def test_too_many_fragments_end_the_link(monkeypatch: pytest.MonkeyPatch) -> None:
    """A peer could send a message that never ends, so the number is bounded."""
    monkeypatch.setattr(dial, "MAX_FRAGMENTS", 10)
    protocol = opened()
    reader = FrameReader(protocol, LONGEST)
    for opcode, fragments in ((TEXT, 10), (TEXT, 10), (BINARY, 11)):
        stream = framed(opcode, b"a", fin=False) + framed(CONT, b"", fin=False) * (fragments - 2)
        assert reader.feed(stream) == []
        assert not reader.over
        last = reader.feed(framed(CONT, b"b") if fragments == 10 else framed(CONT, b"", fin=False))
        assert last == (["ab"] if fragments == 10 else [])
    assert reader.feed(framed(CONT, b"", fin=False) * 3) == []
    assert reader.over
    assert protocol.close_sent is not None
    assert protocol.close_sent.code == CloseCode.MESSAGE_TOO_BIG


@pytest.mark.parametrize("size", [0, 125, 126, 65_535, 65_536])
def test_written_frames_can_be_read(size: int) -> None:
    """Every length of head, text and binary, one by one and together."""
    writer = FrameWriter()
    blob, text = random.Random(size).randbytes(size), "é" * (size // 2)
    assert unmasked(writer.message(blob)) == [(BINARY, blob, True)]
    assert unmasked(writer.message(text)) == [(TEXT, text.encode(), True)]
    both = writer.messages([text, blob])
    assert unmasked(both) == [(TEXT, text.encode(), True), (BINARY, blob, True)]


def test_empty_payloads_can_be_written() -> None:
    """No messages, no bytes; a ping has its payload."""
    writer = FrameWriter()
    assert writer.messages([]) == b""
    assert unmasked(writer.ping(b"beat")) == [(PING, b"beat", True)]


def test_every_frame_has_its_own_mask() -> None:
    """Also after the random bytes of one request to the system are used up."""
    writer = FrameWriter()
    keys = {writer.message(b"")[2:6] for _ in range(3000)}
    assert len(keys) > 2990


def test_without_the_compiled_mask(monkeypatch: pytest.MonkeyPatch) -> None:
    """An installation without a compiler masks in Python."""
    monkeypatch.setitem(sys.modules, "websockets.speedups", None)
    spec = importlib.util.spec_from_file_location(
        f"{module.__package__}.slow_frames", module.__file__
    )
    assert spec is not None
    assert spec.loader is not None
    slow = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(slow)
    assert vars(slow)["apply_mask"] is not vars(module)["apply_mask"]
    assert unmasked(slow.FrameWriter().message(b"abcde")) == [(BINARY, b"abcde", True)]
