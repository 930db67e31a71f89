"""Completion: commands, agents, voices, sessions, and the names of files.

prompt_toolkit calls it in its own thread, so it reads :attr:`WordCompleter.words` only: an
immutable value that the chat replaces.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Final, final

import attrs
from prompt_toolkit.completion import CompleteEvent, Completer, Completion, PathCompleter
from prompt_toolkit.document import Document

from .._terminal_text import one_line
from ._slash_commands import COMMANDS

__all__ = ["WordCompleter", "Words"]

_NONE: Final[Mapping[str, str]] = MappingProxyType({})
_SPECIAL: Final = re.compile(r"[\s\\'\"]")


@attrs.frozen(slots=True, kw_only=True)
class Words:
    """The words to complete, each with a description."""

    agents: Mapping[str, str] = _NONE
    voices: Mapping[str, str] = _NONE
    sessions: Mapping[str, str] = _NONE

    def of(self, command: str) -> Mapping[str, str]:
        """Return the words for the argument of a command."""
        match command:
            case "agent" | "new":
                return self.agents
            case "voice":
                return self.voices
            case "resume" | "delete":
                return self.sessions
            case _:
                return _NONE


@final
class WordCompleter(Completer):
    """Completes a line that begins with a slash."""

    def __init__(self) -> None:
        self.words: Words = Words()
        self._paths = PathCompleter(expanduser=True)

    def get_completions(
        self, document: Document, complete_event: CompleteEvent
    ) -> Iterable[Completion]:
        """Return completions for the text before the cursor."""
        text = document.text_before_cursor
        if not text.startswith("/"):
            return
        name, space, argument = text[1:].partition(" ")
        if not space:
            summaries = {each: command.summary for each, command in COMMANDS.items()}
            yield from _beginning_with(name, summaries, before=1)
        elif name == "upload":
            raw, typed = _last_word(argument)
            for each in self._files(typed, complete_event):
                yield Completion(_escaped(typed + each.text), -len(raw), display=each.display)
        elif name == "save":
            first, space, rest = argument.partition(" ")
            numbered = space and (first.isdecimal() or first == "all")
            yield from self._files(rest if numbered else argument, complete_event)
        else:
            yield from _beginning_with(argument, self.words.of(name))

    def _files(self, typed: str, complete_event: CompleteEvent) -> Iterable[Completion]:
        return self._paths.get_completions(Document(typed, len(typed)), complete_event)


def _last_word(typed: str) -> tuple[str, str]:
    """Return the last word, as it is typed and as a shell reads it.

    Quotes may still be open, so :func:`shlex.split` would refuse it.
    """
    start, word, quote = 0, "", ""
    characters = enumerate(typed)
    for index, char in characters:
        if char == "\\" and quote != "'":
            word += next(characters, (0, ""))[1]
        elif quote:
            quote, word = ("", word) if char == quote else (quote, word + char)
        elif char in "'\"":
            quote = char
        elif char in " \t\r\n":
            start, word = index + 1, ""
        else:
            word += char
    return typed[start:], word


def _escaped(name: str) -> str:
    """Return a file name as :func:`shlex.split` reads it back, without quotes."""
    return _SPECIAL.sub(r"\\\g<0>", name)


def _beginning_with(
    typed: str, words: Mapping[str, str], *, before: int = 0
) -> Iterator[Completion]:
    """Yield words that begin with the typed text, or whose description contains it."""
    wanted = typed.lower()
    for word, told in words.items():
        if word.lower().startswith(wanted) or (not before and wanted and wanted in told.lower()):
            shown = f"/{word}" if before else one_line(word, 60)
            yield Completion(
                word, start_position=-len(typed), display=shown, display_meta=one_line(told, 50)
            )
