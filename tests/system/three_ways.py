"""One conversation taken three ways: by the processor, by a client, by its recording's replay."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path
from typing import Any, TypeAlias

import attrs
import trio
import trio.testing

from realtime_trio._client._client import Client, open_client
from realtime_trio._connection._recording import Recorder
from realtime_trio._core._notifications import (
    Initialized,
    Notification,
    ProcessingFailed,
    RequestUserSessions,
    SystemNotification,
    VoiceChanged,
)
from realtime_trio._core._render import notification_to_json, state_to_json
from realtime_trio._core._shell_notifications import (
    Connected,
    Disconnected,
    Reconnected,
    Reconnecting,
)
from realtime_trio._core._state import SessionState
from realtime_trio._lanes._subscription import Subscription
from realtime_trio._processor import EventStreamProcessor, malformed_lane
from realtime_trio._replay import Replay
from realtime_trio._transports._trio_websocket import TrioWebsocketConnector
from realtime_trio.abc import Transport
from realtime_trio.events import Lane
from realtime_trio.server import RealtimeServer, ServerConfig, open_server

from .virtual import keep_time

_STEP = 0.001
"""Seconds: short beside the pauses of the conversations, so that nothing overtakes them."""

Json: TypeAlias = dict[str, Any]
Lanes: TypeAlias = dict[Lane, list[Json]]
Conversation: TypeAlias = Callable[[RealtimeServer, Client], Awaitable[None]]

_OF_THE_SHELL = (
    Connected,
    Disconnected,
    Initialized,
    Reconnected,
    Reconnecting,
    RequestUserSessions,
)


@attrs.frozen(slots=True)
class Account:
    """What one way made of a conversation: the state line, and what each lane told."""

    state: Json
    notes: Lanes


class Tap:
    """A connector that writes down every frame that comes in, ahead of the library."""

    def __init__(self) -> None:
        self.frames: list[str | bytes] = []
        self._inner = TrioWebsocketConnector(max_message_size=2**26, connect_timeout=20)

    async def connect(self, url: str, nursery: trio.Nursery) -> Transport:
        return _Tapped(await self._inner.connect(url, nursery), self.frames)


class _Tapped:
    def __init__(self, inner: Transport, frames: list[str | bytes]) -> None:
        self._inner = inner
        self._frames = frames
        self.send_text = inner.send_text
        self.send_bytes = inner.send_bytes
        self.ping = inner.ping
        self.aclose = inner.aclose

    async def receive(self) -> str | bytes:
        frame = await self._inner.receive()
        self._frames.append(frame)
        return frame

    def receive_nowait(self) -> str | bytes:
        frame = self._inner.receive_nowait()
        self._frames.append(frame)
        return frame

    @property
    def bytes_received(self) -> int:
        return self._inner.bytes_received


# -- the ways ------------------------------------------------------------------------------


async def converse(
    path: Path, conversation: Conversation, config: ServerConfig, clock: trio.testing.MockClock
) -> tuple[Account, Tap]:
    """Hold a conversation over a real socket and record it; what the client made of it."""
    tap = Tap()
    async with open_server(config) as server, trio.open_nursery() as nursery:
        nursery.start_soon(keep_time, clock, _STEP)
        url = await server.listen()
        recorder = Recorder(path)
        async with open_client(url, auth="tok-secret", transport=tap, recorder=recorder) as client:
            lanes = {
                Lane.CONTROL: client.control.subscribe(),
                Lane.TEXT: client.text.subscribe(),
                Lane.AUDIO: client.audio.subscribe(),
            }
            await client.ready()
            await conversation(server, client)
            await client.ping()
            await settled(client)
        assert recorder.statistics().dropped == 0
        nursery.cancel_scope.cancel()
    return account(client.state, {lane: held(notes) for lane, notes in lanes.items()}), tap


async def settled(client: Client) -> None:
    """Wait until the lanes have nothing more to do: the same revision for a while."""
    before = -1
    while before != client.state.revision:
        before = client.state.revision
        await trio.sleep(30 * _STEP)


def held(notes: Subscription[Notification]) -> list[Notification]:
    """All that a subscription holds, once its client has ended."""
    found: list[Notification] = []
    while True:
        try:
            found.append(notes.receive_nowait())
        except trio.EndOfChannel:
            return found


def process(frames: Iterable[str | bytes]) -> Account:
    """Fold the frames with the processor, text frames as mappings."""
    processor, notes = EventStreamProcessor(), list[Notification]()
    for frame in frames:
        if isinstance(frame, bytes):
            notes += processor.process_audio(frame)
        else:
            try:
                notes += processor.process_event(json.loads(frame))
            except ValueError:
                notes += processor.process_frame(frame)
    return account(processor.state, by_lane(notes))


def replayed(lines: Iterable[bytes]) -> Account:
    """Fold a recording."""
    replay = Replay()
    notes = [note for line in lines for note in replay.feed(line)]
    return account(replay.state, by_lane(notes))


def by_lane(notes: Iterable[Notification]) -> dict[Lane, list[Notification]]:
    """Tell the lanes' notifications apart, where one sequence holds them all."""
    lanes: dict[Lane, list[Notification]] = {lane: [] for lane in Lane}
    for note in notes:
        lanes[_lane(note)].append(note)
    return lanes


def _lane(note: Notification) -> Lane:
    if isinstance(note, ProcessingFailed):
        return malformed_lane(note.event_type)
    if isinstance(note, SystemNotification):
        return Lane.CONTROL if note.session_id is None else Lane.TEXT
    if note.name in _CONTROL:
        return Lane.CONTROL
    return (
        Lane.AUDIO
        if note.name.startswith("audio-") or isinstance(note, VoiceChanged)
        else Lane.TEXT
    )


_CONTROL = {
    "avatar-session-ended",
    "avatar-session-started",
    "avatar-state-changed",
    "sessions-index-updated",
    "turn-cancelled",
    "turn-state-changed",
    "voices-updated",
    "voice-changed",
}


# -- what is compared ----------------------------------------------------------------------


def account(state: SessionState, emitted: dict[Lane, list[Notification]]) -> Account:
    """Everything but what only the library's own timing and wishes make different."""
    return Account(
        timeless(state_to_json(state)),
        {lane: joined(notes) for lane, notes in emitted.items()},
    )


def joined(notes: Iterable[Notification]) -> list[Json]:
    """As JSON, with adjacent ``message-streaming`` of one message joined."""
    lines: list[Json] = []
    for note in notes:
        if isinstance(note, _OF_THE_SHELL):
            continue
        line = timeless(notification_to_json(note))
        if isinstance(note, VoiceChanged):
            del line["source"]  # only the client knows whose wish it was
        last = lines[-1] if lines else {}
        if line["name"] == last.get("name") == "message-streaming" and (
            line["message_id"] == last["message_id"]
        ):
            last["delta"] += line["delta"]
        else:
            lines.append(line)
    return lines


def timeless(value: Any) -> Any:
    """Without timestamps, and with values as JSON holds them."""
    if isinstance(value, dict):
        return {key: timeless(item) for key, item in value.items() if key != "timestamp"}
    if isinstance(value, (list, tuple)):
        return [timeless(item) for item in value]
    return value
