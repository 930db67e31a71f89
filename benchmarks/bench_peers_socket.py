"""What does an event cost over a socket in openai-python's client, and here?"""

from __future__ import annotations

from ._kit import Kit, Subject
from ._sockets import CONNECTORS, connector, flooded, timed
from ._wires import flood_server
from .stream import EVENTS_A_TURN

TITLE = "Peers: openai-python's client over a loopback socket, beside ours"
PROCESSES = (1, 3)


def measure(kit: Kit) -> None:
    """Time the same number and mix of events, each client with its own vocabulary."""
    from . import _openai

    turns = kit.pick(20, 60)
    messages = turns * EVENTS_A_TURN
    with flood_server() as url:
        subjects: dict[str, Subject] = {
            "openai-python: client": lambda: _openai.received(url, f"openai-{turns}", messages)
        }
        for name in CONNECTORS:
            transport = connector(name)
            if transport is not None:
                subjects[f"realtime_trio, {name}"] = timed(flooded, url, transport, turns)
        kit.rounds(subjects, ops=messages, base="openai-python: client", rounds=kit.pick(3, 7))
