"""Run the command line as its users do: in a separate process."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import IO

import attrs
import pytest

from realtime_trio.cli import main
from tests.source import PACKAGE, ROOT

DATA = ROOT / "tests" / "data"

# rich and cyclopts look at these; a test decides itself how wide its terminal is.
TERMINAL = ("COLUMNS", "LINES", "FORCE_COLOR", "NO_COLOR", "TTY_COMPATIBLE", "TERM")


def environment(**extra: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name not in TERMINAL}
    return {**kept, "PYTHONPATH": str(ROOT), **extra}


def run(
    *arguments: str | Path,
    stdin: bytes | None = None,
    env: dict[str, str] | None = None,
    stdout: IO[bytes] | int = subprocess.PIPE,
) -> subprocess.CompletedProcess[bytes]:
    """Run one command to its end, with warnings as errors."""
    return subprocess.run(
        [sys.executable, "-W", "error", "-m", PACKAGE, *map(str, arguments)],
        input=stdin,
        stdin=subprocess.DEVNULL if stdin is None else None,
        stdout=stdout,
        stderr=subprocess.PIPE,
        check=False,
        env=env or environment(),
        timeout=120,
    )


@attrs.frozen(slots=True)
class Done:
    """The outcome of a command."""

    status: int | str | None
    out: bytes
    err: bytes

    @property
    def lines(self) -> list[str]:
        return self.out.decode().splitlines()


Call = Callable[..., Done]


def make_call(captured: pytest.CaptureFixture[bytes]) -> Call:
    """Run commands in this process, which is faster than a process of their own."""

    def call(*arguments: str | Path) -> Done:
        captured.readouterr()
        with pytest.raises(SystemExit) as left:
            main([str(argument) for argument in arguments])
        said = captured.readouterr()
        return Done(left.value.code, said.out, said.err)

    return call


def refusal(call: Call, *arguments: str | Path) -> str:
    """Return the message for a usage error: one line, no traceback, exit status 2."""
    done = call(*arguments)
    said = done.err.decode()
    assert done.status == 2
    assert done.out == b""
    assert said.endswith("\n")
    assert said.count("\n") == 1
    assert said.startswith("realtime-trio: ")
    return said.removeprefix("realtime-trio: ").strip()
