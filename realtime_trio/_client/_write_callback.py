"""The local events that some commands cause when they are written."""

from __future__ import annotations

from collections.abc import Callable

from .._core._local_events import EmitEvent, VoiceRequestedEvent
from .._core._notifications import RequestUserSessions
from .._lanes._pipeline import Pipeline
from ..events import Event, GetUserSessionsEvent, SetAgentVoiceEvent

__all__ = ["write_callback"]


def write_callback(pipeline: Pipeline, event: Event) -> Callable[[], None] | None:
    """Return the function to call when this event is about to be written, or ``None``."""
    match event:
        case SetAgentVoiceEvent(voice_id=voice_id):
            return lambda: pipeline.post(VoiceRequestedEvent(voice_id=voice_id))
        case GetUserSessionsEvent(offset=offset, limit=limit):
            note = RequestUserSessions(offset=offset, limit=limit)
            return lambda: pipeline.post(EmitEvent(note=note))
        case _:
            return None
