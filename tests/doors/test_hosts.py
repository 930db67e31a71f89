"""Real hosts: FastAPI under uvicorn and a Jupyter kernel, each in a process of its own."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.manager import KernelManager

from tests.examples import Block, blocks_of, embedded_server
from tests.source import ROOT

PAGE = ROOT / "docs" / "how-to" / "asyncio.md"
PATIENCE = 60.0

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with embedded_server() as url:
        yield url


# -- FastAPI under uvicorn -----------------------------------------------------------------


def _application() -> Block:
    (found,) = [block for block in blocks_of(PAGE) if "FastAPI(" in block.text]
    return found


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@pytest.fixture(params=["asyncio", "uvloop"])
def site(
    request: pytest.FixtureRequest, address: str, tmp_path: Path
) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """The application of the page, under uvicorn."""
    (tmp_path / "app.py").write_text(_application().addressed(address), encoding="utf-8")
    port = _free_port()
    options = ["--port", str(port), "--loop", request.param, "--app-dir", str(tmp_path)]
    command = [sys.executable, "-m", "uvicorn", "app:app", *options]
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True) as process:
        url = f"http://127.0.0.1:{port}"
        try:
            _wait_for(url, process)
            yield url, process
        finally:
            process.kill()


def _wait_for(url: str, process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        try:
            httpx.get(f"{url}/openapi.json")
        except httpx.ConnectError:
            assert process.poll() is None
            time.sleep(0.1)
        else:
            return
    raise TimeoutError


def _ask(url: str, text: str) -> str:
    return httpx.get(f"{url}/ask", params={"text": text}, timeout=PATIENCE).text


def test_fastapi_streams_answers(site: tuple[str, subprocess.Popen[str]]) -> None:
    """Five requests at the same time, one that is dropped, and SIGTERM at the end."""
    url, process = site
    with ThreadPoolExecutor(5) as pool:
        answers = list(pool.map(lambda _: _ask(url, "Hello"), range(5)))
    assert all(answer.endswith("event: end\ndata: TurnCompleted\n\n") for answer in answers)
    with httpx.stream("GET", f"{url}/ask", params={"text": "word " * 500}) as dropped:
        assert next(dropped.iter_lines()).startswith("data: ")
    assert "TurnCompleted" in _ask(url, "And now?")
    process.send_signal(signal.SIGTERM)
    _, log = process.communicate(timeout=PATIENCE)
    assert process.returncode in {0, -signal.SIGTERM}
    assert "Application shutdown complete" in log
    assert "Traceback" not in log


# -- Jupyter -------------------------------------------------------------------------------


@pytest.fixture
def kernel() -> Iterator[tuple[KernelManager, BlockingKernelClient]]:
    manager = KernelManager(kernel_name="python3")
    assert manager.kernel_spec is not None
    manager.kernel_spec.argv = [
        sys.executable,
        "-m",
        "ipykernel_launcher",
        "-f",
        "{connection_file}",
    ]
    manager.start_kernel(cwd=str(ROOT))
    client = manager.blocking_client()
    client.start_channels()
    try:
        client.wait_for_ready(timeout=PATIENCE)
        yield manager, client
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


def _run(client: BlockingKernelClient, cell: str, **options: Any) -> tuple[str, str]:
    """Run a cell; return its status and what it printed, or the name of its error."""
    printed: list[str] = []

    def hook(message: dict[str, Any]) -> None:
        if message["msg_type"] == "stream" and message["content"]["name"] == "stdout":
            printed.append(message["content"]["text"])

    reply = client.execute_interactive(cell, timeout=PATIENCE, output_hook=hook, **options)
    content = reply["content"]
    return str(content["status"]), "".join(printed) or str(content.get("ename", ""))


OPEN = """
import asyncio, contextlib
import realtime_trio as rt
stack = contextlib.AsyncExitStack()
login = rt.PasswordLogin("me", "secret")
client = await stack.enter_async_context(rt.aio.open_client("{url}", auth=login))
await client.ready()
"""
ASK = """
async with client.ask("Hello") as turn:
    print("".join([piece async for piece in turn.text]))
"""
BACKGROUND = """
heard = []
async def listen():
    async for note in client.text:
        heard.append(note.name)
task = asyncio.ensure_future(listen())
"""


def test_a_notebook_keeps_a_client_open(
    kernel: tuple[KernelManager, BlockingKernelClient], address: str
) -> None:
    """Several cells, a task in the background, an interrupt in ``ask``."""
    manager, client = kernel
    assert _run(client, OPEN.format(url=address)) == ("ok", "")
    assert _run(client, BACKGROUND)[0] == "ok"
    assert _run(client, ASK) == ("ok", "You said: Hello\n")
    assert _run(client, "print('message-complete' in heard)") == ("ok", "True\n")
    waiting = (
        "print('waiting', flush=True)\nasync with client.ask('Hi'):\n    await asyncio.sleep(60)"
    )
    told: list[str] = []

    def interrupt(message: dict[str, Any]) -> None:
        if message["msg_type"] == "stream" and message["content"]["name"] == "stdout" and not told:
            told.append("interrupted")
            time.sleep(0.2)
            manager.interrupt_kernel()

    reply = client.execute_interactive(waiting, timeout=PATIENCE, output_hook=interrupt)
    assert reply["content"]["status"] == "error"
    assert reply["content"]["ename"] in {"KeyboardInterrupt", "CancelledError"}
    assert _run(client, ASK) == ("ok", "You said: Hello\n")
    closing = "task.cancel()\nawait stack.aclose()\nprint(client.health.status)"
    assert _run(client, closing) == ("ok", "closed\n")
