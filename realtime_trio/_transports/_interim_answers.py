"""Skip the interim answers that may precede the answer to an upgrade (RFC 9110 §15.2).

Both websocket libraries take the first answer for the last one, so they must not see a "103 Early
Hints". 101 is the answer to the upgrade itself.
"""

from __future__ import annotations

import re
from typing import Final, final

from ._dial import http_status

__all__ = ["AnswerReader"]

_MAX_INTERIM: Final = 64 * 1024
"""Bytes of interim answers; a server that sends more does not answer."""

_STATUS_SIZE: Final = len(b"HTTP/1.1 101")
_HEAD_END: Final = re.compile(rb"\n\r?\n")


@final
class AnswerReader:
    """Reads the beginning of an answer. ``status`` is that of the last answer, once it is known."""

    __slots__ = ("_begun", "_searched", "_skipped", "status")

    def __init__(self) -> None:
        self.status: int | None = None
        self._begun: bytearray | None = bytearray()  # None when the last answer has begun
        self._searched = self._skipped = 0

    def feed(self, data: bytes) -> bytes:
        """Take data; return what belongs to the last answer, or to no answer at all.

        No data means the end: it returns what was kept. Raises ``OverflowError`` if the server
        sends too much before the last answer.
        """
        begun = self._begun
        if begun is None:
            return data
        begun += data
        while self._is_interim(begun):
            head = _HEAD_END.search(begun, self._searched)
            kept = len(begun) if head is None else head.end()
            if self._skipped + kept > _MAX_INTERIM:
                message = "too many interim answers"
                raise OverflowError(message)
            if head is None:
                self._searched = max(0, len(begun) - 2)
                return b""
            self._skipped += kept
            self._searched = 0
            del begun[:kept]
        if self.status is None and data and len(begun) < _STATUS_SIZE:
            return b""
        self._begun = None
        return bytes(begun)

    def _is_interim(self, begun: bytearray) -> bool:
        status = http_status(begun)
        interim = status is not None and 100 <= status < 200 and status != 101
        self.status = None if interim else status
        return interim
