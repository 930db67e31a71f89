"""The transport of a client, and the network that its REST calls share with it."""

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
    """Choose the connector, or give the one that was chosen the options of the network.

    Raises ``ValueError`` where options are given beside a connector of the user's own, which
    could not know of them.
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
        message = f"a transport of your own has its own network: it takes no {', '.join(options)}"
        raise ValueError(message)
    own = getattr(given, "ssl_context", None)
    return given, network if own is None else attrs.evolve(network, ssl_context=own)
