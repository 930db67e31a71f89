"""What a client sends is checked when it is made, and once more when it is sent (§2 L5)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Any, Literal

import attrs
import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st

import realtime_trio as rt
from realtime_trio import events as ev
from realtime_trio._core._codec import Codec
from realtime_trio.events._checks import check_event
from tests.wire_strategies import CLIENT_ROWS, instances

HALF = "a \ud83d"
LOOP: dict[str, Any] = {}
LOOP["self"] = LOOP

CLIENT_CLASSES = [row.cls for row in CLIENT_ROWS if issubclass(row.cls, ev.ClientEvent)]
FIELDS = [
    pytest.param(cls, field.name, id=f"{cls.__name__}.{field.name}")
    for cls in CLIENT_CLASSES
    for field in attrs.fields(attrs.resolve_types(cls))  # type: ignore[type-var, arg-type]
]
WRONG: dict[Any, list[tuple[Any, type[Exception]]]] = {
    str: [
        (5, TypeError), (None, TypeError), (b"x", TypeError), ([], TypeError), (HALF, ValueError),
    ],
    int: [("5", TypeError), (True, TypeError), (1.0, TypeError), (2**64, ValueError)],
    tuple[str, ...]: [
        ("ab", TypeError), (5, TypeError), ((1,), TypeError), ((HALF,), ValueError),
        ({"a": 1}, TypeError),
    ],
    Mapping[str, Any]: [
        ([], TypeError), ("x", TypeError), (None, TypeError),
        ({1: 2}, TypeError), ({"a": {1, 2}}, TypeError), ({"a": b"x"}, TypeError),
        ({"a": [math.nan]}, ValueError), ({"a": {"b": math.inf}}, ValueError),
        ({"a": HALF}, ValueError), ({HALF: 1}, ValueError), ({"a": 2**64}, ValueError),
        (LOOP, ValueError),
    ],
    tuple[Mapping[str, Any], ...]: [
        ({}, TypeError), ("x", TypeError), ((5,), TypeError), (({"a": HALF},), ValueError),
        (({"role": "user", "content": [{"text": HALF}]},), ValueError),
    ],
    Literal["ptt", "vad", "realtime"]: [("hands_free", ValueError), (5, TypeError)],
}  # fmt: skip
WRONG[str | None] = [each for each in WRONG[str] if each[0] is not None]


@pytest.mark.parametrize(("cls", "name"), FIELDS)
@settings(max_examples=8)
@given(data=st.data())
def test_a_field_that_does_not_fit_is_named_and_its_value_is_not_shown(
    cls: type[Any], name: str, data: st.DataObject
) -> None:
    event = data.draw(instances(cls))
    for wrong, error in WRONG[attrs.fields_dict(cls)[name].type]:
        with pytest.raises(error, match=rf"{cls.__name__}\.{name}") as caught:
            attrs.evolve(event, **{name: wrong})
        str(caught.value).encode()


@pytest.mark.parametrize("cls", CLIENT_CLASSES)
@settings(max_examples=8)
@given(data=st.data())
def test_what_fits_is_taken_and_can_be_sent(cls: type[Any], data: st.DataObject) -> None:
    event = data.draw(instances(cls))
    check_event(event)
    Codec().encode(event)


@pytest.mark.parametrize("text", ["", " ", "\n\t \u2003"])
def test_a_blank_text_says_nothing(text: str) -> None:
    with pytest.raises(ValueError, match=r"text that is not blank"):
        ev.TextInputEvent(text=text)
    assert ev.TextInputEvent(text=text, file_ids=("f",)).text == text


class Word(str):
    """Text of a class of one's own."""


class Count(int):
    """A number of a class of one's own."""


class Share(float):
    """Another."""


def test_values_of_other_classes_that_are_json_are_sent_as_such() -> None:
    meta = {Word("a"): [Word("b"), Count(3), Share(0.5)], "c": MappingProxyType({"d": (1, None)})}
    event = ev.SetSessionMetadataEvent(meta=meta)
    assert Codec().encode(event) == (
        '{"type":"set_session_metadata","meta":{"a":["b",3,0.5],"c":{"d":[1,null]}}}'
    )


@attrs.frozen
class Point:
    """Something nested."""

    x: float


def test_a_type_of_ones_own_is_checked_by_its_annotations() -> None:
    @ev.event("draw")
    class DrawEvent(ev.ClientEvent):
        points: tuple[Point, ...]
        flag: bool = False
        size: int | Literal["auto"] | None = None
        at: datetime | None = None
        anything: object = None

    try:
        DrawEvent(points=(Point(1.0), Point(2)), flag=True, size="auto", anything=[1])
        DrawEvent(points=())
        for wrong in (
            {"points": (5,)},
            {"points": (Point("x"),)},  # type: ignore[arg-type]
            {"points": (Point(True),)},
            {"flag": 1},
            {"size": 1.5},
            {"anything": {1}},
        ):
            with pytest.raises(TypeError):
                DrawEvent(**{"points": (), **wrong})  # type: ignore[arg-type]
        for value in ({"points": (Point(math.nan),)}, {"points": (Point(2**64),)}):
            with pytest.raises(ValueError, match=r"Point\.x"):
                DrawEvent(**value)  # type: ignore[arg-type]
        with pytest.raises(ValueError, match="one of 'auto'"):
            DrawEvent(points=(), size="huge")  # type: ignore[arg-type]
    finally:
        ev.REGISTRY.remove(ev.REGISTRY.row_of(DrawEvent))


def test_what_cannot_be_resolved_is_not_checked() -> None:
    @ev.frozen
    class OddEvent(ev.ClientEvent):
        field: NoSuchName  # type: ignore[name-defined]  # noqa: F821

    assert OddEvent(field=5).field == 5


# -- the doors of a client -----------------------------------------------------------------

DOORS: list[tuple[str, Any, type[Exception]]] = [
    ("text_input", lambda client: client.text_input("  "), ValueError),
    ("text_input", lambda client: client.text_input(5), TypeError),
    ("file_ids", lambda client: client.text_input("x", "ab"), TypeError),
    ("file_ids", lambda client: client.text_input("x", [5]), TypeError),
    ("tools", lambda client: client.set_agent_tools("abc"), TypeError),
    ("tools", lambda client: client.set_agent_tools(None), TypeError),
    ("messages", lambda client: client.set_session_messages({"role": "user"}), TypeError),
    ("messages", lambda client: client.set_session_messages([5]), TypeError),
    ("messages", lambda client: client.set_session_messages([{"content": HALF}]), ValueError),
    ("meta", lambda client: client.set_session_metadata({"a": math.nan}), ValueError),
    ("meta", lambda client: client.set_session_metadata([]), TypeError),
    ("entry", lambda client: client.add_workspace({"a": {1}}), TypeError),
    ("name", lambda client: client.remove_workspace(None), TypeError),
    ("session_name", lambda client: client.set_chat_session_name(HALF), ValueError),
    ("session_id", lambda client: client.delete_chat_session(5), TypeError),
    ("mode", lambda client: client.set_voice_input_mode("hands_free"), ValueError),
    ("pcm", lambda client: client.audio_input_delta("x"), TypeError),
    ("limit", lambda client: client.get_user_sessions(0, "x"), TypeError),
]


async def test_nothing_that_does_not_fit_is_queued() -> None:
    async with rt.server.open_server() as server, rt.open_client(server.url, auth="any") as client:
        await client.ready()
        seen = len(server.seen)
        for name, call, error in DOORS:
            with pytest.raises(error, match=name if name != "text_input" else "TextInputEvent"):
                await call(client)
        for text, ids, error in (
            (" ", (), ValueError),
            (HALF, (), ValueError),
            (5, (), TypeError),
            ("x", "ab", TypeError),
            ("x", (5,), TypeError),
            ("x", None, TypeError),
        ):
            with pytest.raises(error):
                async with client.ask(text, file_ids=ids):  # type: ignore[arg-type]
                    raise AssertionError
        for event in (
            ev.TextDeltaEvent(content="x"),
            ev.UserTurnStartEvent(),
            ev.UnknownEvent(tag="x", payload={}),
            ev.AudioFrame(data=b""),
            {"type": "ping"},
            None,
        ):
            for send in (client.send, client.send_nowait):
                with pytest.raises(TypeError, match=r"send|sends"):
                    await send(event)  # type: ignore[misc, arg-type]
        await trio.testing.wait_all_tasks_blocked()
        assert len(server.seen) == seen


async def test_a_mapping_that_was_changed_since_is_checked_again() -> None:
    async with rt.server.open_server() as server, rt.open_client(server.url, auth="any") as client:
        await client.ready()
        meta: dict[str, object] = {}
        event = ev.SetSessionMetadataEvent(meta=meta)
        meta["a"] = math.nan
        with pytest.raises(ValueError, match="meta"):
            await client.send(event)
