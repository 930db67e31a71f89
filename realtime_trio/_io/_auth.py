"""Tokens: where they come from, how long they last, and what to do when one is refused."""

from __future__ import annotations

from typing import Protocol, final

import attrs

from .._exceptions import AuthenticationError

__all__ = ["Auth", "PasswordLogin", "TokenKeeper"]


class Auth(Protocol):
    """What ``open_client(auth=…)`` takes beside a token and a :class:`PasswordLogin`."""

    async def token(self) -> str:
        """A token that is good now; asked before every dial.

        Raises :class:`~realtime_trio.AuthenticationError` where asking again would not help.
        """
        ...


@attrs.frozen(slots=True)
class PasswordLogin:
    """Log in with a name and a password, over REST."""

    username: str
    password: str = attrs.field(repr=False)


@final
class TokenKeeper:
    """Gives a token for each dial."""

    def __init__(self, auth: str | Auth) -> None:
        self._auth = auth
        self.ui_session_id: str | None = None

    async def token(self) -> str:
        if isinstance(self._auth, str):
            return self._auth
        return await self._auth.token()

    async def rejected(self) -> None:
        message = "the server refused the token"
        raise AuthenticationError(message)

    def accepted(self) -> None:
        """The last token opened a connection."""
