"""What belongs to the answer to an upgrade, and what precedes it."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime_trio._transports._interim_answers import AnswerReader

HEADS = st.sampled_from(
    [
        b"HTTP/1.1 100 Continue\r\n\r\n",
        b"HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n",
        b"HTTP/1.0 199 x\nlink: x\n\n",
    ]
)
LAST = st.sampled_from(
    [
        b"HTTP/1.1 101 x\r\nupgrade: websocket\r\n\r\n\x81\x05Hello",
        b"HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 103 x\r\n\r\n",
        b"HTTP/1.1 099 x\r\n\r\n",
        b"SSH-2.0-x",
        b"HTTP/1.1 1",
        b"",
    ]
)


@given(st.lists(HEADS, max_size=4), LAST, st.lists(st.integers(0, 150), max_size=12))
def test_only_the_last_answer_is_left(heads: list[bytes], last: bytes, cuts: list[int]) -> None:
    """However the bytes are split."""
    sent = b"".join(heads) + last
    edges = sorted({0, len(sent), *(cut for cut in cuts if cut < len(sent))})
    reader, left = AnswerReader(), b""
    for begin, end in pairwise(edges):
        left += reader.feed(sent[begin:end])
    left += reader.feed(b"")
    assert left == last
    assert reader.status == (int(last[9:12]) if len(last) > 12 and last[:1] == b"H" else None)


def test_interim_answers_have_a_bound() -> None:
    """Of all of them together, and of one that does not end."""
    hints = b"HTTP/1.1 103 x\r\n\r\n"
    whole, endless = AnswerReader(), AnswerReader()
    assert not whole.feed(hints * 3000)
    with pytest.raises(OverflowError):
        whole.feed(hints * 3000)
    assert not endless.feed(b"HTTP/1.1 103 " + b"x" * 60_000)
    with pytest.raises(OverflowError):
        endless.feed(b"x" * 10_000)
