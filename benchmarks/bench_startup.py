"""What does it cost to begin: the import, the command line?"""

from __future__ import annotations

import resource
import subprocess
import sys

from ._kit import Kit, Subject

TITLE = "Start-up: processor time of a fresh interpreter until the import is done"
PROCESSES = (1, 2)

JUDGED = ("trio", "realtime_trio")
OTHERS = ("realtime_trio.blocking", "realtime_trio.testing")

# Measured inside the new process: starting Python itself is the same for all.
_TIMED = """
import time
began = time.process_time()
import {}
print(time.process_time() - began)
"""


def _import(package: str) -> Subject:
    def run() -> float:
        command = [sys.executable, "-c", _TIMED.format(package)]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        return float(done.stdout)

    return run


def _children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _command() -> float:
    """``realtime-trio --help``, the whole process."""
    began = _children()
    subprocess.run(
        [sys.executable, "-m", "realtime_trio", "--help"], check=True, capture_output=True
    )
    return _children() - began


def measure(kit: Kit) -> None:
    """Start processes, one after another."""
    kit.rounds(
        {f"import {name}": _import(name) for name in JUDGED},
        ops=1,
        base=f"import {JUDGED[0]}",
        unit="ms",
        rounds=kit.pick(7, 15),
    )
    subjects: dict[str, Subject] = {f"import {name}": _import(name) for name in OTHERS}
    subjects["realtime-trio --help"] = _command
    kit.rounds(subjects, ops=1, unit="ms", rounds=kit.pick(1, 7))
