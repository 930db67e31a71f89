"""The fixtures, used as the tests of an application use them, next to those of pytest-trio."""

from __future__ import annotations

import pytest
import trio
import trio.testing

import realtime_trio as rt


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
