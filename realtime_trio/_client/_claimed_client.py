"""A client that writes to a log which its caller has claimed and recovered."""

from __future__ import annotations

import ssl
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager

import attrs

from .._config import ClientConfig
from .._connection._supervisor import Address
from .._journal._journal_life import JournalLife
from .._rest._tokens import AuthSource
from .._rest._urls import endpoint
from .._session._shell import Shell
from .._transports._network import ENVIRONMENT, Network, OpenStream
from ..abc import Connector
from ._client import Client, opened_client
from ._connectors import connector_for

__all__ = ["DialOptions", "claimed_client"]


@attrs.frozen(slots=True)
class DialOptions:
    """The options for dialling; see :func:`~realtime_trio.open_client`."""

    url: str
    auth: AuthSource = attrs.field(repr=False)
    agent_key: str | None = attrs.field(default=None, kw_only=True)
    chat_session_id: str | None = attrs.field(default=None, kw_only=True)
    config: ClientConfig | None = attrs.field(default=None, kw_only=True)
    transport: Connector | None = attrs.field(default=None, kw_only=True)
    ssl_context: ssl.SSLContext | None = attrs.field(default=None, kw_only=True)
    proxy: str | None = attrs.field(default=ENVIRONMENT, kw_only=True)
    headers: Mapping[str, str] | None = attrs.field(default=None, kw_only=True)
    open_stream: OpenStream | None = attrs.field(default=None, kw_only=True)


@asynccontextmanager
async def claimed_client(
    options: DialOptions, life: JournalLife
) -> AsyncGenerator[tuple[Client, Shell], None]:
    """Open a client within a life; the caller runs the writer and finishes the life."""
    where = endpoint(options.url)
    config = options.config or ClientConfig()
    network = Network(
        ssl_context=options.ssl_context,
        proxy=options.proxy,
        headers=options.headers,
        open_stream=options.open_stream,
    )
    connector, network = connector_for(where, options.transport, config, network)
    shell = Shell(
        config=config,
        connector=connector,
        network=network,
        address=Address(
            where, agent_key=options.agent_key, chat_session_id=options.chat_session_id
        ),
        auth=options.auth,
        recorder=None,
        life=life,
    )
    async with opened_client(shell) as client:
        yield client, shell
