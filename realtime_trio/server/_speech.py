"""Speech in and speech out: the microphone's utterances, and the form of the answer."""

from __future__ import annotations

from base64 import b64encode

from . import _tones
from ._turn_script import Say, Speak, Turn, WireFrame
from ._ui_session import UISession
from ._wire_events import Envelope, Event

__all__ = ["encode", "hear", "utterance"]


def hear(session: UISession, pcm: bytes) -> tuple[WireFrame | None, bytes | None]:
    """Take one frame: give the frame to send back at once, and the utterance that it ended."""
    microphone = session.microphone
    if microphone.mode == "realtime":
        return _echo(session, pcm), None
    if microphone.mode == "vad" and session.turn is not None:
        return None, None  # half duplex: nobody listens while the answer runs
    return None, microphone.feed(pcm)


def _echo(session: UISession, pcm: bytes) -> WireFrame | None:
    if session.chat is None:
        return None
    own = session.chat.session_id
    return encode(session, pcm, Envelope(session_id=own, user_session_id=own))


def utterance(pcm: bytes) -> tuple[Event, tuple[str, ...], Turn]:
    """The user message of an utterance, the inputs that a script may name, and its echo."""
    seconds = _tones.duration(pcm)
    said = f"[voice {seconds:.2f} s]"
    echo = Turn(steps=(Say(text=f"You said {seconds:.2f} s."), Speak(audio=pcm)))
    return {"role": "user", "content": said}, (said, "[voice]"), echo


def encode(session: UISession, pcm: bytes, envelope: Envelope) -> WireFrame | None:
    """One frame of speech in the form that the client takes; ``None`` without a voice."""
    if session.voice["output_format"] != "pcm16":
        return None
    if session.audio_as_text:
        return envelope.audio_delta(f"audio-{session.id}", b64encode(pcm).decode())
    return pcm
