"""One life of an application that is going to be killed: ``python -m tests.journal.life FILE``.

It goes on with the conversation of the file, talks to a server of its own, and prints every
position that the journal has acknowledged.
"""

from __future__ import annotations

import sys
from itertools import count

import trio

import realtime_trio as rt
from realtime_trio import events as ev
from realtime_trio._journal import _log_writer
from realtime_trio.server import open_server
from realtime_trio.testing import tool, turn

NAME = "call"


async def main(path: str) -> None:
    """Talk until somebody kills the process."""
    journal = rt.Journal(path)
    async with (
        open_server() as server,
        rt.open_client(server.url, auth="any", journal=journal, name=NAME, recover=True) as client,
    ):
        print("recovered", 0 if client.recovered is None else client.recovered.position, flush=True)
        await client.ready()
        for number in count():
            text = f"answer {number} " * 20
            server.script(turn(text=text, tools=[tool("search", result="3 hits")]))
            async with client.ask(f"question {number}") as asked:
                async for _ in asked.text:
                    print("durable", client.durable_position, flush=True)
            receipt = await client.send(ev.SetAgentVoiceEvent(voice_id="v"))
            await receipt.durable()
            print("durable", client.durable_position, flush=True)


if __name__ == "__main__":
    # Often, so that lives are killed between two snapshots, and while one is taken.
    _log_writer.SNAPSHOT_EVERY = 100  # type: ignore[misc]
    trio.run(main, sys.argv[1])
