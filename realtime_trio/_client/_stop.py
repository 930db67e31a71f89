"""Close a client from outside its block, for doors that have no cancel scopes."""

from __future__ import annotations

from ._client import Client

__all__ = ["stop_client"]


async def stop_client(client: Client) -> None:
    """Close a client from outside its block; every task that waits for it is woken."""
    await client._shell.stop()  # pyright: ignore[reportPrivateUsage]
