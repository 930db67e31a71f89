"""Fixtures: the recordings of a real server, and a server in memory."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from realtime_trio.server import RealtimeServer, open_server


@pytest.fixture(scope="session")
def recordings() -> Path:
    """The directory of the recordings; without it, tests that need it are skipped."""
    shared = os.environ.get("REALTIME_TRIO_SHARED")
    root = Path(shared) if shared else Path(__file__).parents[2].parent / "shared"
    found = root / "recordings"
    if not found.is_dir():
        pytest.skip("no recordings of a real server beside this repository")
    return found


@pytest.fixture
async def server() -> AsyncGenerator[RealtimeServer, None]:
    """A server with the default options, in memory."""
    async with open_server() as running:
        yield running
