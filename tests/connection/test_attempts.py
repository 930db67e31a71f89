"""What counts as an attempt, what a close code does, and links replaced on request."""

from __future__ import annotations

import gc
import json
import socket
import time
from collections.abc import Awaitable, Callable
from typing import Any, cast
from urllib.parse import parse_qsl, urlsplit

import httpx
import pytest
import trio
import trio.testing

import realtime_trio as rt
from realtime_trio._connection._liveness import _suspended_while_asleep, watch_link
from realtime_trio._connection._supervisor import Address, DialTarget
from realtime_trio._core._codec import Codec
from realtime_trio._outbound._outbox import Outbox
from realtime_trio._outbound._turn_gate import TurnGate
from realtime_trio._rest._urls import endpoint
from realtime_trio._transports._memory import MemoryConnector, MemoryTransport
from realtime_trio._transports._upgrade_answer import retry_after
from realtime_trio.abc import Transport
from realtime_trio.server import Agent, ServerConfig, open_server
from tests.connection.networks import listening
from tests.connection.test_link import PONG, START, scripted_server

LOGIN = rt.PasswordLogin("me", "secret")
AGENT = "house_agent"
GRANT = 200, b'{"agent_c_token": "t"}'
Serve = Callable[[MemoryTransport], Awaitable[object]]


class Vault:
    """A token source whose second call raises an error."""

    def __init__(self, fault: Exception) -> None:
        self.calls = 0
        self._fault = fault

    async def token(self) -> str:
        await trio.lowlevel.checkpoint()
        self.calls += 1
        if self.calls == 2:
            raise self._fault
        return "tok"


@pytest.mark.parametrize("fault", [OSError(101, "away"), httpx.ConnectError("no network")])
async def test_a_replaced_link_survives_a_failing_token_source(
    fault: Exception, autojump_clock: object
) -> None:
    """``reconnect`` waits for the new link; a network error of the source is retried."""
    vault = Vault(fault)
    async with open_server() as server, rt.open_client(server.url, auth=vault) as client:
        await client.ready()
        await client.reconnect()
        assert client.health.links == 2
        assert vault.calls == 3


# -- links that do not last ----------------------------------------------------------------


class Flapping:
    """Serves links that end with a close code ``after`` some seconds, and counts them."""

    def __init__(self, code: int, after: float = 0, *, proven: bool = True) -> None:
        self.links = 0
        self._code, self._after, self._proven = code, after, proven

    async def __call__(self, transport: MemoryTransport) -> None:
        self.links += 1
        await transport.receive()
        if self._proven:
            await transport.send_text(PONG)
            await transport.send_text(START)
        await trio.sleep(self._after)
        await transport.aclose(self._code)


class RestServer:
    """Answers REST calls and counts them by name."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def __call__(self, _: object, path: str, __: object, ___: bytes) -> tuple[int, bytes]:
        self.asked.append(path.rpartition("/")[2])
        return GRANT


async def forever(url: str, **options: object) -> None:
    """A client that does nothing until it ends."""
    config = rt.ClientConfig(backoff_jitter=0, **options)  # type: ignore[arg-type]
    async with rt.open_client(url, auth=LOGIN, config=config):
        await trio.sleep_forever()


@pytest.mark.parametrize("proven", [True, False])
async def test_links_that_do_not_last_are_attempts(autojump_clock: object, proven: bool) -> None:
    """Also if the server answers a ping before it closes."""
    serve = Flapping(1012, 5, proven=proven)
    said = "do not last" if proven else "ended before it answered"
    async with scripted_server(serve, RestServer()) as url:
        with pytest.raises(rt.ConnectionFailed, match=said) as caught:
            await forever(url, max_attempts=3, stable_after=10)
    assert serve.links == 3
    cause = caught.value.__cause__
    assert isinstance(cause, rt.ConnectionLost)
    assert cause.code == 1012


async def test_a_link_that_lasted_resets_the_count(autojump_clock: object) -> None:
    """It is not an attempt, however often it happens."""
    serve = Flapping(1012, 10)
    async with scripted_server(serve, RestServer()) as url:
        with trio.move_on_after(100):
            await forever(url, max_attempts=2, stable_after=10, backoff_initial=1)
    assert serve.links == 10


# -- close codes ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "given", "then"),
    [
        (1000, {}, "final"),
        (1000, {1000: "retry"}, "retry"),
        (1000, {1000: "renew"}, "renew"),
        (1008, {}, "renew"),
        (4001, {}, "renew"),
        (4401, {}, "renew"),
        (4403, {}, "renew"),
        (4403, {4403: "final"}, "final"),
        (4401, {4401: "retry"}, "retry"),
        (1001, {}, "retry"),
        (1012, {}, "retry"),
        (4000, {}, "retry"),
        (4999, {4999: "renew"}, "renew"),
        (4000, {4000: "final", 1008: "retry"}, "final"),
        (1008, {4000: "final"}, "renew"),
    ],
)
@pytest.mark.parametrize("proven", [True, False])
async def test_a_close_code_decides_what_follows(
    autojump_clock: object, code: int, given: dict[int, str], then: str, proven: bool
) -> None:
    """Options override defaults. Before the pong, 1000 does not end the client."""
    serve, desk = Flapping(code, proven=proven), RestServer()
    if code == 1000 and not given and not proven:
        then = "retry"
    async with scripted_server(serve, desk) as url:
        with pytest.raises(rt.RealtimeError) as caught:
            await forever(url, max_attempts=2, close_codes=given)
    assert type(caught.value) is (rt.ConnectionLost if then == "final" else rt.ConnectionFailed)
    assert serve.links == (1 if then == "final" else 2)
    assert desk.asked == ["login"] * (2 if then == "renew" else 1)
    if isinstance(caught.value, rt.ConnectionLost):
        assert caught.value.code == code
        assert type(caught.value.code) is int


# -- Retry-After ---------------------------------------------------------------------------


class Refusing:
    """A connector whose dials fail with these errors, in order; ``urls`` were dialled."""

    def __init__(self, *faults: rt.ConnectionFailed) -> None:
        self.urls: list[str] = []
        self.times: list[float] = []
        self._faults = list(faults)

    async def connect(self, url: str, nursery: trio.Nursery) -> Transport:
        await trio.lowlevel.checkpoint()
        self.urls.append(url)
        self.times.append(trio.current_time())
        if self._faults:
            raise self._faults.pop(0)
        return await MemoryConnector().connect(url, nursery)


@pytest.mark.parametrize("status", [429, 503])
async def test_the_server_sets_the_next_dial(autojump_clock: object, status: int) -> None:
    """At the earliest then, up to ``backoff_max``; a longer pause stays."""
    waits = [7.0, 3600.0, 0.0, None]
    connector = Refusing(*(rt.ConnectionFailed("no", status=status, retry_after=w) for w in waits))
    config = rt.ClientConfig(backoff_initial=1, backoff_max=20, backoff_jitter=0)
    async with (
        open_server() as server,
        rt.open_client(server.url, auth="t", transport=connector, config=config) as client,
    ):
        await client.ready()
    pauses = [b - a for a, b in zip(connector.times, connector.times[1:], strict=False)]
    assert pauses == pytest.approx([7, 20, 4, 8])


@pytest.mark.parametrize(
    ("date", "seconds"),
    [
        ("Sun, 06 Nov 1994 08:49:37 GMT", 60.0),
        ("Sunday, 06-Nov-94 08:49:37 GMT", 60.0),
        ("Sun, 06 Nov 1994 08:40:00 GMT", 0.0),
        ("Sun, 99 Nov 1994 08:49:37 GMT", None),
    ],
)
def test_retry_after_can_be_a_date(
    monkeypatch: pytest.MonkeyPatch, date: str, seconds: float | None
) -> None:
    """It is relative to now; a past date means now."""
    monkeypatch.setattr(time, "time", lambda: 784111717.0)  # 08:48:37
    assert retry_after({"retry-after": date}) == seconds


# -- which agent ---------------------------------------------------------------------------


def asked_for(url: str) -> tuple[str | None, str | None]:
    """Return the session and the agent of a dial."""
    query = dict(parse_qsl(urlsplit(url).query))
    return query.get("chat_session_id"), query.get("agent_key")


async def test_one_dial_omits_the_agent_after_a_500(autojump_clock: object) -> None:
    """The agent may be gone. Only one dial, and only if a session was named too."""
    gone = [rt.ConnectionFailed("no", status=500) for _ in range(3)]
    connector = Refusing(*gone)
    async with (
        open_server() as server,
        rt.open_client(
            server.url, auth="any", chat_session_id="s", agent_key="a", transport=connector
        ),
    ):
        pass
    assert [asked_for(url) for url in connector.urls] == [
        ("s", "a"),
        ("s", None),
        ("s", "a"),
        ("s", None),
    ]
    alone = Refusing(rt.ConnectionFailed("no", status=500))
    house = ServerConfig(agents=(Agent(key=AGENT, name="House"),))
    async with (
        open_server(house) as server,
        rt.open_client(server.url, auth="any", agent_key=AGENT, transport=alone),
    ):
        pass
    assert {asked_for(url) for url in alone.urls} == {(None, AGENT)}


def test_the_known_session_overrides_the_option() -> None:
    address = Address(endpoint("https://host"), agent_key="a", chat_session_id="s")
    assert address.target(None, None) == DialTarget(chat_session_id="s", agent_key="a")
    assert address.target("t", "b") == DialTarget(chat_session_id="t", agent_key="b")


@pytest.mark.parametrize("got", ["other", "mine"])
async def test_another_agent_than_requested_is_reported(autojump_clock: object, got: str) -> None:
    """Once per link, with both keys."""
    chat = {"session_id": "s", "agent_config": {"key": got}}
    changed = json.dumps({"type": "chat_session_changed", "chat_session": chat})

    async def serve(transport: MemoryTransport) -> None:
        await transport.receive()
        for frame in (PONG, changed, changed, START):
            await transport.send_text(frame)
        await trio.sleep_forever()

    async with (
        scripted_server(serve) as url,
        rt.open_client(url, auth="t", agent_key="mine") as client,
    ):
        news = client.subscribe(rt.AgentChanged)
        await client.ready()
        if got == "mine":
            assert news.statistics().depth == 0
        else:
            assert await news.receive() == rt.AgentChanged(expected="mine", got="other")
            assert news.statistics().depth == 0


def session_event(session_id: str | None, agent: str | None = None) -> str:
    """Return a ``chat_session_changed``, with an agent or without."""
    config = {} if agent is None else {"agent_config": {"key": agent}}
    chat = None if session_id is None else {"session_id": session_id, **config}
    return json.dumps({"type": "chat_session_changed", "chat_session": chat})


AGENT_CHANGED = '{"type": "agent_configuration_changed", "agent_config": {"key": "new"}}'


@pytest.mark.parametrize(
    ("frames", "asked"),
    [
        ([session_event("s", "old"), session_event("s")], ("s", "old")),
        ([session_event("s", "old"), session_event(None)], ("s", "old")),
        ([session_event("s"), AGENT_CHANGED, session_event("s")], ("s", "new")),
        ([session_event("s", "old"), session_event("t")], ("t", None)),
        ([session_event("s", "old"), session_event("t"), session_event("t")], ("t", None)),
    ],
)
async def test_an_agent_that_the_server_leaves_out_is_still_known(
    frames: list[str], asked: tuple[str, str | None], autojump_clock: object
) -> None:
    """If the session is the same one. Of another session it is not known."""
    connector = Refusing()

    async def serve(transport: MemoryTransport) -> None:
        await transport.receive()
        for frame in (PONG, *frames, START):
            await transport.send_text(frame)
        await trio.sleep_forever()

    async with (
        scripted_server(serve) as url,
        rt.open_client(url, auth="t", transport=connector) as client,
    ):
        await client.ready()
        await client.reconnect()
        await client.ready()
    assert [asked_for(each) for each in connector.urls] == [(None, None), asked]


# -- token sources -------------------------------------------------------------------------


async def test_a_hanging_source_is_an_attempt(autojump_clock: object) -> None:
    """It is cancelled after the dial timeout and called again."""

    class Hanging:
        calls = 0

        async def token(self) -> str:
            self.calls += 1
            await trio.sleep_forever()
            raise AssertionError

    source = Hanging()
    config = rt.ClientConfig(connect_timeout=3, max_attempts=2, backoff_jitter=0)
    with pytest.raises(rt.ConnectionFailed, match="no live connection to nobody within 3 s"):
        async with rt.open_client("memory://nobody", auth=source, config=config):
            raise AssertionError
    assert source.calls == 2
    assert trio.current_time() == pytest.approx(3 + 0.5 + 3)


async def test_a_failing_source_is_an_attempt(autojump_clock: object) -> None:
    """Up to the limit; the final error has the last one as its reason."""

    class Away:
        calls = 0

        async def token(self) -> str:
            await trio.lowlevel.checkpoint()
            self.calls += 1
            raise ConnectionRefusedError(111, "vault is down")

    source = Away()
    config = rt.ClientConfig(max_attempts=3)
    with pytest.raises(rt.ConnectionFailed, match=r"token source failed: .*vault is down"):
        async with rt.open_client("memory://nobody", auth=source, config=config):
            raise AssertionError
    assert source.calls == 3


async def test_a_login_cancelled_in_its_handshake_closes_its_socket() -> None:
    """Immediately, not in the garbage collector, whose warning would be an error."""
    closed = trio.Event()
    scope = trio.CancelScope()

    async def mute(stream: trio.SocketStream) -> None:
        assert await stream.receive_some()  # the client's TLS hello
        scope.cancel()
        try:
            while await stream.receive_some():
                pass
        finally:
            closed.set()

    async with listening(mute) as port:
        with scope:
            async with rt.open_client(f"https://127.0.0.1:{port}", auth=LOGIN):
                raise AssertionError
        with trio.fail_after(30):
            await closed.wait()
    assert scope.cancelled_caught
    gc.collect()


# -- whether a link is alive ---------------------------------------------------------------


class FakeLink:
    """What the liveness check sees of a link."""

    bytes_received = 0
    frames_received = 0
    dead = False


def _outbox(config: rt.ClientConfig) -> Outbox:
    return Outbox(config, Codec(), TurnGate(), on_kill=lambda: None, on_input=lambda: None)


async def test_a_punctual_wake_up_is_not_a_suspension(autojump_clock: object) -> None:
    """The clock jumps exactly to the deadline."""
    assert not await _suspended_while_asleep(trio.current_time() + 10)


async def test_a_suspended_process_skips_its_verdict(
    mock_clock: trio.testing.MockClock,
) -> None:
    """Nothing could answer meanwhile; the next check counts again."""
    link, config = FakeLink(), rt.ClientConfig(ping_interval=30, pong_timeout=10, turn_silence=None)
    async with trio.open_nursery() as nursery:
        lost = trio.Event()

        async def watch() -> None:
            with pytest.raises(rt.ConnectionLost, match="dead"):
                await watch_link(link, _outbox(config), TurnGate(), config)
            lost.set()

        nursery.start_soon(watch)
        for seconds in (30, 500):
            await trio.testing.wait_all_tasks_blocked()
            mock_clock.jump(seconds)
        await trio.testing.wait_all_tasks_blocked()
        assert not lost.is_set()
        mock_clock.jump(10)
        await lost.wait()
    assert link.dead


@pytest.mark.parametrize("passes", range(4))
async def test_the_reader_runs_before_the_verdict(
    mock_clock: trio.testing.MockClock, passes: int
) -> None:
    """Bytes that wait in the socket count, although the client has not read them yet."""
    link, config = FakeLink(), rt.ClientConfig(ping_interval=30, pong_timeout=10, turn_silence=None)

    async def read() -> None:
        await trio.sleep(40)
        for _ in range(passes):
            await trio.lowlevel.checkpoint()
        link.bytes_received += 1

    async with trio.open_nursery() as nursery:
        nursery.start_soon(read)
        nursery.start_soon(watch_link, link, _outbox(config), TurnGate(), config)
        for seconds in (30, 10):
            await trio.testing.wait_all_tasks_blocked()
            mock_clock.jump(seconds)
        await trio.testing.wait_all_tasks_blocked()
        assert not link.dead
        nursery.cancel_scope.cancel()


class Cut:
    """A link on which nothing arrives after a cut, not even a pong."""

    def __init__(self, inner: MemoryTransport) -> None:
        self._inner = inner

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    async def ping(self) -> None:
        await trio.lowlevel.checkpoint()

    def abort(self) -> None:
        # From Python 3.12 on, a protocol does not see a method of `__getattr__`.
        self._inner.abort()


class Cutting:
    """Opens links that can be cut."""

    async def connect(self, url: str, nursery: trio.Nursery) -> Transport:
        transport = await MemoryConnector().connect(url, nursery)
        return cast("Transport", Cut(cast("MemoryTransport", transport)))


@pytest.mark.parametrize("cut", [True, False])
async def test_a_dead_link_is_closed_without_a_handshake(autojump_clock: object, cut: bool) -> None:
    """If only the server behind the websocket is silent, it gets 1001."""
    ends: list[int | None] = []

    async def serve(transport: MemoryTransport) -> None:
        await transport.receive()
        await transport.send_text(PONG)
        await transport.send_text(START)
        try:
            while True:
                await transport.receive()
        except rt.ConnectionLost as exc:
            ends.append(exc.code)

    connector = Cutting() if cut else MemoryConnector()
    async with (
        scripted_server(serve) as url,
        rt.open_client(url, auth="t", transport=connector) as client,
    ):
        with client.subscribe(rt.Disconnected) as news:
            await news.receive()
        await trio.testing.wait_all_tasks_blocked()
        assert ends == [None if cut else 1001]


# -- what errors say -----------------------------------------------------------------------


async def test_the_error_of_a_mute_connection_names_the_host(autojump_clock: object) -> None:
    """It does not claim that the connection ended."""

    async def serve(transport: MemoryTransport) -> None:
        await trio.sleep_forever()

    async with scripted_server(serve) as url:
        config = rt.ClientConfig(pong_timeout=2, max_attempts=1)
        place = url.partition("://")[2]
        said = f"^the connection to {place} is mute: no pong within 2 s$"
        with pytest.raises(rt.ConnectionFailed, match=said):
            async with rt.open_client(url, auth="t", config=config):
                raise AssertionError


class NoName(trio.abc.HostnameResolver):
    """A resolver that knows no host."""

    async def getaddrinfo(self, *_: object) -> Any:
        await trio.lowlevel.checkpoint()
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    async def getnameinfo(self, *_: object) -> Any:
        raise AssertionError


@pytest.mark.parametrize("auth", [LOGIN, "token"])
@pytest.mark.parametrize(
    ("host", "said"),
    [
        ("127.0.0.1:1", "no TCP connection to 127.0.0.1:1: Connection refused"),
        ("nowhere.example:80", "no TCP connection to nowhere.example:80: the name of the host"),
    ],
)
async def test_rest_and_websocket_report_the_same_for_a_host(
    auth: str | rt.PasswordLogin, host: str, said: str
) -> None:
    """What failed and where; REST also names the call."""
    trio.socket.set_custom_hostname_resolver(NoName())
    config = rt.ClientConfig(max_attempts=1)
    with pytest.raises(rt.ConnectionFailed) as caught:
        async with rt.open_client(f"http://{host}", auth=auth, config=config, proxy=None):
            raise AssertionError
    what = "" if auth == "token" else "login failed: "
    assert str(caught.value).startswith(f"{what}{said}")
