"""Regular expressions, counted: how many steps a search takes, whatever the machine.

:class:`Pattern` walks the tree that ``re`` itself makes of a pattern, and tries what the engine
tries, in the same order, without the shortcuts that spare it some of it. So where the count
grows as the text does, the engine's time does as well.
"""

from __future__ import annotations

import functools
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from re import _compiler, _parser  # type: ignore[attr-defined]
from re import _constants as c  # type: ignore[attr-defined]
from typing import Any

import attrs

__all__ = ["Pattern", "TooMuch", "words"]

MOST = 100_000
"""Steps after which nobody need count further."""

Step = Callable[["_Search", int, "_Then"], bool]
_Then = Callable[[int], bool]


@attrs.define(eq=False)
class _Search:
    """One text, and the steps that were taken in it."""

    text: str
    steps: int = 0
    groups: dict[int, tuple[int, int]] = attrs.field(factory=dict[int, tuple[int, int]])


class TooMuch(Exception):
    """More than :data:`MOST` steps: an exponential pattern, it may be."""


class Pattern:
    """A pattern that counts."""

    def __init__(self, pattern: re.Pattern[Any]) -> None:
        source = pattern.pattern
        text = source if isinstance(source, str) else source.decode("latin-1")
        self._flags = pattern.flags
        flags = self._flags if isinstance(source, str) else self._flags | re.ASCII
        self._match = self._all(_parser.parse(text, flags & ~re.DEBUG))

    def steps(self, text: str, *, anchored: bool = False) -> int:
        """The steps of finding every match in ``text``, or the one at its beginning."""
        return self._search(text, anchored=anchored)[0]

    def spans(self, text: str) -> list[tuple[int, int]]:
        """Every match, as ``finditer`` gives them."""
        return self._search(text)[1]

    def _search(self, text: str, *, anchored: bool = False) -> tuple[int, list[tuple[int, int]]]:
        search = _Search(text)
        found: list[tuple[int, int]] = []
        at = 0
        limit = sys.getrecursionlimit()
        sys.setrecursionlimit(100_000)
        try:
            while at <= len(text):
                search.groups = {}
                end = self._from(search, at)
                if end is not None:
                    found.append((at, end))
                # None of ours matches nothing, so no two matches begin at one place.
                at = at + 1 if end is None or end == at else end
                if anchored:
                    break
        finally:
            sys.setrecursionlimit(limit)
        return search.steps, found

    def _from(self, search: _Search, at: int) -> int | None:
        ends: list[int] = []

        def then(end: int) -> bool:
            ends.append(end)
            return True

        search.steps += 1
        return ends[0] if self._match(search, at, then) else None

    # -- making the steps ------------------------------------------------------------------

    def _all(self, items: Any) -> Step:
        return _sequence([self._one(*item) for item in items])

    def _one(self, op: Any, av: Any) -> Step:
        single = self._single(op, av)
        if single is not None:
            return _char(single)
        if op in (c.MAX_REPEAT, c.MIN_REPEAT, c.POSSESSIVE_REPEAT):
            low, high, inner = av
            return self._repeat(op, low, high, inner)
        if op is c.SUBPATTERN:
            return _group(av[0], self._all(av[3]))
        if op is c.BRANCH:
            return _branch([self._all(each) for each in av[1]])
        if op in (c.ASSERT, c.ASSERT_NOT):
            return self._assert(av[0], self._all(av[1]), wanted=op is c.ASSERT)
        if op is c.ATOMIC_GROUP:
            return _atomic(self._all(av))
        if op is c.AT:
            return _at(av, self._flags)
        assert op is c.GROUPREF, op
        return _reference(av)

    def _single(self, op: Any, av: Any) -> Callable[[str], bool] | None:
        """A test of one character, where this item is one."""
        if op not in (c.LITERAL, c.NOT_LITERAL, c.ANY, c.IN):
            return None
        if op is c.ANY:
            return (lambda _: True) if self._flags & re.DOTALL else (lambda char: char != "\n")
        # One character: the engine itself may say, since it can only look at that.
        tree = _parser.SubPattern(_parser.State(), [(op, av)])
        tree.state.flags = self._flags
        compiled = _compiler.compile(tree, self._flags & (re.IGNORECASE | re.ASCII | re.UNICODE))
        return functools.cache(lambda char: compiled.match(char) is not None)

    def _repeat(self, op: Any, low: int, high: int, inner: Any) -> Step:
        greedy = op is not c.MIN_REPEAT
        single = self._single(*inner[0]) if len(inner) == 1 else None
        step = (
            _run(single, low, high, greedy=greedy)
            if single is not None
            else _loop(self._all(inner), low, high, greedy=greedy)
        )
        return _atomic(step) if op is c.POSSESSIVE_REPEAT else step

    @staticmethod
    def _assert(direction: int, inner: Step, *, wanted: bool) -> Step:
        def step(search: _Search, at: int, then: _Then) -> bool:
            search.steps += 1
            if direction > 0:
                found = inner(search, at, lambda _: True)
            else:  # all of ours look back by one character
                found = at > 0 and inner(search, at - 1, lambda end: end == at)
            return found == wanted and then(at)

        return step


def _sequence(steps: Sequence[Step]) -> Step:
    def step(search: _Search, at: int, then: _Then) -> bool:
        def rest(index: int, here: int) -> bool:
            if index == len(steps):
                return then(here)
            return steps[index](search, here, lambda end: rest(index + 1, end))

        return rest(0, at)

    return step


def _char(test: Callable[[str], bool]) -> Step:
    def step(search: _Search, at: int, then: _Then) -> bool:
        search.steps += 1
        return at < len(search.text) and test(search.text[at]) and then(at + 1)

    return step


def _run(test: Callable[[str], bool], low: int, high: int, *, greedy: bool) -> Step:
    """Characters of one kind: no recursion, however many."""

    def step(search: _Search, at: int, then: _Then) -> bool:
        text, most = search.text, min(len(search.text) - at, high)
        if not greedy:
            count = 0
            while True:
                if count >= low and then(at + count):
                    return True
                search.steps += 1
                if count >= most or not test(text[at + count]):
                    return False
                count += 1
        count = 0
        while count < most and test(text[at + count]):
            count += 1
        search.steps += count + 1
        for taken in range(count, low - 1, -1):
            search.steps += 1
            if then(at + taken):
                return True
        return False

    return step


def _loop(inner: Step, low: int, high: int, *, greedy: bool) -> Step:
    def step(search: _Search, at: int, then: _Then) -> bool:
        def more(count: int, here: int) -> bool:
            search.steps += 1
            if search.steps > MOST:
                raise TooMuch

            def again(end: int) -> bool:
                return (end > here or count < low) and more(count + 1, end)

            if count < low:
                return inner(search, here, again)
            if greedy:
                return (count < high and inner(search, here, again)) or then(here)
            return then(here) or (count < high and inner(search, here, again))

        return more(0, at)

    return step


def _group(number: int | None, inner: Step) -> Step:
    def step(search: _Search, at: int, then: _Then) -> bool:
        if number is None:
            return inner(search, at, then)
        before = search.groups.get(number)

        def done(end: int) -> bool:
            search.groups[number] = at, end
            return then(end)

        if inner(search, at, done):
            return True
        if before is not None:
            search.groups[number] = before
        return False

    return step


def _branch(ways: Sequence[Step]) -> Step:
    def step(search: _Search, at: int, then: _Then) -> bool:
        for way in ways:  # noqa: SIM110  any() would use the C stack
            if way(search, at, then):
                return True
        return False

    return step


def _atomic(inner: Step) -> Step:
    def step(search: _Search, at: int, then: _Then) -> bool:
        ends: list[int] = []

        def first(end: int) -> bool:
            ends.append(end)
            return True

        return inner(search, at, first) and then(ends[0])

    return step


def _at(where: Any, flags: int) -> Step:
    def holds(text: str, at: int) -> bool:
        if where in (c.AT_BEGINNING, c.AT_BEGINNING_STRING):
            return at == 0
        if where in (c.AT_END, c.AT_END_STRING):
            return at == len(text) or (where is c.AT_END and text[at:] == "\n")
        assert where is c.AT_BOUNDARY
        word = [
            0 <= i < len(text) and re.match(r"\w", text[i], flags & re.ASCII) for i in (at - 1, at)
        ]
        return bool(word[0]) != bool(word[1])

    def step(search: _Search, at: int, then: _Then) -> bool:
        search.steps += 1
        return holds(search.text, at) and then(at)

    return step


def _reference(number: int) -> Step:
    def step(search: _Search, at: int, then: _Then) -> bool:
        if number not in search.groups:
            return False
        start, end = search.groups[number]
        for offset in range(end - start):
            search.steps += 1
            if search.text[at + offset : at + offset + 1] != search.text[start + offset]:
                return False
        return then(at + end - start)

    return step


def words(pattern: re.Pattern[Any]) -> Iterator[str]:
    """What a pattern looks for, taken from its tree: of this hostile text is made."""
    source = pattern.pattern
    text = source if isinstance(source, str) else source.decode("latin-1")
    yield from _words(_parser.parse(text, pattern.flags))


def _words(items: Any) -> Iterator[str]:
    literal = ""
    for op, av in items:
        if op is c.LITERAL:
            literal += chr(av)
            continue
        if literal:
            yield literal
            literal = ""
        if op is c.IN:
            yield from _of_class(av)
        elif op in (c.MAX_REPEAT, c.MIN_REPEAT, c.POSSESSIVE_REPEAT):
            yield from _words(av[2])
        elif op is c.SUBPATTERN:
            yield from _words(av[3])
        elif op is c.BRANCH:
            for way in av[1]:
                yield from _words(way)
        elif op in (c.ASSERT, c.ASSERT_NOT):
            yield from _words(av[1])
        elif op is c.ATOMIC_GROUP:
            yield from _words(av)
        elif op is c.ANY:
            yield "x"
    if literal:
        yield literal


def _of_class(items: Any) -> Iterator[str]:
    for op, av in items:
        if op is c.LITERAL:
            yield chr(av)
        elif op is c.RANGE:
            yield chr(av[0])
        elif op is c.CATEGORY:
            yield {
                c.CATEGORY_SPACE: " ",
                c.CATEGORY_DIGIT: "7",
                c.CATEGORY_WORD: "w",
                c.CATEGORY_NOT_SPACE: "x",
                c.CATEGORY_NOT_DIGIT: "x",
                c.CATEGORY_NOT_WORD: "-",
            }[av]
