"""``_replay``: the lines of a file through the sans-IO core."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime_trio import _replay
from realtime_trio._core._notifications import (
    AudioOutput,
    MessageComplete,
    MessageStreaming,
    ProcessingFailed,
    UserMessage,
)
from realtime_trio._core._render import notification_to_json
from realtime_trio._replay import EPOCH, Replay, is_object, note_line, state_line


def encode(value: object) -> bytes:
    return json.dumps(value).encode() + b"\n"


def session(kind: str, **fields: object) -> dict[str, object]:
    return {"type": kind, "session_id": "s1", "role": "assistant", **fields}


def delta(text: str) -> dict[str, object]:
    return session("text_delta", content=text)


def fold(*lines: object) -> tuple[Replay, list[tuple[int, str]]]:
    """Feed lines (values as JSON, bytes unchanged); return the names of notifications by line."""
    replay = Replay()
    told: list[tuple[int, str]] = []
    for line in lines:
        notes = replay.feed(line if isinstance(line, bytes) else encode(line))
        told += [(replay.line, note.name) for note in notes]
    return replay, told


def recorded(t: float, event: object, **fields: object) -> dict[str, object]:
    return {"t": t, "conn": "A", "dir": "in", "text": json.dumps(event), **fields}


# -- traces --------------------------------------------------------------------------------


def test_counts_every_line_from_0() -> None:
    replay, told = fold(b"\n", b"  \t\r\n", delta("a"), b"\n", delta("b"))
    assert told == [(2, "message-streaming"), (4, "message-streaming")]
    assert replay.line == 4
    assert replay.state.counters.events == 2


def test_reads_a_last_line_without_a_line_break() -> None:
    _, told = fold(encode(delta("a")).rstrip())
    assert told == [(0, "message-streaming")]


@pytest.mark.parametrize(
    "line",
    [
        b"not json\n",
        b"[1, 2]\n",
        b'"text"\n',
        b"1\n",
        b"null\n",
        b"{\n",
        b'{"type": "\xff"}\n',
        b"\x00\n",
    ],
)
def test_an_invalid_line_is_a_malformed_event(line: bytes) -> None:
    for lines in ([line, encode(delta("a"))], [encode(delta("a")), line]):
        replay = Replay()
        notes = [note for each in lines for note in replay.feed(each)]
        (error,) = [note for note in notes if isinstance(note, ProcessingFailed)]
        assert error.event_type is None
        assert len(notes) == 2
        assert replay.state.counters.malformed == 1


def test_each_absurd_line_costs_one_event() -> None:
    replay, _ = fold(
        delta("a"), b"[" * 100_000 + b"\n", b'{"a":' * 5_000 + b"\n", b"9" * 10_000 + b"\n"
    )
    assert replay.state.counters.malformed == 3


# -- ctl lines -----------------------------------------------------------------------------


def test_advance_moves_the_clock() -> None:
    replay, _ = fold({"__ctl": "advance", "ms": 1500}, {"__ctl": "advance", "ms": 0.5}, delta("a"))
    assert replay.now == EPOCH + 1.5005
    (message,) = replay.state.text.open.values()
    assert message.head.timestamp.isoformat() == "2000-01-01T00:00:01.500500+00:00"


@pytest.mark.parametrize("ms", [None, "1", True, -5, [], {}, 10**400])
def test_an_advance_by_zero_changes_nothing(ms: object) -> None:
    replay, told = fold({"__ctl": "advance", "ms": ms}, {"__ctl": "advance"}, delta("a"))
    assert replay.now == EPOCH
    assert told == [(2, "message-streaming")]


def test_an_invalid_ctl_line_is_a_malformed_event() -> None:
    replay, told = fold(
        b'{"__ctl": "advance", "ms": NaN}\n', b'{"__ctl": "advance", "ms": 1e999}\n'
    )
    assert told == [(0, "processing-error")]
    assert replay.now == EPOCH


def test_keeps_the_clock_within_valid_dates() -> None:
    replay, _ = fold({"__ctl": "advance", "ms": 1e300}, delta("a"), recorded(1e308, {}))
    assert replay.state.counters.handler_errors == 0


def test_set_user_session_id_and_reset_call_the_processor() -> None:
    replay, _ = fold(
        {"__ctl": "set_user_session_id", "id": "me"},
        session("text_delta", content="x", role="assistant"),
        {"__ctl": "reset"},
    )
    assert replay.state.text.user_session_id == "me"
    assert replay.state.text.open == {}
    assert list(replay.state.sessions) == ["s1"]
    for odd in (
        {"__ctl": "set_user_session_id", "id": 5},
        {"__ctl": "set_user_session_id", "id": []},
    ):
        replay.feed(encode(odd))
    assert replay.state.text.user_session_id == "me"
    replay.feed(encode({"__ctl": "set_user_session_id", "id": None}))
    assert replay.state.text.user_session_id is None


def whole(n: int) -> dict[str, object]:
    return session("message", content=str(n), format="markdown")


def kept(replay: Replay) -> int:
    return len(replay.state.sessions["s1"].messages)


def test_config_as_the_first_line_sets_the_bounds() -> None:
    events = [whole(n) for n in range(5)]
    assert kept(fold({"__ctl": "config", "max_messages": 2}, *events)[0]) == 2
    assert kept(fold(b"\n", {"__ctl": "config", "max_messages": 3}, *events)[0]) == 3


def test_config_after_the_first_line_is_skipped() -> None:
    events = [whole(n) for n in range(5)]
    assert kept(fold({"__ctl": "advance"}, {"__ctl": "config", "max_messages": 2}, *events)[0]) == 5
    assert kept(fold(whole(9), {"__ctl": "config", "max_messages": 2}, *events)[0]) == 6


@pytest.mark.parametrize("bound", [0, -1, True, 1.5, "2", None, []])
def test_a_bound_of_none_keeps_the_default(bound: object) -> None:
    line = {"__ctl": "config", "max_messages": bound, "max_sessions": 1}
    replay, _ = fold(line, whole(1), whole(2), {**whole(3), "session_id": "s2"})
    assert list(replay.state.sessions) == ["s2"]


@pytest.mark.parametrize("ctl", ["nope", 5, None, [], {"a": 1}, "config"])
def test_an_unknown_ctl_line_is_skipped(ctl: object) -> None:
    replay, told = fold(delta("a"), {"__ctl": ctl, "type": "text_delta"}, delta("b"))
    assert [line for line, _ in told] == [0, 2]
    assert replay.state.counters.events == 2


def test_text_that_contains_ctl_stays_text() -> None:
    replay, told = fold(delta('"__ctl"'), {**delta("x"), "content": "__ctl"})
    assert [line for line, _ in told] == [0, 1]
    assert replay.state.sessions["s1"].open_message is not None


def test_ctl_lines_do_not_decide_the_kind_of_a_file() -> None:
    _, told = fold({"__ctl": "advance", "dir": "in", "t": 0}, b"\n", delta("a"))
    assert told == [(2, "message-streaming")]


# -- recordings ----------------------------------------------------------------------------


def test_folds_received_lines_and_skips_others() -> None:
    replay = Replay()
    asides: list[str | None] = []
    for line in (
        {"t": 0, "conn": "A", "dir": "open", "url": "ws://x"},
        {"t": 0.1, "dir": "out", "text": "{}"},
        recorded(0.2, delta("a")),
        {"t": 0.3, "dir": "drop", "how": "x"},
        {"t": 0.4, "dir": "open_failed", "error": "x"},
        {"t": 0.5, "dir": "in", "status": 200, "body": {}, "what": "POST"},
        {"t": 0.6, "dir": "out", "bytes_hex": "0001", "len": 2},
        {"t": 0.7, "conn": "A", "dir": "close", "code": 1000, "reason": ""},
        {"t": 0.8, "other": 1},
    ):
        replay.feed(encode(line))
        asides.append(replay.skipped.kind if replay.skipped else None)
    assert asides == ["open", "out", None, "drop", "open_failed", "in", "out", "close", "?"]
    assert replay.state.counters.events == 1
    assert replay.now == pytest.approx(EPOCH + 0.8)


def status_of_open_one(*lines: object) -> str:
    """Return how an open message ends at the user's turn after these lines."""
    replay, _ = fold(*lines)
    replay.feed(encode({"t": 9, "dir": "in", "text": '{"type": "user_turn_start"}'}))
    [message] = replay.state.sessions["s1"].messages
    return message.status


@pytest.mark.parametrize("conn", [{}, {"conn": "B"}])
@pytest.mark.parametrize("kind", ["close", "drop"])
@pytest.mark.parametrize("odd", [{}, {"text": 5}])
def test_the_end_of_the_last_connection_is_a_lost_link(
    conn: dict[str, object], kind: str, odd: dict[str, object]
) -> None:
    opened = {"t": 0, "dir": "open", **conn, **odd}
    said = recorded(1, delta("a"), **conn)
    ended = {"t": 2, "dir": kind, **conn, **odd}
    assert status_of_open_one({"t": 0, "dir": "open", "conn": "A"}, opened, said) == "complete"
    assert status_of_open_one(opened, said, ended) == "interrupted"
    assert status_of_open_one(opened, said, {**ended, "conn": "A"}) == "complete"


def test_a_ctl_line_loses_the_link_as_well() -> None:
    lost = {"__ctl": "link_lost"}
    replay, _ = fold(delta("a"), lost, session("user_turn_start"))
    [message] = replay.state.sessions["s1"].messages
    assert (message.status, message.metadata.stop_reason) == ("interrupted", "interrupted")
    assert fold(lost)[1] == []


def test_takes_the_clock_from_t_and_adds_advance() -> None:
    replay, _ = fold(recorded(1.5, delta("a")), {"__ctl": "advance", "ms": 1000})
    assert replay.now == EPOCH + 2.5
    replay.feed(encode(recorded(2, delta("b"))))
    assert replay.now == EPOCH + 3


@pytest.mark.parametrize("t", ["1", None, True, [], 1e400])
def test_an_invalid_t_keeps_the_clock(t: object) -> None:
    line = json.dumps(recorded(0, delta("b")) | {"t": t}).replace("Infinity", "1e999").encode()
    replay, told = fold(recorded(3, delta("a")), line)
    assert replay.now == EPOCH + 3
    assert [number for number, _ in told] == [0, 1]


def test_data_is_an_audio_frame() -> None:
    replay = Replay()
    data = base64.b64encode(b"\x01\x00\x02\x00").decode()
    (note,) = replay.feed(encode({"t": 0, "dir": "in", "data": data}))
    assert isinstance(note, AudioOutput)
    assert note.data == b"\x01\x00\x02\x00"


@pytest.mark.parametrize("data", ["!", "AAA", "é", ""])
def test_invalid_base64_is_a_malformed_event(data: str) -> None:
    replay = Replay()
    notes = replay.feed(encode({"t": 0, "dir": "in", "data": data}))
    if data:
        (note,) = notes
        assert isinstance(note, ProcessingFailed)
        assert note.event_type is None
    assert replay.state.counters.events == 1


def test_a_received_line_may_contain_a_malformed_event() -> None:
    replay, told = fold(
        {"t": 0, "dir": "in", "text": "nonsense"},
        {"t": 0, "dir": "in", "text": '{"type": "text_delta"}'},
        b'{"t": 0, "dir": "in", "text": "\\ud800"}\n',
        b'{"t": 0, "dir": "in", "data": "\\ud800"}\n',
        b"garbage\n",
        {"t": 0, "dir": "in", "text": 5},
        {"t": 0, "dir": 5, "text": "x"},
    )
    assert [line for line, _ in told] == [0, 1, 2, 3, 4]
    assert replay.state.counters.malformed == 5


def test_the_first_line_decides_the_kind_of_the_file() -> None:
    replay, told = fold(delta("a"), recorded(0, delta("b")))
    assert replay.recording is False
    assert told[1] == (1, "processing-error")
    replay, told = fold({"t": 0, "dir": "out"}, delta("a"))
    assert replay.recording is True
    assert told == []


def opened(conn: object) -> dict[str, object]:
    return {"t": 0, "conn": conn, "dir": "open", "url": "ws://x"}


def over(conn: object, kind: str = "close") -> dict[str, object]:
    return {"t": 1, "conn": conn, "dir": kind, "code": 1006}


def left(conn: object, kind: str = "close") -> dict[str, object]:
    """Return a line that ends a link; without the name of the link if ``conn`` is None."""
    return {key: value for key, value in over(conn, kind).items() if key != "conn" or value}


PART = recorded(0.5, delta("half an answer"))
BACK = recorded(2, {"type": "user_turn_start"})
LOST = [
    [opened("A"), PART, over("A")],
    [opened("A"), PART, over("A", "drop")],
    [opened("A"), PART, opened("B"), over("B")],
    [opened("A"), PART, over("A"), over("A", "drop"), opened("B")],
    [opened(7), PART, over(7)],
    [{"dir": "open"}, PART, left(None)],
    [opened("A"), PART, {**over("A", "drop"), "t": "no time", "text": 5}],
    [opened("A"), PART, {"__ctl": "link_lost"}],
]
KEPT = [
    [opened("A"), PART],
    [opened("A"), PART, opened("B"), over("A")],
    [opened("A"), PART, opened("B"), over("A", "drop")],
    [opened("A"), PART, over("B")],
    [opened("A"), PART, over("A", "open_failed")],
    [opened("A"), over("A"), opened("B"), PART],
    [opened("A"), PART, {"__ctl": "drop"}],
    [opened("A"), PART, {"__ctl": "close", "conn": "A"}],
]


@pytest.mark.parametrize("lines", LOST)
def test_the_end_of_the_link_that_opened_last_interrupts(lines: list[object]) -> None:
    replay, _ = fold(*lines, BACK)
    (message,) = replay.state.sessions["s1"].messages
    assert (message.content, message.status) == ("half an answer", "interrupted")
    assert message.metadata.stop_reason == "interrupted"


@pytest.mark.parametrize("lines", KEPT)
def test_other_ends_of_links_do_not_interrupt(lines: list[object]) -> None:
    replay, _ = fold(*lines, BACK)
    (message,) = replay.state.sessions["s1"].messages
    assert (message.content, message.status) == ("half an answer", "complete")


def test_a_trace_can_lose_the_link() -> None:
    replay, told = fold(delta("half"), {"__ctl": "link_lost"}, {"type": "user_turn_start"})
    assert replay.recording is False
    (message,) = replay.state.sessions["s1"].messages
    assert message.status == "interrupted"
    assert [line for line, name in told if name == "message-complete"] == [2]


def test_a_lost_link_does_not_count_as_an_event() -> None:
    replay, _ = fold(opened("A"), PART, over("A"))
    assert replay.state.counters.events == 1


def test_counts_tolerated_events() -> None:
    replay, told = fold({**delta("a"), "format": 5, "parent_session_id": []}, delta("b"))
    assert [name for _, name in told] == ["message-streaming"] * 2
    assert replay.state.counters.tolerated == 1
    state = json.loads(state_line(replay.state))["state"]
    assert state["counters"]["tolerated"] == 1
    assert state["counters"]["malformed"] == 0


def test_garbage_does_not_decide_the_kind_of_the_file() -> None:
    replay, told = fold(b"garbage\n", b"[1]\n", recorded(0, delta("a")))
    assert replay.recording is True
    assert told == [(0, "processing-error"), (1, "processing-error"), (2, "message-streaming")]


@pytest.mark.parametrize(
    "line", [b"{}", b' {"a": 1}\n', b'{"a": "\\ud800"}', b'{"a": %d}' % 10**30]
)
def test_recognises_an_object(line: bytes) -> None:
    assert is_object(line)


@pytest.mark.parametrize("line", [b"", b"[]", b"{", b"{]", b"null", b'"{}"', b"{} {}", b"{\xff}"])
def test_rejects_what_is_not_an_object(line: bytes) -> None:
    assert not is_object(line)


# -- output --------------------------------------------------------------------------------


def rendered(*lines: object) -> bytes:
    replay = Replay()
    made = b""
    for line in lines:
        for note in replay.feed(line if isinstance(line, bytes) else encode(line)):
            made += note_line(replay.line, note)
    return made + state_line(replay.state)


def test_writes_lines_in_the_documented_format() -> None:
    out = [json.loads(line) for line in rendered(delta("Hé \U0001f600")).splitlines()]
    assert out[0] == {
        "event": 0,
        "name": "message-streaming",
        "session_id": "s1",
        "message_id": "m1",
        "role": "assistant",
        "delta": "Hé \U0001f600",
    }
    assert list(out[1]) == ["state"]


_text = st.text(st.characters(exclude_categories=["Cs"]))


@given(st.lists(_text, max_size=4))
def test_writes_ascii_that_decodes_to_the_same_text(texts: list[str]) -> None:
    lines: list[Any] = [delta(text) for text in texts]
    out = rendered(*lines, {"type": "user_turn_start"})
    assert out.isascii()
    parsed = [json.loads(line) for line in out.splitlines()]
    assert [each["delta"] for each in parsed if each.get("name") == "message-streaming"] == [
        text for text in texts if text
    ]
    complete = [
        each["message"]["content"] for each in parsed if each.get("name") == "message-complete"
    ]
    assert complete == (["".join(texts)] if any(texts) else [])


@given(
    st.lists(
        st.binary(max_size=40)
        | st.sampled_from([encode(delta("a")), encode(recorded(1, delta("b")))])
    )
)
def test_replays_any_bytes_deterministically(lines: list[bytes]) -> None:
    lines = [line.replace(b"\n", b"") for line in lines]
    first, second = rendered(*lines), rendered(*lines)
    assert first == second
    for line in first.splitlines():
        json.loads(line)


def test_the_streamed_form_equals_the_general_one(monkeypatch: pytest.MonkeyPatch) -> None:
    replay = Replay()
    (note,) = replay.feed(encode(delta('quote " and é')))
    fast = note_line(7, note)
    monkeypatch.setattr(_replay, "MessageStreaming", MessageComplete)
    assert note_line(7, note) == fast


def note_of(fields: object) -> UserMessage:
    return UserMessage(session_id="s", vendor="none", message={"fields": fields})


_json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner) | st.tuples(inner),
    max_leaves=8,
)


@given(_json_values)
def test_encodes_special_values_the_same_way(value: object) -> None:
    """Values that the fast encoder accepts show that both agree."""
    note = note_of(value)
    expected = note_line(0, note)
    slow = _replay._encode_any({"event": 0, **notification_to_json(note)})
    assert json.loads(slow) == json.loads(expected)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\ud83d", "a\ufffd"),
        ("\ude00b", "\ufffdb"),
        ("\ud83d\ud83d\ude00", "\ufffd\U0001f600"),
        ("\ud83d\ude00", "\U0001f600"),
        ("\ude00\ud83d", "\ufffd\ufffd"),
    ],
)
def test_replaces_an_unpaired_surrogate(text: str, shown: str) -> None:
    line = note_line(0, note_of({text: [text]}))
    assert line.isascii()
    assert json.loads(line)["message"]["fields"] == {shown: [shown]}
    streamed = MessageStreaming(session_id="s", message_id="m1", role="assistant", delta=text)
    assert json.loads(note_line(0, streamed))["delta"] == shown


def test_writes_output_of_any_depth() -> None:
    value: object = {"a": 1.5, "b": float("inf")}
    for _ in range(20_000):
        value = [value, {}, []]
    line = note_line(3, note_of({"deep": value}))
    assert line.count(b"[") == 40_000
    assert b'[{"a":1.5,"b":null},{},[]]' in line
