"""Serve the metrics of a client to Prometheus at http://127.0.0.1:9464/metrics.

Start ``realtime-trio serve``, then ``python examples/metrics.py [URL [PORT]]``. Let Prometheus
scrape it, and import ``metrics-dashboard.json`` into Grafana. ``/health`` on the next port answers
with the health and the statistics of the client as JSON.
"""

import json
import sys
from functools import partial

import h11
import trio
from prometheus_client import CollectorRegistry, start_http_server

import realtime_trio as rt


def health_page(client: rt.Client) -> bytes:
    """The answer of /health: 200 while the link is open, else 503."""
    health = client.health
    body = {"health": rt.to_dict(health), "statistics": rt.to_dict(client.statistics())}
    content = json.dumps(body).encode()
    http = h11.Connection(h11.SERVER)
    http.receive_data(b"GET /health HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
    http.next_event()
    headers = [("content-type", "application/json"), ("content-length", str(len(content)))]
    status = 200 if health.status == "open" else 503
    parts = (
        h11.Response(status_code=status, headers=headers),
        h11.Data(data=content),
        h11.EndOfMessage(),
    )
    return b"".join(http.send(part) or b"" for part in parts)


async def answer(client: rt.Client, stream: trio.SocketStream) -> None:
    """Answer one request, whatever it asks for."""
    async with stream:
        with trio.move_on_after(5):
            await stream.receive_some(4096)
            await stream.send_all(health_page(client))


async def main(url: str, port: int) -> None:
    """Talk until the program is stopped."""
    registry = CollectorRegistry()
    with rt.instrument.prometheus(registry=registry):
        web, _ = start_http_server(port, addr="127.0.0.1", registry=registry)
        try:
            async with (
                rt.open_client(url, auth=rt.PasswordLogin("demo", "demo")) as client,
                trio.open_nursery() as nursery,
            ):
                serve = partial(trio.serve_tcp, partial(answer, client), host="127.0.0.1")
                await nursery.start(serve, port + 1 if port else 0)
                await client.ready()
                async with client.ask("Hello") as turn:
                    async for text in turn.text:
                        print(text, end="", flush=True)
                print()
                await trio.sleep_forever()
        finally:
            web.shutdown()


if __name__ == "__main__":
    arguments = sys.argv[1:]
    trio.run(
        main,
        arguments[0] if arguments else "http://127.0.0.1:8080",
        int(arguments[1]) if len(arguments) > 1 else 9464,
    )
