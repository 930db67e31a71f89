"""The fixtures, used like in the tests of an application, next to those of pytest-trio."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import trio
import trio.testing

import realtime_trio as rt
from tests.source import ROOT


async def test_a_server_can_be_scripted(
    realtime_server: rt.server.RealtimeServer, autojump_clock: trio.testing.MockClock
) -> None:
    tools = [rt.testing.tool("search", result="3 hits")]
    realtime_server.script(rt.testing.turn("Hello", text="Hi there", tools=tools))
    async with rt.open_client(realtime_server.url, auth="any") as client:
        await client.ready()
        async with client.ask("Hello") as turn:
            pieces = [piece async for piece in turn.text]
    assert "".join(pieces) == "Hi there"
    assert isinstance(turn.outcome, rt.TurnCompleted)
    assert turn.outcome.message is not None
    assert turn.outcome.message.content == "Hi there"


async def test_the_client_is_ready(
    realtime_client: rt.Client, autojump_clock: trio.testing.MockClock
) -> None:
    assert realtime_client.state.turn.can_send_input
    async with realtime_client.ask("anything") as turn:
        text = "".join([piece async for piece in turn.text])
    assert "anything" in text


async def test_the_fixtures_work_with_the_nursery_of_pytest_trio(
    nursery: trio.Nursery,
    realtime_client: rt.Client,
    realtime_server: rt.server.RealtimeServer,
    autojump_clock: trio.testing.MockClock,
) -> None:
    seen: list[str] = []

    async def follow(notes: rt.Subscription[rt.MessageComplete]) -> None:
        async for note in notes:
            assert isinstance(note, rt.MessageComplete)
            seen.append(str(note.message.content))

    nursery.start_soon(follow, realtime_client.subscribe(rt.MessageComplete))
    realtime_server.script(rt.testing.turn("x", text="y"))
    async with realtime_client.ask("x"):
        pass
    await trio.testing.wait_all_tasks_blocked()
    assert seen == ["y"]
    nursery.cancel_scope.cancel()


async def test_the_client_reconnects_after_a_cut(
    realtime_server: rt.server.RealtimeServer, autojump_clock: trio.testing.MockClock
) -> None:
    async with rt.open_client(realtime_server.url, auth="any") as client:
        await client.ready()
        links = client.subscribe(rt.Disconnected, rt.Reconnected)
        realtime_server.faults.cut(after=3)
        async with client.ask("Hello") as turn:
            pass
        with links:
            names = [(await links.receive()).name for _ in range(2)]
    assert names == ["disconnected", "reconnected"]
    assert turn.outcome is not None


def test_the_blocking_client_over_a_real_socket() -> None:
    """The blocking API works with the embedded server in another thread."""
    from anyio.from_thread import start_blocking_portal

    with (
        start_blocking_portal(backend="trio") as portal,
        portal.wrap_async_context_manager(rt.server.open_server()) as server,
    ):
        server.script(rt.testing.turn("Hello", text="Hi there"))
        url = portal.call(server.listen)
        with rt.blocking.open_client(url, auth="any") as client:
            client.ready()
            with client.text.subscribe() as notes, client.ask("Hello") as turn:
                assert "".join(turn.text) == "Hi there"
                names = [notes.receive().name for _ in range(3)]
            assert isinstance(turn.outcome, rt.TurnCompleted)
            assert "message-added" in names
            assert client.state.turn.can_send_input
            receipt = client.send(rt.events.GetVoicesEvent())
            receipt.sent()
            assert client.get_agents().status in ("queued", "sending", "sent")
            with client.watch(lambda state: state.turn.can_send_input) as changes:
                assert changes.receive() is True
            assert client.cancel().via == "socket"
            with pytest.raises(AttributeError):
                _ = client.no_such_thing  # type: ignore[attr-defined]
            assert "blocking" in repr(client)
            assert notes.statistics() is not None


FRESH = """
import realtime_trio as rt
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

@pytest.fixture
def url(realtime_server):
    return "not used"

async def test_with_the_server(realtime_server, autojump_clock):
    async with rt.open_client(realtime_server.url, auth="any") as client:
        await client.ready()

async def test_with_the_client(realtime_client):
    async with realtime_client.ask("x") as turn:
        assert "".join([piece async for piece in turn.text]) == "You said: x"

@given(text=st.sampled_from(["a", "b"]))
@settings(max_examples=2, deadline=None, suppress_health_check=list(HealthCheck))
async def test_by_hypothesis(realtime_server, text):
    assert realtime_server.url

def test_of_another_kind():
    pass
"""


def fresh_project(tmp_path: Path, text: str, *more: str) -> subprocess.CompletedProcess[str]:
    """Run pytest in a project that has no settings."""
    (tmp_path / "test_fresh.py").write_text(text)
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *more]
    path = os.pathsep.join([os.environ.get("PYTHONPATH", ""), str(ROOT)]).lstrip(os.pathsep)
    env = {**os.environ, "PYTHONPATH": path}
    return subprocess.run(
        command, cwd=tmp_path, env=env, capture_output=True, text=True, check=False, timeout=120
    )


def test_a_fresh_project_needs_no_settings(tmp_path: Path) -> None:
    """Async tests that use the fixtures run under trio."""
    done = fresh_project(tmp_path, FRESH)
    assert done.returncode == 0, done.stdout
    assert "4 passed" in done.stdout


WITHOUT_PYTEST_TRIO = """
import sys

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name == "pytest_trio":
            raise ModuleNotFoundError(name, name=name)

sys.meta_path.insert(0, Missing())
"""


def test_without_pytest_trio_the_plugin_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It must not keep pytest from starting where only the library is installed."""
    (tmp_path / "sitecustomize.py").write_text(WITHOUT_PYTEST_TRIO)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    text = "def test_plain():\n    pass\n\nasync def test_with(realtime_client):\n    pass\n"
    plugin = ("-p", "realtime_trio.testing.plugin")
    done = fresh_project(tmp_path, text, *plugin, "--strict-markers")
    assert "1 passed, 1 error" in done.stdout, done.stdout + done.stderr
    assert "pip install 'realtime-trio[testing]'" in done.stdout
