"""What a mould takes is what reading gives; and it takes what it is for."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from realtime_trio._core import _mould
from realtime_trio._core._codec import Codec
from realtime_trio._core._fast_decoder import Delta
from realtime_trio._core._mould import MAX_MOULD, alike, mould_of, said
from realtime_trio._core._values import evolve
from realtime_trio._exceptions import DecodeError

READ = Codec().read
DELTA = {
    "type": "text_delta",
    "session_id": "s",
    "role": "assistant",
    "parent_session_id": None,
    "user_session_id": "s",
    "content": "Hi",
    "format": "markdown",
}


def _delta(frame: str) -> Delta:
    event = READ(frame)
    assert isinstance(event, Delta)
    return event


def _take(mould: tuple[str, str], frame: str) -> str | None:
    """What a run does with a mould, step by step."""
    before, after = mould
    if not (frame[: len(before)] == before and frame[-len(after) :] == after):
        return None
    try:
        return said(frame[len(before) : -len(after)])
    except ValueError:
        return None


TEXTS = st.one_of(
    st.text(max_size=8),
    st.sampled_from(
        ["", "content", '"', '"content":"x"', ',"content":"', "\\", "\n", "é", "\U0001f600", "{}"]
    ),
)
FIELDS = st.fixed_dictionaries(
    {
        "session_id": TEXTS,
        "role": TEXTS,
        "content": TEXTS,
    },
    optional={
        "format": TEXTS,
        "user_session_id": st.none() | TEXTS,
        "id": st.none(),
        "extra": st.recursive(
            TEXTS | st.integers(),
            lambda inner: (
                st.lists(inner, max_size=2)
                | st.dictionaries(st.sampled_from(["content", "type", "a"]), inner, max_size=2)
            ),
            max_leaves=4,
        ),
    },
)
# Whatever may stand where a JSON string is expected: strings, and what only looks like one.
INSIDE = st.one_of(
    TEXTS.map(json.dumps),
    TEXTS.map(lambda text: json.dumps(text, ensure_ascii=False)),
    TEXTS.map(lambda text: f'"{text}"'),
    st.sampled_from(
        ["null", "3", "", '"', '"a', '"a" ', '"a","b"', '"\\ud800"', '"\ud800"', '"\\x"', '"a\nb"']
    ),
)


@st.composite
def _frames(draw: st.DrawFn) -> str:
    fields = draw(FIELDS)
    names = draw(st.permutations(["type", *fields]))
    kind = draw(st.sampled_from(["text_delta", "thought_delta"]))
    return json.dumps(
        {name: kind if name == "type" else fields[name] for name in names},
        ensure_ascii=draw(st.booleans()),
        separators=draw(st.sampled_from([(",", ":"), (", ", ": "), (" ,", " :\n")])),
    )


@settings(max_examples=400, deadline=None)
@given(_frames(), st.lists(INSIDE, min_size=1, max_size=5), _frames())
def test_what_a_mould_takes_is_what_reading_gives(
    frame: str, insides: list[str], other: str
) -> None:
    """Whatever stands in the place of the content; and frames of another shape it leaves."""
    first = _delta(frame)
    mould = mould_of(frame, first)
    if mould is None:
        return
    assert _take(mould, frame) == first.content
    for each in (*(mould[0] + inside + mould[1] for inside in insides), other):
        text = _take(mould, each)
        if text is None:
            continue
        assert READ(each) == evolve(first, content=text)


@given(TEXTS, TEXTS, st.booleans(), st.sampled_from([(",", ":"), (", ", ": ")]))
def test_what_servers_write_is_taken(
    one: str, two: str, ascii_: bool, separators: tuple[str, str]
) -> None:
    """However they escape and space it."""

    def write(content: str) -> str:
        fields = {**DELTA, "content": content}
        return json.dumps(fields, ensure_ascii=ascii_, separators=separators)

    assert alike(write(one), write(two))
    mould = mould_of(write(one), _delta(write(one)))
    assert mould is not None
    assert _take(mould, write(two)) == two


@pytest.mark.parametrize(
    "frame",
    [
        json.dumps({"extra": {"content": "not this"}, **DELTA}),
        json.dumps({**DELTA, "content": "x" * MAX_MOULD}),
        json.dumps(DELTA).replace('"content"', '"c\\u006fntent"'),
        json.dumps(DELTA)[:-1] + ', "content": "twice"}',
        json.dumps(DELTA)[:-1] + ', "content": "?"}',
        json.dumps({"extra": {"content": "not this"}, **DELTA, "content": "?"}),
        json.dumps({"extra": {"content": "not this"}, **DELTA, "content": "!"}),
    ],
)
def test_where_the_place_is_not_found_there_is_no_mould(frame: str) -> None:
    """Such deltas are read, each for itself."""
    try:
        first = _delta(frame)
    except DecodeError:
        return
    assert mould_of(frame, first) is None


@pytest.mark.parametrize(
    "change",
    [
        {"session_id": "t"},
        {"role": "x"},
        {"format": "html"},
        {"parent_session_id": "p"},
        {"user_session_id": None},
        {"id": "1"},
        {"type": "thought_delta"},
        {"content": None},
        {"content": 3},
    ],
)
def test_what_differs_in_more_is_left(change: dict[str, Any]) -> None:
    """Before the content or behind it."""
    frame = json.dumps(DELTA)
    mould = mould_of(frame, _delta(frame))
    assert mould is not None
    assert _take(mould, json.dumps({**DELTA, "content": "more"})) == "more"
    assert _take(mould, json.dumps({**DELTA, "content": "more", **change})) is None


def test_no_mould_is_made_for_what_begins_in_another_way() -> None:
    """It would be made for every delta where two answers come at once."""
    frame = json.dumps(DELTA)
    assert not alike(frame, json.dumps({**DELTA, "session_id": "t"}))
    assert not alike(frame, json.dumps({"type": "user_turn_start"}))
    assert not alike("{}", frame)


def test_a_place_that_is_a_wrong_one_costs_the_mould_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where another string there makes it no JSON at all."""
    frame = json.dumps(DELTA)
    monkeypatch.setattr(_mould, "_CONTENT", re.compile('(content"):'))
    assert mould_of(frame, _delta(frame)) is None
