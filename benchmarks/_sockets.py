"""Shared by the questions about real sockets: bare receive loops, and the client."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from typing import TypeAlias

import trio
import trio_websocket

import realtime_trio as rt
from realtime_trio import events as ev

from ._wires import turns_heard

__all__ = [
    "CONNECTORS",
    "DEFAULT",
    "DIAL",
    "GO",
    "Around",
    "all_durable",
    "audio_sent",
    "bare_trio_websocket",
    "client",
    "connector",
    "flooded",
    "nothing",
    "opened_transport",
    "timed",
    "transported",
]

GO = '{"type":"get_agents"}'
DIAL = "/api/rt/ws?token=t&agent_key="

# The default transport of a client.
DEFAULT = "trio-websocket"
CONNECTORS: dict[str, Callable[..., rt.Connector]] = {
    "trio-websocket": rt.TrioWebsocketConnector,
    "websockets": rt.WebsocketsConnector,
}


def connector(name: str) -> rt.Connector | None:
    """Return the connector of a transport; ``None`` if its library is not installed."""
    try:
        return CONNECTORS[name]()
    except ImportError:
        return None


# A context around a measurement, for example an instrument of the client.
Around: TypeAlias = Callable[[rt.Client], AbstractAsyncContextManager[object]]


def nothing(_client: rt.Client) -> AbstractAsyncContextManager[object]:
    """Do nothing around a measurement."""
    return nullcontext()


@asynccontextmanager
async def client(
    url: str,
    transport: rt.Connector,
    scenario: str,
    *,
    coalesce: bool = True,
    journal: rt.Journal | None = None,
) -> AsyncGenerator[rt.Client, None]:
    """Open a client on a scenario of the flood server, without pings."""
    config = rt.ClientConfig(coalesce=coalesce, ping_interval=None, turn_silence=None)
    async with rt.open_client(
        url,
        auth="token",
        agent_key=scenario,
        transport=transport,
        config=config,
        journal=journal,
        name=None if journal is None else scenario,
    ) as opened:
        yield opened


async def all_durable(opened: rt.Client) -> None:
    """Wait until the journal, if there is one, has everything received so far."""
    life = opened._shell.life
    if life is not None:
        await life.reached(life.writer.position)


async def flooded(
    url: str,
    transport: rt.Connector,
    turns: int,
    journal: rt.Journal | None = None,
    around: Around = nothing,
) -> float:
    """Return the seconds from the start of a flood until a subscriber of the text lane has all of
    it, and also the journal, if there is one. A context around it has ended by then, too.
    """
    async with client(url, transport, f"flood-{turns}", journal=journal) as opened:
        async with around(opened):
            notes = opened.text.subscribe()
            await trio.lowlevel.checkpoint()
            began = time.process_time()
            opened.send_nowait(ev.GetAgentsEvent(), force=True)
            await turns_heard(notes, turns)
            await all_durable(opened)
        return time.process_time() - began


async def bare_trio_websocket(url: str, scenario: str, messages: int) -> float:
    """Return the seconds of the simplest loop over trio-websocket's public interface."""
    async with trio_websocket.open_websocket_url(f"{url}{DIAL}{scenario}") as ws:
        began = time.process_time()
        await ws.send_message(GO)
        for _ in range(messages):
            await ws.get_message()
        return time.process_time() - began


@asynccontextmanager
async def opened_transport(
    url: str, transport: rt.Connector, scenario: str
) -> AsyncGenerator[rt.Transport, None]:
    """Open one of the library's transports, without a client."""
    async with trio.open_nursery() as nursery:
        link = await transport.connect(f"{url}{DIAL}{scenario}", nursery)
        yield link
        await link.aclose()


async def transported(url: str, transport: rt.Connector, scenario: str, messages: int) -> float:
    """Return the seconds of a loop over a transport that ignores the frames."""
    async with opened_transport(url, transport, scenario) as link:
        began = time.process_time()
        await link.send_text(GO)
        left = messages
        while left:
            await link.receive()
            left -= 1
            try:
                while left:
                    link.receive_nowait()
                    left -= 1
            except trio.WouldBlock:
                continue
        return time.process_time() - began


async def audio_sent(url: str, transport: rt.Connector, frames: int) -> float:
    """Return the seconds to send frames of 640 bytes, until the server has all of them."""
    frame = bytes(640)
    async with opened_transport(url, transport, f"sink-{frames}") as link:
        began = time.process_time()
        for _ in range(frames):
            await link.send_bytes(frame)
        await link.receive()
        return time.process_time() - began


def timed(work: Callable[..., Awaitable[float]], *args: object) -> Callable[[], float]:
    """Run an async measurement in a separate ``trio.run``."""
    return lambda: trio.run(work, *args)
