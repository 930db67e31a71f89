"""Tokens: where they come from, how long they last, and what to do when one is refused.

A token is asked for before every dial. One whose end can be read (a JWT with ``exp``) is
renewed ahead of it. One that a server refuses is renewed once; when the next one is refused
too, that is final: dialling on would only lock the account.
"""

from __future__ import annotations

import base64
import binascii
import json
import logging
import sys
from collections.abc import Awaitable, Callable
from typing import Final, Literal, Protocol, TypeAlias, TypeVar, cast, final

import attrs
import trio

from .._core._notifications import Notification
from .._core._shell_notifications import (
    AuthFailed,
    AuthLogin,
    AuthStateChanged,
    AuthTokensRefreshed,
)
from .._exceptions import AuthenticationError, ConnectionFailed, ProtocolError, RealtimeError
from ._calls import Grant, Rest

__all__ = ["Auth", "AuthSource", "PasswordLogin", "TokenKeeper", "expiry"]

T = TypeVar("T")

_log: Final = logging.getLogger("realtime_trio.rest")

_RETRY: Final = 30.0
"""Seconds until a renewal that failed for want of a connection is tried again."""

_LAST: Final = 1e12
"""Seconds since 1970: later than any date that a token could mean."""

_SOONEST: Final = 1.0
_LONGEST: Final = 3600.0
"""Seconds: the clock may be set meanwhile, so nobody sleeps longer without looking again."""


class Auth(Protocol):
    """What ``open_client(auth=…)`` takes beside a token and a :class:`PasswordLogin`."""

    async def token(self) -> str:
        """A token that is good now; asked before every dial, within ``connect_timeout``.

        Raises :class:`~realtime_trio.AuthenticationError` where asking again would not help,
        and ``OSError``, ``httpx.HTTPError`` or :class:`~realtime_trio.ConnectionFailed` where
        it may: that counts as an attempt. Anything else ends the client with that error.
        """
        ...


@attrs.frozen(slots=True)
class PasswordLogin:
    """Log in with a name and a password, over REST."""

    username: str
    password: str = attrs.field(repr=False)


AuthSource: TypeAlias = str | PasswordLogin | Auth


def expiry(token: str) -> float | None:
    """When a token ends, in seconds since 1970; ``None`` for one that does not tell."""
    parts = token.split(".")
    if len(parts) != 3:
        return None
    try:
        claims: object = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except (ValueError, binascii.Error, RecursionError):
        return None
    ends = cast("dict[str, object]", claims).get("exp") if isinstance(claims, dict) else None
    if isinstance(ends, bool) or not isinstance(ends, (int, float)):
        return None
    # Beyond that lies no date but infinity, and what is no number at all.
    return float(ends) if 0 <= ends <= _LAST else None


def _is_away(exc: Exception) -> bool:
    """Whether a token source failed for want of a network."""
    httpx = sys.modules.get("httpx")  # a source that raises its errors has imported it
    known = (OSError,) if httpx is None else (OSError, httpx.HTTPError)
    return isinstance(exc, known)


def _is_text(token: str) -> bool:
    try:
        token.encode()
    except UnicodeEncodeError:
        return False
    return True


@final
class TokenKeeper:
    """Holds the token of one client. ``clock`` gives seconds since 1970.

    ``margin`` is how many seconds ahead of its end a token is renewed; half of its life where
    that is less. ``tell`` hears the notifications, ``hide`` every token before it is used.
    """

    def __init__(
        self,
        auth: AuthSource,
        rest: Rest,
        *,
        margin: float,
        clock: Callable[[], float],
        tell: Callable[[Notification], None],
        hide: Callable[[str], None] | None = None,
    ) -> None:
        self._auth = auth
        self._rest = rest
        self._margin = margin
        self._clock = clock
        self._tell = tell
        from .._redact import Redactor  # its patterns take a moment to make

        self._redactor = Redactor()
        self._hear_secret = hide
        self._token: str | None = None
        self._renew_at = float("inf")
        self._spent = False  # a renewal has been tried since a token was last accepted
        self._refusal: Literal["no", "perhaps", "certain"] = "no"
        self._lock = trio.Lock()
        self.ui_session_id: str | None = None
        """The id that the login gave, to dial with for the first time."""
        self.heygen_token: str | None = None
        """The token for avatars, where the server gave one."""
        if isinstance(auth, str):
            self._keep(Grant(auth))

    async def token(self) -> str:
        """A token that is good now, renewed where it was refused or is about to end.

        Raises :class:`~realtime_trio.AuthenticationError` where there is none to be had, and
        :class:`~realtime_trio.ConnectionFailed` where there is nobody to ask.
        """
        if isinstance(self._auth, (str, PasswordLogin)):
            return self._sound(await self._own_token())
        try:
            token = await self._auth.token()
        except AuthenticationError as exc:
            self._failed(exc)
            raise
        except ConnectionFailed:
            raise
        except Exception as exc:
            if not _is_away(exc):
                raise  # a fault of the program
            message = f"the token source failed: {str(exc) or type(exc).__name__}"
            raise ConnectionFailed(self.redacted(message)) from exc
        self._hide(token)
        return self._sound(token)

    async def _own_token(self) -> str:
        async with self._lock:
            due = self._clock() >= self._renew_at
            if self._token is None or self._refusal != "no" or due:
                try:
                    await self._renew()
                except ProtocolError as exc:
                    raise ConnectionFailed(str(exc)) from exc
            assert self._token is not None
            return self._token

    def _sound(self, token: str) -> str:
        """The token, if it can be sent at all; not even its error may hold one that cannot."""
        if not _is_text(token):
            message = "the token cannot be sent: it holds half of a surrogate pair"
            raise self._failed(AuthenticationError(message))
        return token

    def _hide(self, secret: str) -> None:
        self._redactor.hide(secret)
        if self._hear_secret is not None:
            self._hear_secret(secret)

    def redacted(self, text: str) -> str:
        """A stranger's text without secrets, the client's own tokens above all."""
        return self._redactor.text(text)

    async def refused(self, *, certain: bool) -> None:
        """The last token did not open a connection: have another one the next time.

        ``certain``: the server said that it was the token (401, 403). Where that happens
        again to the renewed one, raises :class:`~realtime_trio.AuthenticationError`.
        """
        await trio.lowlevel.checkpoint()
        if self._spent:
            if certain:
                message = "the server refuses the token, and the renewed one too"
                raise self._failed(AuthenticationError(message))
            return
        self._spent = True
        self._refusal = "certain" if certain else "perhaps"

    async def call(self, action: Callable[[str], Awaitable[T]]) -> T:
        """Make a REST call with a token; once more with another, where the first is refused."""
        token = await self.token()
        try:
            return await action(token)
        except AuthenticationError:
            if token == self._token:
                self._refusal = "certain"
            return await action(await self.token())

    def accepted(self) -> None:
        """The last token opened a connection."""
        self._spent = False

    async def keep_fresh(self) -> None:
        """Renew the token ahead of its end, for as long as the client lives."""
        while self._renew_at != float("inf"):
            left = self._renew_at - self._clock()
            await trio.sleep(min(_LONGEST, max(_SOONEST, left)))
            if self._clock() < self._renew_at:
                continue
            async with self._lock:
                try:
                    await self._renew()
                except AuthenticationError as exc:
                    _log.warning("the token could not be renewed: %s", self.redacted(str(exc)))
                    return  # told already; the connection that is open does not need it
                except RealtimeError as exc:
                    _log.warning("the token could not be renewed: %s", self.redacted(str(exc)))
                    # Asking again soon cannot help where the answer is final. The next dial asks,
                    # if the server refuses the old token there: then it is the reason.
                    final = isinstance(exc, ConnectionFailed) and exc.final
                    self._renew_at = self._clock() + (_LONGEST if final else _RETRY)

    async def _renew(self) -> None:
        """Have a new token; the lock is held."""
        try:
            if isinstance(self._auth, PasswordLogin):
                await self._log_in_or_refresh(self._auth)
            else:
                assert self._token is not None
                await self._refresh_what_was_given(self._token)
        except AuthenticationError as exc:
            raise self._failed(exc) from exc.__cause__
        self._refusal = "no"

    async def _log_in_or_refresh(self, login: PasswordLogin) -> None:
        first = self._token is None
        if self._token is not None and self._refusal == "no":
            try:
                await self._refresh(self._token)
            except (AuthenticationError, ConnectionFailed, ProtocolError) as exc:
                if isinstance(exc, ConnectionFailed) and not exc.final:
                    raise
                # It has ended meanwhile, or cannot be refreshed; the password is still there.
            else:
                return
        self._keep(await self._rest.login(login.username, login.password))
        self._never_at_once()
        self._tell(AuthLogin())
        if first:
            self._tell(AuthStateChanged(authenticated=True))

    async def _refresh_what_was_given(self, token: str) -> None:
        """Refresh a token that there is no password behind.

        Where nobody refreshes it, an old one may still do: the clocks may differ, and the
        server has the last word. One that the server has refused will not.
        """
        try:
            await self._refresh(token)
        except (AuthenticationError, ConnectionFailed, ProtocolError) as exc:
            refused = isinstance(exc, AuthenticationError) and self._refusal == "perhaps"
            if self._refusal == "certain" or refused:
                message = "the server refuses the token, and will not renew it"
                raise AuthenticationError(message) from exc
            _log.warning("the token could not be renewed: %s", self.redacted(str(exc)))
            self._renew_at = self._clock() + _RETRY

    async def _refresh(self, token: str) -> None:
        self._keep(await self._rest.refresh(token))
        self._never_at_once()
        self._tell(AuthTokensRefreshed())

    def _keep(self, grant: Grant) -> None:
        self._token = grant.token
        self._hide(grant.token)
        if grant.heygen_token is not None:
            self._hide(grant.heygen_token)
        self.heygen_token = grant.heygen_token or self.heygen_token
        self.ui_session_id = grant.ui_session_id or self.ui_session_id
        ends, now = expiry(grant.token), self._clock()
        self._renew_at = float("inf")
        if ends is not None:
            self._renew_at = ends - min(self._margin, max(0.0, ends - now) / 2)

    def _never_at_once(self) -> None:
        """Where even a new token seems to have ended, this side's clock is wrong: no haste."""
        now = self._clock()
        if self._renew_at <= now:
            self._renew_at = now + _RETRY

    def _failed(self, error: AuthenticationError) -> AuthenticationError:
        self._tell(AuthFailed(error=str(error)))
        self._tell(AuthStateChanged(authenticated=False))
        return error
