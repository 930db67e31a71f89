"""No input costs more than its length: work is counted while inputs grow, not time.

Two counts, neither of which depends on the machine: the steps that a regular expression takes
(see ``regex_work``), and the lines of the package that run.
"""

from __future__ import annotations

import ast
import importlib
import itertools
import math
import random
import re
import sys
from collections.abc import Callable, Iterator
from functools import partial
from types import FrameType
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from realtime_trio._redact import Redactor
from realtime_trio._transports._inbox import Inbox
from realtime_trio._transports._websockets_frames import FrameReader
from realtime_trio._turns._channel import weight
from realtime_trio.cli._terminal_text import clean, one_line
from tests.hostile.regex_work import Pattern, TooMuch, words
from tests.source import PACKAGE, ROOT, read_modules
from tests.transports.test_websockets_frames import opened

LINEAR = 5.0
"""Where an input is four times as long, its work is four times as much, and a little more."""

# -- regular expressions -------------------------------------------------------------------

KNOWN = [
    r"\\*x",
    r"\s+$",
    r'(\\*")token\1',
    r"(a|ab)*c",
    r'"(?:[^"\\]+|\\.)*"',
    r"=.*;",
]
"""What the counting has to find: each was in some program once."""

HEADS = [
    "",
    "?",
    '"',
    '"token"',
    '"token":',
    '"token":"',
    '"token":\\\\\\"',
    "authorization",
    "authorization:",
    "bearer ",
    "?token=",
    "https://",
    "eyJabcdefgh.",
    '"content":"',
    "\\",
    "'",
    "|",
    "```",
]
PUMPS = [
    "\\",
    "\\\\",
    '\\"',
    "\\u",
    '"token',
    "token",
    "token.",
    '"token":',
    '"token":"',
    '\\"token\\":\\"',
    "?token",
    "://",
    "eyJ",
    "eyJabcdefgh",
    ".",
    "%",
    "%25",
    " ",
    "\n",
    "a",
    "'",
    "''",
    "#",
    ": ",
    "authorization",
    "authorization:",
    "authorization ",
    "bearer",
    "bearer ",
    "api_key",
    "password_hash",
    "-",
]


ANCHORED = frozenset(
    {
        f"{PACKAGE}._core.vendors._yaml._BLOCK",
        f"{PACKAGE}._core.vendors._yaml._DOUBLE",
        f"{PACKAGE}._core.vendors._yaml._SINGLE",
        f"{PACKAGE}._redact._SECRET_NAME",
    }
)
"""Patterns that are only tried where a text begins (``match``, ``fullmatch``)."""


def patterns() -> Iterator[tuple[str, re.Pattern[Any]]]:
    """Every regular expression of the package: those of modules, and those in functions."""
    for module in read_modules():
        if module.name == f"{PACKAGE}.__main__":
            continue
        for name, value in vars(importlib.import_module(module.name)).items():
            many: list[object] = list(value.values()) if isinstance(value, dict) else [value]
            for number, each in enumerate(many):
                if isinstance(each, re.Pattern):
                    yield f"{module.name}.{name}" + (f"[{number}]" if number else ""), each
        for node in ast.walk(module.tree):
            if isinstance(node, ast.Call) and ast.unparse(node.func).startswith("re."):
                first = node.args[0] if node.args else None
                source = first.value if isinstance(first, ast.Constant) else None
                if isinstance(source, str) and ast.unparse(node.func) != "re.compile":
                    yield f"{module.name}:{source}", re.compile(source)


def hostile(pattern: re.Pattern[Any], count: int) -> list[tuple[str, str, str]]:
    """A beginning, what is repeated, and an end: of our own, and of what the pattern looks for."""
    found = sorted({*words(pattern), "a", "\\", '"'})
    pairs = ["".join(pair) for pair in itertools.product(found, repeat=2)]
    shapes = [
        *itertools.product(HEADS, PUMPS, ["", "!"]),
        *itertools.product(["", *found], [*found, *pairs], ["", "!"]),
    ]
    return random.Random(1).sample(shapes, min(count, len(shapes)))


def growth(counting: Pattern, shape: tuple[str, str, str], *, anchored: bool) -> float:
    """How the work grows where the text grows four times: 4 is linear, 16 quadratic."""
    head, pump, tail = shape
    try:
        small, large = (counting.steps(head + pump * n + tail, anchored=anchored) for n in (16, 64))
    except TooMuch:
        return math.inf
    return large / small


def worst(
    pattern: re.Pattern[Any], count: int, *, anchored: bool = False
) -> tuple[float, tuple[str, str, str]]:
    counting = Pattern(pattern)
    shapes = hostile(pattern, count)
    return max((growth(counting, shape, anchored=anchored), shape) for shape in shapes)


@pytest.mark.parametrize("source", KNOWN)
def test_the_count_finds_what_is_not_linear(source: str) -> None:
    """Else the next test would say nothing."""
    pattern = re.compile(source)
    counting = Pattern(pattern)
    shapes = hostile(pattern, 400)
    assert any(growth(counting, shape, anchored=False) > 2 * LINEAR for shape in shapes)


ALL = dict(patterns())


@settings(max_examples=20, deadline=None)
@pytest.mark.parametrize("name", ALL)
@given(st.data())
def test_the_count_finds_what_the_engine_finds(name: str, data: st.DataObject) -> None:
    """It is the same matching, only counted."""
    pattern = ALL[name]
    pieces = st.sampled_from([*HEADS, *PUMPS, *words(pattern), "x", "0"])
    text = "".join(data.draw(st.lists(pieces, max_size=8)))
    raw: Any = text if isinstance(pattern.pattern, str) else text.encode("latin-1", "replace")
    assert Pattern(pattern).spans(text) == [found.span() for found in pattern.finditer(raw)]


@pytest.mark.parametrize("name", ALL)
def test_no_pattern_looks_twice_at_what_it_has_seen(name: str) -> None:
    """Whatever the text is, a search takes steps as its length does."""
    grown, shape = worst(ALL[name], 200, anchored=name in ANCHORED)
    assert grown < LINEAR, shape


# -- Python --------------------------------------------------------------------------------


def lines(action: Callable[[], object]) -> int:
    """How many lines of the package run."""
    ours = str(ROOT / PACKAGE)
    count = 0

    def trace(frame: FrameType, event: str, _arg: object) -> Any:
        nonlocal count
        if not frame.f_code.co_filename.startswith(ours):
            return None
        count += event == "line"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        action()
    finally:
        sys.settrace(before)
    return count


def told() -> Redactor:
    redactor = Redactor()
    redactor.hide("opaque-value")
    redactor.hide("aaaaaaaa")
    return redactor


PIECES = [
    *PUMPS,
    "opaque-value",
    "opaque-valu",
    "aaaa",
    "%6fpaque-value",
    "\\u006fpaque-value ",
    "\\n",
    '{"token":',
    "[",
    '"\\ud83d',
]


@pytest.mark.parametrize("piece", PIECES)
@pytest.mark.parametrize("head", ["", "token ", '"', '{"token":"'])
def test_redaction_runs_as_many_lines_as_there_is_text(head: str, piece: str) -> None:
    """Also with values to look for, in whatever form they stand."""
    small, large = (lines(partial(told().frame, head + piece * n)) for n in (200, 800))
    assert large < LINEAR * small + 200


def test_an_inbox_runs_the_same_lines_for_each_frame() -> None:
    """However many wait."""

    def work(count: int) -> None:
        inbox = Inbox(1000)
        inbox.put_all(["x"] * count)
        for _ in range(count):
            inbox.put("y")
        for _ in range(2 * count):
            inbox.receive_nowait()

    assert lines(lambda: work(400)) < LINEAR * lines(lambda: work(100))


@pytest.mark.parametrize("piece", ["fragment", "empty", "ping", "message", "large"])
def test_frames_are_read_in_as_many_lines(piece: str) -> None:
    """Also those that never make a message."""
    pieces = {
        "fragment": (b"\x01\x01a", b"\x00\x01a"),
        "empty": (b"\x01\x00", b"\x00\x00"),
        "ping": (b"", b"\x89\x00"),
        "message": (b"", b"\x81\x01a"),
        "large": (b"\x01\x01a", b"\x00\x7e\x01\x00" + b"a" * 256),
    }
    head, repeated = pieces[piece]

    def work(count: int) -> None:
        protocol = opened(2**20)
        reader = FrameReader(protocol, 2**20)
        reader.feed(head)
        for _ in range(count):
            reader.feed(repeated * 10)
            protocol.data_to_send()

    assert lines(partial(work, 80)) < LINEAR * lines(partial(work, 20))


def test_the_weight_of_a_value_is_taken_once() -> None:
    """However deep and broad it is."""

    def work(count: int) -> None:
        value: object = "x"
        for _ in range(count):
            value = {"a": [value, 1], "b": "y"}
        weight(value)

    assert lines(partial(work, 800)) < LINEAR * lines(partial(work, 200))


@pytest.mark.parametrize("show", [clean, one_line])
def test_text_is_shown_in_as_many_lines(show: Callable[[str], str]) -> None:
    """Each character that would steer the terminal is one call."""
    assert lines(lambda: show("\x1b" * 400)) < LINEAR * lines(lambda: show("\x1b" * 100))
