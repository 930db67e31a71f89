"""Tables: any history of changes gives what a plain dictionary gives, and costs what it should."""

from __future__ import annotations

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime_trio._core import _table
from realtime_trio._core._recency import Recency, SessionOrder
from realtime_trio._core._table import Keys, Table
from realtime_trio._core._values import Log, longer, with_item

KEYS = st.sampled_from("abcdef")
CHANGES = st.lists(
    st.one_of(
        st.tuples(st.just("set"), KEYS, st.integers(0, 9)),
        st.tuples(st.just("discard"), KEYS, st.just(0)),
        st.tuples(st.just("keep"), st.just(""), st.integers(0, 6)),
        st.tuples(st.just("back"), st.just(""), st.integers(0, 200)),
    ),
    max_size=200,
)


@given(CHANGES)
def test_a_table_is_a_dictionary_that_never_changes(
    changes: list[tuple[str, str, int]],
) -> None:
    tables: list[tuple[Table[str, int], dict[str, int]]] = [(Table(), {})]
    for what, key, number in changes:
        table, plain = tables[-1]
        plain = dict(plain)
        if what == "set":
            table = table.set(key, number)
            plain[key] = number
        elif what == "discard":
            table = table.discard(key)
            plain.pop(key, None)
        elif what == "keep":
            table = table.keep_last(number)
            for gone in list(plain)[: max(0, len(plain) - number)]:
                del plain[gone]
        else:  # an older one goes on
            table, plain = tables[number % len(tables)]
        tables.append((table, plain))
    for table, plain in reversed(tables):
        assert table == tuple(plain.values())
        assert list(table.keys) == list(plain)
        assert len(table) == len(table.keys) == len(plain)
        assert all(table.has(key) == (key in plain) for key in "abcdef")


def test_a_table_reads_as_a_tuple_does() -> None:
    table = Table([("a", 1), ("b", 2), ("c", 3)])
    assert table == (1, 2, 3) == table
    assert (table[0], table[-1], table[1:]) == (1, 3, (2, 3))
    assert [*table] == [1, 2, 3]
    assert 2 in table
    assert hash(table) == hash((1, 2, 3))
    assert repr(table) == "(1, 2, 3)"
    assert table != "abc"
    assert table.keys == ("a", "b", "c")
    assert Keys(table, hidden="b") == ["a", "c"]
    assert len(Keys(table, hidden="b")) == 2


@pytest.mark.parametrize("size", [10, 10_000])
def test_a_change_copies_nothing(size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Entries are only copied for a new journal, after as many changes as there are entries."""
    table = Table((str(n), n) for n in range(size))
    copied: list[int] = []
    journal = _table._Journal

    def counted(entries: object) -> object:
        made = journal(entries)  # type: ignore[arg-type,var-annotated]
        copied.append(len(made.live))
        return made

    monkeypatch.setattr(_table, "_Journal", counted)
    changes = 4 * size + 1000
    for n in range(changes):
        table = table.set(str(n), n).keep_last(size)
    assert sum(copied) <= 2 * changes + size
    assert [*table] == [*range(changes)][-size:]


def test_an_older_table_reads_right_while_another_thread_changes_the_newest() -> None:
    table = Table((str(n), n) for n in range(100))
    ready = threading.Event()

    def change() -> None:
        newest = table
        for n in range(5_000):
            newest = newest.set(str(n % 150), -n)
        ready.set()

    thread = threading.Thread(target=change)
    thread.start()
    while not ready.is_set():
        assert [*table] == [*range(100)]
    thread.join()


# -- which was used least recently ---------------------------------------------------------


@given(st.lists(st.tuples(st.sampled_from("uudp"), st.sampled_from("abcdefgh")), max_size=120))
def test_the_least_recently_used_goes_first(steps: list[tuple[str, str]]) -> None:
    order, used = SessionOrder(), dict[str, int]()
    older: list[tuple[SessionOrder, dict[str, int]]] = []
    for at, (what, key) in enumerate(steps, 1):
        older.append((order, dict(used)))
        if what == "u":
            if key not in used:
                order = order.add(key, at)
            used[key] = at
        elif what == "d":
            order = order.discard(key)
            used.pop(key, None)
        elif used:
            oldest, order = order.pop(used.__getitem__)
            assert oldest == min(used, key=used.__getitem__)
            del used[oldest]
        assert set(order.ids.keys) == set(used)
    for order, used in older:  # a value that was passed by answers for its own time
        if used:
            assert order.pop(used.__getitem__)[0] == min(used, key=used.__getitem__)


def test_the_one_that_has_to_stay_stays_in_the_order() -> None:
    order = SessionOrder().add("a", 1).add("b", 2)
    oldest, order = order.pop(lambda key: None if key == "a" else 2)
    assert oldest == "b"
    assert order.add("c", 3).pop({"a": 1, "c": 3}.__getitem__)[0] == "a"


def test_what_comes_and_goes_does_not_pile_up() -> None:
    order = SessionOrder()
    for at in range(10_000):
        order = order.add("s", at).discard("s")
    assert len(order.recency._heap.entries) <= 64 + 2
    assert order.add("s", 1).add("t", 2).pop({"s": 1, "t": 2}.__getitem__)[0] == "s"
    assert repr(order.recency) == "<Recency>"
    assert Recency() == order.recency


def test_of_ten_thousand_few_are_looked_at() -> None:
    """Work is counted: how often a time of use is asked for."""
    order, used, asked = SessionOrder(), dict[str, int](), [0]
    for at in range(10_000):
        order = order.add(str(at), at)
        used[str(at)] = at

    def last_use(key: str) -> int:
        asked[0] += 1
        return used[key]

    for at in range(10_000, 20_000):
        order = order.add(str(at), at)
        used[str(at)] = at
        oldest, order = order.pop(last_use)
        del used[oldest]
    assert asked[0] <= 20_000


# -- few and many --------------------------------------------------------------------------


@given(st.lists(st.integers(0, 199), max_size=20), st.integers(0, 200))
def test_items_that_are_many_are_a_log(places: list[int], count: int) -> None:
    items: object = ()
    grown: list[int] = []
    for n in range(count):
        items = longer(items, n)  # type: ignore[arg-type]
        grown.append(n)
    assert isinstance(items, Log if count > 64 else tuple)
    for place in places:
        if place < count:
            items = with_item(items, place, -place)
            grown[place] = -place
    assert items == tuple(grown)
