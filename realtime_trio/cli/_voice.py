"""``realtime-trio voice URL``: a spoken conversation."""

from __future__ import annotations

import signal
from contextlib import AsyncExitStack
from typing import Annotated, Final, TypeAlias

import trio
from cyclopts import Parameter

from .._core import _notifications as n
from .._core._state import SessionState
from .._io._client import Client
from .._io._talk import VoiceMode
from ..audio import AudioSink, AudioSource
from ..audio._playback import Playback
from ._connect import connect
from ._meter import Meter, Metered
from ._style import make_console
from ._transcript import Transcript
from ._voice_ends import open_input, open_output

__all__ = ["SpokenTranscript", "converse", "voice"]

# A lone "-" is no option.
_End: TypeAlias = Annotated[str, Parameter(allow_leading_hyphen=True)]

_ANSWER: Final = 2.0
"""Seconds that the server may take to begin an answer; then there will be none."""


def voice(
    url: str,
    /,
    *,
    input: _End = "mic",
    output: _End = "speaker",
    mode: VoiceMode = "ptt",
    barge_in: bool | None = None,
    token: str | None = None,
    agent: str | None = None,
    session: str | None = None,
) -> None:
    """Talk to a server, and hear what it says. Ctrl-C leaves.

    Parameters
    ----------
    url
        Where the server is: https://host, ws://host:port.
    input
        Who talks: "mic", a WAV file of 16 bit samples, or "-" for raw PCM16 (16 kHz, mono).
    output
        Who listens: "speaker", a WAV file to write, or "-" for raw PCM16 (16 kHz, mono).
    mode
        Who finds the utterances: "ptt" this program, "vad" the server in what it gets during
        your turns, "realtime" the server in all that is said.
    barge_in
        Whether your voice interrupts the agent. By default it does from a microphone; a file
        waits until the agent has finished.
    token
        Who you are; by default the environment variable REALTIME_TRIO_TOKEN.
    agent
        The agent of a new session.
    session
        A session to go on with.
    """
    interrupts = input == "mic" if barge_in is None else barge_in
    client_of = connect(url, token=token, agent=agent, session=session)
    transcript = SpokenTranscript(make_console(stderr=output == "-"))

    async def run() -> None:
        async with AsyncExitStack() as stack:
            source = await open_input(stack, input)
            sink = await open_output(stack, output)
            client = await stack.enter_async_context(client_of)
            await converse(client, source, sink, transcript, mode=mode, interrupts=interrupts)

    trio.run(run)


async def converse(
    client: Client,
    source: AudioSource,
    sink: AudioSink,
    transcript: SpokenTranscript,
    *,
    mode: VoiceMode,
    interrupts: bool,
) -> None:
    """Hold the conversation until the source ends and all was heard, or Ctrl-C."""
    metered = Metered(source)
    async with client.audio.play_to(sink) as playback, trio.open_nursery() as nursery:
        nursery.start_soon(_leave_on_interrupt, nursery.cancel_scope)
        await nursery.start(_follow, client, transcript)
        meter = Meter(transcript.console, metered, playback)
        nursery.start_soon(meter.run)
        await client.ready()
        await client.audio.talk(metered, mode=mode, barge_in=interrupts)
        await _hear_the_end(client, playback)
        meter.close()
        nursery.cancel_scope.cancel()
    transcript.sum_up(client)


class SpokenTranscript(Transcript):
    """Tells of the voice as well."""

    def tell(self, note: n.Notification, state: SessionState, elapsed: float) -> None:
        """Show one notification."""
        if isinstance(note, n.AudioFlushed):
            self.at(elapsed)
            told = f"interrupted after {note.heard_ms / 1000:.1f} s"
            self.line("voice", f"{told}, {note.unheard_ms / 1000:.1f} s unheard", style="magenta")
        else:
            super().tell(note, state, elapsed)

    def sum_up(self, client: Client) -> None:
        """Say how much was said and heard."""
        statistics = client.audio.statistics()
        said, heard = statistics.sending, statistics.playback
        told = f"{said.seconds:.1f} s sent"
        if said.dropped:
            told += f", {said.dropped} frames of it dropped"
        if heard is not None:
            told += f"; {heard.position:.1f} s heard, {heard.underruns} underruns"
        self.line("voice", told, style="magenta")


async def _follow(
    client: Client, transcript: Transcript, *, task_status: trio.TaskStatus[None]
) -> None:
    """Show what the client tells, until it ends."""
    began = trio.current_time()
    with client.subscribe(n.Notification) as notes:
        task_status.started()
        async for note in notes:
            transcript.tell(note, client.state, trio.current_time() - began)


async def _hear_the_end(client: Client, playback: Playback) -> None:
    """The input is over: wait for the answers that are still to come, and hear them out."""
    async with client.watch(lambda state: state.turn.can_send_input) as turns:
        async for users in turns:
            if users and not await _answers(client):
                break
    await playback.drained()


async def _answers(client: Client) -> bool:
    """Whether the server begins to answer soon."""
    with trio.move_on_after(_ANSWER):
        async with client.watch(lambda state: state.turn.can_send_input) as turns:
            async for users in turns:
                if not users:
                    return True
    return False


async def _leave_on_interrupt(scope: trio.CancelScope) -> None:
    with trio.open_signal_receiver(signal.SIGINT) as signals:
        async for _ in signals:
            scope.cancel()
