"""``realtime-trio demo``: a server and a client with a real websocket, in one terminal."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

import trio
from rich.text import Text

from .._client._client import Client, open_client
from .._config import ClientConfig
from .._core import _notifications as n
from .._core._state import SessionState
from .._lanes._overflow import Block
from .._lanes._subscription import Subscription
from .._transports._trio_websocket import TrioWebsocketConnector
from .._turns._outcome import TurnCancelled
from ..audio import AudioSink, MemorySource, Playback, open_wav_sink
from ..server import RealtimeServer, ScriptedTurn, ServerConfig, open_server
from ._chat_loop import ChatLoop
from ._command_error import CommandError
from ._demo_report import Finding, report
from ._demo_script import ANSWERS_ALOUD, FLOOD, QUESTIONS, SAID, turns
from ._latency_probe import Probe
from ._level_meter import Meter, measured
from ._live_transcript import LiveTranscript, follow

__all__ = ["demo"]

_BACKLOG = 5_000  # deltas that are queued when the cancel is sent
_DEADLINE = 60.0  # ten times the usual time: only a demo that hangs takes this long


def demo(*, wav: Path | None = None) -> None:
    """Show a conversation over a real websocket, with measurements.

    Parameters
    ----------
    wav
        The file for the agent's speech; by default it is in a new temporary directory.
    """
    heard = wav if wav is not None else Path(tempfile.mkdtemp(prefix="realtime-trio-"), "demo.wav")
    try:
        # The script is created before the client runs, because the synthesiser can block.
        trio.run(_demo, heard, turns())
    except OSError as exc:
        if exc.filename != str(heard):
            raise
        message = f"cannot write {heard}: {exc.strerror}"
        raise CommandError(message) from None


class _DemoTranscript(LiveTranscript):
    """A transcript without the text of the flood."""

    flooded = False

    def show(self, note: n.Notification, state: SessionState, elapsed: float) -> None:
        """Show one notification."""
        if self.flooded and isinstance(note, n.MessageStreaming | n.MessageComplete):
            return
        super().show(note, state, elapsed)

    def show_level(self, drawn: Text) -> None:
        """Print a line of the meter."""
        self.line("level", drawn)


async def _demo(wav: Path, script: Sequence[ScriptedTurn]) -> None:
    transcript = _DemoTranscript()
    with trio.move_on_after(_DEADLINE):
        config = ServerConfig(seed=1, pace=0.015)
        async with open_wav_sink(wav) as sink, open_server(config) as server:
            server.script(*script)
            found = await _converse(server, transcript, sink)
        report(transcript.console, found, wav)
        return
    message = f"the demo did not finish within {_DEADLINE:g} seconds"
    raise CommandError(message, status=1)


async def _converse(
    server: RealtimeServer, transcript: _DemoTranscript, sink: AudioSink
) -> Finding:
    url = await server.listen()
    probe = Probe(TrioWebsocketConnector())
    transcript.console.print(
        Text(f"server and client are connected at {url}", "bold"), soft_wrap=True
    )
    client_of = open_client(
        url,
        auth=server.issue_token(),
        transport=probe,
        # Each delta separately, so that each can be timed.
        config=ClientConfig(coalesce=False),
    )
    async with client_of as client, trio.open_nursery() as nursery:
        await nursery.start(follow, client, transcript)
        await nursery.start(probe.listen, client)
        await client.ready()
        await transcript.turn_over(1)
        probe.phase = "conversation"
        await _talk(client, transcript)
        async with client.audio.play_to(sink) as playback:
            await _talk_aloud(client, transcript, playback)
        found = await _interrupt(client, transcript, probe)
        nursery.cancel_scope.cancel()
    return found


async def _talk(client: Client, transcript: _DemoTranscript) -> None:
    talk = ChatLoop(client, transcript)
    for question in QUESTIONS:
        await talk.say(question)


async def _talk_aloud(client: Client, transcript: _DemoTranscript, playback: Playback) -> None:
    """Ask by voice, interrupt the answer, and play the next one to its end."""
    before = transcript.turns_over
    said = measured(MemorySource(SAID))
    # Not at the bottom of the terminal, where the answer is written.
    meter = Meter(None, said, playback, say=transcript.show_level, every=0.4)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(meter.run)
        await client.audio.talk(said)
        await transcript.turn_over(before + ANSWERS_ALOUD)
        await playback.drained()
        nursery.cancel_scope.cancel()
    heard = playback.statistics()
    sent = client.audio.statistics().sending.seconds
    text = f"{sent:.1f} s said, {heard.position:.1f} s heard, {heard.underruns} underruns"
    transcript.line("audio", text, style="magenta")


async def _interrupt(client: Client, transcript: _DemoTranscript, probe: Probe) -> Finding:
    """Request a flood of text, let it queue up behind a subscriber, and cancel."""
    transcript.flooded = True
    before = transcript.turns_over
    control = client.control.subscribe()
    held = client.text.subscribe(overflow=Block(1))  # never read, so its lane is blocked
    with control, held:
        async with client.ask(FLOOD) as turn:
            while client.text.statistics().depth < _BACKLOG:  # noqa: ASYNC110  no event
                await trio.sleep(0.005)
            probe.phase = "flood"
            waiting = client.text.statistics().depth
            took = await _cancel(client, control)
            text = f"{waiting:,} deltas were queued when the cancel was sent"
            transcript.line("flood", text, style="yellow")
            held.close()
            outcome = await turn.wait()
    await transcript.turn_over(before + 1)
    if not isinstance(outcome, TurnCancelled):
        message = (
            f"expected the cancelled turn to end as TurnCancelled, not {type(outcome).__name__}"
        )
        raise CommandError(message, status=1)
    return Finding(
        lanes=client.statistics(),
        samples=probe.samples,
        cancel=took,
        waiting=waiting,
        state=client.state,
    )


async def _cancel(client: Client, control: Subscription[n.Notification]) -> float:
    """Cancel, and return the seconds until the control lane emits it."""
    asked = trio.current_time()
    took = 0.0
    async with trio.open_nursery() as nursery:
        nursery.start_soon(client.cancel)
        async for note in control:
            if isinstance(note, n.CancelConfirmed):
                took = trio.current_time() - asked
                break
    return took
