"""The core of the log: entries and blocks come back, and every way to a state gives the same."""

from __future__ import annotations

import sys
from typing import Any

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from realtime_trio._core._local_events import EmitEvent, LinkEvent
from realtime_trio._core._notifications import Initialized
from realtime_trio._core._state import SessionState
from realtime_trio._log import _log_block
from realtime_trio._log._log_block import (
    BlockGroup,
    DamagedBlock,
    decode_block,
    encode_block,
    encode_blocks,
)
from realtime_trio._log._log_entries import (
    AudioEntry,
    HeaderEntry,
    LocalEntry,
    audio_of,
    audio_size,
    frame_item,
    local_entry,
    local_event,
    short_audio,
)
from realtime_trio._log._log_fold import LogFold
from realtime_trio._log._plain_values import NotStorable, PlainValues, stored
from realtime_trio._log._state_snapshot import (
    FOLD,
    StateSnapshot,
    digest,
    digest_cut,
    read_snapshot,
    write_snapshot,
)
from tests.log.stories import LOCAL, blocks, groups, header
from tests.strategies import conversations


@given(groups(), st.lists(st.integers(1, 9), min_size=1, max_size=4), st.booleans())
def test_blocks_give_back_what_they_were_made_of(
    story: list[BlockGroup], sizes: list[int], zstd: bool
) -> None:
    position = 1
    for block in blocks(story, sizes):
        assert block.first == position
        again = decode_block(encode_block(block.first, block.groups(), zstd=zstd).data)
        assert list(again.items()) == list(block.items())
        assert (again.began, again.ended) == (block.began, block.ended)
        position = block.last + 1
    assert position == 1 + sum(len(items) for _, items in story)


def test_either_compressor_reads_what_the_other_wrote(monkeypatch: pytest.MonkeyPatch) -> None:
    story: list[BlockGroup] = [(1.0, ["a long enough frame"] * 50)]
    monkeypatch.setattr(_log_block, "_deflate", _log_block._deflate.__wrapped__)
    fast = encode_block(1, story)
    monkeypatch.setitem(sys.modules, "isal.isal_zlib", None)
    usual = encode_block(1, story)
    assert usual.data != fast.data, "isal is installed with the suite"
    assert fast.groups() == usual.groups() == story


@settings(max_examples=60)
@given(groups(), st.data())
def test_a_state_is_the_same_by_fold_and_by_snapshot_and_tail(
    story: list[BlockGroup], data: st.DataObject
) -> None:
    whole = LogFold()
    whole.apply_groups(story)
    at = data.draw(st.integers(0, whole.position))
    prefix = LogFold()
    prefix.apply_groups(story, until=at)
    assert prefix.position == at
    written = write_snapshot(StateSnapshot(position=at, at=1.0, cut=prefix.cut()))
    snapshot = read_snapshot(written)
    assert snapshot is not None
    assert snapshot.position == at
    assert snapshot.cut.state == prefix.state
    assert digest_cut(snapshot.cut) == digest(prefix.state)

    tail = LogFold(snapshot.cut, position=at)
    for block in blocks(_after(story, at), [3], at + 1):
        tail.apply(block)
    assert tail.position == whole.position
    assert tail.state == whole.state
    assert digest(tail.state) == digest(whole.state)


def _after(story: list[BlockGroup], position: int) -> list[BlockGroup]:
    left: list[BlockGroup] = []
    for at, items in story:
        rest = items[position:]
        position = max(0, position - len(items))
        if rest:
            left.append((at, rest))
    return left


@settings(max_examples=60)
@given(groups(), groups())
def test_equal_digests_mean_equal_states(one: list[BlockGroup], other: list[BlockGroup]) -> None:
    states: list[SessionState] = []
    for story in (one, other, [(at + 7, items) for at, items in one]):
        fold = LogFold()
        fold.apply_groups(story)
        states.append(fold.state)
    for state in states:
        assert (digest(state) == digest(states[0])) == (state == states[0])


@given(st.binary(max_size=9))
def test_short_audio_leaves_the_state_that_the_frame_left(pcm: bytes) -> None:
    states = []
    for item in (AudioEntry(pcm), short_audio(pcm)):
        fold = LogFold()
        fold.apply_groups([(1.0, [AudioEntry(b"abc"), item, AudioEntry(b"d")])])
        states.append(fold.state)
    assert states[0] == states[1]
    assert audio_size(short_audio(pcm)) == len(pcm)
    assert audio_of(short_audio(pcm))[-1:] == pcm[-1:]
    assert frame_item(pcm, full_audio=True) == AudioEntry(pcm)
    assert frame_item(pcm, full_audio=False) == short_audio(pcm)
    assert frame_item("{}", full_audio=False) == "{}"


def test_local_events_come_back_without_their_notifications() -> None:
    for event in LOCAL:
        entry = local_entry(event)
        again = local_event(entry)
        assert type(again) is type(event)
        assert local_entry(again).fields == entry.fields
    assert local_entry(EmitEvent(note=Initialized())).note == "initialized"
    assert local_event(LocalEntry("of-a-later-version")) is None
    later = LocalEntry("link", {"status": "closed", "attempt": 3, "mood": "new"})
    assert local_event(later) == LinkEvent(status="closed", attempt=3)


def test_an_event_of_a_later_version_does_not_move_the_state() -> None:
    fold = LogFold()
    fold.apply_groups([(1.0, [LocalEntry("of-a-later-version")])])
    assert (fold.position, fold.state) == (1, SessionState())


def test_a_life_of_other_handlers_is_not_exact() -> None:
    fold = LogFold()
    fold.apply_groups([(1.0, [header()])])
    assert fold.exact
    fold.apply_groups([(2.0, [HeaderEntry(FOLD + 1, 9, 9)])])
    assert not fold.exact
    assert fold.state.text.rest.limits.max_messages == 9


def test_half_of_a_surrogate_pair_survives_in_frames_and_in_the_state() -> None:
    start = '{"type": "text_delta", "session_id": "s", "content": "a\\ud83d"}'
    end = '{"type": "text_delta", "session_id": "s", "content": "\\ude00"}'
    raw = '{"type": "text_delta", "session_id": "s", "content": "\ud83d"}'
    fold = LogFold()
    fold.apply(decode_block(encode_block(1, [(1.0, [start])]).data))
    snapshot = read_snapshot(write_snapshot(StateSnapshot(position=1, at=1.0, cut=fold.cut())))
    assert snapshot is not None
    assert digest(fold.state) == digest_cut(snapshot.cut)
    for each in (fold, LogFold(snapshot.cut, position=1)):
        each.apply(decode_block(encode_block(2, [(1.0, [end, raw])]).data))
        open_message = each.state.sessions["s"].open_message
        assert open_message is not None
        assert open_message.content == "a😀"
        assert each.position == 3


# -- damage --------------------------------------------------------------------------------


@settings(max_examples=40)
@given(conversations(max_size=2), st.data())
def test_a_flipped_byte_anywhere_is_found(story: list[Any], data: st.DataObject) -> None:
    block = encode_block(1, [(1.0, [header(), *map(str, story)])])
    snapshot = write_snapshot(StateSnapshot(position=1, at=1.0, cut=LogFold().cut()))
    place = data.draw(st.integers(0, len(block.data) - 1))
    with pytest.raises(DamagedBlock):
        list(decode_block(_flip(block.data, place)).items())
    place = data.draw(st.integers(0, len(snapshot) - 1))
    with pytest.raises(DamagedBlock):
        read_snapshot(_flip(snapshot, place))
    for short in (block.data[:7], block.data[:-1]):
        with pytest.raises(DamagedBlock):
            decode_block(short)
    with pytest.raises(DamagedBlock, match="too short"):
        read_snapshot(snapshot[:5])


def _flip(data: bytes, place: int) -> bytes:
    return data[:place] + bytes([data[place] ^ 0x20]) + data[place + 1 :]


def test_a_snapshot_of_other_handlers_is_none() -> None:
    data = write_snapshot(StateSnapshot(position=0, at=0.0, cut=LogFold().cut()))
    assert read_snapshot(data) is not None

    @stored("a-class-more")
    @attrs.frozen
    class More:
        x: int

    assert read_snapshot(data) is None
    _forget("a-class-more", More)
    assert read_snapshot(data) is not None


# -- values of any kind --------------------------------------------------------------------


def _forget(name: str, cls: type) -> None:
    from realtime_trio._log import _plain_values

    del _plain_values._CLASSES[name]
    del _plain_values._NAMES[cls]


@attrs.frozen
class Kept:
    """What a custom handler keeps."""

    name: str
    size: int = 3


SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text()
    | st.binary(max_size=3)
    | st.datetimes()
    | st.text(st.characters(categories=["Cs"]), min_size=1, max_size=2)
)
KEYS = st.text(max_size=2) | st.integers() | st.tuples(st.text(max_size=1), st.integers())
ANYTHING: st.SearchStrategy[Any] = st.recursive(
    SCALARS | st.frozensets(st.integers()) | st.builds(Kept, st.text(), st.integers(0, 9)),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(KEYS, inner, max_size=3)
    ),
    max_leaves=8,
)


@given(ANYTHING)
def test_values_of_any_kind_come_back_with_their_types(value: Any) -> None:
    import cattrs

    stored("kept")(Kept)
    try:
        for canonical in (False, True):
            plain = PlainValues(cattrs.Converter(), canonical=canonical)
            again = plain.decode(plain.encode(plain.pack(value)))
            assert again == value
            assert type(again) is type(value)
    finally:
        _forget("kept", Kept)


def test_a_class_that_is_not_registered_cannot_be_stored() -> None:
    fold = LogFold()
    fold.folds.text.slice = fold.folds.text.slice.with_extra("charts", Kept("x"))
    with pytest.raises(NotStorable, match="Kept: register the class"):
        write_snapshot(StateSnapshot(position=0, at=0.0, cut=fold.cut()))
    stored("kept")(Kept)
    try:
        data = write_snapshot(StateSnapshot(position=0, at=0.0, cut=fold.cut()))
        snapshot = read_snapshot(data)
        assert snapshot is not None
        assert snapshot.cut.text.extra == {"charts": Kept("x")}
        with pytest.raises(ValueError, match="already stands for Kept"):
            stored("kept")(Kept)
    finally:
        _forget("kept", Kept)
    with pytest.raises(TypeError, match="int is not an attrs class"):
        stored("number")(int)


def test_entries_are_split_into_blocks_of_512_but_never_a_group() -> None:
    """Positions go on from block to block; what arrived together stays together."""
    singles: list[BlockGroup] = [(1.0, ["{}"]) for _ in range(513)]
    crowd: BlockGroup = (2.0, ["{}"] * 600)
    split = list(encode_blocks(7, [*singles, crowd, (3.0, ["{}"])]))
    assert [(block.first, block.count) for block in split] == [(7, 512), (519, 601), (1120, 1)]
    assert [group for block in split for group in block.groups()] == [
        *singles,
        crowd,
        (3.0, ["{}"]),
    ]
    assert list(encode_blocks(1, [])) == []
