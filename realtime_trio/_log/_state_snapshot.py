"""Snapshots and digests: a cut as bytes, and a fingerprint of a state in 32 bytes.

::

    "RTS" version | CRC-32 | FOLD | position | time | length of the body | body

The body is compressed msgpack. A snapshot is a cache: the log decides. One of another version
of the handlers, or with other custom events, is discarded and the log is folded.
"""

from __future__ import annotations

import hashlib
import struct
import zlib
from functools import cache
from typing import Final

import attrs
import msgspec

from .._core._state import SessionState
from ..events import REGISTRY
from ._log_block import DamagedBlock
from ._plain_values import stored_names
from ._state_converter import StateConverter
from ._state_cut import StateCut

__all__ = [
    "FOLD",
    "StateSnapshot",
    "check_snapshot",
    "custom_events",
    "digest",
    "digest_cut",
    "read_snapshot",
    "write_snapshot",
]

FOLD: Final = 1
"""Increase it when a handler or a slice changes its meaning: the same log gives another state."""

_MAGIC: Final = b"RTS"
_VERSION: Final = 1
_HEAD: Final = struct.Struct(">3sBI")
_FACTS: Final = struct.Struct(">IQdI")


@attrs.frozen(slots=True, kw_only=True)
class StateSnapshot:
    """The state after the entry at ``position``, which arrived at ``at``."""

    position: int
    at: float
    cut: StateCut


class _Body(msgspec.Struct, frozen=True, array_like=True):
    custom: tuple[str, ...]
    cut: bytes


@cache
def _exact() -> StateConverter:
    return StateConverter(canonical=False, pieces=True)


@cache
def _canonical() -> StateConverter:
    return StateConverter(canonical=True)


def custom_events() -> tuple[str, ...]:
    """Return what else changes the fold: custom events, their lanes, and stored classes."""
    rows = [row for row in REGISTRY if not row.builtin]
    named = [f"{row.type}:{','.join(lane.name for lane in row.lanes)}" for row in rows]
    return (*sorted(named), *stored_names())


def write_snapshot(snapshot: StateSnapshot) -> bytes:
    """Encode a snapshot. Raises ``NotStorable`` for values that ``extra`` must not hold."""
    body = msgspec.msgpack.encode(_Body(custom_events(), _exact().dump(snapshot.cut)))
    facts = _FACTS.pack(FOLD, snapshot.position, snapshot.at, len(body))
    packed = zlib.compress(body, 1)
    crc = zlib.crc32(packed, zlib.crc32(facts, _VERSION))
    return b"".join((_HEAD.pack(_MAGIC, _VERSION, crc), facts, packed))


def check_snapshot(data: bytes) -> None:
    """Raise :class:`DamagedBlock` if the bytes differ from those that were written."""
    if len(data) < _HEAD.size + _FACTS.size:
        message = "the snapshot is too short"
        raise DamagedBlock(message)
    magic, version, crc = _HEAD.unpack_from(data)
    if magic != _MAGIC or zlib.crc32(memoryview(data)[_HEAD.size :], version) != crc:
        message = "the checksum of the snapshot is wrong"
        raise DamagedBlock(message)


def read_snapshot(data: bytes) -> StateSnapshot | None:
    """Decode a snapshot; ``None`` for one of other handlers.

    Raises :class:`DamagedBlock` as :func:`check_snapshot` does.
    """
    check_snapshot(data)
    _, version, _ = _HEAD.unpack_from(data)
    fold, position, at, size = _FACTS.unpack_from(data, _HEAD.size)
    if version != _VERSION or fold != FOLD:
        return None
    packed = data[_HEAD.size + _FACTS.size :]
    body = msgspec.msgpack.decode(zlib.decompressobj().decompress(packed, size), type=_Body)
    if body.custom != custom_events():
        return None
    return StateSnapshot(position=position, at=at, cut=_exact().load(body.cut, StateCut))


def digest_cut(cut: StateCut) -> str:
    """Return 32 bytes, in hexadecimal, of the values that count in comparisons."""
    return digest(cut.state)


def digest(state: SessionState) -> str:
    """Return the digest of a state: equal states have equal digests, different ones differ.

    It covers the slices, but not values that only define an order, the revision and the counters.
    """
    return hashlib.blake2b(_canonical().dump(state), digest_size=32).hexdigest()
