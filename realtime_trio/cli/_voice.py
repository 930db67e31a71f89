"""``realtime-trio voice URL``: a spoken conversation."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager, AsyncExitStack
from typing import Annotated, Final, TypeAlias

import trio
from cyclopts import Parameter
from rich.text import Text

from .._client._client import Client
from .._core import _notifications as n
from .._voice._audio_lane import AudioStatistics
from .._voice._talk import VoiceMode
from ..audio import AudioSink, AudioSource, VadConfig
from ..audio._playback import Playback
from ._connect import PATIENT, STEADY, check_session, connect, identity
from ._console import make_console
from ._level_meter import Meter, measured
from ._signals import until_signalled
from ._transcript import Transcript
from ._voice_devices import check_output, detector, open_input, open_output

__all__ = ["SpokenTranscript", "converse", "voice"]

# A single "-" is not an option.
_End: TypeAlias = Annotated[str, Parameter(allow_leading_hyphen=True)]
_Switch: TypeAlias = Annotated[bool, Parameter(negative=())]

_VAD: Final = VadConfig()

_ANSWER: Final = 5.0
"""Seconds to wait for the start of an answer to the last utterance."""


def voice(
    url: str,
    /,
    *,
    input: _End = "mic",
    output: _End = "speaker",
    mode: VoiceMode = "ptt",
    barge_in: bool | None = None,
    vad_threshold: float = _VAD.threshold_db,
    vad_minimum: float = _VAD.minimum_dbfs,
    vad_attack: int = _VAD.attack,
    vad_hangover: float = _VAD.hangover,
    vad_pre_roll: float = _VAD.pre_roll,
    vad_learning: float = _VAD.learning,
    overwrite: _Switch = False,
    user: str | None = None,
    token: str | None = None,
    agent: str | None = None,
    session: str | None = None,
) -> None:
    """Talk to a server and hear its answers. Ctrl-C leaves.

    Parameters
    ----------
    url
        The address of the server: https://host, ws://host:port.
    input
        The source: "mic", a sound file, or "-" for raw PCM16 (16 kHz, mono).
    output
        The sink: "speaker", a WAV file to write, or "-" for raw PCM16 (16 kHz, mono). With "-",
        the transcript goes to standard error.
    mode
        Who detects your utterances: "ptt" this program, "vad" the server during your turns,
        "realtime" the server at any time.
    barge_in
        Whether your voice interrupts the agent. By default it does from a microphone (wear
        headphones, or pass --no-barge-in); a file waits until the agent has finished.
    vad_threshold
        How many dB speech is above the noise. Raise it if noise interrupts the agent.
    vad_minimum
        The minimum level of speech in dBFS.
    vad_attack
        How many frames of 20 ms must be loud in a row.
    vad_hangover
        Seconds of quiet that end an utterance.
    vad_pre_roll
        Seconds of sound before the utterance that are also sent.
    vad_learning
        Seconds at the beginning in which the noise is learned.
    overwrite
        Overwrite an existing file.
    user
        Log in with this name. The command asks for the password, unless the environment variable
        REALTIME_TRIO_PASSWORD contains it.
    token
        Use this token instead; the default is the environment variable REALTIME_TRIO_TOKEN.
    agent
        The agent of a new session.
    session
        The session to continue.
    """
    check_output(output, source=input, overwrite=overwrite)
    vad = detector(
        threshold_db=vad_threshold,
        minimum_dbfs=vad_minimum,
        attack=vad_attack,
        hangover=vad_hangover,
        pre_roll=vad_pre_roll,
        learning=vad_learning,
    )
    patience = PATIENT if input == "mic" else STEADY
    auth = identity(token, user)
    client_of = connect(url, auth=auth, agent=agent, session=session, config=patience)
    interrupts = input == "mic" if barge_in is None else barge_in
    trio.run(_voice, client_of, input, output, mode, interrupts, vad, session)


async def _voice(
    client_of: AbstractAsyncContextManager[Client],
    input: str,
    output: str,
    mode: VoiceMode,
    interrupts: bool,
    vad: VadConfig,
    session: str | None,
) -> None:
    transcript = SpokenTranscript(make_console(stderr=output == "-"))
    # A WAV file always gets its last samples.
    async with until_signalled() as ending, AsyncExitStack() as stack:
        source = await open_input(stack, input)
        client = await stack.enter_async_context(client_of)
        ending.started = True
        sink = await open_output(stack, output)
        await converse(
            client,
            source,
            sink,
            transcript,
            mode=mode,
            interrupts=interrupts,
            vad=vad,
            session=session,
        )


async def converse(
    client: Client,
    source: AudioSource,
    sink: AudioSink,
    transcript: SpokenTranscript,
    *,
    mode: VoiceMode,
    interrupts: bool,
    vad: VadConfig | None = None,
    session: str | None = None,
) -> None:
    """Run the conversation until the source ends and all answers are played, or the client ends."""
    metered = measured(source)
    try:
        async with client.audio.play_to(sink) as playback, trio.open_nursery() as nursery:
            await nursery.start(_follow, client, transcript, nursery.cancel_scope)
            meter = Meter(transcript.console, metered, playback, say=transcript.show_level)
            nursery.start_soon(meter.run)
            await check_session(client, session)
            await client.audio.talk(metered, mode=mode, vad=vad, barge_in=interrupts)
            await _play_to_end(client, transcript, playback)
            nursery.cancel_scope.cancel()
    finally:
        transcript.sum_up(client.audio.statistics())


class SpokenTranscript(Transcript):
    """A transcript that also shows voice levels and totals."""

    answered = 0
    """Frames sent before the agent's last turn started."""

    def follow(self, note: n.Notification, client: Client, elapsed: float) -> None:
        """Show one notification of a client."""
        if isinstance(note, n.TurnStateChanged) and not note.can_send_input:
            self.answered = client.audio.statistics().sending.given
        self.show(note, client.state, elapsed)

    def show_level(self, drawn: Text) -> None:
        """Print a line of the meter."""
        self.line("level", drawn)

    def sum_up(self, statistics: AudioStatistics) -> None:
        """Show how much audio was sent and heard."""
        said, heard = statistics.sending, statistics.playback
        text = f"{said.seconds:.1f} s sent"
        if said.dropped:
            text += f", {said.dropped} frames of it dropped"
        assert heard is not None  # there is a sink
        text += f"; {heard.position:.1f} s heard, {heard.underruns} underruns"
        self.line("voice", text, style="magenta")


async def _follow(
    client: Client,
    transcript: SpokenTranscript,
    scope: trio.CancelScope,
    *,
    task_status: trio.TaskStatus[None],
) -> None:
    """Show the client's notifications, until it ends."""
    began = trio.current_time()
    with client.subscribe(n.Notification) as notes:
        task_status.started()
        async for note in notes:
            transcript.follow(note, client, trio.current_time() - began)
    scope.cancel()


async def _play_to_end(client: Client, transcript: SpokenTranscript, playback: Playback) -> None:
    """After the end of the input, wait for the remaining answers and play them."""
    async with client.watch(lambda state: state.turn.can_send_input) as turns:
        async for users in turns:
            if users and not await _answers(client, transcript):
                break
    await playback.drained()


async def _answers(client: Client, transcript: SpokenTranscript) -> bool:
    """Whether the server answers the last utterance; waits for the start of the answer."""
    if client.audio.statistics().sending.given == transcript.answered:
        return False
    with trio.move_on_after(_ANSWER):
        async with client.watch(lambda state: state.turn.can_send_input) as turns:
            async for users in turns:
                if not users:
                    return True
    return False
