"""A web worker of the example: it holds no connection to the agents' server.

    python worker.py PORT REDIS_URL

You can run any number of workers. ``/ask`` streams an answer as server-sent events.
"""

import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import StreamingResponse

import realtime_trio as rt


def make_app(redis: str) -> FastAPI:
    """Create the application; the fleet is open while it runs."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with rt.aio.open_fleet(rt.fleet.RedisLog(redis)) as fleet:
            app.state.fleet = fleet
            yield

    app = FastAPI(lifespan=lifespan)

    @app.get("/ask")
    async def ask(request: Request, user: str, text: str, key: str) -> StreamingResponse:
        events = answer(request.app.state.fleet, user, text, key)
        return StreamingResponse(events, media_type="text/event-stream")

    return app


async def answer(fleet: rt.aio.Fleet, user: str, text: str, key: str) -> AsyncIterator[str]:
    """Ask in the user's session; a request that is repeated with the same key is sent once."""
    await fleet.create(f"chat-{user}", labels={"user": user})
    async with fleet.attach(f"chat-{user}") as session:
        async with session.ask(text, key=key) as turn:
            async for piece in turn.text:
                yield f"data: {json.dumps(piece)}\n\n"
        yield f"event: end\ndata: {type(turn.outcome).__name__} of {session.owner}\n\n"


if __name__ == "__main__":
    uvicorn.run(make_app(sys.argv[2]), port=int(sys.argv[1]), log_level="warning")
