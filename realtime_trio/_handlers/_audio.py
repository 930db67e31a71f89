"""The audio lane's handlers: received audio and its format, in order with the frames.

Samples arrive in streams: the binary frames are one stream, and so is every ``id`` of
``audio_delta``. A chunk can end in the middle of a sample; the rest is in the next chunk of the
same stream. Streams can alternate, so each keeps its own incomplete sample. These are dropped when
streams cannot continue: at a new link, a new turn, a change of voice, a cancel.
"""

from __future__ import annotations

import binascii
import hashlib
from collections.abc import Hashable
from typing import Final

from .._core._audio_format import (
    DEFAULT_FORMAT,
    PLAIN_L16,
    AudioFormat,
    content_format,
    playback_format,
)
from .._core._local_events import LinkEvent, PlaybackEvent
from .._core._notifications import AudioOutput, ProcessingFailed
from .._core._state import AudioSlice
from .._core._values import evolve
from ..events import (
    AgentVoiceChangedEvent,
    AudioDeltaEvent,
    AudioFrame,
    CancelledEvent,
    Lane,
    ServerListeningEvent,
    UserTurnEndEvent,
    UserTurnStartEvent,
)
from ._fold import Handled, fold_event

_MAX_HALVES: Final = 16
"""Maximum number of other streams with an incomplete sample."""

_LONGEST_NAME: Final = 256
_MAX_REFUSED: Final = 16
_SHOWN: Final = 60


@fold_event(AudioFrame, Lane.AUDIO)
def audio_frame(slice_: AudioSlice, event: AudioFrame) -> Handled[AudioSlice]:
    """Fold a binary frame."""
    return _samples(slice_, event.data, None, slice_.format)


@fold_event(AudioDeltaEvent, Lane.AUDIO)
def audio_delta(slice_: AudioSlice, event: AudioDeltaEvent) -> Handled[AudioSlice]:
    """Fold audio sent as text, for peers without binary frames."""
    data = binascii.a2b_base64(event.content)
    format_ = slice_.format
    if event.content_type != PLAIN_L16:
        said = content_format(event.content_type, format_ or DEFAULT_FORMAT)
        if said is None:
            return _reject_content(slice_, event.content_type, len(data))
        if format_ is not None:  # otherwise the voice has no playback, whatever the content type
            format_ = said
    stream = (_short(event.session_id), _short(event.id), format_)
    return _samples(slice_, data, stream, format_)


def _short(name: object) -> Hashable:
    """Return a name, or its digest if it is too long to keep. An ``id`` can be any JSON value."""
    if isinstance(name, str) and len(name) > _LONGEST_NAME:
        return hashlib.sha256(name.encode("utf-8", "surrogatepass")).digest()
    return name if isinstance(name, (str, int, float)) else None


def _samples(
    slice_: AudioSlice, data: bytes, stream: Hashable, format_: AudioFormat | None
) -> Handled[AudioSlice]:
    """Emit whole samples; the remainder waits for the next frame of its stream."""
    if stream != slice_.stream:
        slice_ = _switch_stream(slice_, stream)
    whole = slice_.carry + data if slice_.carry else data
    step = format_.frame_bytes if format_ is not None else 2
    cut = len(whole) - len(whole) % step
    new = evolve(
        slice_,
        frames=slice_.frames + 1,
        byte_count=slice_.byte_count + len(data),
        carry=whole[cut:],
    )
    if not cut:
        return new, ()
    return new, (AudioOutput(data=whole[:cut], format=format_),)


def _switch_stream(slice_: AudioSlice, stream: Hashable) -> AudioSlice:
    """Switch to another stream: store the old stream's incomplete sample and load the new one's."""
    halves = dict(slice_.halves)
    if slice_.carry:
        halves[slice_.stream] = slice_.carry
    carry = halves.pop(stream, b"")
    kept = tuple(halves.items())[-_MAX_HALVES:]
    return evolve(slice_, stream=stream, carry=carry, halves=kept)


def _reject_content(slice_: AudioSlice, content_type: str, size: int) -> Handled[AudioSlice]:
    """Count audio that is not PCM16, and announce each content type once."""
    new = evolve(slice_, frames=slice_.frames + 1, byte_count=slice_.byte_count + size)
    shown = content_type if len(content_type) <= _SHOWN else content_type[:_SHOWN] + "…"
    if shown in slice_.refused:
        return new, ()
    error = f"audio of content type {shown!r} is not played: only PCM16 is supported"
    note = ProcessingFailed(event_type=AudioDeltaEvent.type, error=error)
    return evolve(new, refused=(*slice_.refused, shown)[-_MAX_REFUSED:]), (note,)


@fold_event(AgentVoiceChangedEvent, Lane.AUDIO)
def agent_voice_changed(slice_: AudioSlice, event: AgentVoiceChangedEvent) -> Handled[AudioSlice]:
    """Use this voice's format for the following audio."""
    format_ = playback_format(event.voice.output_format)
    return evolve(slice_, voice=event.voice, format=format_, carry=b"", halves=()), ()


@fold_event(CancelledEvent, Lane.AUDIO)
def cancelled(slice_: AudioSlice, _event: CancelledEvent) -> Handled[AudioSlice]:
    """End the answer, even in the middle of a sample."""
    return evolve(slice_, cancels=slice_.cancels + 1, carry=b"", halves=()), ()


@fold_event(UserTurnStartEvent, Lane.AUDIO)
def user_turn_start(slice_: AudioSlice, _event: UserTurnStartEvent) -> Handled[AudioSlice]:
    """Start the user's turn."""
    return evolve(slice_, user_turn=True), ()


@fold_event(UserTurnEndEvent, Lane.AUDIO)
def user_turn_end(slice_: AudioSlice, _event: UserTurnEndEvent) -> Handled[AudioSlice]:
    """End the user's turn; the agent's samples start."""
    return evolve(slice_, user_turn=False, listening=False, carry=b"", halves=()), ()


@fold_event(ServerListeningEvent, Lane.AUDIO)
def server_listening(slice_: AudioSlice, _event: ServerListeningEvent) -> Handled[AudioSlice]:
    """Record whether the server receives the user's audio."""
    return evolve(slice_, listening=True), ()


@fold_event(LinkEvent, Lane.AUDIO)
def link(slice_: AudioSlice, event: LinkEvent) -> Handled[AudioSlice]:
    """Drop incomplete samples when a link ends or starts: their rest never arrives."""
    if event.status is None or not (slice_.carry or slice_.halves):
        return slice_, ()
    return evolve(slice_, carry=b"", halves=()), ()


@fold_event(PlaybackEvent, Lane.AUDIO)
def playback(slice_: AudioSlice, event: PlaybackEvent) -> Handled[AudioSlice]:
    """Emit a playback notification; the state is unchanged."""
    return slice_, (event.note,)
