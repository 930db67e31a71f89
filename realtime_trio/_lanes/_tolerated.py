"""The log of what servers get wrong and the library takes all the same (protocol.md §2 L3)."""

from __future__ import annotations

import logging
from typing import Final

from .._core._leniency import Tolerated
from .._core._local_events import Reading

__all__ = ["log_tolerated"]

_logger: Final = logging.getLogger("realtime_trio.lanes")


def log_tolerated(tolerated: Tolerated, reading: Reading) -> None:
    """Log each place of each type that a server gets wrong, once; never what it sent there."""
    for event_type, path in tolerated.add(reading):
        _logger.warning("ignored an ill-typed value in %s at %s", event_type, path)
