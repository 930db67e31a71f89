"""Save what an agent shows: images, documents, pages.

    python examples/save_media.py http://127.0.0.1:8080 downloads "Draw me a map."

The server chooses the name and the content, so `Media.save` trusts neither: it removes directories
from the name, limits the size, overwrites no file and follows no links.
"""

import sys
from functools import partial
from pathlib import Path

import trio

import realtime_trio as rt

LIMIT = 5 * 1024 * 1024


async def save(media: rt.Media, directory: Path) -> None:
    """Save one item, or print why it cannot be saved."""
    write = partial(media.save, directory, max_bytes=LIMIT)
    try:
        # In a thread: a disk can be slow, and the conversation continues meanwhile.
        path = await trio.to_thread.run_sync(write)
    except ValueError as exc:  # too large, or only an address
        print(f"not saved: {exc}")
    else:
        warning = " (from outside: do not trust it)" if media.foreign_content else ""
        print(f"saved {path.name}, {path.stat().st_size} bytes{warning}")


async def main(url: str, directory: Path, question: str) -> None:
    """Ask, and save everything that the turn shows."""
    await trio.Path(directory).mkdir(parents=True, exist_ok=True)
    async with rt.open_client(url, auth=rt.PasswordLogin("me", "secret")) as client:
        await client.ready()
        async with client.ask(question) as turn:
            async for media in turn.media:
                await save(media, directory)


if __name__ == "__main__":
    trio.run(main, sys.argv[1], Path(sys.argv[2]), sys.argv[3])
