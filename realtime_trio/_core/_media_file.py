"""Save media to a file. Its name and content come from a server, so neither is trusted."""

from __future__ import annotations

import base64
import binascii
import mimetypes
import os
import re
from itertools import chain
from pathlib import Path
from typing import Final
from urllib.parse import unquote_to_bytes

__all__ = ["file_name", "media_bytes", "write_new"]

_LONGEST: Final = 120  # bytes of a name; file systems allow 255
_TRIES: Final = 1_000
_UNSAFE: Final = re.compile(r"[^\w.\-() ]")
_RESERVED: Final = re.compile(r"(?i)(con|prn|aux|nul|com\d|lpt\d)(\.|$)")  # devices of Windows
_TEXTS: Final = frozenset({"application/json", "application/xml", "application/javascript"})
_EXTENSIONS: Final = {"text/markdown": ".md", "image/jpeg": ".jpg", "audio/wav": ".wav"}


def file_name(name: str | None, content_type: str) -> str:
    """Return a name that is safe in any directory of any system. It has no directories and no
    leading dot, is not the name of a device, and gets an extension for ``content_type`` if it has
    none.
    """
    last = re.split(r"[/\\]", name or "")[-1]
    stem, dot, extension = _UNSAFE.sub("_", last).strip(" .").rpartition(".")
    if not dot:
        stem, extension = extension, ""
    kind = _kind(content_type)
    if not extension:
        extension = (_EXTENSIONS.get(kind) or mimetypes.guess_extension(kind) or "").lstrip(".")
    stem = stem.strip(" .") or "media"
    if _RESERVED.match(stem):
        stem = f"_{stem}"
    tail = f".{extension[:16]}" if extension else ""
    room = _LONGEST - len(tail.encode())
    return stem.encode()[:room].decode(errors="ignore").rstrip(" .") + tail


def media_bytes(content: str | None, url: str | None, content_type: str) -> bytes:
    """Return the decoded content of media, or of its ``data:`` URL.

    Raises ``ValueError`` if the media has no content, for example only an address.
    """
    if content is not None:
        return content.encode(errors="replace") if _is_text(content_type) else _decoded(content)
    if url is not None and url[:5].lower() == "data:":
        head, _, data = url[5:].partition(",")
        raw = unquote_to_bytes(data)
        return _base64(raw) if head.lower().endswith(";base64") else raw
    if url is not None:
        message = "this media has an address and no content: fetch its url yourself"
        raise ValueError(message)
    message = "this media has no content"
    raise ValueError(message)


def _is_text(content_type: str) -> bool:
    """Whether content of a type is plain text and not base64."""
    kind = _kind(content_type)
    return kind in _TEXTS or kind.startswith("text/") or kind.endswith(("+json", "+xml"))


def _decoded(content: str) -> bytes:
    """Binary types are sent as base64; what is not base64 is kept as text."""
    try:
        return _base64(content.encode("ascii"))
    except (ValueError, UnicodeEncodeError):
        return content.encode(errors="replace")


def _base64(data: bytes) -> bytes:
    try:
        return base64.b64decode(b"".join(data.split()), validate=True)
    except binascii.Error as exc:
        message = f"the content of this media is not valid base64: {exc}"
        raise ValueError(message) from None


def write_new(directory: Path, name: str, data: bytes) -> Path:
    """Write a new file, with a number in its name if necessary. It never overwrites a file and
    never follows a link: if the name exists, even as a broken link, the number changes.
    """
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
    flags |= getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
    stem, extension = os.path.splitext(name)
    for number in chain([""], (f"-{count}" for count in range(2, _TRIES))):
        path = directory / f"{stem}{number}{extension}"
        try:
            descriptor = os.open(path, flags, 0o600)
        except FileExistsError:
            continue
        try:
            with open(descriptor, "wb") as file:
                file.write(data)
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        return path
    message = f"{directory} has {_TRIES} files like {name} already"
    raise FileExistsError(message)


def _kind(content_type: str) -> str:
    """Return the type without its parameters."""
    return content_type.partition(";")[0].strip().lower()
