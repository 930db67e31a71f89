"""What ``import realtime_trio`` brings in, and what it leaves for later."""

from __future__ import annotations

import subprocess
import sys

import realtime_trio as rt

# Not every program needs these: they come when they are first used.
LATER = (
    "cattrs",
    "h11",
    "httpx",
    "numpy",
    "rich",
    "trio_websocket",
    "websockets",
    "realtime_trio._client",
    "realtime_trio._lanes",
    "realtime_trio.audio",
    "realtime_trio.aio",
    "realtime_trio.blocking",
    "opentelemetry",
    "prometheus_client",
    "realtime_trio.cli",
    "realtime_trio.instrument",
    "realtime_trio.server",
    "realtime_trio.testing",
    "realtime_trio._core.vendors._history",
    "realtime_trio._connection._recording",
)
SCRIPT = """
import sys
import realtime_trio
print([name for name in {later} if name in sys.modules])
"""


def test_the_import_leaves_what_not_every_program_needs() -> None:
    command = [sys.executable, "-c", SCRIPT.format(later=LATER)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    assert done.stdout == "[]\n"


def test_every_public_name_is_there() -> None:
    for name in rt.__all__:
        assert getattr(rt, name) is getattr(rt, name)
        assert name in dir(rt)


def test_what_comes_later_is_what_its_module_has() -> None:
    from realtime_trio._connection._recording import Recorder

    assert rt.Recorder is Recorder
    assert not hasattr(rt, "recorder")
