"""One conformance suite for three transports."""

from __future__ import annotations

from functools import partial

import pytest

from realtime_trio._transports._websockets import WebsocketsConnector
from realtime_trio.testing import check_transport
from tests.transports.peers import CONNECTORS, in_memory, socket_pair


@pytest.mark.parametrize("connector", CONNECTORS)
async def test_over_a_socket(connector: type) -> None:
    """The transports of the two libraries."""
    await check_transport(
        partial(socket_pair, connector()), looks_ahead=connector is WebsocketsConnector
    )


async def test_in_memory(autojump_clock: object) -> None:
    """The in-memory pair, on a virtual clock."""
    await check_transport(in_memory, looks_ahead=True, read_ahead=2**21)
