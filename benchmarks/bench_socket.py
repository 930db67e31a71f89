"""What does an event cost over a loopback socket, from a server in another process?"""

from __future__ import annotations

from ._kit import Kit, Subject
from ._sockets import (
    CONNECTORS,
    audio_sent,
    bare_trio_websocket,
    connector,
    flooded,
    timed,
    transported,
)
from ._wires import flood_server
from .stream import EVENTS_A_TURN

TITLE = "Socket: loopback, the server in another process, through each transport"
PROCESSES = (1, 3)


def measure(kit: Kit) -> None:
    """Time the client over each transport beside a loop that only receives."""
    turns = kit.pick(45, 135)
    messages = turns * EVENTS_A_TURN
    flood = f"flood-{turns}"
    with flood_server() as url:
        receiving: dict[str, Subject] = {
            "trio-websocket, bare loop": timed(bare_trio_websocket, url, flood, messages)
        }
        sending: dict[str, Subject] = {}
        frames = kit.pick(3000, 6000)
        for name in CONNECTORS:
            transport = connector(name)
            if transport is None:
                kit.note(f"{name} is not installed: its figures are missing")
                continue
            receiving[f"{name}, transport alone"] = timed(
                transported, url, transport, flood, messages
            )
            receiving[f"{name}, client"] = timed(flooded, url, transport, turns)
            sending[f"{name}, send audio"] = timed(audio_sent, url, transport, frames)
        bare = "trio-websocket, bare loop"
        kit.rounds(receiving, ops=messages, base=bare)
        kit.rounds(sending, ops=frames, base="trio-websocket, send audio")
