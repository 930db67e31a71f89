"""A chat in the terminal: type a line and read the answer as it arrives.

    realtime-trio serve
    python examples/terminal_chat.py http://127.0.0.1:8080

Ctrl-D ends it. `realtime-trio chat` is a more comfortable version of this program.
"""

import sys

import trio

import realtime_trio as rt


async def answer(client: rt.Client, text: str) -> None:
    """Ask and print the answer, piece by piece."""
    async with client.ask(text) as turn:
        async for piece in turn.text:
            print(piece, end="", flush=True)
    print()
    match turn.outcome:
        case rt.TurnCompleted():
            pass
        case rt.TurnCancelled():
            print("[cancelled]")
        case rt.TurnFailed(reason=reason) | rt.TurnLost(reason=reason):
            print(f"[no answer: {reason}]")


async def show_link(client: rt.Client) -> None:
    """Print changes of the connection."""
    with client.subscribe(rt.Disconnected, rt.Reconnected) as links:
        async for note in links:
            print("[reconnecting]" if isinstance(note, rt.Disconnected) else "[connected]")


async def main(url: str) -> None:
    """Chat until the input ends."""
    login = rt.PasswordLogin("me", "secret")
    async with rt.open_client(url, auth=login) as client, trio.open_nursery() as nursery:
        nursery.start_soon(show_link, client)
        await client.ready()
        while True:
            # In a thread: reading the terminal must not stop the connection.
            line = await trio.to_thread.run_sync(sys.stdin.readline)
            if not line:
                break
            if line.strip():
                await answer(client, line.strip())
        nursery.cancel_scope.cancel()


if __name__ == "__main__":
    trio.run(main, sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:8080")
