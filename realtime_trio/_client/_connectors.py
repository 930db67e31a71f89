"""The transport of a client, and the network options that its REST calls share with it."""

from __future__ import annotations

import attrs

from .._config import ClientConfig
from .._rest._urls import Endpoint
from .._transports._memory import MemoryConnector
from .._transports._network import Network
from .._transports._trio_websocket import TrioWebsocketConnector
from .._transports._websockets import WebsocketsConnector
from ..abc import Connector

__all__ = ["connector_for"]


def connector_for(
    where: Endpoint, given: Connector | None, config: ClientConfig, network: Network
) -> tuple[Connector, Network]:
    """Choose the connector, or apply the network options to the given one.

    Raises ``ValueError`` if options are given together with a custom connector, which cannot
    use them.
    """
    if given is None and where.in_memory:
        given = MemoryConnector(connect_timeout=config.connect_timeout)
    if given is None:
        given = TrioWebsocketConnector(
            max_message_size=config.max_message_size,
            connect_timeout=config.connect_timeout,
            compression=config.compression,
        )
    unused = Network()
    fields = [field.name for field in attrs.fields(Network)]
    options = {
        name: getattr(network, name)
        for name in fields
        if getattr(network, name) != getattr(unused, name)
    }
    if isinstance(given, (TrioWebsocketConnector, WebsocketsConnector)):
        given = attrs.evolve(given, **options) if options else given
        return given, given.network
    if options and not isinstance(given, MemoryConnector):
        message = f"a custom transport has its own network: it accepts no {', '.join(options)}"
        raise ValueError(message)
    own = getattr(given, "ssl_context", None)
    return given, network if own is None else attrs.evolve(network, ssl_context=own)
