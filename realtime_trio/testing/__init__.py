"""The shipped test kit."""

from __future__ import annotations

from realtime_trio.testing._check_transport import Peer, check_transport

__all__ = ["Peer", "check_transport"]
