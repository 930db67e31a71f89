"""The progress of a session's commands according to its log, for its owner and followers."""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any, Final, TypeAlias, cast, final

import trio

from .._core._codec import Codec
from .._exceptions import DecodeError
from .._journal._log_store import LogInfo, LogStore
from .._log._log_block import BlockGroup, DamagedBlock
from .._log._log_entries import RemoteEntry, RemoteWord
from ..events import Event

__all__ = ["CommandProgress", "Word", "command_event", "progress_before"]

Word: TypeAlias = RemoteWord
_ENDS: Final[frozenset[str]] = frozenset({"sent", "not-sent", "in-doubt"})
_AT_ONCE: Final = 64
_KEPT: Final = 256
"""Number of ends that are remembered and repeated after each snapshot."""


@final
class CommandProgress:
    """Folds the entries of commands.

    ``cursor`` is the number up to which the owner has read the queue; ``open`` holds the commands
    that were read and have not ended, in order; ``ends`` says how the latest others ended.
    """

    def __init__(self) -> None:
        self.cursor: int = 0
        self.open: dict[int, Word] = {}
        self.ends: OrderedDict[int, Word] = OrderedDict()

    def fold(self, entry: RemoteEntry) -> None:
        """Fold one entry. An end is final; a repeated entry changes nothing."""
        number, status = entry.number, entry.status
        self.cursor = max(self.cursor, number)
        if status == "cursor" or number in self.ends:
            return
        if status in _ENDS:
            self.open.pop(number, None)
            self.ends[number] = status
            if len(self.ends) > _KEPT:
                self.ends.popitem(last=False)
        elif status != "reserved" or self.open.get(number) != "sending":
            self.open[number] = status

    def fold_groups(self, groups: Sequence[BlockGroup]) -> None:
        """Fold the entries of a block that belong to commands."""
        for _, items in groups:
            for item in items:
                if isinstance(item, RemoteEntry):
                    self.fold(item)

    def status(self, number: int) -> Word | None:
        """Return the status of a command; ``None`` if it is unknown."""
        return self.ends.get(number) or self.open.get(number)

    def again(self) -> Iterator[RemoteEntry]:
        """Return everything as entries to append after a snapshot; other commands are unknown."""
        for number, status in (*self.ends.items(), *self.open.items()):
            # "sending" occurs once in a log; for the next owner both are in doubt.
            yield RemoteEntry(number, "reserved" if status == "sending" else status)
        yield RemoteEntry(self.cursor, "cursor")


async def progress_before(log: LogStore, info: LogInfo) -> CommandProgress:
    """Return the progress before the gap at the end of a log, as far as it can be read.

    Recovery begins behind that gap, where the owner had not yet repeated how commands ended.
    """
    progress = CommandProgress()
    after = info.first - 1
    while after < info.position:
        blocks = await log.read(info.name, after, _AT_ONCE)
        if not blocks:
            gap = next((gap for gap in info.gaps if gap.first > after), None)
            if gap is None or gap.last == info.position:
                break
            after = gap.last
            progress.open.clear()  # the owner repeated what had not ended behind this gap
            continue
        after = blocks[-1].last
        with suppress(DamagedBlock):
            for block in blocks:
                progress.fold_groups(await trio.to_thread.run_sync(block.groups))
    return progress


def command_event(codec: Codec, frame: str) -> Event | None:
    """Decode the frame of a command; ``None`` for one of a later version, or of another writer."""
    try:
        raw: object = json.loads(frame)
        if not isinstance(raw, dict):
            return None
        return codec.decode_command(cast("dict[str, Any]", raw))  # type: ignore[explicit-any]
    except (DecodeError, ValueError, TypeError):
        return None
