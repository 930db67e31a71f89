"""Make untrusted text safe for a terminal. Error lines use it, so its imports are light."""

from __future__ import annotations

import re

__all__ = ["clean", "one_line"]

# Recordings, server responses and file names are untrusted: characters that control the terminal or
# change the order of text are escaped.
_CONTROLS = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f"
    r"\u061c\u200e\u200f\u202a-\u202e\u2066-\u206f"  # direction: marks, embeddings, isolates
    r"\u2028\u2029"  # line and paragraph breaks
    r"\ufff9-\ufffb"  # annotations, which can hide text
    r"\ud800-\udfff]"
)


def _shown(match: re.Match[str]) -> str:
    code = ord(match[0])
    if code < 0x20:
        return chr(0x2400 + code)
    return "\u2421" if code == 0x7F else "\ufffd"


def clean(text: str) -> str:
    """Escape the characters in ``text`` that control a terminal."""
    return _CONTROLS.sub(_shown, text.replace("\r\n", "\n"))


def one_line(text: str, limit: int = 100) -> str:
    """Format ``text`` on one line of at most ``limit`` characters."""
    flat = " ".join(clean(text[: 4 * limit]).split())
    return flat if len(flat) <= limit and len(text) <= 4 * limit else flat[: limit - 1] + "…"
