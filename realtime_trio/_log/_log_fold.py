"""Folding a log: the state at any position, from the beginning or from a cut."""

from __future__ import annotations

from typing import final

from .._core._state import Limits, SessionState
from .._processor import Folds, processor_of
from ._log_block import BlockGroup, LogBlock
from ._log_entries import (
    AudioEntry,
    HeaderEntry,
    LocalEntry,
    LogItem,
    RawTextEntry,
    ResetEntry,
    UserSessionEntry,
    audio_of,
    local_event,
    text_of,
)
from ._state_cut import StateCut, begin_life, cut_of, restored_folds
from ._state_snapshot import FOLD, custom_events

__all__ = ["LogFold", "groups_behind"]


@final
class LogFold:
    """Folds entries in order, as the lanes of the client did.

    ``exact`` becomes false at a life with other handlers than the current ones: the state is then
    the result of the current handlers on the same input.
    """

    def __init__(self, cut: StateCut | None = None, *, position: int = 0) -> None:
        self.folds: Folds = Folds() if cut is None else restored_folds(cut)
        self.position: int = position
        self.at: float | None = None
        self.exact: bool = True
        self._processor = processor_of(self.folds)

    @property
    def state(self) -> SessionState:
        """The state after the last entry."""
        return self.folds.state

    def cut(self) -> StateCut:
        """Return the state with everything that the fold needs to continue."""
        return cut_of(self.folds)

    def apply(self, block: LogBlock) -> None:
        """Fold the entries of a block after the last folded one.

        Raises ``DamagedBlock`` if it cannot be read; then nothing of it is folded.
        """
        groups = block.groups()
        skip = self.position + 1 - block.first
        if skip > 0:
            groups = groups_behind(groups, skip)
        self.apply_groups(groups)

    def apply_groups(self, groups: list[BlockGroup], *, until: int | None = None) -> None:
        """Fold decoded entries, up to and including position ``until``."""
        process = self._processor.process_frame
        for at, items in groups:
            for item in items:
                if self.position == until:
                    return
                if isinstance(item, str):
                    process(item, at=at)
                else:
                    self._apply_other(item, at)
                self.position += 1
                self.at = at

    def _apply_other(self, item: LogItem, at: float) -> None:
        match item:
            case int():
                self._processor.process_audio(audio_of(item), at=at)
            case AudioEntry():
                self._processor.process_audio(item.data, at=at)
            case LocalEntry():
                event = local_event(item)
                if event is not None:
                    self._processor.process_event(event, at=at)
            case RawTextEntry():
                self._processor.process_frame(text_of(item), at=at)
            case _:
                self._apply_call(item)

    def _apply_call(self, item: LogItem) -> None:
        match item:
            case UserSessionEntry():
                self._processor.set_user_session_id(item.session_id)
            case ResetEntry():
                self._processor.reset()
            case HeaderEntry():
                self.exact = self.exact and (item.fold, item.custom) == (FOLD, custom_events())
                limits = Limits(item.max_sessions, item.max_messages)
                begin_life(self.folds, limits, fresh=item.fresh)
            case _:
                pass  # commands and their receipts


def groups_behind(groups: list[BlockGroup], skip: int) -> list[BlockGroup]:
    """Return the groups without their first ``skip`` entries."""
    rest: list[BlockGroup] = []
    for at, items in groups:
        if skip < len(items):
            rest.append((at, items[max(0, skip) :]))
        skip -= len(items)
    return rest
