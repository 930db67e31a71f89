"""``Journal``: the object that an application creates and passes to ``open_client``."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal, final

from ._journal_store import JournalStatistics, JournalStore, Keep
from ._owned_file import Durability

__all__ = ["Journal", "store_of"]


@final
class Journal:
    """Keeps what clients receive in the SQLite file ``path``, so that it survives ``kill -9``.

    Pass it to :func:`~realtime_trio.open_client` with a ``name`` for the session. One file holds
    any number of sessions, and one ``Journal`` serves any number of clients of one
    ``trio.run``; a file has one writer at a time.

    ``durability``: with "batch", a commit survives the end of the process, and all but the last
    commits survive a power failure. With "each", a commit waits for the disk. With "none", the
    system decides when to write: this is fastest and does not survive a power failure. A commit
    follows at most 20 milliseconds after the entries.

    ``keep`` sets the retention. ``audio="full"`` keeps received audio; by default only
    its length is kept. ``compression="zstd"`` needs ``realtime-trio[zstd]``; without it, creating
    the journal raises :class:`~realtime_trio.JournalError`. ``on_failure="stop"`` ends the client
    with ``JournalError`` when the journal cannot be written; otherwise :meth:`statistics` shows the
    error, writing is retried, and the client continues.

    The file holds the conversation in clear text, and only its owner may read it. Tokens and
    URLs never reach it.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        durability: Durability = "batch",
        keep: Keep | None = None,
        audio: Literal["length", "full"] = "length",
        compression: Literal["zlib", "zstd"] = "zlib",
        on_failure: Literal["continue", "stop"] = "continue",
    ) -> None:
        self._store = JournalStore(
            path,
            durability=durability,
            keep=keep,
            audio=audio,
            compression=compression,
            on_failure=on_failure,
        )

    @property
    def path(self) -> Path:
        """The file."""
        return self._store.path

    def statistics(self) -> JournalStatistics:
        """Return the statistics of the journal."""
        return self._store.statistics()

    def __repr__(self) -> str:
        return f"<Journal {os.fspath(self.path)!r}>"


def store_of(journal: Journal) -> JournalStore:
    """Return the store of a journal."""
    return journal._store  # pyright: ignore[reportPrivateUsage]  of this module
