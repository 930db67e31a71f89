"""openai-python's way from a frame to a typed event, alone and behind a socket."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from openai import AsyncOpenAI
from openai.resources.realtime.realtime import AsyncRealtimeConnection

__all__ = ["parser", "received"]


def parser() -> Any:
    """What its connection reads every frame with; it needs no socket."""
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
    """Seconds of processor time until its client has given out so many events."""
    return asyncio.run(_received(url, scenario, messages))
