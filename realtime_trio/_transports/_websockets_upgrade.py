"""The opening handshake over websockets' ``ClientProtocol``, and the bytes read after it."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Final

import trio
from websockets.client import ClientProtocol
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory
from websockets.protocol import State
from websockets.uri import WebSocketURI

from . import _dial as dial
from ._interim_answers import AnswerReader
from ._upgrade_answer import read_answer

__all__ = ["new_protocol", "upgrade"]

# The library logs requests, including the token, as soon as debug logging is enabled for the
# root logger. This logger is outside the tree and disabled.
_SILENT: Final = logging.Logger("realtime_trio.websockets")
_SILENT.disabled = True
_HEAD_END: Final = b"\r\n\r\n"


def new_protocol(
    target: dial.Target, max_message_size: int, *, compression: bool
) -> ClientProtocol:
    """Return the library's side of a connection that is not open yet."""
    return ClientProtocol(
        WebSocketURI(target.secure, target.host, target.port, target.resource, ""),
        extensions=[ClientPerMessageDeflateFactory()] if compression else None,
        max_size=max_message_size,
        logger=_SILENT,
    )


async def upgrade(
    stream: trio.abc.Stream,
    protocol: ClientProtocol,
    target: dial.Target,
    headers: Mapping[str, str],
) -> tuple[bytes, int]:
    """Do the opening handshake; return the bytes after the answer, and the total received."""
    request = protocol.connect()
    for name, value in headers.items():
        # The library's own User-Agent header is replaced.
        request.headers.pop(name, None)
        request.headers[name] = value
    protocol.send_request(request)
    head = AnswerReader()
    tail = early = b""
    received = 0
    try:
        await stream.send_all(b"".join(protocol.data_to_send()))
        while protocol.state is State.CONNECTING and protocol.handshake_exc is None:
            data = bytes(await stream.receive_some(dial.CHUNK))
            received += len(data)
            begun = head.feed(data)
            if head.status is not None and head.status >= 200:
                # The library would read the body first, which may never end.
                said = await read_answer(stream.receive_some, begun, target.secrets)
                raise dial.refusal(target.place, head.status, said)
            if begun:
                answer, early = _split(begun, tail)
                tail = (tail + answer)[-3:]
                protocol.receive_data(answer)
            if not data:
                protocol.receive_eof()
    except (trio.BrokenResourceError, trio.ClosedResourceError, OverflowError):
        raise dial.refusal(target.place, None) from None
    if protocol.handshake_exc is not None:
        # Not as the cause: it may quote the server's answer.
        raise dial.refusal(target.place, None)
    protocol.events_received()  # the answer
    return early, received


def _split(data: bytes, before: bytes) -> tuple[bytes, bytes]:
    """Split after the empty line that ends the header; ``before`` precedes ``data``.

    A successful answer has no body, so what follows are frames, which the library must not read.
    """
    found = (before + data).find(_HEAD_END)
    end = len(data) if found < 0 else found + len(_HEAD_END) - len(before)
    return data[:end], data[end:]
