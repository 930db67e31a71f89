"""The parts of a client without a link: the test writes and receives in its place."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import trio.testing

from realtime_trio import events as ev
from realtime_trio._client._client import Client
from realtime_trio._config import ClientConfig
from realtime_trio._connection._supervisor import Address
from realtime_trio._core._local_events import LinkEvent, LinkLostEvent
from realtime_trio._outbound._send_queue import Entry
from realtime_trio._rest._urls import endpoint
from realtime_trio._session._shell import Shell
from realtime_trio._transports._memory import MemoryConnector
from realtime_trio._transports._network import Network
from realtime_trio._turns._turn_progress import TurnProgress


class ScriptedLink:
    """A shell whose lanes run, and whose link is played by the test."""

    def __init__(self, config: ClientConfig | None = None) -> None:
        self.shell = Shell(
            config=config or ClientConfig(),
            connector=MemoryConnector(connect_timeout=1),
            network=Network(),
            address=Address(endpoint("memory://nobody"), agent_key=None, chat_session_id=None),
            auth="any",
            recorder=None,
        )
        self.client = Client(self.shell)

    @property
    def agree(self) -> bool:
        """Whether gate and state agree on whether the next input can be sent."""
        return self.shell.gate.open == self.client.state.turn.can_send_input

    async def settled(self) -> None:
        """Wait until every lane has handled its events."""
        await trio.testing.wait_all_tasks_blocked()

    def open(self) -> None:
        """Open a confirmed link whose pong has not been received yet."""
        self.shell.observer.link_opened()
        self.shell.pipeline.post(LinkEvent(status="connected"))

    def lose(self) -> None:
        """Do what the supervisor does when a link ends."""
        self.shell.pipeline.post(LinkLostEvent())
        self.shell.observer.link_lost()
        self.shell.pipeline.post(LinkEvent(status="reconnecting", initialized=False))

    async def receive(self, *events: str | dict[str, object]) -> None:
        """Receive these events of the server; a string is a type."""
        frames = [
            json.dumps({"type": event} if isinstance(event, str) else event) for event in events
        ]
        await self.shell.pipeline.feed(frames, self.shell.observer.received)

    def put(self, event: ev.Event, *, force: bool = False) -> None:
        self.shell.outbox.put_nowait(event, force=force)

    def put_ask(self, text: str = "hello", *, force: bool = False) -> TurnProgress:
        """Queue the input of an ask."""
        turns, progress = self.shell.turns, TurnProgress()
        receipt = self.shell.outbox.put_nowait(
            ev.TextInputEvent(text=text), force=force, on_write=lambda: turns.begin(progress)
        )
        turns.queued(progress, receipt)
        return progress

    async def write(self) -> list[str]:
        """Write everything that can be sent now; return the types."""
        written: list[str] = []
        while (entry := await self._next()) is not None:
            self.shell.outbox.finish_write(entry, "sent")
            if entry.event is not None:
                written.append(entry.event.type)
        return written

    async def _next(self) -> Entry | None:
        if not self.shell.outbox._can_send():
            return None
        return await self.shell.outbox.next(stay=True)


@asynccontextmanager
async def scripted_link(
    *first: str, config: ClientConfig | None = None
) -> AsyncGenerator[ScriptedLink, None]:
    """Run the lanes of a client whose link has sent this first, or the user's turn."""
    link = ScriptedLink(config)
    shell = link.shell
    async with trio.open_nursery() as nursery:
        nursery.start_soon(shell.run)
        with trio.CancelScope(shield=True):
            while shell._scope is None:
                await shell._moves.park()
        scope = shell.nursery.cancel_scope
        nursery.start_soon(shell.pipeline.run)
        link.open()
        await link.receive(*(first or ("pong", "user_turn_start")))
        await link.settled()
        yield link
        nursery.cancel_scope.cancel()
        scope.cancel()
