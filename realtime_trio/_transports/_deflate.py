"""``permessage-deflate`` (RFC 7692) for wsproto, with a bound on the inflated message size.

The extension of wsproto has no bound: a few kilobytes may become a gigabyte. This one stops one
byte above the bound, and the link ends with code 1009.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import final

from wsproto.extensions import PerMessageDeflate
from wsproto.frame_protocol import CloseReason, FrameDecoder, FrameProtocol

__all__ = ["BoundedDeflate"]


@final
class BoundedDeflate(PerMessageDeflate):
    """Calls ``grew`` with the number of bytes by which a part grew when it was inflated."""

    def __init__(self, limit: int, grew: Callable[[int], None]) -> None:
        super().__init__()
        self._limit = limit
        self._grew = grew
        self._inflated = 0  # bytes of the incomplete message
        self.exceeded: bool = False
        """Whether a message exceeded the bound."""

    def frame_inbound_payload_data(
        self, proto: FrameDecoder | FrameProtocol, data: bytes
    ) -> bytes | CloseReason:
        """Inflate a part of a message."""
        if not self._inbound_compressed or not self._inbound_is_compressible:
            return data
        assert self._decompressor is not None
        left = self._limit - self._inflated
        try:
            piece = self._decompressor.decompress(bytes(data), left + 1)
        except zlib.error:
            return CloseReason.INVALID_FRAME_PAYLOAD_DATA
        if len(piece) > left:
            self.exceeded = True
            return CloseReason.MESSAGE_TOO_BIG
        self._inflated += len(piece)
        self._grew(len(piece) - len(data))
        return piece

    def frame_inbound_complete(
        self, proto: FrameDecoder | FrameProtocol, fin: bool
    ) -> bytes | CloseReason | None:
        """End a frame; the next message gets the whole bound again."""
        rest = super().frame_inbound_complete(proto, fin)
        # Control frames may arrive between the frames of a message.
        if fin and self._inbound_is_compressible:
            self._inflated = 0
        return rest
