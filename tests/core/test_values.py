"""Rope, Log and Recent compared with the plain values that they represent.

Each follows one model, with many values on one storage: values forked from an old value are
independent of each other.
"""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, rule

from realtime_trio._core._values import Log, Recent, Rope

CHUNK = 64


# -- Rope ----------------------------------------------------------------------------------


class Ropes(RuleBasedStateMachine):
    """Every rope can grow, and keeps its text."""

    ropes = Bundle("ropes")

    def __init__(self) -> None:
        super().__init__()
        self.made: list[tuple[Rope, str]] = []

    def _keep(self, rope: Rope, text: str) -> tuple[Rope, str]:
        self.made.append((rope, text))
        return rope, text

    @rule(target=ropes, text=st.text(max_size=3))
    def begin(self, text: str) -> tuple[Rope, str]:
        return self._keep(Rope.of(text), text)

    @rule(target=ropes, old=ropes, text=st.text(max_size=3))
    def append(self, old: tuple[Rope, str], text: str) -> tuple[Rope, str]:
        return self._keep(old[0].append(text), old[1] + text)

    @rule(old=ropes)
    def read(self, old: tuple[Rope, str]) -> None:
        assert str(old[0]) == old[1]

    @rule(one=ropes, other=ropes)
    def compare(self, one: tuple[Rope, str], other: tuple[Rope, str]) -> None:
        assert (one[0] == other[0]) is (one[1] == other[1])
        if one[1] == other[1]:
            assert hash(one[0]) == hash(other[0])

    def teardown(self) -> None:
        for rope, text in self.made:
            assert str(rope) == text
            assert repr(rope) == f"Rope({text!r})"


TestRopes = Ropes.TestCase
TestRopes.settings = settings(deadline=None)


def test_a_rope_is_not_a_string() -> None:
    assert Rope.of("a") != "a"
    assert Rope.of("") == Rope.of("").append("")


def test_a_rope_joins_each_part_once() -> None:
    rope = Rope.of("a")
    for piece in "bcd":
        rope = rope.append(piece)
    assert str(rope) == "abcd"
    assert str(rope) is str(rope)
    longer = rope.append("e")
    assert str(longer) == "abcde"
    assert len(longer._storage.pieces) == 5
    assert longer._storage is rope._storage
    assert longer._storage.joined_count == 5


def test_an_older_rope_that_grows_copies_its_pieces_first() -> None:
    first = Rope.of("a")
    one, other = first.append("1"), first.append("2")
    assert one._storage is first._storage
    assert other._storage is not first._storage
    assert (str(first), str(one), str(other)) == ("a", "a1", "a2")


# -- Log -----------------------------------------------------------------------------------

Modelled = tuple[Log[int], list[int], int]


class Logs(RuleBasedStateMachine):
    """A log compared with a list and the number of items removed from its front."""

    logs = Bundle("logs")

    def __init__(self) -> None:
        super().__init__()
        self.made: list[Modelled] = []
        self.next = 0

    def _keep(self, log: Log[int], items: list[int], dropped: int) -> Modelled:
        self.made.append((log, items, dropped))
        return self.made[-1]

    def _items(self, count: int) -> list[int]:
        self.next += count
        return list(range(self.next - count, self.next))

    @rule(target=logs, count=st.sampled_from([0, 1, 63, 64, 65, 130, 200]))
    def begin(self, count: int) -> Modelled:
        items = self._items(count)
        return self._keep(Log(items), items, 0)

    @rule(target=logs, old=logs, count=st.sampled_from([1, 1, 2, 63, 64, 70]))
    def append(self, old: Modelled, count: int) -> Modelled:
        log, items, dropped = old
        fresh = self._items(count)
        for item in fresh:
            log = log.append(item)
        return self._keep(log, items + fresh, dropped)

    @rule(target=logs, old=logs, data=st.data())
    def replace(self, old: Modelled, data: st.DataObject) -> Modelled:
        log, items, dropped = old
        if not items:
            return old
        index = data.draw(st.integers(0, len(items) - 1))
        [item] = self._items(1)
        changed = [*items[:index], item, *items[index + 1 :]]
        return self._keep(log.replace(dropped + index, item), changed, dropped)

    @rule(target=logs, old=logs, count=st.integers(0, 200))
    def keep_last(self, old: Modelled, count: int) -> Modelled:
        log, items, dropped = old
        gone = max(0, len(items) - count)
        return self._keep(log.keep_last(count), items[gone:], dropped + gone)

    @rule(old=logs, start=st.none() | st.integers(-70, 70), stop=st.none() | st.integers(-70, 70))
    def take(self, old: Modelled, start: int | None, stop: int | None) -> None:
        assert old[0][start:stop] == tuple(old[1][start:stop])
        assert old[0][start:stop:3] == tuple(old[1][start:stop:3])

    @rule(one=logs, other=logs)
    def compare(self, one: Modelled, other: Modelled) -> None:
        assert (one[0] == other[0]) is (one[1] == other[1])
        assert (hash(one[0]) == hash(other[0])) or one[1] != other[1]

    @invariant()
    def the_newest_is_right(self) -> None:
        if self.made:
            check(*self.made[-1])

    def teardown(self) -> None:
        for each in self.made:
            check(*each)


def check(log: Log[int], items: list[int], dropped: int) -> None:
    """Check every operation of a log."""
    assert list(log) == items
    assert len(log) == len(items)
    assert (log.dropped, log.end) == (dropped, dropped + len(items))
    assert log == items
    assert log == tuple(items)
    for index, item in enumerate(items):
        assert log[index] is item is log[index - len(items)] is log.at(dropped + index)
    for outside in (len(items), -len(items) - 1):
        with pytest.raises(IndexError):
            log[outside]
    for outside in (dropped - 1, dropped + len(items)):
        with pytest.raises(IndexError, match="position"):
            log.at(outside)
        with pytest.raises(IndexError, match="position"):
            log.replace(outside, 0)


TestLogs = Logs.TestCase
TestLogs.settings = settings(deadline=None, max_examples=50, stateful_step_count=20)


def test_a_log_equals_lists_and_tuples_and_nothing_else() -> None:
    log = Log([1, 2])
    assert log == Log([1, 2])
    assert log != [1]
    assert log != [1, 3]
    assert log != {1, 2}
    assert repr(log) == "Log([1, 2])"
    assert (1 in log, 3 in log, log.index(2), log.count(1), list(reversed(log))) == (
        True,
        False,
        1,
        1,
        [2, 1],
    )


def test_a_log_of_bounded_length_keeps_bounded_storage() -> None:
    log: Log[int] = Log()
    most = 0
    for item in range(20 * CHUNK):
        log = log.append(item).keep_last(2 * CHUNK)
        most = max(most, len(log._chunks))
    assert most <= 6
    assert log[0] == 18 * CHUNK


def test_two_logs_from_one_are_independent() -> None:
    """If one fills a chunk, the other does not share it."""
    root = Log(range(CHUNK - 1))
    one, other = root.append(1).append(1), root.append(2).append(2)
    older = Log(range(2 * CHUNK - 1))
    grown, forked = older.append(-1), older.append(-2)
    assert (list(one)[-2:], list(other)[-2:]) == ([1, 1], [2, 2])
    assert (grown[-1], forked[-1], len(grown), len(forked)) == (-1, -2, 2 * CHUNK, 2 * CHUNK)


def test_appending_to_a_log_shares_full_chunks() -> None:
    log = Log(range(10 * CHUNK))
    longer = log.append(1)
    assert longer._chunks is log._chunks
    shorter = longer.keep_last(9 * CHUNK)
    assert shorter._chunks is log._chunks


def test_a_log_frees_removed_items() -> None:
    limit, log = 20 * CHUNK, Log[int]()
    for item in range(3 * limit):
        log = log.append(item).keep_last(limit)
        assert len(log._chunks) * CHUNK <= limit * 8 / 7 + 2 * CHUNK


# -- Recent --------------------------------------------------------------------------------

LIMIT = 3
keys = st.integers(0, 8)


class Recents(RuleBasedStateMachine):
    """A memory compared with the list of all keys ever set, of which the end counts."""

    memories = Bundle("memories")

    def __init__(self) -> None:
        super().__init__()
        self.made: list[tuple[Recent[int, int], list[tuple[int, int]]]] = []

    def _keep(self, memory: Recent[int, int], history: list[tuple[int, int]]) -> Any:
        self.made.append((memory, history))
        return self.made[-1]

    @rule(target=memories)
    def begin(self) -> Any:
        return self._keep(Recent(LIMIT), [])

    @rule(target=memories, old=memories, key=keys, value=st.integers(1, 9))
    def set(self, old: Any, key: int, value: int) -> Any:
        return self._keep(old[0].set(key, value), [*old[1], (key, value)])

    @rule(target=memories, old=memories, count=st.integers(1, 20))
    def set_many(self, old: Any, count: int) -> Any:
        memory, history = old
        for i in range(count):
            memory, history = memory.set(i, i), [*history, (i, i)]
        return self._keep(memory, history)

    @rule(one=memories, other=memories)
    def compare(self, one: Any, other: Any) -> None:
        assert (one[0] == other[0]) is (one[1][-LIMIT:] == other[1][-LIMIT:])
        if one[0] == other[0]:
            assert hash(one[0]) == hash(other[0])

    @invariant()
    def the_newest_is_right(self) -> None:
        if self.made:
            check_memory(*self.made[-1])

    def teardown(self) -> None:
        for each in self.made:
            check_memory(*each)


def check_memory(memory: Recent[int, int], history: list[tuple[int, int]]) -> None:
    """Check every operation of a memory."""
    known = dict(history[-LIMIT:])
    assert memory.items() == history[-LIMIT:]
    assert {key: memory.get(key) for key in range(21) if memory.get(key) is not None} == known
    assert len(memory._items) <= 2 * 4 * LIMIT
    assert len(memory._index) <= 4 * LIMIT
    assert repr(memory) == f"<Recent of {len(memory.items())} keys>"


TestRecents = Recents.TestCase
TestRecents.settings = settings(deadline=None, max_examples=60, stateful_step_count=25)


def test_a_memory_equals_only_a_memory() -> None:
    memory = Recent[int, int](2).set(1, 1)
    assert memory == Recent[int, int](5).set(1, 1)
    assert memory != [(1, 1)]


def test_an_empty_memory_can_be_shared() -> None:
    """What begins with it keeps nothing in it."""
    empty: Recent[int, int] = Recent(LIMIT)
    first, second = empty.set(1, 1), empty.set(2, 2)
    assert (first.items(), second.items(), empty.items()) == ([(1, 1)], [(2, 2)], [])
    assert empty._items == []


def test_a_memory_keeps_its_storage_without_a_fork() -> None:
    memory: Recent[int, int] = Recent(LIMIT)
    first = memory = memory.set(1, 1)
    for key in range(2, 4 * LIMIT + 1):
        memory = memory.set(key, key)
    assert memory._items is first._items
    assert memory.set(0, 0)._items is not first._items
