"""A cut: the state at one position of the log, with everything that the fold needs to continue.

Each lane contributes its part when it passes a mark at that position; the slices are
frozen, so a cut costs nothing to take or to keep.
"""

from __future__ import annotations

from typing import Any, Final, cast, final

import msgspec

from .._core._state import AudioSlice, ControlSlice, Limits, SessionState, TextSlice
from .._core._values import evolve
from .._handlers import LaneFold
from .._processor import Folds
from ..events import Lane

__all__ = [
    "CutParts",
    "LaneCounts",
    "StateCut",
    "begin_life",
    "cut_of",
    "restore_folds",
    "restored_folds",
]


class LaneCounts(msgspec.Struct, frozen=True):
    """The counters of one lane."""

    events: int = 0
    handled: int = 0
    unknown: int = 0
    malformed: int = 0
    tolerated: int = 0
    duplicates: int = 0
    handler_errors: int = 0


_COUNTS: Final = LaneCounts.__struct_fields__


class StateCut(msgspec.Struct, frozen=True):
    """The three lanes at one position; ``counts`` are in the order of :class:`Lane`."""

    control: ControlSlice
    audio: AudioSlice
    text: TextSlice
    counts: tuple[LaneCounts, ...]

    @property
    def state(self) -> SessionState:
        """The state at the position of the cut."""
        return restored_folds(self).state


@final
class CutParts:
    """Collects the lanes' parts of one cut, in the order in which the lanes reach it."""

    __slots__ = ("_folds", "_parts")

    def __init__(self, folds: Folds) -> None:
        self._folds = folds
        self._parts: dict[Lane, tuple[object, LaneCounts]] = {}

    def take(self, lane: Lane) -> None:
        """Take a lane's part when the lane is at the position."""
        fold = self._folds.by_lane[lane]
        self._parts[lane] = fold.slice, _counts(fold)

    def cut(self) -> StateCut:
        """Return the whole cut, when every lane has passed."""
        slices = {lane: slice_ for lane, (slice_, _) in self._parts.items()}
        return StateCut(
            cast("ControlSlice", slices[Lane.CONTROL]),
            cast("AudioSlice", slices[Lane.AUDIO]),
            cast("TextSlice", slices[Lane.TEXT]),
            tuple(self._parts[lane][1] for lane in Lane),
        )


def cut_of(folds: Folds) -> StateCut:
    """Return the cut of folds that are at one position."""
    parts = CutParts(folds)
    for lane in Lane:
        parts.take(lane)
    return parts.cut()


def _counts(fold: LaneFold[Any]) -> LaneCounts:
    return LaneCounts(*(getattr(fold, name) for name in _COUNTS))


def restored_folds(cut: StateCut) -> Folds:
    """Return folds that continue from a cut."""
    folds = Folds()
    restore_folds(folds, cut)
    return folds


def restore_folds(folds: Folds, cut: StateCut) -> None:
    """Make folds continue from a cut."""
    folds.control.slice, folds.audio.slice, folds.text.slice = cut.control, cut.audio, cut.text
    for lane, counts in zip(Lane, cut.counts, strict=True):
        for name in _COUNTS:
            setattr(folds.by_lane[lane], name, getattr(counts, name))


def begin_life(folds: Folds, limits: Limits, *, fresh: bool) -> None:
    """Apply a header entry: its limits apply from here on. ``fresh``: from an empty state."""
    if fresh:
        restore_folds(folds, cut_of(Folds()))
    text = folds.text.slice
    folds.text.slice = evolve(text, rest=evolve(text.rest, limits=limits))
