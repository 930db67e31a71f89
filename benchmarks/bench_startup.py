"""What does it cost to begin: the import, the command line?"""

from __future__ import annotations

import subprocess
import sys
import time

from ._kit import Kit, Subject

TITLE = "Start-up: a fresh interpreter until the import is done"
PROCESSES = (1, 2)

# Times the import inside the new process: starting Python itself is the same for all.
_TIMED = "import time; began = time.perf_counter(); import {}; print(time.perf_counter() - began)"
_PACKAGES = ("trio", "realtime_trio", "realtime_trio.blocking", "realtime_trio.testing")


def _import(package: str) -> Subject:
    def run() -> float:
        command = [sys.executable, "-c", _TIMED.format(package)]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        return float(done.stdout)

    return run


def _command() -> float:
    """``realtime-trio --help``, the whole process."""
    began = time.perf_counter()
    subprocess.run(
        [sys.executable, "-m", "realtime_trio", "--help"], check=True, capture_output=True
    )
    return time.perf_counter() - began


def measure(kit: Kit) -> None:
    """Start processes, one after another."""
    subjects: dict[str, Subject] = {f"import {name}": _import(name) for name in _PACKAGES}
    subjects["realtime-trio --help"] = _command
    kit.rounds(subjects, ops=1, base="import trio", unit="ms", rounds=kit.pick(5, 15))
