"""What does an event cost over a loopback socket, from a server in another process?"""

from __future__ import annotations

from ._kit import Kit, Subject
from ._sockets import (
    CONNECTORS,
    DIAL,
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

_BARE = "trio-websocket, bare loop"


def measure(kit: Kit) -> None:
    """Time the client over each transport, and loops that do less: bare receive loops, and a
    hand-written asyncio client without lanes and state.
    """
    turns = kit.pick(30, 135)
    messages = turns * EVENTS_A_TURN
    flood = f"flood-{turns}"
    frames = kit.pick(3000, 6000)
    with flood_server() as url:
        receiving: dict[str, Subject] = {
            _BARE: timed(bare_trio_websocket, url, flood, messages),
        }
        sending: dict[str, Subject] = {}
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
        receiving |= _by_hand(kit, f"{url}{DIAL}{flood}", messages)
        kit.rounds(receiving, ops=messages, base=_BARE, rounds=kit.pick(5, 7))
        kit.rounds(sending, ops=frames, base="trio-websocket, send audio", rounds=kit.pick(5, 7))


def _by_hand(kit: Kit, url: str, messages: int) -> dict[str, Subject]:
    try:
        from . import _consumers
    except ImportError as exc:
        kit.note(f"{exc.name} is not installed: the figures of the hand-written client are missing")
        return {}
    readers = {
        "json + pydantic": _consumers.pydantic_reader(),
        "msgspec": _consumers.msgspec_reader(),
    }
    return {
        f"asyncio by hand, {name}": _consumers.by_hand(url, messages, reader)
        for name, reader in readers.items()
    }
