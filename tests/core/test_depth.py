"""The depth of JSON text: the quick check agrees with the scan."""

from __future__ import annotations

import itertools

from hypothesis import example, given
from hypothesis import strategies as st

from realtime_trio._core._depth import MAX_DEPTH, is_shallow, shallow_text

LEVELS = st.lists(st.sampled_from(["[", "[ ", '{"":', '{"key": ']), min_size=1, max_size=8)


def nested(levels: int, openers: list[str], filler: str) -> str:
    """Return JSON text of so many levels, with ``filler`` in the innermost."""
    chosen = list(itertools.islice(itertools.cycle(openers), levels))
    closers = ("]" if opener[0] == "[" else "}" for opener in reversed(chosen))
    return "".join((*chosen, filler, *closers))


@given(
    levels=st.integers(MAX_DEPTH - 4, MAX_DEPTH + 4),
    openers=LEVELS,
    filler=st.sampled_from(["0", '"' + "x" * 700 + '"', '"' + "[{" * 300 + '"']),
)
@example(levels=MAX_DEPTH + 1, openers=["["], filler="0")
@example(levels=MAX_DEPTH + 1, openers=['{"":'], filler="0")
def test_text_that_nests_too_deep_is_never_taken_for_shallow(
    levels: int, openers: list[str], filler: str
) -> None:
    text = nested(levels, openers, filler)
    deep = shallow_text(text) is not text
    assert deep == (levels > MAX_DEPTH)
    assert not (deep and is_shallow(text))
    assert is_shallow(text.encode()) == is_shallow(text)


@given(size=st.integers(600, 5_000), openers=LEVELS)
def test_a_flat_text_is_shallow_regardless_of_its_size(size: int, openers: list[str]) -> None:
    assert is_shallow(nested(20, openers, '"' + "x" * size + '"'))
