"""Stream answers to browsers with FastAPI, on trio.

    pip install "realtime-trio" fastapi hypercorn
    realtime-trio serve
    python examples/fastapi_stream.py 8000 http://127.0.0.1:8080
    curl -N "http://127.0.0.1:8000/ask?text=Hello"

FastAPI runs on trio under hypercorn. One client serves all requests, so their questions are
asked one after the other; open one client per user for conversations at the same time.
"""

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trio
from fastapi import FastAPI
from fastapi.responses import StreamingResponse
from hypercorn.config import Config
from hypercorn.trio import serve
from starlette.types import Send

import realtime_trio as rt


class Answer(StreamingResponse):
    """The answer to one question. A browser that goes away cancels the turn."""

    def __init__(self, client: rt.Client, text: str) -> None:
        super().__init__(iter(()), media_type="text/plain")
        self._client = client
        self._text = text

    async def stream_response(self, send: Send) -> None:
        """Ask, and send the pieces as they come."""
        async with self._client.ask(self._text) as turn:
            self.body_iterator = turn.text
            await super().stream_response(send)


def make_app(url: str) -> FastAPI:
    """Create the application; its client lives as long as it does."""
    opened: list[rt.Client] = []

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with rt.open_client(url, auth=rt.PasswordLogin("me", "secret")) as client:
            await client.ready()
            opened.append(client)
            yield

    app = FastAPI(lifespan=lifespan)

    @app.get("/ask")
    async def ask(text: str) -> Answer:
        return Answer(opened[0], text)

    return app


def main(port: int, url: str) -> None:
    """Serve until Ctrl-C."""
    config = Config()
    config.bind = [f"127.0.0.1:{port}"]
    trio.run(serve, make_app(url), config)  # type: ignore[arg-type]


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
