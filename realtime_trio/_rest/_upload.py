"""File uploads: the multipart form and the server's response."""

from __future__ import annotations

import io
import mimetypes
import os
import secrets
import urllib.parse
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final, Protocol, TypeAlias, final

import attrs
import trio

from .._exceptions import ProtocolError

__all__ = [
    "Body",
    "Form",
    "Progress",
    "Source",
    "Upload",
    "UploadedFile",
    "open_upload",
    "uploaded",
]

Source: TypeAlias = str | os.PathLike[str] | bytes
Progress: TypeAlias = Callable[[int, int], None]
"""A callback with the number of bytes sent so far and the total."""

_PIECE: Final = 64 * 1024
_UNKNOWN: Final = "application/octet-stream"


class Readable(Protocol):
    """An open file."""

    async def read(self, size: int, /) -> bytes:
        """Read at most ``size`` bytes; none at the end."""
        ...


class _Memory:
    """Bytes, with the interface of a file."""

    def __init__(self, data: bytes) -> None:
        self._file = io.BytesIO(data)

    async def read(self, size: int, /) -> bytes:
        await trio.lowlevel.checkpoint()
        return self._file.read(size)


@attrs.frozen(slots=True, kw_only=True)
class UploadedFile:
    """A file on the server; pass its ``id`` to ``ask(…, file_ids=[…])``."""

    id: str
    filename: str
    mime_type: str
    size: int


@attrs.frozen(slots=True, kw_only=True)
class Upload:
    """A file to send: ``size`` bytes, from ``path`` or in ``data``."""

    filename: str
    mime_type: str
    size: int
    path: Path | None
    data: bytes = attrs.field(default=b"", repr=False)

    @asynccontextmanager
    async def opened(self) -> AsyncGenerator[Readable, None]:
        """Open the file for reading."""
        if self.path is None:
            yield _Memory(self.data)
            return
        async with await trio.open_file(self.path, "rb") as file:
            yield file


async def open_upload(
    source: Source, *, filename: str | None, mime_type: str | None, limit: int
) -> Upload:
    """Inspect the file to send.

    Raises ``ValueError`` for more than ``limit`` bytes or bytes without a name, ``OSError``
    for a file that cannot be read.
    """
    if isinstance(source, bytes):
        path, size = None, len(source)
        if filename is None:
            message = "bytes have no file name: pass filename="
            raise ValueError(message)
    else:
        path = Path(source)
        size = (await trio.Path(path).stat()).st_size
    name = filename or (path.name if path is not None else "")
    if size > limit:
        message = f"{name} is {size} bytes; the limit is {limit} (ClientConfig.max_file_size)"
        raise ValueError(message)
    return Upload(
        filename=name,
        mime_type=mime_type or mimetypes.guess_type(name)[0] or _UNKNOWN,
        size=size,
        path=path,
        data=source if isinstance(source, bytes) else b"",
    )


@final
class Form:
    """A multipart form (RFC 7578): fields, and optionally one file at the end."""

    def __init__(self, fields: Mapping[str, str], upload: Upload | None = None) -> None:
        boundary = secrets.token_hex(16)
        head = [
            f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
            for name, value in fields.items()
        ]
        if upload is not None:
            head.append(
                f'--{boundary}\r\nContent-Disposition: form-data; name="file"; '
                f'filename="{_quoted(upload.filename)}"\r\n'
                f"Content-Type: {_quoted(upload.mime_type)}\r\n\r\n"
            )
        end = "" if upload is None else "\r\n"
        # A file name can hold undecodable bytes, which Python represents as surrogates.
        self.head: bytes = "".join(head).encode("utf-8", "replace")
        self.tail: bytes = f"{end}--{boundary}--\r\n".encode()
        self.upload = upload
        self.content_type: str = f"multipart/form-data; boundary={boundary}"
        self.size: int = len(self.head) + len(self.tail) + (0 if upload is None else upload.size)

    @asynccontextmanager
    async def body(self, progress: Progress | None) -> AsyncGenerator[Body, None]:
        """Return the body of a form with a file, to be read once, in chunks."""
        assert self.upload is not None
        async with self.upload.opened() as file:
            yield Body(self, file, self.upload.size, progress)

    def whole(self) -> bytes:
        """Return the body of a form without a file."""
        return self.head + self.tail


@final
class Body(AsyncIterator[bytes]):
    """The bytes of a form with a file. Not a generator, which would need closing if left early."""

    def __init__(
        self,
        form: Form,
        file: Readable,
        size: int,
        progress: Progress | None,
    ) -> None:
        self._chunks = [form.tail, form.head]
        self._file = file
        self._size = self._left = size
        self._progress = progress
        self.reading: bool = False
        """Whether a chunk is being read: an error then is not a network error."""
        self.on_reading: Callable[[bool], None] = _ignore_progress
        """Callback before and after each chunk is read, including the end."""

    async def __anext__(self) -> bytes:
        """Return the next chunk: the head, the file, the tail."""
        self.reading = True
        self.on_reading(True)
        piece = await self._next()
        self.on_reading(False)
        self.reading = False
        if piece is None:
            raise StopAsyncIteration
        return piece

    async def _next(self) -> bytes | None:
        if len(self._chunks) == 1 and self._left:
            piece = await self._file.read(min(self._left, _PIECE))
            if not piece:
                # Content-Length is already sent, so the request must be aborted.
                message = "the file became shorter while it was being sent"
                raise OSError(message)
            self._left -= len(piece)
            if self._progress is not None:
                self._progress(self._size - self._left, self._size)
            return piece
        await trio.lowlevel.checkpoint()
        return self._chunks.pop() if self._chunks else None


def _ignore_progress(_reading: bool) -> None:
    """Ignore progress."""


def _quoted(text: str) -> str:
    """Escape text for a header, as browsers do."""
    for char in '"\r\n':
        text = text.replace(char, urllib.parse.quote(char))
    return text


def uploaded(answer: Mapping[str, object]) -> UploadedFile:
    """Read the server's answer; raises :class:`~realtime_trio.ProtocolError`."""
    id_, filename = answer.get("id"), answer.get("filename")
    mime_type, size = answer.get("mime_type"), answer.get("size")
    if not isinstance(id_, str) or not id_ or id_ != _valid(id_):
        message = "the answer to upload_file has no id"
        raise ProtocolError(message)
    return UploadedFile(
        id=id_,
        filename=_valid(filename) if isinstance(filename, str) else "",
        mime_type=_valid(mime_type) if isinstance(mime_type, str) else _UNKNOWN,
        size=size if type(size) is int else 0,
    )


def _valid(text: str) -> str:
    """Replace unpaired surrogates by U+FFFD (protocol.md L4)."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
