"""Blocks: entries that arrived together, as one checked and compressed piece of bytes.

::

    "RTB" version codec | CRC-32 | first position | count | first and last time | body

The CRC covers everything behind it, and the codec. The body is msgpack, compressed: a list of
groups, each of a time and the entries that arrived at that time. Positions are not stored: the
entries of a block are numbered from its first position without a gap.
"""

from __future__ import annotations

import functools
import importlib
import struct
import zlib
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final, TypeAlias

import attrs
import msgspec

from .._exceptions import JournalError
from ._log_entries import LogItem, RawTextEntry

__all__ = [
    "BlockGroup",
    "DamagedBlock",
    "LogBlock",
    "decode_block",
    "encode_block",
    "encode_blocks",
    "load_zstd",
]

# A time in seconds since 1970, and the entries that arrived then.
BlockGroup: TypeAlias = tuple[float, list[LogItem]]

_BLOCK_ENTRIES: Final = 512
_MAGIC: Final = b"RTB"
_VERSION: Final = 1
_HEAD: Final = struct.Struct(">3sBBI")
_FACTS: Final = struct.Struct(">QIddI")
_PLAIN, _ZLIB, _ZSTD, _DEFLATE = range(4)
_RAW: Final = -zlib.MAX_WBITS
"""Without the checksum that zlib would add: a block has its own."""
_SMALL: Final = 96
"""A body below this size is not worth compressing."""
_LARGEST: Final = 1 << 31

_SPARE: Final[list[bytearray]] = []
_SPARE_SIZE: Final = 1 << 20

_encode_into = msgspec.msgpack.Encoder().encode_into
_decode = msgspec.msgpack.Decoder(list[BlockGroup]).decode


class DamagedBlock(ValueError):
    """The bytes are not a block, or differ from the block that was written."""


@attrs.frozen(slots=True, kw_only=True)
class LogBlock:
    """The header of a block, with its bytes: the entries ``first`` to ``last``."""

    first: int
    count: int
    began: float
    ended: float
    data: bytes = attrs.field(repr=False)

    @property
    def last(self) -> int:
        """The position of its last entry."""
        return self.first + self.count - 1

    def groups(self) -> list[BlockGroup]:
        """Decode the entries. Raises :class:`DamagedBlock`."""
        return _entries(self.data, self.count)

    def items(self) -> Iterator[tuple[int, float, LogItem]]:
        """Each entry with its position and its time."""
        position = self.first
        for at, items in self.groups():
            for item in items:
                yield position, at, item
                position += 1


def encode_block(first: int, groups: Sequence[BlockGroup], *, zstd: bool = False) -> LogBlock:
    """Encode entries from position ``first`` on; at least one is required."""
    count = sum(len(items) for _, items in groups)
    with _buffer() as body:
        try:
            _encode_into(groups, body)
        except UnicodeEncodeError:
            _encode_into([(at, [_plain(item) for item in items]) for at, items in groups], body)
        size = len(body)
        if size < _SMALL:
            codec, packed = _PLAIN, bytes(body)
        elif zstd:
            codec, packed = _ZSTD, load_zstd().compress(body)
        else:
            codec, packed = _DEFLATE, _deflate()(body, 1, _RAW)
    began, ended = groups[0][0], groups[-1][0]
    facts = _FACTS.pack(first, count, began, ended, size)
    crc = zlib.crc32(packed, zlib.crc32(facts, codec))
    data = b"".join((_HEAD.pack(_MAGIC, _VERSION, codec, crc), facts, packed))
    return LogBlock(first=first, count=count, began=began, ended=ended, data=data)


@contextmanager
def _buffer() -> Generator[bytearray, None, None]:
    """Lend a buffer that was used before: new memory for each block costs as much as encoding.

    Threads of several journals encode at the same time, and each gets a buffer of its own.
    """
    try:
        buffer = _SPARE.pop()
    except IndexError:
        buffer = bytearray()
    yield buffer
    if len(buffer) <= _SPARE_SIZE:
        _SPARE.append(buffer)


def encode_blocks(
    first: int, groups: Iterable[BlockGroup], *, zstd: bool = False
) -> Iterator[LogBlock]:
    """Encode entries from position ``first`` on, as blocks of a few hundred entries."""
    part: list[BlockGroup] = []
    count = 0
    for group in groups:
        part.append(group)
        count += len(group[1])
        if count >= _BLOCK_ENTRIES:
            yield encode_block(first, part, zstd=zstd)
            first, part, count = first + count, [], 0
    if part:
        yield encode_block(first, part, zstd=zstd)


def _plain(item: LogItem) -> LogItem:
    """Return an entry whose text can be encoded."""
    if isinstance(item, str):
        try:
            item.encode()
        except UnicodeEncodeError:
            return RawTextEntry(item.encode("utf-8", "surrogatepass"))
    return item


def decode_block(data: bytes) -> LogBlock:
    """Read the header of a block, and check it. Raises :class:`DamagedBlock`."""
    if len(data) < _HEAD.size + _FACTS.size:
        message = "the block is too short"
        raise DamagedBlock(message)
    magic, version, codec, crc = _HEAD.unpack_from(data)
    if magic != _MAGIC or version != _VERSION:
        message = "not a block, or a block of a later version"
        raise DamagedBlock(message)
    if zlib.crc32(memoryview(data)[_HEAD.size :], codec) != crc:
        message = "the checksum of the block is wrong"
        raise DamagedBlock(message)
    first, count, began, ended, _ = _FACTS.unpack_from(data, _HEAD.size)
    return LogBlock(first=first, count=count, began=began, ended=ended, data=data)


def _entries(data: bytes, count: int) -> list[BlockGroup]:
    _, _, codec, _ = _HEAD.unpack_from(data)
    *_, size = _FACTS.unpack_from(data, _HEAD.size)
    packed = data[_HEAD.size + _FACTS.size :]
    try:
        body = _unpacked(codec, packed, min(size, _LARGEST))
        groups = _decode(body)
    except (zlib.error, msgspec.MsgspecError, ValueError) as exc:
        message = f"the block cannot be read: {type(exc).__name__}"
        raise DamagedBlock(message) from exc
    if sum(len(items) for _, items in groups) != count:
        message = "the number of entries in the block does not match its header"
        raise DamagedBlock(message)
    return groups


def _unpacked(codec: int, packed: bytes, size: int) -> bytes:
    if codec == _PLAIN:
        return packed
    if codec == _DEFLATE:
        return zlib.decompressobj(_RAW).decompress(packed, size)
    if codec == _ZLIB:  # of earlier versions
        return zlib.decompressobj().decompress(packed, size)
    return load_zstd().decompress(packed, size)


# -- extras --------------------------------------------------------------------------------


@functools.cache
def _deflate() -> Callable[[bytes | bytearray, int, int], bytes]:
    """Return the faster of the compressors with this format; either reads what the other wrote."""
    try:
        isal_zlib = importlib.import_module("isal.isal_zlib")
    except ImportError:
        return zlib.compress
    compress: Callable[[bytes | bytearray, int, int], bytes] = isal_zlib.compress
    return compress


@attrs.frozen(slots=True)
class _Zstd:
    compress: Callable[[bytes | bytearray], bytes]
    decompress: Callable[[bytes, int], bytes]


def load_zstd() -> _Zstd:
    """Return the functions for one block: their objects are not for two threads at a time.

    Raises :class:`~realtime_trio.JournalError` without the extra ``zstd``: a block that cannot be
    read for this reason is not damaged.
    """
    try:
        zstandard = importlib.import_module("zstandard")
    except ImportError:
        message = "compression zstd needs zstandard: pip install 'realtime-trio[zstd]'"
        raise JournalError(message) from None
    pack: Callable[[bytes | bytearray], bytes] = zstandard.ZstdCompressor(level=3).compress
    unpack = zstandard.ZstdDecompressor().decompress
    return _Zstd(pack, lambda data, size: unpack(data, max_output_size=size))
