"""Base URLs, the URLs for dialling, and their redaction."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime_trio._rest._urls import endpoint, redacted


@pytest.mark.parametrize(
    ("url", "websocket", "rest"),
    [
        ("http://host", "ws://host", "http://host"),
        ("https://host/", "wss://host", "https://host"),
        ("ws://host:81/", "ws://host:81", "http://host:81"),
        ("wss://[::1]:8443", "wss://[::1]:8443", "https://[::1]:8443"),
        ("HTTPS://Host", "wss://host", "https://host"),
        ("memory://server-1", "memory://server-1", "http://server-1"),
    ],
)
def test_every_scheme_becomes_a_websockets(url: str, websocket: str, rest: str) -> None:
    """The scheme is converted."""
    where = endpoint(url)
    assert (where.websocket, where.rest) == (websocket, rest)
    assert where.dial_url("t").startswith(f"{websocket}/api/rt/ws?token=t")
    assert where.rest_url("login") == f"{rest}/api/rt/login"
    assert where.in_memory == url.startswith("memory")
    assert where.place == websocket.partition("://")[2]


@pytest.mark.parametrize(
    "url",
    [
        "",
        "host",
        "ftp://host",
        "http://",
        "http://[",
        "http://host:x",
        "http://u:p@host",
        "ws://h?a=b",
        "ws://host?",
        "ws://host/#part",
        "ws://@host",
    ],
)
def test_an_invalid_base_url_is_refused(url: str) -> None:
    """The message does not quote it, because it may contain a secret."""
    with pytest.raises(ValueError, match="the server url") as caught:
        endpoint(url)
    assert not url or len(url) < 5 or url not in str(caught.value)


def query(url: str) -> dict[str, list[str]]:
    return parse_qs(urlsplit(url).query, strict_parsing=True)


@pytest.mark.parametrize("path", ["/agents", "/agents/", "/a/b%20c"])
def test_a_path_is_a_prefix(path: str) -> None:
    """For the websocket and REST, with or without a final slash."""
    where = endpoint(f"https://host{path}")
    prefix = path.rstrip("/")
    assert where.dial_url("t").startswith(f"wss://host{prefix}/api/rt/ws?token=t")
    assert where.rest_url("login") == f"https://host{prefix}/api/rt/login"
    assert where.place == "host"


def test_a_session_id_and_an_agent_are_dialled_together() -> None:
    """Without an agent, a server may assign its default agent (protocol.md §1)."""
    where = endpoint("http://host")
    assert query(where.dial_url("t", agent_key="a")) == {"token": ["t"], "agent_key": ["a"]}
    assert query(where.dial_url("t", ui_session_id="u", chat_session_id="c", agent_key="a")) == {
        "token": ["t"],
        "ui_session_id": ["u"],
        "chat_session_id": ["c"],
        "agent_key": ["a"],
    }


@given(st.text(min_size=1, alphabet=st.characters(exclude_categories=["Cs"])))
def test_any_token_survives_the_query_and_none_the_redaction(token: str) -> None:
    """The dialled URL has exactly the token; the redacted one has no part of it."""
    url = endpoint("ws://host").dial_url(token, ui_session_id="U")
    assert query(url)["token"] == [token]
    shown = redacted(url)
    assert shown == "ws://host/api/rt/ws?token=<token>&ui_session_id=U"
