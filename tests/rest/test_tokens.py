"""Tokens and REST: renewed in time, refused once, and sent to one host only."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import attrs
import pytest
import trio
import trio.testing

from realtime_trio._client._client import open_client
from realtime_trio._config import ClientConfig
from realtime_trio._core._notifications import Notification
from realtime_trio._core._shell_notifications import (
    AuthFailed,
    AuthLogin,
    AuthStateChanged,
    AuthTokensRefreshed,
)
from realtime_trio._exceptions import (
    AuthenticationError,
    ConnectionFailed,
    InDoubt,
    NotSent,
    ProtocolError,
)
from realtime_trio._rest._calls import Rest
from realtime_trio._rest._tokens import PasswordLogin, TokenKeeper, expiry
from realtime_trio._rest._upload import Form, open_upload
from realtime_trio._rest._urls import endpoint
from realtime_trio._transports._memory import MemoryListener
from realtime_trio.server import ServerConfig, open_server
from realtime_trio.testing import say, turn, wait

Answer = tuple[int, object]


def jwt(exp: object, name: str = "t") -> str:
    """Return a token that expires at ``exp``."""

    def part(value: object) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()

    return f"{part({'alg': 'none'})}.{part({'exp': exp, 'name': name})}.sig"


@attrs.define
class FakeRest:
    """A REST side with scripted answers that keeps its requests."""

    listener: MemoryListener
    answers: dict[str, list[Answer]] = attrs.field(factory=dict[str, list[Answer]])
    asked: list[tuple[str, str]] = attrs.field(factory=list[tuple[str, str]])
    told: list[Notification] = attrs.field(factory=list[Notification])
    now: float = 1_000_000.0

    def __attrs_post_init__(self) -> None:
        def answer(method: str, path: str, headers: object, body: bytes) -> tuple[int, bytes]:
            name = path.rpartition("/")[2]
            bearer = dict(headers).get("authorization", "")  # type: ignore[call-overload]
            self.asked.append((name, bearer.removeprefix("Bearer ")))
            queue = self.answers.get(name, [(404, {})])
            status, value = queue.pop(0) if len(queue) > 1 else queue[0]
            return status, value if isinstance(value, bytes) else json.dumps(value).encode()

        self.listener.answer = answer

    def rest(self) -> Rest:
        return Rest(endpoint(self.listener.url), timeout=5)

    def keeper(self, auth: object) -> TokenKeeper:
        return TokenKeeper(
            auth,  # type: ignore[arg-type]
            self.rest(),
            margin=60,
            clock=lambda: self.now + trio.current_time(),
            emit=self.told.append,
        )

    def grants(self, name: str, *tokens: str) -> None:
        self.answers[name] = [(200, {"agent_c_token": token}) for token in tokens]


@asynccontextmanager
async def desk() -> AsyncGenerator[FakeRest, None]:
    with MemoryListener() as listener:
        yield FakeRest(listener)


LOGIN = PasswordLogin("me", "secret")


@pytest.mark.parametrize(
    ("token", "ends"),
    [
        (jwt(12), 12.0),
        (jwt(12.5), 12.5),
        (jwt("soon"), None),
        (jwt(True), None),
        ("a.b.c", None),
        ("a.W10.c", None),
        ("opaque", None),
        ("..", None),
        ("a.\u00e9.c", None),
        (jwt(10**400), None),
        (jwt(float("nan")), None),
        (jwt(float("inf")), None),
        (jwt(-1), None),
    ],
)
def test_the_expiry_of_a_jwt_is_read(token: str, ends: float | None) -> None:
    """Any other token has no known expiry."""
    assert expiry(token) == ends


async def test_a_password_is_used_once_and_the_token_kept(autojump_clock: object) -> None:
    """Later dials use the same token until shortly before it expires."""
    async with desk() as it:
        first, second = jwt(it.now + 600, "1"), jwt(it.now + 1200, "2")
        it.grants("login", first)
        it.grants("refresh_token", second)
        keeper = it.keeper(LOGIN)
        assert await keeper.token() == first
        assert await keeper.token() == first
        await trio.sleep(541)
        assert await keeper.token() == second
        assert it.asked == [("login", ""), ("refresh_token", first)]
        assert it.told == [AuthLogin(), AuthStateChanged(authenticated=True), AuthTokensRefreshed()]


async def test_a_token_is_renewed_before_it_expires(autojump_clock: object) -> None:
    """In the background, repeatedly; if the server is away, later."""
    async with desk() as it, trio.open_nursery() as nursery:
        ends = [it.now + 600 * n for n in range(1, 5)]
        it.grants("login", jwt(ends[0]))
        it.answers["refresh_token"] = [
            (503, {}),
            *((200, {"agent_c_token": jwt(end)}) for end in ends[1:]),
        ]
        keeper = it.keeper(LOGIN)
        await keeper.token()
        nursery.start_soon(keeper.keep_fresh)
        await trio.sleep(1750)
        assert [name for name, _ in it.asked].count("refresh_token") == 4
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize("answer", [(401, {}), (404, {}), (200, b"<html>")], ids=str)
async def test_a_refused_refresh_falls_back_to_the_password(
    autojump_clock: object, answer: Answer
) -> None:
    """A token that expired meanwhile, or cannot be refreshed, is replaced by a login."""
    async with desk() as it:
        it.grants("login", jwt(it.now + 10, "1"), jwt(it.now + 900, "2"))
        it.answers["refresh_token"] = [answer]
        keeper = it.keeper(LOGIN)
        await keeper.token()
        await trio.sleep(100)
        assert expiry(await keeper.token()) == it.now + 900
        assert [name for name, _ in it.asked] == ["login", "refresh_token", "login"]


async def test_a_wrong_clock_causes_no_flood_of_renewals(autojump_clock: object) -> None:
    """If each new token seems to have expired already, it is used for a while."""
    async with desk() as it, trio.open_nursery() as nursery:
        it.grants("login", jwt(it.now - 900))
        it.grants("refresh_token", jwt(it.now - 800))
        keeper = it.keeper(LOGIN)
        for _ in range(10):
            await keeper.token()
        assert len(it.asked) == 1
        nursery.start_soon(keeper.keep_fresh)
        await trio.sleep(3600)
        assert len(it.asked) <= 1 + 3600 / 30
        nursery.cancel_scope.cancel()


async def test_a_token_that_lasts_for_hours_is_renewed(autojump_clock: object) -> None:
    """However far away its expiry is; after a refusal, the client stops."""
    async with desk() as it, trio.open_nursery() as nursery:
        it.grants("login", jwt(it.now + 10_000))
        it.answers["refresh_token"] = [(200, {"agent_c_token": jwt(it.now + 20_000)}), (401, {})]
        keeper = it.keeper(LOGIN)
        await keeper.token()
        nursery.start_soon(keeper.keep_fresh)
        await trio.sleep(9_000)
        assert len(it.asked) == 1
        it.answers["login"] = [(401, {})]
        await trio.sleep(80_000)
        assert [name for name, _ in it.asked] == ["login", *["refresh_token"] * 2, "login"]
        assert it.told[-1] == AuthStateChanged(authenticated=False)
        nursery.cancel_scope.cancel()


async def test_an_answer_of_another_server_is_a_failed_dial(autojump_clock: object) -> None:
    """For example the page of a captive portal: the dial is tried again."""
    async with desk() as it:
        it.answers["login"] = [(200, b"<html>")]
        with pytest.raises(ConnectionFailed, match="not a JSON object"):
            await it.keeper(LOGIN).token()


async def test_bad_credentials_are_final(autojump_clock: object) -> None:
    """There is no second attempt with the same password."""
    async with desk() as it:
        it.answers["login"] = [(401, {})]
        with pytest.raises(AuthenticationError):
            await it.keeper(LOGIN).token()
        assert len(it.asked) == 1
        assert [type(note) for note in it.told] == [AuthFailed, AuthStateChanged]


async def test_a_refused_token_is_renewed_once(autojump_clock: object) -> None:
    """A second refusal in a row is final; an opened link resets the count."""
    async with desk() as it:
        it.grants("login", "1", "2", "3")
        keeper = it.keeper(LOGIN)
        assert await keeper.token() == "1"
        await keeper.refused(certain=True)
        assert await keeper.token() == "2"
        keeper.accepted()
        await keeper.refused(certain=True)
        assert await keeper.token() == "3"
        await keeper.refused(certain=False)
        with pytest.raises(AuthenticationError):
            await keeper.refused(certain=True)


@pytest.mark.parametrize("status", [401, 404, 500])
async def test_a_refused_fixed_token_is_final(autojump_clock: object, status: int) -> None:
    """There is no other token to try."""
    async with desk() as it:
        it.answers["refresh_token"] = [(status, {})]
        keeper = it.keeper("given")
        assert await keeper.token() == "given"
        await keeper.refused(certain=True)
        with pytest.raises(AuthenticationError):
            await keeper.token()


async def test_an_expired_fixed_token_is_tried_anyway(autojump_clock: object) -> None:
    """The clocks may differ: the server decides."""
    async with desk() as it:
        it.answers["refresh_token"] = [(401, {})]
        token = jwt(it.now - 100)
        assert await it.keeper(token).token() == token
        assert not it.told


async def test_an_ambiguous_refusal_keeps_a_fixed_token(autojump_clock: object) -> None:
    """A status of 500 can have any cause."""
    async with desk() as it:
        it.answers["refresh_token"] = [(503, {})]
        keeper = it.keeper("given")
        await keeper.refused(certain=False)
        assert await keeper.token() == "given"


class Custom:
    """A custom token source."""

    def __init__(self, *tokens: str) -> None:
        self.tokens = list(tokens)

    async def token(self) -> str:
        await trio.lowlevel.checkpoint()
        if not self.tokens:
            message = "no more"
            raise AuthenticationError(message)
        return self.tokens.pop(0)


async def test_a_custom_source_is_called_before_every_dial(autojump_clock: object) -> None:
    """Reconnects call it again; its own refusal ends the client."""
    source = Custom("a", "b")
    async with open_server() as server:

        async def lose_two_links() -> None:
            async with open_client(server.url, auth=source) as client:
                await client.ready()
                for _ in range(2):
                    server.hang_up()
                    await trio.sleep(30)

        with pytest.raises(AuthenticationError, match="no more"):
            await lose_two_links()
    assert not source.tokens


async def test_a_login_opens_a_client(autojump_clock: object) -> None:
    """The dial uses the login's ui_session_id, and the auth notifications are emitted."""
    config = ServerConfig(accept_any_token=False)
    user = config.users[0]
    login = PasswordLogin(user.user_id, user.password)
    async with open_server(config) as server, open_client(server.url, auth=login) as client:
        notes = client.subscribe(AuthLogin, AuthStateChanged)
        await client.ready()
        assert [type(notes.receive_nowait()) for _ in range(2)] == [AuthLogin, AuthStateChanged]
        assert client.heygen_token
        assert client.state.control.ui_session_id


async def test_a_call_asks_a_custom_source_again(autojump_clock: object) -> None:
    """If REST refuses its token, once."""
    config = ServerConfig(accept_any_token=False)
    async with open_server(config) as server:
        source = Custom(server.issue_token(), "refused", server.issue_token())
        async with open_client(server.url, auth=source, config=ClientConfig()) as client:
            # The first call of the client: it waits until the server has named the session.
            assert (await client.upload_file(b"x", filename="x")).size == 1


async def test_a_wrong_password_is_one_clear_error(autojump_clock: object) -> None:
    """Immediately, without another dial, and without the password."""
    async with open_server() as server:
        with pytest.raises(AuthenticationError) as caught:
            async with open_client(server.url, auth=PasswordLogin("nobody", "hush-hush")):
                raise AssertionError
        assert "hush" not in repr(caught.value)
        assert trio.current_time() == 0


@pytest.mark.parametrize("status", [401, 403])
async def test_a_refused_upgrade_is_tried_once_more(autojump_clock: object, status: int) -> None:
    """With a renewed token; then it is final."""
    config = ServerConfig(accept_any_token=False)
    login = PasswordLogin(config.users[0].user_id, config.users[0].password)
    async with open_server(config) as server:
        server.faults.refuse(status, times=1)
        async with open_client(server.url, auth=login) as client:
            await client.ready()
        server.faults.refuse(status, times=10)
        with pytest.raises(AuthenticationError):
            async with open_client(server.url, auth=login):
                raise AssertionError


def test_secrets_have_no_repr() -> None:
    """Neither the password nor a token."""
    assert "secret" not in repr(LOGIN)


async def test_upload_streams_and_reports_its_progress(
    autojump_clock: object, tmp_path: Path
) -> None:
    """The server has the complete file; an ask can name it."""
    path = tmp_path / 'a "quoted" näme.txt'
    path.write_bytes(b"x" * 200_000)
    seen: list[tuple[int, int]] = []
    async with open_server() as server, open_client(server.url, auth="any") as client:
        await client.ready()
        file = await client.upload_file(path, progress=lambda *step: seen.append(step))
        assert (file.size, file.mime_type) == (200_000, "text/plain")
        assert seen[-1] == (200_000, 200_000)
        assert len(seen) == 4
        other = await client.upload_file(b"data", filename="b.bin")
        assert other.size == 4
        async with client.ask("look", file_ids=[file.id, other.id]) as asked:
            pass
        assert type(asked.outcome).__name__ == "TurnCompleted"


async def test_upload_has_limits(autojump_clock: object, tmp_path: Path) -> None:
    """Too large, without a name, missing, too many in one message."""
    config = ClientConfig(max_file_size=10, max_files=1)
    async with (
        open_server() as server,
        open_client(server.url, auth="any", config=config) as client,
    ):
        await client.ready()
        with pytest.raises(ValueError, match="11 bytes"):
            await client.upload_file(b"x" * 11, filename="x")
        with pytest.raises(ValueError, match="filename="):
            await client.upload_file(b"x")
        with pytest.raises(FileNotFoundError):
            await client.upload_file(tmp_path / "nothing")
        with pytest.raises(ValueError, match=r"the limit is 1 \(ClientConfig.max_files\)"):
            async with client.ask("x", file_ids=["a", "b"]):
                raise AssertionError


async def test_cancel_falls_back_to_rest(autojump_clock: object) -> None:
    """If no confirmation arrives on the socket, the client cancels by REST."""
    async with open_server() as server, open_client(server.url, auth="any") as client:
        await client.ready()
        server.script(turn("slow", say("a"), wait(500), say("b")))
        async with client.ask("slow") as asked:
            await asked.text.receive()
            server.faults.drop(["cancelled"], times=1)
            confirmed = await client.cancel()
        assert confirmed.via == "rest"


@pytest.mark.parametrize("written", [True, False])
async def test_an_unconfirmed_cancel_says_whether_it_was_sent(
    autojump_clock: object, written: bool
) -> None:
    """In doubt if it was sent, not sent if it was not."""
    async with open_server() as server, open_client(server.url, auth="any") as client:
        await client.ready()
        server.handle = None  # type: ignore[method-assign,assignment]
        server._hub.core.state.sessions.clear()
        if written:
            server.faults.mute()
        else:
            server.faults.refuse(503, times=50)
            server.hang_up()
            await trio.testing.wait_all_tasks_blocked()
        with pytest.raises(InDoubt if written else NotSent):
            await client.cancel()


async def test_answers_of_another_shape_are_protocol_errors(autojump_clock: object) -> None:
    """No JSON, no object, no token, too long."""
    async with desk() as it:
        values: tuple[object, ...] = (b"{", [], {}, {"agent_c_token": 1}, b"x" * 3_000_000)
        for value in values:
            it.answers["refresh_token"] = [(200, value)]
            with pytest.raises(ProtocolError):
                await it.rest().refresh("t")


async def test_rest_errors_do_not_contain_the_token(autojump_clock: object) -> None:
    """Neither do their causes."""
    async with desk() as it:
        it.answers["refresh_token"] = [(500, {})]
        with pytest.raises(ConnectionFailed) as caught:
            await it.rest().refresh("hush-hush")
        assert caught.value.status == 500
        assert caught.value.__cause__ is None
        it.listener.answer = None
        with pytest.raises(ConnectionFailed) as caught:
            await it.rest().refresh("hush-hush")
        assert caught.value.__cause__ is None
        assert caught.value.__suppress_context__ or caught.value.__context__ is None


async def test_no_answer_to_a_refresh_ends_the_background_task(
    autojump_clock: object,
) -> None:
    """Whatever the answer is, the next attempt follows and the client is not affected."""
    async with desk() as it, trio.open_nursery() as nursery:
        it.grants("login", jwt(it.now + 600))
        it.answers["refresh_token"] = [
            (200, b"[" * 100_000),
            (200, b"\xff\xfe"),
            (200, b"9" * 10_000),
            (200, {"agent_c_token": "\ud800"}),
            (200, {"agent_c_token": "a\r\nb"}),
            (302, {}),
            (599, {}),
            (200, {"agent_c_token": jwt(it.now + 9000, "new")}),
        ]
        keeper = it.keeper(LOGIN)
        await keeper.token()
        nursery.start_soon(keeper.keep_fresh)
        it.answers["login"] = [(503, {})]
        await trio.sleep(2000)
        assert expiry(await keeper.token()) == it.now + 9000
        assert [name for name, _ in it.asked].count("refresh_token") == 8
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize("token", ["\ud800", "opaque\udfff"])
async def test_a_token_that_is_not_text_is_refused_before_use(
    autojump_clock: object, token: str
) -> None:
    """A fixed one, and one of a source; the error does not contain it."""

    class Source:
        async def token(self) -> str:
            await trio.lowlevel.checkpoint()
            return token

    for auth in (token, Source()):
        async with desk() as it:
            with pytest.raises(AuthenticationError, match="lone surrogate") as caught:
                await it.keeper(auth).token()
            assert caught.value.__context__ is None
            assert it.told[-1] == AuthStateChanged(authenticated=False)


@pytest.mark.parametrize("given", [None, 5, b"t", {"token": "hush"}])
async def test_a_source_that_returns_no_text_is_named(given: Any, autojump_clock: object) -> None:
    """By the type of what it returned, which may be a secret."""

    class Source:
        async def token(self) -> str:
            await trio.lowlevel.checkpoint()
            return cast("str", given)

    kind = type(given).__name__
    async with open_server() as server:
        with pytest.raises(TypeError, match=rf"token source must return a str, not {kind}$"):
            async with open_client(server.url, auth=Source()):
                raise AssertionError


async def test_a_final_refusal_in_the_background_is_a_warning(
    autojump_clock: object, caplog: pytest.LogCaptureFixture
) -> None:
    """The open connection does not need it; the next attempt is at a refused dial."""
    async with desk() as it, trio.open_nursery() as nursery:
        first = jwt(it.now + 100)
        it.grants("login", first)
        keeper = it.keeper(LOGIN)
        assert await keeper.token() == first
        it.answers["refresh_token"] = [(410, {"detail": "no more of these"})]
        it.answers["login"] = [(422, {"detail": "the password is too short"})]
        nursery.start_soon(keeper.keep_fresh)
        await trio.sleep(3000)
        [warning] = [record.getMessage() for record in caplog.records if record.levelno >= 30]
        assert warning.startswith("the token could not be renewed: ")
        assert warning.endswith("status 422: the password is too short")
        assert await keeper.token() == first
        await keeper.refused(certain=True)
        with pytest.raises(ConnectionFailed, match="status 422: the password") as caught:
            await keeper.token()
        assert caught.value.final
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize("status", [400, 404, 413, 422])
async def test_a_permanently_refused_upload_has_the_servers_message(
    autojump_clock: object, status: int
) -> None:
    """Bounded, on one line, without the token; it is sent once."""
    token = "opaque-token-1"
    detail = f"too big\n for {token}; " + "x" * 1000
    async with desk() as it:
        it.answers["upload_file"] = [(status, {"detail": detail})]
        upload = await open_upload(b"abc", filename="a", mime_type=None, limit=10)
        form = Form({"ui_session_id": "u"}, upload)
        with pytest.raises(ConnectionFailed) as caught:
            await it.rest().upload(token, form, None)
        assert it.asked == [("upload_file", token)]
    assert caught.value.final
    said = str(caught.value)
    assert f"answered upload_file with status {status}: too big for <redacted>; xxx" in said
    assert len(said) < 300
