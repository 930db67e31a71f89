"""A client next to the other tasks of a trio program, and how to handle the failure of one.

    python examples/embedding.py http://127.0.0.1:8080 "Hello"

The client is an async context manager, so it can live inside a nursery's block. If several tasks
fail, trio raises a group; `except*` handles its parts.
"""

import sys

import trio

import realtime_trio as rt


async def heartbeat(seconds: float) -> None:
    """Another task of the program, independent of the client."""
    while True:
        await trio.sleep(seconds)
        print("still here")


async def converse(client: rt.Client, question: str) -> None:
    """The task that asks."""
    await client.ready()
    async with client.ask(question) as turn:
        print("".join([piece async for piece in turn.text]))


async def watch_link(client: rt.Client) -> None:
    """A task that watches the state."""
    async with client.watch(lambda state: state.control.connection.status) as changes:
        async for status in changes:
            print(f"link: {status}")


async def main(url: str, question: str) -> int:
    """Run everything and return the exit status."""
    config = rt.ClientConfig(max_attempts=2, backoff_initial=0.1)
    status = 0
    try:
        async with (
            trio.open_nursery() as nursery,
            rt.open_client(url, auth=rt.PasswordLogin("me", "secret"), config=config) as client,
        ):
            nursery.start_soon(heartbeat, 60.0)
            nursery.start_soon(watch_link, client)
            await converse(client, question)
            nursery.cancel_scope.cancel()
    except* rt.AuthenticationError:
        print("the password is wrong")
        status = 1
    except* (rt.ConnectionFailed, rt.ConnectionLost) as group:
        print(f"no connection: {group.exceptions[0]}")
        status = 2
    return status


if __name__ == "__main__":
    sys.exit(trio.run(main, sys.argv[1], sys.argv[2]))
