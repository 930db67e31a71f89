"""Logs for the tests: random conversations as entries, cut into blocks at random places."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import strategies as st

from realtime_trio._core._local_events import (
    EmitEvent,
    InputSentEvent,
    LinkEvent,
    LinkLostEvent,
    NoTurnEvent,
    PlaybackEvent,
    SessionsWipedEvent,
    VoiceRequestedEvent,
)
from realtime_trio._core._notifications import Initialized
from realtime_trio._log._log_block import BlockGroup, LogBlock, encode_block
from realtime_trio._log._log_entries import (
    CommandEntry,
    HeaderEntry,
    LogItem,
    ReceiptEntry,
    ResetEntry,
    UserSessionEntry,
    local_entry,
    short_audio,
)
from realtime_trio._log._state_snapshot import FOLD, custom_events
from tests.strategies import conversations

LOCAL = [
    LinkEvent(status="connected", note=Initialized()),
    LinkEvent(status="reconnecting", attempt=2, initialized=False),
    LinkEvent(status=None, initialized=True),
    LinkLostEvent(),
    InputSentEvent(ahead=1),
    InputSentEvent(),
    NoTurnEvent(),
    EmitEvent(note=Initialized()),
    PlaybackEvent(note=Initialized()),
    SessionsWipedEvent(),
    VoiceRequestedEvent(voice_id="v"),
]

RECORDS: st.SearchStrategy[LogItem] = st.one_of(
    st.sampled_from(LOCAL).map(local_entry),
    st.sampled_from([None, "main", "a"]).map(UserSessionEntry),
    st.just(ResetEntry()),
    st.just(CommandEntry(1, "text_input", '{"type": "text_input", "text": "Hi"}')),
    st.just(ReceiptEntry(1, "sent")),
)


def header(max_sessions: int = 256, max_messages: int = 10_000) -> HeaderEntry:
    """The beginning of a life."""
    return HeaderEntry(FOLD, max_sessions, max_messages, custom_events())


def item_of(wire: Any) -> LogItem:
    """What comes over the socket as an entry."""
    return short_audio(wire) if isinstance(wire, bytes) else json.dumps(wire)


@st.composite
def items(draw: st.DrawFn) -> list[LogItem]:
    """A header, a conversation, and in between whatever else there is in a log."""
    story: list[LogItem] = [header(draw(st.integers(1, 4)), draw(st.integers(1, 4)))]
    for wire in draw(conversations(max_size=6)):
        story.append(item_of(wire))
        if draw(st.integers(0, 7)) == 0:
            story.append(draw(RECORDS))
    return story


@st.composite
def groups(draw: st.DrawFn) -> list[BlockGroup]:
    """The same with times."""
    found: list[BlockGroup] = []
    at = 1_700_000_000.0
    rest = draw(items())
    while rest:
        size = draw(st.integers(1, 9))
        found.append((at, rest[:size]))
        rest = rest[size:]
        at += draw(st.sampled_from([0.001, 0.25, 3600.0]))
    return found


def blocks(story: list[BlockGroup], sizes: list[int], first: int = 1) -> list[LogBlock]:
    """Groups as blocks of so many groups each."""
    made: list[LogBlock] = []
    rest, number = list(story), 0
    while rest:
        size = sizes[number % len(sizes)]
        made.append(encode_block(first, rest[:size]))
        first = made[-1].last + 1
        rest, number = rest[size:], number + 1
    return made
