"""Mistakes in the use of the doors: ``test_mistakes.py`` sees that each line is reported."""

from __future__ import annotations

import realtime_trio as rt


def plain() -> None:
    with rt.blocking.open_client("http://s", auth="t", agent="x") as client:  # E: call-arg
        client.no_such_member  # noqa: B018  # E: attr-defined
        client.ask("Hello", file_id="f1")  # E: call-arg
        with client.ask("Hello") as turn:
            for piece in turn.text:
                piece.delta  # noqa: B018  # E: attr-defined


async def guest() -> None:
    async with rt.aio.open_client("http://server", auth=42) as client:  # E: arg-type
        await client.send("ping")  # E: arg-type
        client.text.subscribe(overflow="latest")  # E: arg-type
        async with client.ask("Hello") as turn:
            turn.words  # noqa: B018  # E: attr-defined
            async for note in client.subscribe(rt.MessageComplete, rt.Lagged):
                note.message  # noqa: B018  # E: union-attr
