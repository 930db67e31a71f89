"""``realtime-trio serve``: the embedded server on a port, to develop against."""

from __future__ import annotations

import math

import trio

from ..server import Account, ServerConfig, open_server
from ._command_error import CommandError
from ._console import make_console
from ._signals import endings

__all__ = ["serve"]

# The user of the examples in the documentation. Any token is accepted as the first user's.
_USER = Account(
    user_id="me", password="secret", email="me@example.com", first_name="Me", last_name="Example"
)


def serve(*, host: str = "127.0.0.1", port: int = 8080, pace: float = 0.02) -> None:
    """Run the embedded server until Ctrl-C or SIGTERM.

    It accepts any token, and the user "me" with the password "secret".
    It answers a message by repeating it.

    Parameters
    ----------
    host
        The address to listen on. Anyone who can reach it can log in.
    port
        The port; 0 for a free one.
    pace
        Seconds between two deltas of an answer.
    """
    if not 0 <= port <= 65_535:
        message = "--port must be from 0 to 65535"
        raise CommandError(message)
    if not (math.isfinite(pace) and pace >= 0):
        message = "--pace must be 0 seconds or more"
        raise CommandError(message)
    trio.run(_serve, host, port, pace)


async def _serve(host: str, port: int, pace: float) -> None:
    # Not KeyboardInterrupt: SIGINT is ignored in a process that a script starts in the background,
    # and Python does not change that.
    with trio.open_signal_receiver(*endings()) as signals:
        async with open_server(ServerConfig(users=(Account(), _USER), pace=pace)) as server:
            try:
                url = await server.listen(host, port)
            except (OSError, UnicodeError) as exc:  # an invalid host name cannot be encoded
                why = getattr(exc, "strerror", None) or exc
                message = f"cannot listen on {host}:{port}: {why}"
                raise CommandError(message) from None
            console = make_console()
            console.print(f"listening on {url}", style="bold", soft_wrap=True)
            console.print(f"  realtime-trio chat {url} --token any", style="dim", soft_wrap=True)
            console.file.flush()
            async for _ in signals:
                break
