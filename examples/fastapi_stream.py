"""Stream answers to a browser with FastAPI: server-sent events, on asyncio.

    pip install "realtime-trio" fastapi uvicorn
    realtime-trio serve
    python examples/fastapi_stream.py 8000 http://127.0.0.1:8080

Then open http://127.0.0.1:8000 and ask. If a browser disconnects, its turn is cancelled. One client
serves all requests, so it asks their questions one after another. For concurrent conversations,
open one client per user.
"""

import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse, StreamingResponse

import realtime_trio as rt

PAGE = """<!doctype html>
<form onsubmit="ask(event)"><input name="question" autofocus> <button>Ask</button></form>
<pre></pre>
<script>
function ask(event) {
  event.preventDefault();
  const shown = document.querySelector("pre"), question = event.target.question.value;
  shown.textContent = "";
  const answer = new EventSource("/ask?text=" + encodeURIComponent(question));
  answer.onmessage = piece => { shown.textContent += JSON.parse(piece.data); };
  answer.addEventListener("end", () => answer.close());
}
</script>
"""


def make_app(url: str) -> FastAPI:
    """Create the application. Its client is open while the application runs."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with rt.aio.open_client(url, auth=rt.PasswordLogin("me", "secret")) as client:
            await client.ready()
            app.state.client = client
            yield

    app = FastAPI(lifespan=lifespan)

    @app.get("/")
    async def page() -> HTMLResponse:
        return HTMLResponse(PAGE)

    @app.get("/ask")
    async def ask(request: Request, text: str) -> StreamingResponse:
        return StreamingResponse(
            answer(request.app.state.client, text), media_type="text/event-stream"
        )

    return app


async def answer(client: rt.aio.Client, text: str) -> AsyncIterator[str]:
    """Ask, and yield the pieces as server-sent events."""
    async with client.ask(text) as turn:
        async for piece in turn.text:
            yield f"data: {json.dumps(piece)}\n\n"
    yield f"event: end\ndata: {type(turn.outcome).__name__}\n\n"


if __name__ == "__main__":
    uvicorn.run(make_app(sys.argv[2]), port=int(sys.argv[1]))
