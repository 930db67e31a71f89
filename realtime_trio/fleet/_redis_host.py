"""The connections to Redis of one ``opened`` block of a ``RedisLog``.

A command runs in a separate task, which is not cancelled with its caller: a cancelled command would
close its connection. Each shard is read through a separate client, because a blocking read occupies
a connection.
"""

from __future__ import annotations

import hashlib
import importlib
import math
import ssl
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final, TypeVar, cast, final
from urllib.parse import parse_qs, urlsplit

import trio

from .._exceptions import JournalError
from .._session._unwrapping_nursery import unwrapping_nursery
from ._redis_scripts import SCRIPTS

__all__ = ["RedisHost", "check_url", "open_host"]

T = TypeVar("T")
_TIMEOUT: Final = 5.0
_HASHES: Final = {name: hashlib.sha1(text.encode()).hexdigest() for name, text in SCRIPTS.items()}
_EVICTING: Final = "allkeys-"


def _coredis() -> Any:  # type: ignore[explicit-any]  # an extra: its types may be absent
    try:
        return importlib.import_module("coredis")
    except ImportError:
        message = "RedisLog needs coredis: pip install 'realtime-trio[redis]'"
        raise JournalError(message) from None


@final
class RedisHost:
    """Runs the commands of one Redis. Raises ``JournalError``, which names only the server."""

    def __init__(self, url: str, nursery: trio.Nursery) -> None:
        self._url = url
        self._where = _place(url)
        self._nursery = nursery
        self._module = _coredis()
        self._main = self._client()
        self._by_shard: dict[int, Any] = {}  # type: ignore[explicit-any]
        self._closing = False

    def _client(self) -> Any:  # type: ignore[explicit-any]
        retry = importlib.import_module("coredis.retry")
        tls = {"ssl_context": _tls(self._url)} if self._url.startswith("rediss:") else {}
        return self._module.Redis.from_url(
            self._url,
            retry_policy=retry.NoRetryPolicy(),
            stream_timeout=_TIMEOUT,
            connect_timeout=_TIMEOUT,
            **tls,
        )

    @asynccontextmanager
    async def connected(self) -> AsyncGenerator[None, None]:
        """Keep the connections open."""
        async with self._main:
            try:
                yield
            finally:
                self._closing = True  # others may still wait for an answer

    async def check(self) -> None:
        """Raise ``JournalError`` if Redis cannot be reached, refuses the login, or evicts keys."""
        policy = await self.run(lambda: self._main.config_get(["maxmemory-policy"]), may_fail=True)
        for value in policy.values() if policy else ():
            text = value.decode() if isinstance(value, bytes) else str(value)
            if text.startswith(_EVICTING):
                message = (
                    f"Redis at {self._where} has maxmemory-policy {text}: it would drop logs; "
                    "set noeviction"
                )
                raise JournalError(message)

    # -- commands --------------------------------------------------------------------------

    async def run(  # type: ignore[explicit-any]
        self, make: Callable[[], Awaitable[Any]], *, may_fail: bool = False
    ) -> Any:
        """Run a command; a caller that is cancelled does not cancel it."""
        done = trio.Event()
        found: list[Any] = []  # type: ignore[explicit-any]
        failed: list[Exception] = []

        async def work() -> None:
            try:
                found.append(await make())
            except Exception as exc:
                failed.append(exc)
            finally:
                done.set()

        self._nursery.start_soon(work)
        await done.wait()
        if found:
            return found[0]
        if failed and may_fail and self._is_answer(failed[0]):
            return None
        raise self.explained(failed[0] if failed else OSError("the log was closed"))

    def _is_answer(self, exc: Exception) -> bool:
        """Whether Redis works and refuses only this command."""
        errors = self._module.exceptions
        refused = isinstance(exc, errors.ResponseError)
        return refused and not isinstance(exc, errors.AuthenticationError)

    def explained(self, exc: Exception) -> Exception:
        """Describe an error of Redis or of the connection."""
        known = (self._module.exceptions.RedisError, OSError, trio.BrokenResourceError)
        if self._closing or isinstance(exc, (*known, trio.ClosedResourceError, TimeoutError)):
            message = f"Redis at {self._where} failed: {type(exc).__name__}: {exc}"
            error = JournalError(message)
            error.__cause__ = exc
            return error
        return exc

    async def script(self, name: str, keys: Sequence[str], *args: str | bytes | int | float) -> Any:  # type: ignore[explicit-any]
        """Run one of the scripts, by its hash if Redis knows it."""
        missing = self._module.exceptions.NoScriptError

        async def call() -> Any:  # type: ignore[explicit-any]
            try:
                return await self._main.evalsha(_HASHES[name], keys=keys, args=args)
            except missing:
                return await self._main.eval(SCRIPTS[name], keys=keys, args=args)

        return await self.run(call)

    async def command(self, name: str, *args: Any, **options: Any) -> Any:  # type: ignore[explicit-any]
        """Run a plain command."""
        return await self.run(lambda: getattr(self._main, name)(*args, **options))

    def soon(self, name: str, *args: Any, **options: Any) -> None:  # type: ignore[explicit-any]
        """Run a plain command soon, and ignore its failure."""

        async def work() -> None:
            try:
                await getattr(self._main, name)(*args, **options)
            except Exception as exc:
                error = self.explained(exc)
                if not isinstance(error, JournalError):
                    raise

        self._nursery.start_soon(work)

    # -- blocking reads --------------------------------------------------------------------

    async def read_streams(  # type: ignore[explicit-any]
        self, shard: int, streams: Mapping[str, str], *, wait: float
    ) -> Mapping[bytes, Sequence[Any]]:
        """Wait for entries of streams after these ids, and return them."""
        client = self._by_shard.get(shard)
        if client is None:
            client = self._by_shard[shard] = await self._nursery.start(self._hold_client)
        block = math.ceil(wait * 1000)
        found = await self.run(lambda: client.xread(streams, count=64, block=block))
        return cast("Mapping[bytes, Sequence[Any]]", found or {})  # type: ignore[explicit-any]

    async def _hold_client(  # type: ignore[explicit-any]
        self, task_status: trio.TaskStatus[Any] = trio.TASK_STATUS_IGNORED
    ) -> None:
        client = self._client()
        async with client:
            task_status.started(client)
            await trio.sleep_forever()


def _tls(url: str) -> ssl.SSLContext:
    """The context for a URL; that of coredis does not compare the name of the host."""
    given = {key: values[0] for key, values in parse_qs(urlsplit(url).query).items()}
    context = ssl.create_default_context(cafile=given.get("ssl_ca_certs"))
    if "ssl_certfile" in given:
        context.load_cert_chain(given["ssl_certfile"], given.get("ssl_keyfile"))
    return context


def check_url(url: str) -> None:
    """Raise ``ValueError`` for a URL that is not one of a Redis; the message has no secrets."""
    parts = urlsplit(url)
    place = parts.path.strip("/") if parts.scheme == "unix" else parts.hostname
    if parts.scheme not in {"redis", "rediss", "unix"} or not place:
        message = "RedisLog needs a URL like redis://HOST:PORT, rediss://HOST:PORT or unix:///PATH"
        raise ValueError(message)


def _place(url: str) -> str:
    """Return the address of a Redis, without the secrets in its URL."""
    parts = urlsplit(url)
    host = parts.hostname or parts.path
    return f"{host}:{parts.port}" if parts.port else host


@asynccontextmanager
async def open_host(url: str) -> AsyncGenerator[RedisHost, None]:
    """Hold connections to a Redis within this block; errors of the block are raised bare.

    Commands also work while the block is being cancelled, so that it can release what it holds.
    """
    async with unwrapping_nursery() as nursery:
        host, scope = await nursery.start(_hold_host, url)
        # Set here: a task that shields itself while its start is cancelled never ends.
        scope.shield = True
        try:
            yield host
        finally:
            scope.cancel()


async def _hold_host(
    url: str,
    task_status: trio.TaskStatus[tuple[RedisHost, trio.CancelScope]] = trio.TASK_STATUS_IGNORED,
) -> None:
    failure: Exception | None = None
    with trio.CancelScope() as scope:
        async with unwrapping_nursery() as nursery:
            host = RedisHost(url, nursery)
            async with host.connected():
                try:
                    await host.check()
                except Exception as exc:  # raised again below, outside the group of coredis
                    failure = exc
                else:
                    task_status.started((host, scope))
                    await trio.sleep_forever()
    if failure is not None:
        raise failure
