"""The differences of the two doors."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Callable, Mapping
from typing import Final

import attrs

__all__ = ["AIO", "BLOCKING", "DIALECTS", "Dialect"]


_WIDTH: Final = 100


@attrs.frozen(slots=True, kw_only=True)
class Dialect:
    """The differences of the doors."""

    package: str
    manager: str
    generator: str
    define: str
    call: str
    plain: Callable[[str], str]
    dunders: frozenset[str]
    renamed: Mapping[str, str]
    words: tuple[tuple[str, str], ...]

    def docstring(self, text: str) -> str:
        """Return a docstring in the words of this door."""
        for pattern, new in self.words:
            text = re.sub(pattern, new, text)
        if "\n" not in text.strip():
            return text.strip()  # one line is left
        return "\n\n".join(_wrapped(paragraph) for paragraph in text.split("\n\n"))


def _wrapped(paragraph: str) -> str:
    """Break the lines of a paragraph again if a change made one too long."""
    indent = paragraph[: len(paragraph) - len(paragraph.lstrip())]
    if not indent or max(map(len, paragraph.split("\n"))) <= _WIDTH:
        return paragraph  # the first paragraph is one line
    filled = textwrap.fill(
        " ".join(paragraph.split()),
        width=_WIDTH,
        initial_indent=indent,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )
    return filled + paragraph[len(paragraph.rstrip()) :]


_EVERYWHERE: Final = (
    (r"``trio\.(WouldBlock|EndOfChannel|BusyResourceError)``", r":class:`~realtime_trio.\1`"),
    (r"``trio\.ClosedResourceError``", ":class:`~realtime_trio.ClosedError`"),
    # The block starts on another loop or in another thread, so trio has run its tasks before.
    (
        r"The client starts to receive\s+after the first checkpoint[^.]*misses nothing\.",
        "The client receives from then on: a subscription may miss what arrived before you made"
        " it, but ``client.state`` has it.",
    ),
)

# Sentences about a cancellation or a checkpoint: a blocking call has neither.
_ONLY_ASYNC: Final = (
    r"A\s+checkpoint\s+every\s+few\s+hundred\s+of\s+them\.",
    r"``receive``\s+is\s+always\s+a\s+checkpoint;\s+cancelling\s+it\s+loses\s+nothing\.",
    r"Iterating\s+is\s+a\s+checkpoint\s+at\s+least\s+every\s+32\s+items,\s+``receive``\s+always\s+is\.",
    r"Nothing\s+is\s+lost\s+when\s+a\s+receive\s+is\s+cancelled\.",
    r"If\s+the\s+call\s+is\s+cancelled,\s+the\s+event\s+is\s+not\s+queued\.",
    r"If\s+cancelled,\s+nothing\s+is\s+queued\.",
    r"If\s+cancelled,\s+it\s+stops;\s+queued\s+frames\s+still\s+leave\.",
    r"If\s+it\s+is\s+cancelled\s+before\s+the\s+connection\s+is\s+closed,\s+the\s+client\s+stays\s+open"
    r"\s+and\s+sending\s+works\s+again\.",
    r"If\s+the\s+caller\s+is\s+cancelled,\s+the\s+node\s+continues\s+to\s+drain\.",
    r"Cancelling\s+it\s+ends\s+the\s+transfer\.",
    r"Cancelling\s+returns\s+immediately\.",
    r"Cancelling\s+this\s+call\s+does\s+not\s+withdraw\s+the\s+command\.",
    r"A\s+call\s+that\s+is\s+cancelled\s+opens\s+no\s+port\.",
)

AIO: Final = Dialect(
    package="aio",
    manager="AbstractAsyncContextManager",
    generator="AsyncGenerator[{}, None]",
    define="async def",
    call="await self._door.call",
    plain=lambda text: text,
    dunders=frozenset({"__aiter__", "__anext__", "__await__"}),
    renamed={},
    words=(
        *_EVERYWHERE,
        (r"All of it is for one ``trio\.run``\.", "All of it is for one loop of asyncio."),
        (r"only inside this\s+``trio\.run``", "only on this loop"),
        (r"outside\s+``trio\.run``", "outside an asyncio loop"),
        (r"\bA checkpoint; any", "Any"),
        (r" A checkpoint\.", ""),
    ),
)

BLOCKING: Final = Dialect(
    package="blocking",
    manager="AbstractContextManager",
    generator="Generator[{}, None, None]",
    define="def",
    call="self._door.call",
    plain=lambda text: f"self._door.plain(lambda: {text})",
    dunders=frozenset({"__aiter__", "__anext__"}),
    renamed={"__anext__": "__next__", "__aiter__": "__iter__"},
    words=(
        *_EVERYWHERE,
        (r"All of it is for one ``trio\.run``\.", "Any thread may use it."),
        (r"only inside this\s+``trio\.run``", "only inside ``rt.blocking``"),
        (r"\bA checkpoint; any", "Any"),
        (r" A checkpoint\.", ""),
        (r"``async\s+(with|for)\b", r"``\1"),
        (r"``await ", "``"),
        (r"await (turn\.wait\(\))", r"\1"),
        (r"anything with ``async token\(\)``", "anything with ``token()``"),
        (r"Await it to wait", "Call :meth:`wait` to wait"),
        (r"Await the result to wait", "Call ``wait()`` of the result to wait"),
        (r"(,\s+and|;)\s+cancelling\s+one\s+changes\s+nothing", ""),
        (r"Cancelling\s+this\s+changes\s+nothing,\s+and\s+any\s+number", "Any number"),
        (r"([Aa])ny number\s+of\s+tasks\s+may\s+wait", r"\1ny number of threads may wait"),
        (r"runs in the task that reads", "runs in the client's thread"),
        (r"raised in that task", "raised in the thread that reads"),
        (r"the body\s+is cancelled", "what the body waits for is cancelled"),
        (r"cancels the body and is raised", "ends what the body waits for and is raised"),
        (r"other tasks", "other threads"),
        (r"Several tasks", "Several threads"),
        (r"to one task", "to one thread"),
        (r"Only one task", "Only one thread"),
        (r"of the same\s+task", "of the same thread"),
        (r"in this\s+task", "in trio's thread"),
        (r"a waiting\s+task", "a waiting call"),
        (
            r"run\s+in\s+the\s+receiving\s+task\s+only,\s+and\s+their\s+errors\s+are\s+raised\s+there",
            "run in the client's thread, and their errors are raised in the thread that reads",
        ),
        (r"outside\s+``trio\.run``", "in a thread with an event loop"),
        (r"``close``,\s+``aclose``,\s+``with``,\s+``with``", "``close``, ``with``"),
        (r"await\s+(:meth:`sent`)", r"call \1"),
        (r"; the same as awaiting the object", ""),
        (r"is cancelled\s+or\s+raises", "raises"),
        (r";\s+cancelling\s+one\s+of\s+them\s+does\s+not\s+affect\s+the\s+others", ""),
        (r"If\s+it\s+is\s+cancelled,\s+the\s+event", "If the wait is interrupted, the event"),
        (
            r"A\s+cancelled\s+call\s+ends\s+the\s+downtime\s+immediately,\s+and\s+of\s+several\s+concurrent"
            r"\s+calls\s+the\s+first\s+to\s+end\s+does\s+so",
            "Of several concurrent calls, the first to end also ends the downtime",
        ),
        *((rf"(\n\s*\n\s*){sentence}\s+(?=\S)", r"\1") for sentence in _ONLY_ASYNC),
        *((rf"\s+{sentence}", "") for sentence in _ONLY_ASYNC),
    ),
)

DIALECTS: Final = (AIO, BLOCKING)
