"""Serve the metrics and the health of a client for Prometheus, Grafana and a load balancer.

    python examples/metrics.py http://127.0.0.1:8080 9464

Port 9464 answers with /metrics, port 9465 with the health as JSON: 200 while the link is open,
else 503. Import `metrics-dashboard.json` into Grafana to see the metrics.
"""

import json
import sys
from functools import partial

import trio
from prometheus_client import CollectorRegistry, start_http_server

import realtime_trio as rt


def health_response(client: rt.Client) -> bytes:
    """Return an HTTP response with the health and the statistics of the client."""
    health = client.health
    body = {"health": rt.to_dict(health), "statistics": rt.to_dict(client.statistics())}
    content = json.dumps(body).encode()
    status = "200 OK" if health.status == "open" else "503 Service Unavailable"
    head = (
        f"HTTP/1.1 {status}\r\ncontent-type: application/json\r\n"
        f"content-length: {len(content)}\r\nconnection: close\r\n\r\n"
    )
    return head.encode() + content


async def answer(client: rt.Client, stream: trio.SocketStream) -> None:
    """Answer any request with the health."""
    async with stream:
        with trio.move_on_after(5):
            await stream.receive_some(4096)
            await stream.send_all(health_response(client))


async def main(url: str, port: int) -> None:
    """Serve until the program is stopped."""
    registry = CollectorRegistry()
    with rt.instrument.prometheus(registry=registry):
        web, thread = start_http_server(port, addr="127.0.0.1", registry=registry)
        try:
            async with (
                rt.open_client(url, auth=rt.PasswordLogin("me", "secret")) as client,
                trio.open_nursery() as nursery,
            ):
                respond = partial(answer, client)
                await nursery.start(partial(trio.serve_tcp, respond, port + 1, host="127.0.0.1"))
                async with client.ask("Hello") as turn:
                    print("".join([piece async for piece in turn.text]))
                print("ready")
                await trio.sleep_forever()
        finally:
            web.shutdown()
            web.server_close()
            thread.join()


if __name__ == "__main__":
    try:
        trio.run(main, sys.argv[1], int(sys.argv[2]))
    except* KeyboardInterrupt:
        print("stopped")
