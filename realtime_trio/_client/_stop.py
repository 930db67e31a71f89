"""Close a client from outside its block, for callers without cancel scopes."""

from __future__ import annotations

from ._client import Client

__all__ = ["stop_client"]


async def stop_client(client: Client) -> None:
    """Close a client from outside its block, and wake every task that waits for it."""
    await client._shell.stop()  # pyright: ignore[reportPrivateUsage]
