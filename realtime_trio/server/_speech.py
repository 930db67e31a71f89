"""Speech input and output: collect utterances, and encode audio for the client."""

from __future__ import annotations

from base64 import b64encode

from . import _tones
from ._turn_script import Say, ScriptedTurn, Speak, WireFrame
from ._ui_session import UISession
from ._wire_events import Event, SessionEvents

__all__ = ["encode_audio", "receive_audio", "utterance_input"]


def receive_audio(session: UISession, pcm: bytes) -> tuple[WireFrame | None, bytes | None]:
    """Receive one frame; return the frame to echo and the utterance that it ends, if any."""
    utterances = session.utterances
    if utterances.mode == "realtime":
        return _echo(session, pcm), None
    if utterances.mode == "vad" and session.turn is not None:
        return None, None  # half duplex: input is ignored while an answer runs
    return None, utterances.feed(pcm)


def _echo(session: UISession, pcm: bytes) -> WireFrame | None:
    session_id = session.chat.session_id
    return encode_audio(
        session, pcm, SessionEvents(session_id=session_id, user_session_id=session_id)
    )


def utterance_input(pcm: bytes) -> tuple[Event, tuple[str, ...], ScriptedTurn]:
    """Return an utterance's user message, the inputs that a script can match, and its echo."""
    seconds = _tones.duration(pcm)
    transcript = f"[voice {seconds:.2f} s]"
    echo = ScriptedTurn(steps=(Say(text=f"You said {seconds:.2f} s."), Speak(audio=pcm)))
    return {"role": "user", "content": transcript}, (transcript, "[voice]"), echo


def encode_audio(session: UISession, pcm: bytes, events: SessionEvents) -> WireFrame | None:
    """Encode speech in the form that the client receives; ``None`` without a voice."""
    if session.voice["output_format"] != "pcm16":
        return None
    if session.audio_as_text:
        return events.audio_delta(f"audio-{session.id}", b64encode(pcm).decode())
    return pcm
