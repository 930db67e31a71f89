"""What does permessage-deflate cost and save for the mixed stream, over each transport?"""

from __future__ import annotations

import trio

import realtime_trio as rt

from ._kit import Kit, Subject
from ._sockets import CONNECTORS, DIAL, flooded, timed
from ._wires import flood_server
from .stream import EVENTS_A_TURN

TITLE = "Compression: CPU and bytes of an event, with permessage-deflate and without"
PROCESSES = (1, 3)

_KINDS = {"plain": False, "compressed": True}


def measure(kit: Kit) -> None:
    """Time the client with and without compression, in turn, over each transport.

    The server is another process and compresses before the clock starts, so the time is the
    client's alone. The bytes are those that the client's socket received, of which the
    upgrade's answer and the pong are a few hundred in all.
    """
    turns = kit.pick(30, 135)
    messages = turns * EVENTS_A_TURN
    with flood_server() as url:
        for name, make in CONNECTORS.items():
            subjects: dict[str, Subject] = {}
            for kind, compression in _KINDS.items():
                try:
                    transport = make(compression=compression)
                except ImportError:
                    kit.note(f"{name} is not installed: its figures are missing")
                    break
                subjects[f"{name}, {kind}"] = timed(flooded, url, transport, turns)
                size = trio.run(_received, url, transport, f"flood-{turns}", messages)
                base = None if kind == "plain" else f"{name}, plain: wire"
                kit.sample(f"{name}, {kind}: wire", size / messages, "B", base=base)
            else:
                base = f"{name}, plain"
                kit.rounds(subjects, ops=messages, base=base, rounds=kit.pick(5, 7))


async def _received(url: str, transport: rt.Connector, scenario: str, messages: int) -> int:
    """Return the bytes that a connection has received after so many messages."""
    async with trio.open_nursery() as nursery:
        link = await transport.connect(f"{url}{DIAL}{scenario}", nursery)
        await link.send_text('{"type":"get_agents"}')
        for _ in range(messages):
            await link.receive()
        size = link.bytes_received
        await link.aclose()
    return size
