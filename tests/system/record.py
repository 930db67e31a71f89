"""Writes the recordings of tests/data/recordings anew: ``python -m tests.system.record [NAME]...``.

Beside each goes the output of ``replay --json`` for it, which a person has to read before it
is committed: from then on it is frozen. Without a name all of them are written. Where only the
output is to change, because a rule has, ``--output`` leaves the traffic as it was recorded.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import trio
import trio.testing

from realtime_trio._replay import Replay, note_line, state_line
from realtime_trio.server import ServerConfig

from . import conversations
from .three_ways import Conversation, converse

FOLDER: Final = Path(__file__).resolve().parents[1] / "data" / "recordings"
SECRET: Final = "tok-secret"
CONFIG: Final = ServerConfig(pace=0.001, toolset_count=1, voice_names=("alloy", "coral"))
RECORDED: Final[dict[str, Conversation]] = {
    f"embedded_{conversation.__name__}": conversation
    for conversation in conversations.CONVERSATIONS
}


def replay_lines(path: Path) -> Iterator[bytes]:
    """The output of ``replay --json``."""
    replay = Replay()
    for line in path.read_bytes().splitlines(keepends=True):
        for note in replay.feed(line):
            yield note_line(replay.line, note)
    yield state_line(replay.state)


async def main(clock: trio.testing.MockClock, *arguments: str) -> None:
    """Write those that are named, or all."""
    names = [argument for argument in arguments if argument != "--output"]
    for name in names or RECORDED:
        path = FOLDER / f"{name}.jsonl"
        if "--output" not in arguments:
            await converse(path, RECORDED[name], CONFIG, clock)
        path.with_suffix(".out.jsonl").write_bytes(b"".join(replay_lines(path)))


if __name__ == "__main__":
    virtual = trio.testing.MockClock()
    trio.run(main, virtual, *sys.argv[1:], clock=virtual)
