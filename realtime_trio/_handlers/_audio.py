"""The audio lane's handlers: what came, in which format, in order with the frames."""

from __future__ import annotations

import binascii

from .._core._audio import playback_format
from .._core._local import PlaybackEvent
from .._core._notifications import AudioOutput
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


@fold_event(AudioFrame, Lane.AUDIO)
def audio_frame(slice_: AudioSlice, event: AudioFrame) -> Handled[AudioSlice]:
    """A binary frame."""
    return _samples(slice_, event.data)


@fold_event(AudioDeltaEvent, Lane.AUDIO)
def audio_delta(slice_: AudioSlice, event: AudioDeltaEvent) -> Handled[AudioSlice]:
    """The same as text, for peers that cannot take binary frames."""
    return _samples(slice_, binascii.a2b_base64(event.content))


def _samples(slice_: AudioSlice, data: bytes) -> Handled[AudioSlice]:
    """Hand on whole samples; what is over waits for the next frame."""
    whole = slice_.carry + data if slice_.carry else data
    step = slice_.format.frame_bytes if slice_.format is not None else 2
    cut = len(whole) - len(whole) % step
    new = evolve(
        slice_,
        frames=slice_.frames + 1,
        byte_count=slice_.byte_count + len(data),
        carry=whole[cut:],
    )
    if not cut:
        return new, ()
    return new, (AudioOutput(data=whole[:cut], format=slice_.format),)


@fold_event(AgentVoiceChangedEvent, Lane.AUDIO)
def agent_voice_changed(slice_: AudioSlice, event: AgentVoiceChangedEvent) -> Handled[AudioSlice]:
    """What follows is in this voice's format."""
    format_ = playback_format(event.voice.output_format)
    return evolve(slice_, voice=event.voice, format=format_, carry=b""), ()


@fold_event(CancelledEvent, Lane.AUDIO)
def cancelled(slice_: AudioSlice, _event: CancelledEvent) -> Handled[AudioSlice]:
    """The answer ends here, be it in the middle of a sample."""
    return evolve(slice_, cancels=slice_.cancels + 1, carry=b""), ()


@fold_event(UserTurnStartEvent, Lane.AUDIO)
def user_turn_start(slice_: AudioSlice, _event: UserTurnStartEvent) -> Handled[AudioSlice]:
    """The user may speak."""
    return evolve(slice_, user_turn=True), ()


@fold_event(UserTurnEndEvent, Lane.AUDIO)
def user_turn_end(slice_: AudioSlice, _event: UserTurnEndEvent) -> Handled[AudioSlice]:
    """The agent may speak; its samples begin anew."""
    return evolve(slice_, user_turn=False, listening=False, carry=b""), ()


@fold_event(ServerListeningEvent, Lane.AUDIO)
def server_listening(slice_: AudioSlice, _event: ServerListeningEvent) -> Handled[AudioSlice]:
    """The server hears the user."""
    return evolve(slice_, listening=True), ()


@fold_event(PlaybackEvent, Lane.AUDIO)
def playback(slice_: AudioSlice, event: PlaybackEvent) -> Handled[AudioSlice]:
    """Something to tell that changes nothing."""
    return slice_, () if event.note is None else (event.note,)
