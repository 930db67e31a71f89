"""The page of bounds says what the code has."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from realtime_trio import ClientConfig
from realtime_trio._connection import _link, _recording
from realtime_trio._core import _depth, _leniency, _records
from realtime_trio._handlers import _attach, _control, _event_identity, _turn, _users
from realtime_trio._lanes import _overflow
from realtime_trio._rest import _calls
from realtime_trio._transports import _dial, _interim_answers, _upgrade_answer
from realtime_trio._turns import _channel
from realtime_trio.server import ServerConfig

DOCS = Path(__file__).parents[2] / "docs" / "reference"
KIB, MIB = 2**10, 2**20
CONFIG = ClientConfig()


def size(count: int) -> str:
    return f"{count // MIB} MiB" if count >= MIB else f"{count // KIB} KiB"


ROWS: dict[str, tuple[str, ...]] = {
    "one message": (size(CONFIG.max_message_size), size(_dial.MAX_MESSAGE_SIZE)),
    "fragments of one message": (f"{_dial.MAX_FRAGMENTS:,}",),
    "frames that have arrived": (size(_dial.MAX_BUFFER),),
    "frames before the first": (f"{_link._EARLY:,} frames", size(_link._EARLY_BYTES)),
    "events that wait in a lane": (
        f"{CONFIG.text.max_items:,} events and {size(CONFIG.text.max_bytes)} of text",
        f"{CONFIG.control.max_items:,} events and {size(CONFIG.control.max_bytes)} of control",
        f"{CONFIG.audio.max_items:,} events and {size(CONFIG.audio.max_bytes)}",
    ),
    "items that wait in a subscription": (
        f"{_overflow.MAX_ITEMS:,} items",
        size(_overflow.MAX_BYTES),
    ),
    "items that wait in a channel": (size(_channel.MAX_HELD),),
    "ids of events": (f"{_records.SEEN_LIMIT:,}", f"{_event_identity._MAX_ID} bytes"),
    "sessions": (f"{CONFIG.max_sessions}",),
    "messages of a session": (f"{CONFIG.max_messages:,}",),
    "entries of the list": (f"{_control.INDEX_LIMIT:,}",),
    "workspaces": (f"{_control.WORKSPACE_LIMIT:,}",),
    "active tools": (f"{_attach.TOOL_LIMIT:,}",),
    "calls of a session": (f"{_records.SEEN_LIMIT:,}",),
    "open sub-sessions": (f"{_users.SUBSESSION_LIMIT:,}",),
    "errors of one turn": (f"{_turn.ERROR_LIMIT}",),
    "levels of nesting": (f"{_depth.MAX_DEPTH}",),
    "paths of tolerated faults": (f"{_leniency._MAX_PATHS}",),
    "commands that wait": (
        f"{CONFIG.max_commands:,} commands",
        size(CONFIG.max_command_bytes),
    ),
    "audio that waits": (f"{CONFIG.max_audio_frames:,} frames", size(CONFIG.max_audio_bytes)),
    "lines that wait": (f"{_recording.MAX_LINES:,} lines", size(_recording.MAX_BYTES)),
    "a REST response": (size(_calls._MAX_ANSWER),),
    "the refusal of an upgrade": (size(_upgrade_answer._MAX_BODY),),
    "interim answers": (size(_interim_answers._MAX_INTERIM),),
    "redirects": (f"{_dial._MAX_REDIRECTS} of an upgrade", f"{_calls._MAX_REDIRECTS} of a REST"),
}


def rows() -> list[str]:
    text = (DOCS / "bounds.md").read_text(encoding="utf-8")
    return re.findall(r"^\| (?!what|---)(.*) \|$", text, re.MULTILINE)


@pytest.mark.parametrize("row", list(ROWS))
def test_a_row_has_the_numbers_of_the_code(row: str) -> None:
    (line,) = [each for each in rows() if each.startswith(row + (" |" if " " not in row else ""))]
    assert [number for number in ROWS[row] if number not in line] == []


def test_every_row_is_checked() -> None:
    assert len(rows()) == len(ROWS)


def test_the_page_of_the_server_names_each_bound() -> None:
    page = (DOCS / "server.md").read_text(encoding="utf-8")
    options = [name for name in ServerConfig.__slots__ if name.startswith(("max_", "hard_"))]
    sizes = {"max_message_bytes", "max_upload_bytes"}  # of one message or body; nothing is kept
    assert [name for name in options if f"`{name}`" not in page and name not in sizes] == []
