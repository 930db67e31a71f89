"""The classes, modules and converted parameters that the doors have."""

from __future__ import annotations

from typing import Final

import attrs

__all__ = ["FROM_BASE", "INTERNAL", "MODULES", "OWN", "PLACES", "TAKEN", "DoorModule", "Mirrored"]


@attrs.frozen(slots=True, kw_only=True)
class Mirrored:
    """One class of a door.

    ``natives`` are the classes (module, name) whose members it has; it wraps the last one. ``base``
    is a class of the door, ``channel`` marks a channel. With ``own``, an object with a separate
    block has a separate door, which is closed at the end of the block.
    """

    name: str
    natives: tuple[tuple[str, str], ...]
    base: str = ""
    channel: bool = False
    exclusive: bool = False
    own: bool = False


@attrs.frozen(slots=True, kw_only=True)
class DoorModule:
    """One module of a door: its classes, and its opening functions."""

    name: str
    title: str
    classes: tuple[Mirrored, ...]
    functions: tuple[tuple[str, str, str], ...] = ()
    """Module, function, and the class of its value."""


def _one(module: str, name: str, *, channel: bool = False, exclusive: bool = False) -> Mirrored:
    natives = ((module, name),)
    return Mirrored(name=name, natives=natives, channel=channel, exclusive=exclusive)


CLIENT: Final = "_client._client"
COMMANDS: Final = "_client._command_methods"

MODULES: Final = (
    DoorModule(
        name="_channels",
        title="Subscriptions, watches, and the channels of a turn.",
        classes=(
            _one("_lanes._subscription", "Subscription", channel=True),
            _one("_lanes._watch", "Watch", channel=True, exclusive=True),
            _one("_turns._channel", "TurnChannel", channel=True),
            _one("_lanes._subscription", "LaneView"),
        ),
    ),
    DoorModule(
        name="_turn",
        title="Turns and receipts.",
        classes=(
            _one("_outbound._receipt", "Receipt"),
            _one("_turns._turn_progress", "Turn"),
            _one("_session._reconnection", "Reconnection"),
        ),
    ),
    DoorModule(
        name="_voice",
        title="Playing and talking.",
        classes=(
            _one("audio._playback", "Playback"),
            _one("audio._devices", "Microphone"),
            _one("audio._devices", "Speaker"),
            _one("audio._sinks", "WavSink"),
            Mirrored(
                name="AudioLane",
                natives=(("_voice._audio_lane", "AudioLane"),),
                base="LaneView",
            ),
        ),
        functions=(
            ("audio._devices", "open_microphone", "Microphone"),
            ("audio._devices", "open_speaker", "Speaker"),
            ("audio._sinks", "open_wav_sink", "WavSink"),
        ),
    ),
    DoorModule(
        name="_commands",
        title="One method for each command.",
        classes=(
            Mirrored(
                name="Commands",
                natives=(
                    (COMMANDS, "_CatalogueCommands"),
                    (COMMANDS, "_SessionCommands"),
                    (COMMANDS, "_VoiceCommands"),
                    (COMMANDS, "Commands"),
                ),
            ),
        ),
    ),
    DoorModule(
        name="_client",
        title="``open_client`` and the client that it opens.",
        classes=(
            Mirrored(
                name="Client",
                natives=(
                    ("_client._subscribes", "Subscribes"),
                    ("_client._journalled", "JournalAccess"),
                    (CLIENT, "Client"),
                ),
                base="Commands",
            ),
        ),
        functions=((CLIENT, "open_client", "Client"),),
    ),
    DoorModule(
        name="_history",
        title="The state at any moment of a journal, a recording or a trace.",
        classes=(_one("_history._time_travel", "History"),),
        functions=(("_history._time_travel", "open_history", "History"),),
    ),
    DoorModule(
        name="_remote",
        title="Sessions of a fleet, with their receipts and turns.",
        classes=(
            _one("fleet._remote_receipt", "RemoteReceipt"),
            _one("fleet._remote_session", "RemoteTurn"),
            Mirrored(
                name="RemoteSession",
                natives=(
                    ("_client._subscribes", "Subscribes"),
                    ("fleet._remote_session", "RemoteSession"),
                ),
                own=True,
            ),
        ),
    ),
    DoorModule(
        name="_fleet",
        title="A fleet: nodes, and sessions that any process attaches to.",
        classes=(
            _one("fleet._node_changes", "NodeChanges", channel=True),
            _one("fleet._fleet", "Fleet"),
            _one("fleet._node", "Node"),
        ),
        functions=(
            ("fleet._fleet", "open_fleet", "Fleet"),
            ("fleet._node", "open_node", "Node"),
        ),
    ),
    DoorModule(
        name="_server",
        title="The embedded server, for tests.",
        classes=(
            _one("server._fault_pipeline", "Faults"),
            _one("server._embedded", "RealtimeServer"),
        ),
        functions=(("server._embedded", "open_server", "RealtimeServer"),),
    ),
)

PLACES: Final = {entry.name: module.name for module in MODULES for entry in module.classes}
"""The module of each class of a door."""

OWN: Final = {entry.name for module in MODULES for entry in module.classes if entry.own}
"""The classes whose objects have a separate block within another one."""

INTERNAL: Final = frozenset(
    {
        *("Receipt.settle", "Receipt.log_queued", "Receipt.log_sending", "Receipt.written_ahead"),
        *("TurnChannel.put", "TurnChannel.finish", "NodeChanges.put", "NodeChanges.finish"),
        *("RemoteReceipt.move", "RemoteReceipt.settle", "RemoteReceipt.close"),
        *("Node.beat", "Node.claim", "Node.look", "Node.finish"),
    }
)
"""Members for other parts of the client: only their names are public."""

FROM_BASE: Final = frozenset(
    {
        *("receive", "receive_nowait", "close", "aclose"),
        *("__aiter__", "__anext__", "__enter__", "__exit__"),
    }
)
"""Members that the channels of a door inherit from their hand-written base."""

# Parameters that a door converts: their type in the door, the converting function, and the module
# of the door that has both.
TAKEN: Final = {
    "AuthSource": ("TokenSource", "as_auth", "_callbacks"),
    "AsyncIterable[bytes]": ("SoundSource", "as_source", "_callbacks"),
    "AudioSink": ("SoundSink", "as_sink", "_callbacks"),
    "DialFunction": ("DialSource", "as_dial", "_dialling"),
}
