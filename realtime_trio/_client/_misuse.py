"""Report misuse where it happens, with the correct form in the message.

A message names a given value only by its type: the value may be a secret.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from functools import wraps
from types import TracebackType
from typing import Final, NoReturn, ParamSpec, TypeVar, final

import trio

from .._config import ClientConfig
from .._exceptions import TurnError
from .._journal._journal import Journal
from .._rest._tokens import PasswordLogin

__all__ = ["Entered", "check_count", "check_not_nested", "check_options", "entered"]

P = ParamSpec("P")
T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


def check_not_nested(asking: trio.Lock) -> None:
    """Raise :class:`~realtime_trio.TurnError` for an ``ask`` in the block of another one."""
    if asking.statistics().owner is trio.lowlevel.current_task():
        message = (
            "this task is inside another ask(): leave that 'async with' block before "
            "the next question, or ask from another task, which then waits for its turn"
        )
        raise TurnError(message)


def check_count(file_ids: tuple[str, ...], most: int) -> None:
    """Raise ``ValueError`` for more files than one message may have."""
    if len(file_ids) > most:
        message = (
            f"{len(file_ids)} files in one message; the limit is {most} (ClientConfig.max_files)"
        )
        raise ValueError(message)


# -- options -------------------------------------------------------------------------------

_WANTED: Final[Mapping[str, str]] = {
    "url": "a str such as 'https://agents.example.com'",
    "auth": (
        "a token (str), realtime_trio.PasswordLogin(username, password), "
        "or an object with 'async def token(self) -> str'"
    ),
    "agent_key": "a str or None",
    "chat_session_id": "a str or None",
    "config": "realtime_trio.ClientConfig(...) or None",
    "transport": "a connector such as realtime_trio.TrioWebsocketConnector(), or None",
    "recorder": "realtime_trio.Recorder(path) or None",
    "journal": "realtime_trio.Journal(path) or None",
    "name": "the name of a session of the journal (str), or None",
    "recover": "True or False",
    "ssl_context": "an ssl.SSLContext or None",
    "proxy": "a URL (str) or None",
    "headers": "a mapping of names and values, or None",
    "open_stream": "an async function of host and port, or None",
}


def _has_methods(*methods: str) -> Callable[[object], bool]:
    """Return a check: an object (not its class) with these methods."""
    return lambda value: (
        not isinstance(value, type)
        and all(callable(getattr(value, name, None)) for name in methods)
    )


_is_source = _has_methods("token")
_is_connector = _has_methods("connect")
_is_recorder = _has_methods("open", "record")

_CHECKS: Final[Mapping[str, Callable[[object], bool]]] = {
    "url": lambda value: isinstance(value, str),
    "auth": lambda value: isinstance(value, (str, PasswordLogin)) or _is_source(value),
    "agent_key": lambda value: value is None or isinstance(value, str),
    "chat_session_id": lambda value: value is None or isinstance(value, str),
    "config": lambda value: value is None or isinstance(value, ClientConfig),
    "transport": lambda value: value is None or _is_connector(value),
    "recorder": lambda value: value is None or _is_recorder(value),
    "journal": lambda value: value is None or isinstance(value, Journal),
    "name": lambda value: value is None or isinstance(value, str),
    "recover": lambda value: isinstance(value, bool),
    "ssl_context": lambda value: value is None or isinstance(value, ssl.SSLContext),
    "proxy": lambda value: value is None or isinstance(value, str),
    "headers": lambda value: value is None or isinstance(value, Mapping),
    "open_stream": lambda value: value is None or callable(value),
}


def check_options(**options: object) -> None:
    """Raise ``TypeError`` for an option of ``open_client`` that has the wrong type."""
    for name, value in options.items():
        if not _CHECKS[name](value):
            message = f"open_client({name}=...) must be {_WANTED[name]}, not {_kind(value)}"
            raise TypeError(message)


def _kind(value: object) -> str:
    if isinstance(value, type):
        return f"the class {value.__name__}"
    return "None" if value is None else type(value).__name__


# -- a context manager that was not entered ------------------------------------------------


@final
class Entered(AbstractAsyncContextManager[T_co]):
    """An async context manager that explains itself when it is used without ``async with``."""

    def __init__(self, manager: AbstractAsyncContextManager[T_co], form: str) -> None:
        self._manager = manager
        self._form = form

    async def __aenter__(self) -> T_co:
        return await self._manager.__aenter__()

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool | None:
        return await self._manager.__aexit__(exc_type, exc, traceback)

    def __getattr__(self, name: str) -> NoReturn:
        raise AttributeError(
            name if name.startswith("__") else f"no {name!r} here: {self._advice()}"
        )

    def __aiter__(self) -> NoReturn:
        raise TypeError(self._advice())

    def __enter__(self) -> NoReturn:
        raise TypeError(self._advice())

    def __exit__(self, *_: object) -> None:
        """Only defined so that plain ``with`` reaches ``__enter__``."""

    def _advice(self) -> str:
        return f"enter it first: '{self._form}'"


def entered(
    form: str,
) -> Callable[
    [Callable[P, AbstractAsyncContextManager[T]]], Callable[P, AbstractAsyncContextManager[T]]
]:
    """Decorate a function that returns a context manager; ``form`` is its correct use."""

    def decorate(
        function: Callable[P, AbstractAsyncContextManager[T]],
    ) -> Callable[P, AbstractAsyncContextManager[T]]:
        @wraps(function)
        def call(*args: P.args, **kwargs: P.kwargs) -> AbstractAsyncContextManager[T]:
            return Entered(function(*args, **kwargs), form)

        return call

    return decorate
