"""Check which web pages may use the server."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from urllib.parse import urlsplit

__all__ = ["origin_allowed"]


def origin_allowed(headers: Iterable[tuple[str, str]], allowed: Collection[str]) -> bool:
    """Check the ``Origin`` of a request against its host and the ``allowed`` origins.

    The names of the headers are lower case. Only web pages send an ``Origin``, so a request
    without one passes.
    """
    pairs = list(headers)
    hosts = {value.strip().lower() for name, value in pairs if name == "host"}
    known = {origin.lower() for origin in allowed}
    origins = [value.strip().lower() for name, value in pairs if name == "origin"]
    return "*" in known or all(
        origin in known or (len(hosts) == 1 and _host(origin) in hosts) for origin in origins
    )


def _host(origin: str) -> str | None:
    """Return the host and port of an origin; ``None`` for one that has none, as in ``null``."""
    try:
        return urlsplit(origin).netloc or None
    except ValueError:
        return None
