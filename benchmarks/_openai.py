"""Time openai-python from a frame to a typed event, alone and over a socket."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from openai import AsyncOpenAI
from openai.resources.realtime.realtime import AsyncRealtimeConnection

__all__ = ["parser", "received"]


def parser() -> Any:
    """Return the function with which its connection parses every frame; it needs no socket."""
    nothing: Any = None
    return AsyncRealtimeConnection(nothing).parse_event


async def _received(url: str, scenario: str, messages: int) -> float:
    client = AsyncOpenAI(api_key="key", websocket_base_url=url)
    async with client.realtime.connect(
        model="model-1", extra_query={"agent_key": scenario}
    ) as connection:
        began = time.process_time()
        await connection.send_raw('{"type":"get_agents"}')
        async for _ in connection:
            messages -= 1
            if not messages:
                break
        return time.process_time() - began


def received(url: str, scenario: str, messages: int) -> float:
    """Return the CPU seconds until its client has delivered so many events."""
    return asyncio.run(_received(url, scenario, messages))
