"""Real hosts: FastAPI under uvicorn and a Jupyter kernel, each in a process of its own."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.manager import KernelManager

import realtime_trio as rt
from tests.examples import Block, blocks_of
from tests.fleet.redis_server import running_redis
from tests.source import ROOT

PAGE = ROOT / "docs" / "how-to" / "asyncio.md"
FLEET = ROOT / "docs" / "how-to" / "fleet.md"
PATIENCE = 60.0

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


# -- FastAPI under uvicorn -----------------------------------------------------------------


def _application(page: Path) -> Block:
    (found,) = [block for block in blocks_of(page) if "FastAPI(" in block.text]
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
    with _served(_application(PAGE).addressed(address), tmp_path, request.param) as found:
        yield found


@contextmanager
def _served(
    application: str, folder: Path, loop: str
) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    (folder / "app.py").write_text(application, encoding="utf-8")
    port = _free_port()
    options = ["--port", str(port), "--loop", loop, "--app-dir", str(folder)]
    command = [sys.executable, "-X", "faulthandler", "-m", "uvicorn", "app:app", *options]
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
    process.send_signal(signal.SIGABRT)  # with faulthandler: where it hangs
    raise TimeoutError(process.communicate()[1])


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


def test_fastapi_workers_of_a_fleet(address: str, tmp_path: Path) -> None:
    """Two workers ask one session that a node elsewhere holds; the same key is one command."""

    def dial(claim: rt.fleet.Claim) -> rt.fleet.Dial:
        assert claim.labels == {"user": "u1"}
        return rt.fleet.Dial(address, auth="any")

    with running_redis() as redis, ExitStack() as stack:
        log = rt.fleet.RedisLog(redis.url)
        stack.enter_context(rt.blocking.open_node(log, dial, heartbeat=0.2))
        text = _application(FLEET).text.replace("redis://localhost", redis.url)
        workers = []
        for name in ("a", "b"):
            folder = tmp_path / name
            folder.mkdir()
            workers.append(stack.enter_context(_served(text, folder, "asyncio")))
        url, params = "", {"text": "Hello", "key": ""}
        for (url, _), key in zip(workers, ("k1", "k2"), strict=True):
            params["key"] = key
            answer = httpx.get(f"{url}/u1/ask", params=params, timeout=PATIENCE).text
            assert answer.startswith("data: ")
            assert answer.endswith("event: end\ndata: TurnCompleted\n\n")
        again = httpx.get(f"{url}/u1/ask", params=params, timeout=PATIENCE).text
        assert again == "event: end\ndata: TurnLost\n\n"
        for _, process in workers:
            process.send_signal(signal.SIGTERM)
            _, log_lines = process.communicate(timeout=PATIENCE)
            assert "Application shutdown complete" in log_lines
            assert "Traceback" not in log_lines


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


BACKGROUND = """
import asyncio
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
    cells = [block for block in blocks_of(PAGE) if block.kind == "python notebook"]
    opening, ask, closing = (cell.addressed(address) for cell in cells)
    assert _run(client, opening) == ("ok", "")
    assert _run(client, BACKGROUND)[0] == "ok"
    assert _run(client, ask) == ("ok", "You said: Hello")
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
    assert _run(client, ask) == ("ok", "You said: Hello")
    assert _run(client, "task.cancel()") == ("ok", "")
    assert _run(client, closing) == ("ok", "")
    assert _run(client, "print(client.health.status)") == ("ok", "closed\n")
