"""The state of a user interface that survives lost connections.

    python examples/reconnecting_ui.py http://127.0.0.1:8080

A view is a function of the client's state, so the next view is right after a lost link. A line
typed without a link waits in the client and is sent over the next link.
"""

import sys

import attrs
import trio

import realtime_trio as rt


@attrs.frozen
class View:
    """What the user sees: immutable, compared by value."""

    link: str
    may_type: bool
    session: str
    messages: tuple[str, ...]


def view_of(state: rt.SessionState) -> View:
    """Compute the view. It runs at each change of the state, so it must be fast."""
    session = state.current_session
    return View(
        link=state.control.connection.status,
        may_type=state.turn.can_send_input,
        session="" if session is None else session.name or session.id,
        messages=()
        if session is None
        else tuple(f"{each.role}: {each.content}" for each in session.messages[-5:]),
    )


async def draw(client: rt.Client) -> None:
    """Redraw at each change; a slow screen skips intermediate views."""
    async with client.watch(view_of) as views:
        async for view in views:
            light = {"connected": "green", "reconnecting": "yellow"}.get(view.link, "red")
            print(f"[{light}] {view.session}: {len(view.messages)} messages")


async def main(url: str) -> None:
    """Send each line of the input while the view is shown."""
    config = rt.ClientConfig(first_attempts=3, max_attempts=None, backoff_max=10.0)
    login = rt.PasswordLogin("me", "secret")
    async with (
        rt.open_client(url, auth=login, config=config) as client,
        trio.open_nursery() as nursery,
    ):
        nursery.start_soon(draw, client)
        await client.ready()
        while line := await trio.to_thread.run_sync(sys.stdin.readline):
            async with client.ask(line.strip() or "?") as turn:
                outcome = await turn.wait()
            print(f"done: {type(outcome).__name__}")
        nursery.cancel_scope.cancel()


if __name__ == "__main__":
    trio.run(main, sys.argv[1])
