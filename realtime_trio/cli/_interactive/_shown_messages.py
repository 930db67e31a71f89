"""Which messages are on the screen, so a list from the server shows only the others."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from typing import final

from ..._core._messages import ASSISTANT, Message
from .._console import content_text
from .._terminal_text import clean

__all__ = ["ShownMessages"]


@final
class ShownMessages:
    """The messages on the screen, and the user's texts that the server has not echoed."""

    def __init__(self) -> None:
        self._keys: list[tuple[str, str]] = []
        self._said: deque[str] = deque(maxlen=100)

    def __bool__(self) -> bool:
        """Whether there is a message of the current session."""
        return bool(self._keys)

    def clear(self) -> None:
        """Forget the messages: another session is the current one."""
        self._keys.clear()

    def said(self, text: str) -> None:
        """Note a text that was shown when the user sent it."""
        self._said.append(text)

    def add(self, message: Message) -> None:
        """Note that a message is on the screen."""
        self._keys.append(_key(message))

    def is_echo(self, message: Message) -> bool:
        """Return whether the user typed this message here, with or without files."""
        shown = f"\n{content_text(message.content).plain}\n"
        for text in self._said:
            if f"\n{clean(text)}\n" in shown:
                self._said.remove(text)
                return True
        return False

    def replace(self, messages: Sequence[Message]) -> list[Message]:
        """Take the server's list; return its messages that are not on the screen.

        Its ids differ from those of streamed messages, but the order is the same.
        """
        new: list[Message] = []
        before, place = self._keys, 0
        self._keys = [_key(each) for each in messages]
        for message, key in zip(messages, self._keys, strict=True):
            if message.role not in ("user", ASSISTANT) or not key[1]:
                continue
            with suppress(ValueError):
                place = before.index(key, place) + 1
                continue
            if message.role == ASSISTANT or not self.is_echo(message):
                new.append(message)
        return new


def _key(message: Message) -> tuple[str, str]:
    return message.session_id, " ".join(content_text(message.content).plain.split())
