"""Running the command line as its users do: a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from realtime_trio.cli import main
from tests.source import PACKAGE, ROOT

DATA = ROOT / "tests" / "data"

# rich and cyclopts look at these; a test decides itself how wide its terminal is.
_TERMINAL = ("COLUMNS", "LINES", "FORCE_COLOR", "NO_COLOR", "TTY_COMPATIBLE", "TERM")


def environment(**extra: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name not in _TERMINAL}
    return {**kept, "PYTHONPATH": str(ROOT), **extra}


def run(
    *arguments: str | Path,
    stdin: bytes | None = None,
    env: dict[str, str] | None = None,
) -> subprocess.CompletedProcess[bytes]:
    """Run one command to its end, with warnings as errors."""
    return subprocess.run(
        [sys.executable, "-W", "error", "-m", PACKAGE, *map(str, arguments)],
        input=stdin,
        stdin=subprocess.DEVNULL if stdin is None else None,
        capture_output=True,
        check=False,
        env=env or environment(),
        timeout=120,
    )


def refusal(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> str:
    """What a command says to an error of use: one line, no traceback, exit status 2."""
    with pytest.raises(SystemExit) as left:
        main([str(argument) for argument in arguments])
    said = capsys.readouterr()
    assert left.value.code == 2
    assert said.out == ""
    assert said.err.endswith("\n")
    assert said.err.count("\n") == 1
    assert said.err.startswith("realtime-trio: ")
    return said.err.removeprefix("realtime-trio: ").strip()
