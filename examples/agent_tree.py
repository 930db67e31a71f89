"""Show tools and sub-agents as a tree, while they work.

    realtime-trio serve --demo
    python examples/agent_tree.py http://127.0.0.1:8080

Each sub-agent has a separate session, which names the session that delegated to it.
"""

import sys
from contextlib import suppress

import trio

import realtime_trio as rt

QUESTION = "How do I get to the station, and is it raining?"  # the demo has an answer to it


def depth_of(state: rt.SessionState, session_id: str) -> int:
    """How many delegations a session is below the user's own."""
    depth = 0
    session = state.sessions.get(session_id)
    while session is not None and session.is_sub_session:
        depth += 1
        session = state.sessions.get(session.parent_session_id or "")
    return depth


class Tree:
    """Prints one line per node, indented by its depth."""

    def __init__(self, client: rt.Client) -> None:
        self._client = client

    def line(self, session_id: str, text: str) -> None:
        """Print a node of a session."""
        print("    " * depth_of(self._client.state, session_id) + text)

    def show(self, note: rt.Notification) -> None:
        """Print a notification, if it is a node."""
        match note:
            case rt.SubsessionStarted(session_id=session, sub_agent_key=agent):
                self.line(session, f"[{agent}]")
            case rt.ToolNotification(session_id=session, tool_name=name, status="executing"):
                self.line(session, f"{name}({', '.join(note.arguments)})")
            case rt.ToolCallComplete(session_id=session, tool_results=results):
                for result in results:
                    mark = "failed" if result.is_error else "ok"
                    self.line(session, f"-> {mark}: {result.content[:60]}")
            case rt.MessageComplete(session_id=session, message=message) if message.content:
                self.line(session, f"{message.role}: {message.content}")
            case _:
                pass


async def main(url: str, question: str) -> None:
    """Ask one question and print its tree."""
    async with rt.open_client(url, auth=rt.PasswordLogin("me", "secret")) as client:
        await client.ready()
        tree = Tree(client)
        with client.text.subscribe() as notes:
            async with client.ask(question) as turn, trio.open_nursery() as nursery:

                async def show() -> None:
                    async for note in notes:
                        tree.show(note)

                nursery.start_soon(show)
                await turn.wait()
                nursery.cancel_scope.cancel()
            with suppress(trio.WouldBlock):  # what was emitted last and is not printed yet
                while True:
                    tree.show(notes.receive_nowait())


if __name__ == "__main__":
    trio.run(main, sys.argv[1], " ".join(sys.argv[2:]) or QUESTION)
