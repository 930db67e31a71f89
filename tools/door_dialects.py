"""The differences of the two doors."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Final

import attrs

__all__ = ["AIO", "BLOCKING", "DIALECTS", "Dialect"]


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
        return text


_EVERYWHERE: Final = (
    (r"``trio\.(WouldBlock|EndOfChannel|BusyResourceError)``", r":class:`~realtime_trio.\1`"),
    (r"``trio\.ClosedResourceError``", ":class:`~realtime_trio.ClosedError`"),
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
        (r"within this\s+``trio\.run``", "on this loop"),
        (r"only inside this\s+``trio\.run``", "only on this loop"),
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
        (
            r"[Aa]ny number\s+of tasks may wait, and cancelling one changes nothing",
            "Any number of threads may wait",
        ),
        (
            r"[Aa]ny number of tasks may wait; cancelling one changes nothing",
            "Any number of threads may wait",
        ),
        (r"([Aa])ny number\s+of\s+tasks\s+may\s+wait", r"\1ny number of threads may wait"),
        (r"runs in the task that reads", "runs in the client's thread"),
        (r"raised in that task", "raised in the thread that reads"),
        (r"the body\s+is cancelled", "what the body waits for is cancelled"),
        (r"cancels the body and is raised", "ends what the body waits for and is raised"),
        (r"other tasks", "other threads"),
        (r"Several tasks", "Several threads"),
        (r"to one task", "to one thread"),
    ),
)

DIALECTS: Final = (AIO, BLOCKING)
