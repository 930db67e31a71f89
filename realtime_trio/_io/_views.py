"""The audio lane as an application sees it: hearing the agent, and the user's voice."""

from __future__ import annotations

from typing import final

from ..events import Lane
from ._outbox import Outbox
from ._pipeline import Pipeline
from ._subscription import LaneView

__all__ = ["AudioView"]


@final
class AudioView(LaneView):
    """``client.audio``: a lane to subscribe to, and the way out for raw frames of speech."""

    __slots__ = ("_outbox",)

    def __init__(self, pipeline: Pipeline, outbox: Outbox) -> None:
        super().__init__(pipeline, Lane.AUDIO)
        self._outbox = outbox

    async def send(self, pcm: bytes) -> None:
        """Queue one frame (whole PCM16 samples), waiting for room; the gate does not hold it.

        Cancelled, it is not queued. While the link is away it is dropped and counted. Raises
        :class:`~realtime_trio.ClosedError` once the client is closed.
        """
        await self._outbox.put_audio(pcm)

    def send_nowait(self, pcm: bytes) -> None:
        """Queue one frame, or raise ``trio.WouldBlock`` where too much waits already."""
        self._outbox.put_audio_nowait(pcm)
