"""What does it cost to start: the import, the command line?"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile

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


def _environment(cache: str) -> dict[str, str]:
    """An environment that stores bytecode; otherwise everything is compiled at every start. If an
    installation does not store it, a package that was installed compiled would look faster than
    others.
    """
    environment = {**os.environ, "PYTHONPYCACHEPREFIX": cache}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    return environment


def _import(package: str, environment: dict[str, str]) -> Subject:
    def run() -> float:
        command = [sys.executable, "-c", _TIMED.format(package)]
        done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
        return float(done.stdout)

    return run


def _children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _command(environment: dict[str, str]) -> Subject:
    """Time ``realtime-trio --help``, the whole process."""

    def run() -> float:
        began = _children()
        command = [sys.executable, "-m", "realtime_trio", "--help"]
        subprocess.run(command, check=True, capture_output=True, env=environment)
        return _children() - began

    return run


def measure(kit: Kit) -> None:
    """Start processes, one after another; the first of each kind compiles and does not count."""
    with tempfile.TemporaryDirectory() as cache:
        environment = _environment(cache)
        kit.rounds(
            {f"import {name}": _import(name, environment) for name in JUDGED},
            ops=1,
            base=f"import {JUDGED[0]}",
            unit="ms",
            rounds=kit.pick(7, 15),
        )
        subjects = {f"import {name}": _import(name, environment) for name in OTHERS}
        subjects["realtime-trio --help"] = _command(environment)
        kit.rounds(subjects, ops=1, unit="ms", rounds=kit.pick(1, 7))
