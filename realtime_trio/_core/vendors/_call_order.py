"""Put calls and results into the order that all vendors require (protocol.md §8 T1).

A vendor rejects a history in which a call has no result, a result has no call, a result does not
follow its call directly, or two calls share an id. All of this occurs in practice: interrupted
turns, ids that a vendor reused, results without calls.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from typing import TypeAlias

import attrs

from .._messages import Part, TextPart, ToolResultPart, ToolUsePart

__all__ = ["NO_RESULT", "Naming", "VendorEntry", "link_results"]

NO_RESULT = "[No result: the call did not finish]"

_Results: TypeAlias = dict[str, deque[ToolResultPart]]


@attrs.frozen(slots=True)
class VendorEntry:
    """The content of one vendor message: parts, including calls, and the results of the calls.

    ``is_text`` marks content that was a single text. Before :func:`link_results`, results can be in
    any order and can be missing.
    """

    role: str
    parts: tuple[Part, ...]
    results: tuple[ToolResultPart, ...] = ()
    is_text: bool = False

    @property
    def calls(self) -> tuple[ToolUsePart, ...]:
        """Return the calls among the parts."""
        return tuple(part for part in self.parts if isinstance(part, ToolUsePart))


@attrs.frozen(slots=True)
class Naming:
    """A vendor's rules for call ids and tool names."""

    id_length: int
    name_length: int
    any_id: bool

    def id(self, identity: str) -> str:
        """Return an id that the vendor accepts."""
        allowed = identity if self.any_id else _UNSAFE.sub("_", identity)
        return allowed[: self.id_length] or "call"

    def name(self, name: str) -> str:
        """Return a name that the vendor accepts."""
        return _UNSAFE.sub("_", name)[: self.name_length] or "tool"


_UNSAFE = re.compile(r"[^A-Za-z0-9_-]")
# Space reserved at the end of an id for its number.
_SUFFIX = 8


class _Ids:
    """Assigns a unique id to every call: the first keeps its id, the next is ``id-2``."""

    def __init__(self, naming: Naming, entries: Iterable[VendorEntry]) -> None:
        self.name = naming.name
        self._naming = naming
        # A renamed call never gets the original id of another call.
        self._known = {naming.id(call.id) for entry in entries for call in entry.calls}
        self._kept: set[str] = set()
        self._next: dict[str, int] = {}

    def give(self, identity: str) -> str:
        wanted = self._naming.id(identity)
        if wanted not in self._kept:
            self._kept.add(wanted)
            return wanted
        # Ids that are equal after truncation share one counter.
        stem = wanted[: self._naming.id_length - _SUFFIX]
        number = self._next.get(stem, 2)
        while (renamed := self._numbered(wanted, number)) in self._known:
            number += 1
        self._next[stem] = number + 1
        self._known.add(renamed)
        return renamed

    def _numbered(self, identity: str, number: int) -> str:
        suffix = f"-{number}"
        return identity[: self._naming.id_length - len(suffix)] + suffix


def link_results(entries: Sequence[VendorEntry], naming: Naming) -> Iterator[VendorEntry]:
    """Return the entries with each call followed by its one result, under a unique id.

    A call without a result gets an error result. A result without a call becomes text. The results
    of an assistant's calls are in the same entry or in the following user entry.
    """
    ids = _Ids(naming, entries)
    taken: set[int] = set()  # results for the previous entry, by their index in this one
    for number, entry in enumerate(entries):
        if entry.role != "assistant":
            parts = [part for i, part in enumerate(entry.parts) if i not in taken]
            if parts or not taken:
                yield attrs.evolve(entry, parts=tuple(map(_without_call, parts)))
            taken = set()
            continue
        own = _by_id([*entry.results, *_results_in(entry.parts)])
        following = entries[number + 1] if number + 1 < len(entries) else None
        after = following.parts if following is not None and following.role == "user" else ()
        linked_entry, taken = _link(entry, own, after, ids)
        yield linked_entry


def _link(
    entry: VendorEntry, own: _Results, after: Sequence[Part], ids: _Ids
) -> tuple[VendorEntry, set[int]]:
    """Return the entry with its results, and the indexes of those found in ``after``."""
    places: dict[str, deque[int]] = {}
    for i, part in enumerate(after):
        if isinstance(part, ToolResultPart):
            places.setdefault(part.tool_use_id, deque()).append(i)
    taken: set[int] = set()
    parts: list[Part] = []
    results: list[ToolResultPart] = []
    for part in entry.parts:
        if isinstance(part, ToolResultPart):
            continue
        if not isinstance(part, ToolUsePart):
            parts.append(part)
            continue
        identity = ids.give(part.id)
        parts.append(attrs.evolve(part, id=identity, name=ids.name(part.name)))
        result = ToolResultPart(identity, NO_RESULT, is_error=True)
        if own.get(part.id):
            result = attrs.evolve(own[part.id].popleft(), tool_use_id=identity)
        elif places.get(part.id):
            place = places[part.id].popleft()
            taken.add(place)
            found = after[place]
            assert isinstance(found, ToolResultPart)
            result = attrs.evolve(found, tool_use_id=identity)
        results.append(result)
    left = [_without_call(result) for results_left in own.values() for result in results_left]
    # Calls are last in a message.
    said = [part for part in parts if not isinstance(part, ToolUsePart)]
    calls = [part for part in parts if isinstance(part, ToolUsePart)]
    return attrs.evolve(entry, parts=(*said, *left, *calls), results=tuple(results)), taken


def _results_in(parts: Iterable[Part]) -> Iterator[ToolResultPart]:
    return (part for part in parts if isinstance(part, ToolResultPart))


def _by_id(results: Iterable[ToolResultPart]) -> _Results:
    found: _Results = {}
    for result in results:
        found.setdefault(result.tool_use_id, deque()).append(result)
    return found


def _without_call(part: Part) -> Part:
    """Return a part without its link to a call: a result becomes its text."""
    if not isinstance(part, ToolResultPart):
        return part
    return TextPart(part.content if part.content.strip() else "[tool_result]")
