"""The methods that all values share say what attrs' own would say."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime_trio import MessageStreaming, Notification
from realtime_trio import events as ev
from realtime_trio.events import frozen
from tests.wire_strategies import SERVER_ROWS, instances


def options(**more: Any) -> Any:
    return attrs.field(default=1, **more)


class Fields:
    """Every way in which a field may take part."""

    plain: Any = 0
    hidden: Any = options(repr=False)
    shown: Any = options(repr=lambda value: f"<{value}>")
    uncompared: Any = options(eq=False)
    folded: Any = options(eq=str.lower)
    compared_only: Any = options(hash=False)


def made_with(decorator: Any) -> type[Any]:
    body = {"__annotations__": Fields.__annotations__, "__qualname__": "Sample"}
    fields = {name: value for name, value in vars(Fields).items() if name in Fields.__annotations__}
    cls: type[Any] = decorator(type("Sample", (), {**body, **fields}))
    return cls


OURS = made_with(frozen)
THEIRS = made_with(attrs.frozen(kw_only=True))
VALUES = st.fixed_dictionaries(
    {name: st.integers(0, 1) for name in ("plain", "hidden", "shown", "uncompared")}
    | {"folded": st.sampled_from(["a", "A", "b"]), "compared_only": st.integers(0, 1)}
)


@given(VALUES, VALUES)
def test_shared_methods_say_what_generated_ones_say(a: dict[str, Any], b: dict[str, Any]) -> None:
    assert repr(OURS(**a)) == repr(THEIRS(**a))
    assert (OURS(**a) == OURS(**b)) is (THEIRS(**a) == THEIRS(**b))
    assert (OURS(**a) != OURS(**b)) is (THEIRS(**a) != THEIRS(**b))
    if THEIRS(**a) == THEIRS(**b):
        assert hash(OURS(**a)) == hash(OURS(**b))
    counted = {name: a[name] for name in ("plain", "hidden", "shown")}
    assert hash(OURS(**{**b, **counted, "folded": a["folded"].swapcase()})) == hash(OURS(**a))
    assert OURS(**a) != THEIRS(**a)


@pytest.mark.parametrize("row", SERVER_ROWS, ids=lambda row: row.type)
@given(data=st.data())
def test_an_event_equals_its_copies_and_nothing_else(row: ev.Row, data: st.DataObject) -> None:
    event = data.draw(instances(row.cls))
    assert pickle.loads(pickle.dumps(event)) == event == copy.copy(event)
    assert event != object()
    assert repr(event).startswith(f"{row.cls.__name__}(")


def test_a_notification_of_one_s_own_that_is_generated_is_equal_too() -> None:
    @attrs.frozen(kw_only=True)
    class Own(Notification):
        number: int

    assert Own(number=1) == Own(number=1) != Own(number=2)
    assert MessageStreaming(session_id="s", message_id="m", role="r", delta="d") != Own(number=1)


def test_what_cannot_be_hashed_says_so() -> None:
    with pytest.raises(TypeError):
        hash(ev.UnknownEvent(tag="t", payload={}))


def test_a_method_of_one_s_own_stays() -> None:
    @frozen
    class Loud:
        name: str

        def __repr__(self) -> str:
            return self.name.upper()

        def __eq__(self, other: object) -> bool:
            return isinstance(other, Loud)

    assert repr(Loud(name="a")) == "A"
    assert Loud(name="a") == Loud(name="b")
    with pytest.raises(TypeError):
        hash(Loud(name="a"))


def test_a_value_that_holds_itself_can_be_shown() -> None:
    payload: dict[str, Any] = {}
    event = ev.UnknownEvent(tag="t", payload=payload)
    node = OURS(plain=payload, folded="a")
    payload["self"] = node
    assert "..." in repr(node)
    assert repr(event) == "UnknownEvent(id=None, tag='t')"
