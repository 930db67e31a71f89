"""Halves of surrogate pairs (protocol.md §2 L4).

JSON can name half of a character, ``\\ud83d``, and a server that cuts its text by UTF-16 units
sends both halves, one at the end of a delta and one at the beginning of the next. Text inside
the library is valid Unicode: what is no whole character is replaced.
"""

from __future__ import annotations

import re

__all__ = ["REPLACEMENT", "hold_back", "is_whole", "mend"]

REPLACEMENT = "\N{REPLACEMENT CHARACTER}"

_HALF = re.compile("[\ud800-\udfff]")
_HALVES = re.compile("([\ud800-\udbff])([\udc00-\udfff])|[\ud800-\udfff]")


def is_whole(text: str) -> bool:
    """Whether a text holds no half of a pair. Asked of every delta: no half is printable."""
    return text.isascii() or text.isprintable() or _HALF.search(text) is None


def mend(text: str) -> str:
    """The text with whole characters only: two halves that meet are one, others are replaced."""
    return text if text.isascii() else _HALVES.sub(_whole, text)


def hold_back(text: str) -> tuple[str, str]:
    """What can be shown of a text, and half of a character at its end that may be completed."""
    if "\ud800" <= text[-1] <= "\udbff":
        return mend(text[:-1]), text[-1]
    return mend(text), ""


def _whole(found: re.Match[str]) -> str:
    high, low = found.groups()
    if high is None:
        return REPLACEMENT
    return chr(0x10000 + ((ord(high) - 0xD800) << 10) + (ord(low) - 0xDC00))
