"""The audio lane's handlers: what came, in which format, in order with the frames.

Samples come in streams: the binary frames are one, and every ``id`` of ``audio_delta`` is one.
A chunk may end in the middle of a sample, and the rest comes with the next chunk of the same
stream. Streams may alternate, so each keeps the beginning of its own sample. All of these are
dropped where a stream cannot go on: at a new link, a new turn, another voice, a cancel.
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
"""Streams that may wait for the rest of a sample while another one goes on."""

_LONGEST_NAME: Final = 256
_MAX_REFUSED: Final = 16
_SHOWN: Final = 60


@fold_event(AudioFrame, Lane.AUDIO)
def audio_frame(slice_: AudioSlice, event: AudioFrame) -> Handled[AudioSlice]:
    """A binary frame."""
    return _samples(slice_, event.data, None, slice_.format)


@fold_event(AudioDeltaEvent, Lane.AUDIO)
def audio_delta(slice_: AudioSlice, event: AudioDeltaEvent) -> Handled[AudioSlice]:
    """The same as text, for peers that cannot take binary frames."""
    data = binascii.a2b_base64(event.content)
    format_ = slice_.format
    if event.content_type != PLAIN_L16:
        said = content_format(event.content_type, format_ or DEFAULT_FORMAT)
        if said is None:
            return _not_samples(slice_, event.content_type, len(data))
        if format_ is not None:  # otherwise the voice is not for playing, whatever it comes as
            format_ = said
    stream = (_short(event.session_id), _short(event.id), format_)
    return _samples(slice_, data, stream, format_)


def _short(name: object) -> Hashable:
    """A name, or its digest if it is too long to keep. An ``id`` may be any JSON value."""
    if isinstance(name, str) and len(name) > _LONGEST_NAME:
        return hashlib.sha256(name.encode("utf-8", "surrogatepass")).digest()
    return name if isinstance(name, (str, int, float)) else None


def _samples(
    slice_: AudioSlice, data: bytes, stream: Hashable, format_: AudioFormat | None
) -> Handled[AudioSlice]:
    """Hand on whole samples; what is over waits for the next frame of its stream."""
    if stream != slice_.stream:
        slice_ = _switched(slice_, stream)
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


def _switched(slice_: AudioSlice, stream: Hashable) -> AudioSlice:
    """Another stream goes on: put the half sample of the one away and take out the other's."""
    halves = dict(slice_.halves)
    if slice_.carry:
        halves[slice_.stream] = slice_.carry
    carry = halves.pop(stream, b"")
    kept = tuple(halves.items())[-_MAX_HALVES:]
    return evolve(slice_, stream=stream, carry=carry, halves=kept)


def _not_samples(slice_: AudioSlice, content_type: str, size: int) -> Handled[AudioSlice]:
    """Count what is not PCM16, and announce each content type once."""
    new = evolve(slice_, frames=slice_.frames + 1, byte_count=slice_.byte_count + size)
    shown = content_type if len(content_type) <= _SHOWN else content_type[:_SHOWN] + "…"
    if shown in slice_.refused:
        return new, ()
    error = f"audio of content type {shown!r} is not PCM16: it is not played"
    note = ProcessingFailed(event_type=AudioDeltaEvent.type, error=error)
    return evolve(new, refused=(*slice_.refused, shown)[-_MAX_REFUSED:]), (note,)


@fold_event(AgentVoiceChangedEvent, Lane.AUDIO)
def agent_voice_changed(slice_: AudioSlice, event: AgentVoiceChangedEvent) -> Handled[AudioSlice]:
    """What follows is in this voice's format."""
    format_ = playback_format(event.voice.output_format)
    return evolve(slice_, voice=event.voice, format=format_, carry=b"", halves=()), ()


@fold_event(CancelledEvent, Lane.AUDIO)
def cancelled(slice_: AudioSlice, _event: CancelledEvent) -> Handled[AudioSlice]:
    """The answer ends here, be it in the middle of a sample."""
    return evolve(slice_, cancels=slice_.cancels + 1, carry=b"", halves=()), ()


@fold_event(UserTurnStartEvent, Lane.AUDIO)
def user_turn_start(slice_: AudioSlice, _event: UserTurnStartEvent) -> Handled[AudioSlice]:
    """The user may speak."""
    return evolve(slice_, user_turn=True), ()


@fold_event(UserTurnEndEvent, Lane.AUDIO)
def user_turn_end(slice_: AudioSlice, _event: UserTurnEndEvent) -> Handled[AudioSlice]:
    """The agent may speak; its samples begin anew."""
    return evolve(slice_, user_turn=False, listening=False, carry=b"", halves=()), ()


@fold_event(ServerListeningEvent, Lane.AUDIO)
def server_listening(slice_: AudioSlice, _event: ServerListeningEvent) -> Handled[AudioSlice]:
    """The server hears the user."""
    return evolve(slice_, listening=True), ()


@fold_event(LinkEvent, Lane.AUDIO)
def link(slice_: AudioSlice, event: LinkEvent) -> Handled[AudioSlice]:
    """A link has ended or begun: the rest of a sample that it cut off never comes."""
    if event.status is None or not (slice_.carry or slice_.halves):
        return slice_, ()
    return evolve(slice_, carry=b"", halves=()), ()


@fold_event(PlaybackEvent, Lane.AUDIO)
def playback(slice_: AudioSlice, event: PlaybackEvent) -> Handled[AudioSlice]:
    """A notification that changes nothing."""
    return slice_, (event.note,)
