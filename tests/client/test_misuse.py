"""Misuse is refused at the call, with a message that shows the right form."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
import trio

import realtime_trio as rt
from realtime_trio import events as ev

SECRET = "geheim-passwort-1"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("url", None),
        ("auth", None),
        ("auth", ("me", SECRET)),
        ("auth", {"token": SECRET}),
        ("auth", rt.PasswordLogin),
        ("agent_key", 7),
        ("chat_session_id", b"s1"),
        ("config", {"max_attempts": 1}),
        ("config", rt.ClientConfig),
        ("transport", "websockets"),
        ("transport", rt.TrioWebsocketConnector),
        ("recorder", "calls.jsonl"),
        ("ssl_context", True),
        ("proxy", 8080),
        ("headers", [("X", "y")]),
        ("open_stream", "unix"),
    ],
)
def test_an_option_of_the_wrong_type_is_named(name: str, value: object) -> None:
    """The message has its type but never its value, which may be a secret."""
    options: dict[str, Any] = {"url": "http://localhost", "auth": "any", name: value}
    with pytest.raises(TypeError, match=rf"open_client\({name}=\.\.\.\) must be ") as raised:
        rt.open_client(options.pop("url"), **options)
    assert SECRET not in str(raised.value)


class Source:
    async def token(self) -> str:
        return "any"


@pytest.mark.parametrize("auth", ["any", rt.PasswordLogin("me", SECRET), Source()])
def test_the_three_kinds_of_auth_are_accepted(auth: Any) -> None:
    rt.open_client("http://localhost", auth=auth)


@pytest.mark.parametrize("rule", [5, None, "latest", rt.Latest, rt.Block, (rt.Latest(),)])
async def test_an_invalid_overflow_rule_is_refused(
    realtime_client: rt.Client, autojump_clock: object, rule: Any
) -> None:
    """Otherwise it would silently decide which items are lost."""
    subscribes: list[Callable[..., object]] = [
        realtime_client.subscribe,
        realtime_client.control.subscribe,
        realtime_client.text.subscribe,
        realtime_client.audio.subscribe,
    ]
    for subscribe in subscribes:
        with pytest.raises(TypeError, match=r"overflow must be a rule.*rt\.Block\(64\)"):
            subscribe(overflow=rule)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (rt.Block(4), r"subscribe\(overflow=Block\(max_items=4\)\)"),
        ("message-complete", r"client\.subscribe\(rt\.MessageComplete"),
        (ev.PingEvent(), r"client\.subscribe\(rt\.MessageComplete"),
        (int, "int is neither"),
    ],
)
async def test_a_subscription_takes_classes(
    realtime_client: rt.Client, autojump_clock: object, given: Any, told: str
) -> None:
    with pytest.raises(TypeError, match=told):
        realtime_client.subscribe(given)


async def test_a_watch_takes_a_function(realtime_client: rt.Client, autojump_clock: object) -> None:
    with pytest.raises(TypeError, match=r"watch\(lambda"):
        realtime_client.watch("turn")  # type: ignore[arg-type]


async def test_an_ask_inside_an_ask_is_refused(
    realtime_client: rt.Client, autojump_clock: object
) -> None:
    """It would wait for itself; the outer turn continues."""
    async with realtime_client.ask("outer") as turn:
        with pytest.raises(rt.TurnError, match="leave that 'async with' block"):
            async with realtime_client.ask("inner"):
                pass
        text = "".join([piece async for piece in turn.text])
    assert "outer" in text
    assert isinstance(turn.outcome, rt.TurnCompleted)


async def test_asks_of_two_tasks_run_one_after_another(
    realtime_client: rt.Client, autojump_clock: object
) -> None:
    """Also if one task started the other."""
    outcomes: list[object] = []

    async def ask(text: str) -> None:
        async with realtime_client.ask(text) as turn:
            outcomes.append(await turn.wait())

    async with trio.open_nursery() as nursery, realtime_client.ask("first") as turn:
        nursery.start_soon(ask, "second")
        outcomes.append(await turn.wait())
    assert [type(each) for each in outcomes] == [rt.TurnCompleted, rt.TurnCompleted]


async def test_using_a_client_that_was_not_entered_raises(
    realtime_server: rt.server.RealtimeServer, autojump_clock: object
) -> None:
    client: Any = rt.open_client(realtime_server.url, auth="any")
    form = r"async with open_client\(url, auth=\.\.\.\) as client:"
    with pytest.raises(AttributeError, match=form):
        client.ask("Hello")
    with pytest.raises(AttributeError, match=form):
        client.text  # noqa: B018
    with pytest.raises(TypeError, match=form), client:
        pass
    with pytest.raises(AttributeError) as raised:
        client.__await__  # noqa: B018
    assert str(raised.value) == "__await__"


async def test_using_a_turn_that_was_not_entered_raises(
    realtime_client: rt.Client, autojump_clock: object
) -> None:
    turn: Any = realtime_client.ask("Hello")
    form = r"async with client\.ask\(text\) as turn:"
    with pytest.raises(AttributeError, match=form):
        turn.text  # noqa: B018
    with pytest.raises(TypeError, match=form):
        async for _ in turn:
            pass
    with pytest.raises(AttributeError, match=r"async with client\.push_to_talk\(\):"):
        realtime_client.push_to_talk().send  # type: ignore[attr-defined]  # noqa: B018


@pytest.mark.parametrize(
    "use",
    [
        lambda client: client.send_nowait(rt.events.PingEvent()),
        lambda client: trio.run(client.send, rt.events.PingEvent()),
        lambda client: trio.run(client.ready),
        lambda client: trio.run(client.cancel),
        lambda client: trio.run(client.audio.send, b"aa"),
        lambda client: client.reconnect(),
        lambda client: client.audio.stop(),
    ],
)
async def test_another_thread_is_refused(use: Any, realtime_client: rt.Client) -> None:
    """It gets the right form, and nothing is queued; the client continues."""
    await realtime_client.ready()
    with pytest.raises(RuntimeError, match=r"trio\.from_thread"):
        await trio.to_thread.run_sync(use, realtime_client)
    outbox = realtime_client.health.outbox
    assert (outbox.urgent, outbox.commands, outbox.audio) == (0, 0, 0)
    async with realtime_client.ask("Hello") as turn:
        pass
    assert isinstance(turn.outcome, rt.TurnCompleted)


async def test_a_file_is_not_sent_by_a_closed_client(
    realtime_server: rt.server.RealtimeServer, autojump_clock: object
) -> None:
    async with rt.open_client(realtime_server.url, auth="any") as client:
        await client.ready()
    with pytest.raises(rt.ClosedError):
        await client.upload_file(b"x", filename="x")


def test_under_asyncio_the_error_names_the_right_client() -> None:
    async def main() -> None:
        async with rt.open_client("http://127.0.0.1:9", auth="any"):
            pass

    with pytest.raises(RuntimeError, match=r"runs on trio.*rt\.aio\.open_client"):
        asyncio.run(main())
