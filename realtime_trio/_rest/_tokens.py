"""Tokens: their sources, their expiry and their rejection.

Every dial requests a token. A token with a readable expiry (a JWT with ``exp``) is renewed ahead of
it. A rejected token is renewed once. If the new one is rejected too, the error is final: further
dials could lock the account.
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
"""Seconds until the retry of a renewal that failed without a connection."""

_LAST: Final = 1e12
"""Seconds since 1970: later than any plausible expiry."""

_SOONEST: Final = 1.0
_LONGEST: Final = 3600.0
"""Maximum seconds of sleep: the clock can be adjusted meanwhile."""


class Auth(Protocol):
    """A token source for ``open_client(auth=…)``, besides a token and :class:`PasswordLogin`."""

    async def token(self) -> str:
        """Return a valid token. It is called before every dial, within ``connect_timeout``.

        Raise :class:`~realtime_trio.AuthenticationError` if a retry cannot help, and ``OSError``,
        ``httpx.HTTPError`` or :class:`~realtime_trio.ConnectionFailed` if it can: that counts as a
        failed dial. Any other exception ends the client with that error.
        """
        ...


@attrs.frozen(slots=True)
class PasswordLogin:
    """Log in with a name and a password, over REST."""

    username: str
    password: str = attrs.field(repr=False)


AuthSource: TypeAlias = str | PasswordLogin | Auth


def expiry(token: str) -> float | None:
    """Return a token's expiry in seconds since 1970, or ``None`` if it has none."""
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
    # Later values, infinity and NaN are not dates.
    return float(ends) if 0 <= ends <= _LAST else None


def _is_network_error(exc: Exception) -> bool:
    """Whether a token source failed because of the network."""
    httpx = sys.modules.get("httpx")  # a source that raises httpx errors has imported httpx
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

    A token is renewed ``margin`` seconds before its expiry, or after half of its lifetime if that
    is later. ``emit`` receives the notifications, ``hide`` every token before its use.
    """

    def __init__(
        self,
        auth: AuthSource,
        rest: Rest,
        *,
        margin: float,
        clock: Callable[[], float],
        emit: Callable[[Notification], None],
        hide: Callable[[str], None] | None = None,
    ) -> None:
        self._auth = auth
        self._rest = rest
        self._margin = margin
        self._clock = clock
        self._emit = emit
        from .._redact import Redactor  # its patterns are slow to compile

        self._redactor = Redactor()
        self._on_secret = hide
        self._token: str | None = None
        self._renew_at = float("inf")
        self._spent = False  # whether a renewal was tried since the last accepted token
        self._refusal: Literal["no", "perhaps", "certain"] = "no"
        self._lock = trio.Lock()
        self.ui_session_id: str | None = None
        """The UI session id from the login, for the first dial."""
        self.heygen_token: str | None = None
        """The token for avatars, if the server issued one."""
        if isinstance(auth, str):
            self._keep(Grant(auth))

    async def token(self) -> str:
        """Return a valid token, renewed if it was rejected or is about to expire.

        Raises :class:`~realtime_trio.AuthenticationError` if the server denies one, and
        :class:`~realtime_trio.ConnectionFailed` if the server cannot be reached.
        """
        if isinstance(self._auth, (str, PasswordLogin)):
            return self._check_sendable(await self._own_token())
        try:
            token = await self._auth.token()
        except AuthenticationError as exc:
            self._failed(exc)
            raise
        except ConnectionFailed:
            raise
        except Exception as exc:
            if not _is_network_error(exc):
                raise  # a bug in the token source
            message = f"the token source failed: {str(exc) or type(exc).__name__}"
            raise ConnectionFailed(self.redacted(message)) from exc
        given = cast("object", token)
        if not isinstance(given, str):
            message = f"the token source must return a str, not {type(given).__name__}"
            raise TypeError(message)
        self._hide(token)
        return self._check_sendable(token)

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

    def _check_sendable(self, token: str) -> str:
        """Check that a token can be sent; the error must not contain it."""
        if not _is_text(token):
            message = "the token cannot be sent: it contains a lone surrogate"
            raise self._failed(AuthenticationError(message))
        return token

    def _hide(self, secret: str) -> None:
        self._redactor.hide(secret)
        if self._on_secret is not None:
            self._on_secret(secret)

    def redacted(self, text: str) -> str:
        """Return untrusted text without secrets, above all without the client's tokens."""
        return self._redactor.text(text)

    async def refused(self, *, certain: bool) -> None:
        """Record that the last token did not open a connection; the next dial gets a new one.

        ``certain`` is true if the server blamed the token (401, 403). If that happens again with
        the renewed token, raises :class:`~realtime_trio.AuthenticationError`.
        """
        await trio.lowlevel.checkpoint()
        if self._spent:
            if certain:
                message = "the server refused the token, and also the renewed one"
                raise self._failed(AuthenticationError(message))
            return
        self._spent = True
        self._refusal = "certain" if certain else "perhaps"

    async def call(self, action: Callable[[str], Awaitable[T]]) -> T:
        """Make a REST call with a token; retry once with a new one if it is rejected."""
        token = await self.token()
        try:
            return await action(token)
        except AuthenticationError:
            if token == self._token:
                self._refusal = "certain"
            return await action(await self.token())

    def accepted(self) -> None:
        """Record that the last token opened a connection."""
        self._spent = False

    async def keep_fresh(self) -> None:
        """Renew the token ahead of its expiry, while the client runs."""
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
                    return  # already emitted; the open connection does not need the token
                except RealtimeError as exc:
                    _log.warning("the token could not be renewed: %s", self.redacted(str(exc)))
                    # Asking again soon cannot help if the answer is final. If the server refuses
                    # the old token at the next dial, that dial asks, and reports this reason.
                    final = isinstance(exc, ConnectionFailed) and exc.final
                    self._renew_at = self._clock() + (_LONGEST if final else _RETRY)

    async def _renew(self) -> None:
        """Get a new token. The caller holds the lock."""
        try:
            if isinstance(self._auth, PasswordLogin):
                await self._log_in_or_refresh(self._auth)
            else:
                assert self._token is not None
                await self._refresh_given_token(self._token)
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
                # The token has expired or cannot be refreshed: log in again with the password.
            else:
                return
        self._keep(await self._rest.login(login.username, login.password))
        self._delay_renewal()
        self._emit(AuthLogin())
        if first:
            self._emit(AuthStateChanged(authenticated=True))

    async def _refresh_given_token(self, token: str) -> None:
        """Refresh a token without a password login.

        If it cannot be refreshed, an expired token may still work, since clocks differ and the
        server decides. A token that the server has rejected will not.
        """
        try:
            await self._refresh(token)
        except (AuthenticationError, ConnectionFailed, ProtocolError) as exc:
            refused = isinstance(exc, AuthenticationError) and self._refusal == "perhaps"
            if self._refusal == "certain" or refused:
                message = "the server refused the token, and refused to renew it"
                raise AuthenticationError(message) from exc
            _log.warning("the token could not be renewed: %s", self.redacted(str(exc)))
            self._renew_at = self._clock() + _RETRY

    async def _refresh(self, token: str) -> None:
        self._keep(await self._rest.refresh(token))
        self._delay_renewal()
        self._emit(AuthTokensRefreshed())

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

    def _delay_renewal(self) -> None:
        """If even a new token seems expired, the local clock is wrong: do not renew immediately."""
        now = self._clock()
        if self._renew_at <= now:
            self._renew_at = now + _RETRY

    def _failed(self, error: AuthenticationError) -> AuthenticationError:
        self._emit(AuthFailed(error=str(error)))
        self._emit(AuthStateChanged(authenticated=False))
        return error
