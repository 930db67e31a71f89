"""Fixtures of the tests that run the examples of the documentation."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from realtime_trio.events import REGISTRY
from tests.examples import embedded_server


@pytest.fixture
def no_types_of_examples() -> Iterator[None]:
    """An example may register an event of its own: that is for the example, not for the process."""
    before = set(REGISTRY)
    yield
    for row in list(REGISTRY):
        if row not in before:
            REGISTRY.remove(row)


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """The address of an embedded server in a process of its own."""
    with embedded_server() as url:
        yield url
