"""``realtime-trio demo``: a server, a client and a real websocket between them, in one terminal."""

from __future__ import annotations

import trio
from rich.text import Text

from .._config import ClientConfig
from .._core import _notifications as n
from .._core._audio import DEFAULT_FORMAT
from .._core._state import SessionState
from .._io._client import Client, open_client
from .._io._outcome import TurnCancelled
from .._io._overflow import Block
from .._io._subscription import Subscription
from .._io._transport_trio_websocket import TrioWebsocketConnector
from ..server import RealtimeServer, ServerConfig, open_server
from ._chat import Conversation
from ._demo_report import Finding, report
from ._demo_script import FLOOD, QUESTIONS, SPOKEN, turns
from ._errors import CommandError
from ._live import LiveTranscript, follow
from ._probe import Probe

__all__ = ["demo"]

_BACKLOG = 5_000  # pieces of text that wait when the cancel is sent
_DEADLINE = 60.0  # ten times what it takes: only a demo that hangs gets there


def demo() -> None:
    """Show the library at work: a conversation over a real websocket, and what it measured."""
    trio.run(_demo)


class _Transcript(LiveTranscript):
    """Leaves out the text of the flood: nobody wants to read it."""

    flooded = False

    def tell(self, note: n.Notification, state: SessionState, elapsed: float) -> None:
        """Show one notification."""
        if self.flooded and isinstance(note, n.MessageStreaming | n.MessageComplete):
            return
        super().tell(note, state, elapsed)


async def _demo() -> None:
    transcript = _Transcript()
    with trio.move_on_after(_DEADLINE):
        async with open_server(ServerConfig(seed=1, pace=0.015)) as server:
            found = await _converse(server, transcript)
        report(transcript.console, found)
        return
    msg = f"the demo is not over after {_DEADLINE:g} seconds"
    raise CommandError(msg, status=1)


async def _converse(server: RealtimeServer, transcript: _Transcript) -> Finding:
    url = await server.listen()
    server.script(*turns())
    probe = Probe(TrioWebsocketConnector())
    transcript.console.print(Text(f"server and client meet at {url}", "bold"), soft_wrap=True)
    client_of = open_client(
        url,
        auth=server.issue_token(),
        transport=probe,
        # Each piece of text by itself, so that each can be timed.
        config=ClientConfig(coalesce=False),
    )
    async with client_of as client, trio.open_nursery() as nursery:
        await nursery.start(follow, client, transcript)
        await nursery.start(probe.listen, client)
        await client.ready()
        await transcript.turn_over(1)
        await _talk(client, transcript, probe)
        found = await _interrupt(client, transcript, probe)
        nursery.cancel_scope.cancel()
    return found


async def _talk(client: Client, transcript: _Transcript, probe: Probe) -> None:
    probe.phase = "conversation"
    talk = Conversation(client, transcript)
    for question in QUESTIONS:
        heard = client.state.audio.byte_count
        await talk.say(question)
        if question == SPOKEN:
            audio = client.state.audio
            seconds = DEFAULT_FORMAT.seconds_of(audio.byte_count - heard)
            told = f"{seconds:.1f} s of speech in {audio.frames} frames"
            transcript.line("audio", told, style="magenta")


async def _interrupt(client: Client, transcript: _Transcript, probe: Probe) -> Finding:
    """Ask for a flood of text, let it pile up behind a subscriber, and cancel."""
    transcript.flooded = True
    before = transcript.turns_over
    control = client.control.subscribe()
    held = client.text.subscribe(overflow=Block(1))  # never read: its lane stands still
    with control, held:
        async with client.ask(FLOOD) as turn:
            while client.text.statistics().depth < _BACKLOG:  # noqa: ASYNC110  no event tells
                await trio.sleep(0.005)
            probe.phase = "flood"
            waiting = client.text.statistics().depth
            took = await _cancel(client, control)
            told = f"{waiting:,} pieces of text were waiting when the cancel was sent"
            transcript.line("flood", told, style="yellow")
            held.close()
            outcome = await turn.wait()
    await transcript.turn_over(before + 1)
    if not isinstance(outcome, TurnCancelled):
        msg = f"the cancelled turn has ended as {type(outcome).__name__}"
        raise CommandError(msg, status=1)
    return Finding(
        lanes=client.statistics(),
        samples=probe.samples,
        cancel=took,
        waiting=waiting,
        state=client.state,
    )


async def _cancel(client: Client, control: Subscription[n.Notification]) -> float:
    """Cancel, and give the seconds until the control lane tells of it."""
    asked = trio.current_time()
    took = 0.0
    async with trio.open_nursery() as nursery:
        nursery.start_soon(client.cancel)
        async for note in control:
            if isinstance(note, n.CancelNotification):
                took = trio.current_time() - asked
                break
    return took
