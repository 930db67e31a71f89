"""What a program sees in its log: why there is no connection, and never what is secret."""

from __future__ import annotations

import logging
import subprocess
import sys
from collections.abc import Iterator

import pytest
import trio

import realtime_trio as rt
from realtime_trio import events as ev
from realtime_trio._transports._memory import MemoryTransport
from realtime_trio.server import Account, ServerConfig, open_server
from realtime_trio.testing import emit, say, turn, wait
from tests.connection.test_link import PONG, START, scripted_server

PASSWORD, PAYLOAD, TOKEN = "password-marker", "payload-marker", "token-marker"
NO_JITTER = rt.ClientConfig(backoff_jitter=0)
ACCOUNT = Account(user_id="me", password=PASSWORD)


@pytest.fixture(autouse=True)
def everything(caplog: pytest.LogCaptureFixture) -> None:
    """Every level of every logger."""
    caplog.set_level(logging.DEBUG)


@pytest.fixture
def own() -> Iterator[type[rt.ServerEvent]]:
    @rt.event("own_faulty", lanes=rt.Lane.TEXT)
    class OwnFaulty(rt.ServerEvent):
        pass

    yield OwnFaulty
    ev.REGISTRY.remove(ev.REGISTRY.row_of(OwnFaulty))


def lines(caplog: pytest.LogCaptureFixture, name: str) -> list[tuple[str, str]]:
    """Level and message of each record of one logger."""
    return [
        (record.levelname, record.getMessage())
        for record in caplog.records
        if record.name == f"realtime_trio.{name}"
    ]


def everything_of(record: logging.LogRecord) -> str:
    """All that any formatter could show of a record."""
    shown = logging.Formatter().format(record)
    error = record.exc_info[1] if record.exc_info else None
    values = [repr(value) for value in record.__dict__.values()]
    return "\n".join([shown, repr(record.args), repr(error), *values])


async def test_dials_that_fail_are_told_from_the_first_on(
    autojump_clock: object, caplog: pytest.LogCaptureFixture
) -> None:
    """With the pause before the next; then that there is no other."""
    config = rt.ClientConfig(max_attempts=3, backoff_jitter=0)
    with pytest.raises(rt.ConnectionFailed):
        async with rt.open_client("memory://nowhere", auth=TOKEN, config=config):
            raise AssertionError
    why = "no server accepts at memory://nowhere"
    assert lines(caplog, "connection") == [
        ("INFO", "dialling nowhere (attempt 1)"),
        ("WARNING", f"attempt 1 of 3 failed: {why}; dialling again in 0.5 s"),
        ("INFO", "dialling nowhere (attempt 2)"),
        ("WARNING", f"attempt 2 of 3 failed: {why}; dialling again in 1.0 s"),
        ("INFO", "dialling nowhere (attempt 3)"),
        ("WARNING", f"giving up on nowhere after 3 attempts: {why}"),
    ]


def test_a_program_without_any_configuration_shows_them() -> None:
    """The handler of last resort prints them: the package has none that would hide them."""
    program = (
        "import trio, realtime_trio as rt\n"
        "async def main():\n"
        "    config = rt.ClientConfig(max_attempts=2, backoff_initial=0)\n"
        "    async with rt.open_client('memory://nowhere', auth='any', config=config): pass\n"
        "try: trio.run(main)\n"
        "except rt.ConnectionFailed: pass\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0
    assert done.stderr.splitlines() == [
        "attempt 1 of 2 failed: no server accepts at memory://nowhere; dialling again in 0.0 s",
        "giving up on nowhere after 2 attempts: no server accepts at memory://nowhere",
    ]


async def test_a_link_that_is_lost_and_back(
    autojump_clock: object, caplog: pytest.LogCaptureFixture
) -> None:
    """With what waited, the resync, and a new link that was asked for."""
    async with (
        open_server() as server,
        rt.open_client(server.url, auth="any", config=NO_JITTER) as client,
    ):
        await client.ready()
        server.script(turn("tell", say("one "), wait(1), say("two "), wait(20), say("three")))
        async with client.ask("tell") as asked:
            await asked.text.receive()
            server.hang_up()
            await client.set_chat_session_name("later")
        await trio.sleep(60)
        await client.reconnect()
        await client.ready()
        place = server.url.partition("://")[2]
    lost = "the connection broke without a close frame"
    back = "speech dropped: 0 frames)"
    assert lines(caplog, "connection") == [
        ("INFO", f"dialling {place} (attempt 1)"),
        ("INFO", f"connected to {place}"),
        ("WARNING", f"lost the connection to {place}: {lost}; dialling in 0.5 s"),
        ("INFO", f"dialling {place} (attempt 2)"),
        ("INFO", f"connected to {place} again (attempts: 1, commands that waited: 1, {back}"),
        ("INFO", "the session may have a gap: asking the server for it again"),
        ("INFO", "the session is complete again (reloaded)"),
        ("INFO", f"the application asked for a new connection to {place}"),
        ("INFO", f"dialling {place} (attempt 1)"),
        ("INFO", f"connected to {place} again (attempts: 1, commands that waited: 0, {back}"),
        ("INFO", "the session is complete again"),
    ]
    assert [line for line in lines(caplog, "server") if "open" in line[1]] == [
        ("INFO", f"connection {number} is open") for number in (1, 2, 3)
    ]
    assert len([line for line in lines(caplog, "server") if "closed" in line[1]]) == 3


async def test_an_end_for_good_is_told(
    autojump_clock: object, caplog: pytest.LogCaptureFixture
) -> None:
    """A goodbye of the server, and a refusal, which its own log has as well."""
    config = ServerConfig(accept_any_token=False)
    async with open_server(config) as server:

        async def until_goodbye() -> None:
            async with rt.open_client(server.url, auth=server.issue_token()) as client:
                await client.ready()
                server.hang_up("clean")
                await trio.sleep_forever()

        with pytest.raises(rt.ConnectionLost):
            await until_goodbye()
        server.faults.refuse(404)
        with pytest.raises(rt.ConnectionFailed):
            async with rt.open_client(server.url, auth=TOKEN):
                raise AssertionError
        server.faults.refuse(None)
        with pytest.raises(rt.ConnectionFailed):
            async with rt.open_client(
                server.url, auth=TOKEN, config=rt.ClientConfig(max_attempts=1)
            ):
                raise AssertionError
        place = server.url.partition("://")[2]
    warnings = [text for level, text in lines(caplog, "connection") if level == "WARNING"]
    assert warnings[0].startswith(f"the connection to {place} has ended: the server closed the")
    assert warnings[1].startswith(f"giving up on {place} after 1 attempt: ")
    assert [text for level, text in lines(caplog, "server") if level == "WARNING"] == [
        "refused a connection with status 404: refused by server.faults.refuse()",
        "a connection gets no answer: the server does not answer: it is restarting, "
        "or a fault breaks this dial",
    ]


async def test_rest_calls_are_told_with_their_status(
    autojump_clock: object, caplog: pytest.LogCaptureFixture
) -> None:
    """The call, the place and the status: nothing of what went there or came back."""
    login = rt.PasswordLogin("me", PASSWORD)
    async with open_server(ServerConfig(users=(ACCOUNT,))) as server:
        place = server.url.partition("://")[2]
        async with rt.open_client(server.url, auth=login) as client:
            await client.ready()
            await client.upload_file(PAYLOAD.encode(), filename="x")
        with pytest.raises(rt.AuthenticationError):
            async with rt.open_client(server.url, auth=rt.PasswordLogin("me", "wrong one")):
                raise AssertionError
    assert lines(caplog, "rest") == [
        ("DEBUG", f"login: asking {place}"),
        ("INFO", f"login: {place} answered with status 200"),
        ("DEBUG", f"upload_file: asking {place}"),
        ("INFO", f"upload_file: {place} answered with status 200"),
        ("DEBUG", f"login: asking {place}"),
        ("INFO", f"login: {place} answered with status 401"),
    ]


async def test_a_whole_conversation_leaves_no_secret(
    own: type[rt.ServerEvent], caplog: pytest.LogCaptureFixture
) -> None:
    """Over sockets, with everything that is logged: not the password, a token or a text."""

    @rt.handles(own)
    def faulty(slice_: rt.TextSlice, event: rt.ServerEvent) -> rt.Handled[rt.TextSlice]:
        raise ValueError(PAYLOAD)

    spoiled = f'{{"type":"voice_list","voices":[{{"voice_id":"v","vendor":["{PAYLOAD}"]}}]}}'
    broken = f'{{"type":"text_delta","content":["{PAYLOAD}"]}}'
    login = rt.PasswordLogin("me", PASSWORD)
    server_config = ServerConfig(users=(ACCOUNT,), accept_any_token=False)
    config = rt.ClientConfig(backoff_initial=0, cancel_timeout=0.05)
    async with open_server(server_config) as server:
        url = await server.listen()
        steps = emit(spoiled, broken, '{"type":"own_faulty"}'), say(PAYLOAD)
        server.script(turn(PAYLOAD, *steps), turn("slow", say("a"), wait(60)))
        async with rt.open_client(url, auth=login, config=config) as client:
            token = client._shell.tokens._token
            assert token is not None
            await client.ready()
            late = client.subscribe(overflow=rt.Coalesce(max_items=1))
            lossy = client.subscribe(overflow=rt.DropOldest(max_items=1))
            await client.upload_file(PAYLOAD.encode(), filename=PAYLOAD)
            async with client.ask(PAYLOAD):
                pass
            server.faults.drop(["cancelled"], times=1)
            async with client.ask("slow") as asked:
                await asked.text.receive()
                await client.cancel()
            server.faults.refuse(500)
            server.hang_up()
            with client.subscribe(rt.Reconnected) as back:
                await back.receive()
            await client.set_chat_session_name(PAYLOAD)
            await client.ready()
            lossy.close()
            late.close()
    names = {record.name for record in caplog.records}
    assert {f"realtime_trio.{name}" for name in ("connection", "rest", "lanes", "server")} <= names
    for secret in (PASSWORD, PAYLOAD, token):
        leaked = [record for record in caplog.records if secret in everything_of(record)]
        assert leaked == []


async def test_what_others_say_is_told_without_the_token(
    autojump_clock: object, caplog: pytest.LogCaptureFixture
) -> None:
    """A server that quotes it in its goodbye, and a token source that does in its error."""

    class Source:
        calls = 0

        async def token(self) -> str:
            await trio.lowlevel.checkpoint()
            self.calls += 1
            if self.calls == 2:
                message = f"vault says {TOKEN}"
                raise OSError(message)
            if self.calls == 3:
                message = f"no more {TOKEN}"
                raise rt.AuthenticationError(message)
            return TOKEN

    async def serve(transport: MemoryTransport) -> None:
        await transport.receive()
        await transport.send_text(PONG)
        await transport.send_text(START)
        await transport.aclose(4000, f"bad {TOKEN}")

    async with scripted_server(serve) as url:
        with pytest.raises(rt.AuthenticationError):
            async with rt.open_client(url, auth=Source(), config=NO_JITTER):
                await trio.sleep_forever()
    warnings = [text for level, text in lines(caplog, "connection") if level == "WARNING"]
    assert [text.partition(":")[0].partition(" memory")[0] for text in warnings][1:] == [
        "attempt 2 of 8 failed",
        warnings[2].partition(":")[0],
    ]
    assert "vault says <redacted>" in warnings[1]
    assert "no more <redacted>" in warnings[2]
    assert all(TOKEN not in everything_of(record) for record in caplog.records)


@pytest.mark.parametrize("name", ["", ".connection", ".rest", ".lanes", ".server", ".voice"])
def test_no_logger_has_a_handler_or_a_level_of_the_packages(name: str) -> None:
    """A library leaves that to the program; a NullHandler would hide what nobody handles."""
    logger = logging.getLogger(f"realtime_trio{name}")
    assert (logger.handlers, logger.level, logger.propagate) == ([], logging.NOTSET, True)
