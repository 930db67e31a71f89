"""A log in memory that keeps what was ever written, and followers that keep what was fed."""

from __future__ import annotations

from collections.abc import Sequence

from realtime_trio._journal._log_store import LogClaim, LogGap, StoredSnapshot
from realtime_trio._log._log_block import BlockGroup
from realtime_trio._log._log_entries import LogItem, RemoteEntry
from realtime_trio.events import ServerEvent
from realtime_trio.fleet import MemoryLog, RemoteSession


class WatchedLog(MemoryLog):  # type: ignore[misc]  # final for users
    """Keeps every entry that was accepted, with the token of its writer."""

    def __init__(self) -> None:
        super().__init__()
        self.entries: dict[int, LogItem] = {}
        self.tokens: list[int] = []

    async def append(self, claim: LogClaim, first: int, groups: Sequence[BlockGroup]) -> int:
        """Append entries, and keep them."""
        items = [item for _, found in groups for item in found]
        size = await super().append(claim, first, groups)
        self.tokens.append(claim.token)
        for position, item in enumerate(items, first):
            assert position not in self.entries, "a position was written twice"
            self.entries[position] = item
        return size

    async def put_gap(self, claim: LogClaim, gap: LogGap, snapshot: StoredSnapshot | None) -> None:
        """Replace positions by a gap."""
        await super().put_gap(claim, gap, snapshot)
        self.tokens.append(claim.token)

    def words(self) -> list[RemoteEntry]:
        """What the owners said of commands."""
        return [each for _, each in sorted(self.entries.items()) if isinstance(each, RemoteEntry)]


class FedInputs:
    """The text frames that a follower was fed, since the position at which it began."""

    def __init__(self, session: RemoteSession) -> None:
        self._session = session
        self._began = session.position
        self.texts: list[str] = []
        session._pipeline.log_to(self)

    def frames(self, at: float, frames: list[str | bytes]) -> None:
        """Keep frames that were taken."""
        del at
        self.texts += [frame for frame in frames if isinstance(frame, str)]

    def frame(self, at: float, frame: str | bytes) -> None:
        """Keep a frame that was taken alone."""
        self.frames(at, [frame])

    def local_event(self, at: float, event: ServerEvent) -> None:
        """Ignored: only frames are compared."""

    def user_session_id(self, at: float, session_id: str | None) -> None:
        """Ignored."""

    def reset(self, at: float) -> None:
        """Ignored."""

    def check(self, log: WatchedLog, jumps: Sequence[tuple[int, int]]) -> None:
        """It was fed what was written, except what it was told to miss."""
        expected: list[str] = []
        for position in range(self._began + 1, self._session.position + 1):
            if any(first <= position <= last for first, last in jumps):
                continue
            item = log.entries[position]
            if isinstance(item, str):
                expected.append(item)
        assert self.texts == expected
