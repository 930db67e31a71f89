"""Tokens in JWT form, signed with HMAC-SHA256, with an ``exp`` that clients can read."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
from collections.abc import Callable
from typing import cast

__all__ = ["Tokens"]


class Tokens:
    """Issues and checks the tokens of one server; ``clock`` returns seconds since 1970."""

    def __init__(self, secret: bytes, lifetime: float, clock: Callable[[], float]) -> None:
        self._secret = secret
        self._lifetime = lifetime
        self._clock = clock
        self._count = 0

    def issue(self, user_id: str) -> str:
        """Issue a new token; no two are equal."""
        self._count += 1
        header: dict[str, object] = {"alg": "HS256", "typ": "JWT"}
        expires = int(self._clock() + self._lifetime)
        payload: dict[str, object] = {"sub": user_id, "exp": expires, "jti": self._count}
        signed = f"{_encode(_json(header))}.{_encode(_json(payload))}"
        return f"{signed}.{_encode(self._sign(signed))}"

    def user_of(self, token: str) -> str | None:
        """Return the token's user, or ``None`` if it is forged, expired or not a token."""
        signed, _, signature = token.rpartition(".")
        given = signature.encode("utf-8", "surrogatepass")
        if not hmac.compare_digest(_encode(self._sign(signed)).encode(), given):
            return None
        try:
            payload = json.loads(_decode(signed.partition(".")[2]))
        except (ValueError, binascii.Error):
            return None
        claims = cast("dict[str, object]", payload)
        expires, user = claims.get("exp"), claims.get("sub")
        if not isinstance(expires, int) or not isinstance(user, str):
            return None
        return user if expires > self._clock() else None

    def _sign(self, text: str) -> bytes:
        # A token of a client may hold anything, including lone surrogates.
        data = text.encode("utf-8", "surrogatepass")
        return hmac.new(self._secret, data, hashlib.sha256).digest()


def _json(value: dict[str, object]) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _decode(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
