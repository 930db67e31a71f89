"""Kill lives of one journal at random moments, and hold what is left against the promises.

``python -m tests.journal.killing 100`` is the long form.
"""

from __future__ import annotations

import random
import sqlite3
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Timer

import trio

from realtime_trio._journal._journal_store import JournalStore
from realtime_trio._journal._recovery import recover_log
from realtime_trio._log._log_fold import LogFold
from realtime_trio._log._state_snapshot import digest
from tests.journal.life import NAME

ROOT = Path(__file__).resolve().parent.parent.parent
LONGEST = 60.0
"""Seconds after which a life that says nothing more is a failure."""


def live_and_die(path: Path, chance: random.Random) -> tuple[int, int]:
    """Run one life and kill it; what it recovered, and what was acknowledged last."""
    command = [sys.executable, "-m", "tests.journal.life", str(path)]
    recovered, durable = -1, 0
    left = chance.randrange(1, 120)  # lines of output until the kill
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT
    ) as life:
        assert life.stdout is not None
        hangs = Timer(LONGEST, life.kill)
        hangs.start()
        for line in life.stdout:
            word, _, number = line.partition(" ")
            if word == "recovered":
                recovered = int(number)
            else:
                durable = int(number)
            left -= 1
            if left <= 0:
                break
        hangs.cancel()
        life.kill()
        rest, errors = life.communicate()
        assert left <= 0, f"the life hung, or ended by itself: {errors}"
        assert "Traceback" not in errors, errors  # a warning of a slow machine is none
        for line in rest.splitlines(keepends=True):
            if line.startswith("durable ") and line.endswith("\n"):
                durable = int(line.split()[1])
    return recovered, durable


async def judge(path: Path) -> tuple[int, int]:
    """Check what a killed life has left; gives its last position, and how many snapshots it has."""
    with sqlite3.connect(path) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    connection.close()
    journal = JournalStore(path)
    async with journal.opened():
        past = await recover_log(journal, NAME)
        assert past is not None
        assert past.recovered.lost is None
        assert not past.recovered.clean
        whole = LogFold()
        while blocks := await journal.read(NAME, whole.position):
            for block in blocks:
                assert block.first == whole.position + 1
                whole.apply(block)
        assert whole.position == past.info.position
        assert digest(whole.state) == digest(past.fold.state)
        return whole.position, len(await journal.snapshots(NAME))


def kill(times: int, folder: Path, seed: int = 0) -> None:
    """Kill so many lives of one file."""
    chance = random.Random(seed)
    path = folder / "calls.db"
    position = snapshots = 0
    for _ in range(times):
        recovered, durable = live_and_die(path, chance)
        assert recovered in (-1, position), (recovered, position)
        position, snapshots = trio.run(judge, path)
        assert position >= durable, (position, durable)
    assert snapshots, "no life began from a snapshot"


if __name__ == "__main__":
    with TemporaryDirectory() as place:
        kill(int(sys.argv[1]), Path(place))
    print("every life recovered what the one before it was promised")
