"""Half surrogate pairs, by one rule (protocol.md §2 L4)."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from realtime_trio._core._unicode import valid_json, valid_text

HIGH, LOW = "\ud83d", "\ude00"


@pytest.mark.parametrize(
    ("text", "valid"),
    [
        ("", ""),
        ("plain", "plain"),
        ("é 😀", "é 😀"),
        (HIGH, "\ufffd"),
        (LOW, "\ufffd"),
        (HIGH + LOW, "😀"),
        (LOW + HIGH, "\ufffd\ufffd"),
        (HIGH + HIGH + LOW, "\ufffd😀"),
        (f"a{HIGH}b{LOW}c", "a\ufffdb\ufffdc"),
        (f"{HIGH}😀{LOW}", "\ufffd😀\ufffd"),
        ("\ufeffmark", "\ufeffmark"),
        (f"\ufeff{HIGH}\ufeff", "\ufeff\ufffd\ufeff"),
    ],
)
def test_each_half_is_one_sign(text: str, valid: str) -> None:
    """And two that follow one another are their character."""
    assert valid_text(text) == valid


ANY = st.text(st.sampled_from(["a", "é", "😀", HIGH, LOW, "\ufffd", "\ufeff"]), max_size=8)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | ANY,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(ANY, inner, max_size=3),
    max_leaves=12,
)


@given(ANY)
def test_what_comes_out_can_be_encoded(text: str) -> None:
    """What was valid is the same object."""
    valid = valid_text(text)
    valid.encode()
    assert valid_text(valid) is valid
    if not any("\ud800" <= sign <= "\udfff" for sign in text):
        assert valid is text


def _plainly(value: Any) -> Any:
    if isinstance(value, str):
        return valid_text(value)
    if isinstance(value, dict):
        return {_plainly(key): _plainly(inner) for key, inner in value.items()}
    return [_plainly(item) for item in value] if isinstance(value, list) else value


@example({HIGH: 1, LOW: 2})
@given(JSON)
def test_every_text_of_a_value_becomes_valid(value: Any) -> None:
    """Names as well, in their order; a value that is valid is given back as it is."""
    before = json.dumps(value)
    valid = valid_json(value)
    assert json.dumps(valid) == json.dumps(_plainly(value))
    assert json.dumps(value) == before
    assert valid_json(valid) is valid


def test_no_depth_is_too_deep() -> None:
    """It walks without recursion."""
    value: Any = HIGH
    for i in range(50_000):
        value = {"a": value} if i % 2 else (value,)
    valid = valid_json(value)
    while not isinstance(valid, str):
        valid = valid["a"] if isinstance(valid, dict) else valid[0]
    assert valid == "\ufffd"
    assert valid_json({1: HIGH}) == {1: "\ufffd"}
