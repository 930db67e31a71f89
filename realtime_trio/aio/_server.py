"""The embedded server, for tests.

Written by tools/doors.py: change the native classes instead.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractAsyncContextManager

from ..server._embedded import RealtimeServer as NativeRealtimeServer
from ..server._embedded import ServerStatistics
from ..server._embedded import open_server as native_open_server
from ..server._fault_pipeline import Faults as NativeFaults
from ..server._faults import Action, CutHow, Packet, Plan
from ..server._hub import Received, Traffic
from ..server._options import ServerConfig
from ..server._rest_api import Request, Response
from ..server._turn_script import ScriptedAnswer, ScriptedTurn
from ._door import Mirror
from ._opening import opened

__all__ = ["Faults", "RealtimeServer", "open_server"]


class Faults(Mirror[NativeFaults]):
    """Injects faults into the connections of one server.

    Each method installs one plan after the plans that are already there. ``types`` limits a
    plan to events of those types, ``probability`` to a random share of them (seeded), and
    ``times`` to that many frames. A plan counts frames of all connections, starting when it
    is installed.
    """

    def install(self, *plans: Plan) -> None:
        """Install plans, for example those that a Hypothesis strategy generates."""
        self._native.install(*plans)

    def clear(self) -> None:
        """Remove all plans; a stall that has begun still takes its full time."""
        self._native.clear()

    def delay(
        self,
        seconds: float,
        *,
        jitter: float = 0.0,
        types: Iterable[str] | None = None,
        probability: float = 1.0,
        times: int | None = None,
    ) -> None:
        """Delay frames by ``seconds`` plus up to ``jitter``; their order does not change."""
        self._native.delay(
            seconds, jitter=jitter, types=types, probability=probability, times=times
        )

    def drop(
        self,
        types: Iterable[str] | None = None,
        *,
        probability: float = 1.0,
        times: int | None = None,
    ) -> None:
        """Drop frames."""
        self._native.drop(types, probability=probability, times=times)

    def duplicate(
        self,
        types: Iterable[str] | None = None,
        *,
        probability: float = 1.0,
        times: int | None = None,
    ) -> None:
        """Send frames twice."""
        self._native.duplicate(types, probability=probability, times=times)

    def reorder(
        self,
        types: Iterable[str] | None = None,
        *,
        probability: float = 1.0,
        times: int | None = None,
    ) -> None:
        """Let the next frame of the connection overtake a frame."""
        self._native.reorder(types, probability=probability, times=times)

    def garble(
        self,
        types: Iterable[str] | None = None,
        *,
        probability: float = 1.0,
        times: int | None = None,
    ) -> None:
        """Corrupt frames so that they cannot be decoded."""
        self._native.garble(types, probability=probability, times=times)

    def oversized(
        self,
        size: int = 2 * 1024 * 1024,
        *,
        types: Iterable[str] | None = None,
        probability: float = 1.0,
        times: int | None = None,
    ) -> None:
        """Pad events to ``size`` characters; they stay valid JSON."""
        self._native.oversized(size, types=types, probability=probability, times=times)

    def slow_drain(self, bytes_per_second: float) -> None:
        """Limit the bandwidth to ``bytes_per_second``."""
        self._native.slow_drain(bytes_per_second)

    def cut(self, after: int = 0, *, how: CutHow = "abort", times: int | None = 1) -> None:
        """End a connection after that many frames: ``clean``, ``abort`` or ``mid-frame``."""
        self._native.cut(after, how=how, times=times)

    def stall(self, seconds: float, *, after: int = 0, times: int | None = 1) -> None:
        """Send nothing on a connection for ``seconds``, then everything that was held back."""
        self._native.stall(seconds, after=after, times=times)

    def mute(self, after: int = 0, *, times: int | None = 1) -> None:
        """Send nothing more on a connection; the server still carries out what it receives."""
        self._native.mute(after, times=times)

    def refuse(self, status: int | None = 503, *, times: int = 1) -> None:
        """Refuse the next dials with that HTTP status; ``None`` breaks the link unanswered."""
        self._native.refuse(status, times=times)

    def refusal(self) -> tuple[bool, int | None]:
        """Return whether to refuse the current dial and with which status; uses up one refusal."""
        return self._native.refusal()

    def apply(self, packet: Packet) -> list[Action]:
        """Pass one packet through all plans."""
        return self._native.apply(packet)

    @property
    def holding(self) -> bool:
        """Whether a plan is holding a frame back, so that :meth:`flush` is needed."""
        return self._native.holding

    def flush(self) -> list[Action]:
        """Release the frames that are held back, through the plans after the one that held them."""
        return self._native.flush()


class RealtimeServer(Mirror[NativeRealtimeServer]):
    """A running server; :func:`open_server` creates it.

    ``faults`` injects network faults. ``seen`` holds what the clients sent, oldest first, at
    most ``config.max_seen`` frames and ``config.max_seen_bytes`` bytes. Only ``listen`` and
    ``restart`` can block.
    """

    @property
    def url(self) -> str:
        """The ``memory://`` address; :meth:`listen` returns addresses for a network."""
        return self._native.url

    @property
    def config(self) -> ServerConfig:
        """The options that the server was opened with."""
        return self._native.config

    @property
    def faults(self) -> Faults:
        """Fault injection; there are no faults until you call its methods."""
        return Faults(self._door, self._native.faults)

    @property
    def seen(self) -> deque[Received]:
        """The frames received on all connections, oldest first."""
        return self._native.seen

    async def listen(self, host: str = "127.0.0.1", port: int = 0) -> str:
        """Serve on a TCP port as well (0 selects a free one), and return its ``http://`` address.

        The port serves HTTP and websockets until the server ends. Raises ``OSError`` if the port
        is in use. Call it again to add another port. A call that is cancelled opens no port.
        """
        return await self._door.call(self._native.listen, host, port)

    def script(
        self, *scripts: ScriptedTurn | ScriptedAnswer | Iterable[ScriptedTurn | ScriptedAnswer]
    ) -> None:
        """Queue turns for future inputs, and answers to commands.

        An input takes the first turn written for its text, otherwise the first turn written for
        any text. The server echoes an input that no turn matches, answers a chat command such as
        ``!help`` outside any turn, and does not answer a blank text. A command takes the first
        answer written for it, an input before any turn.

        Raises ``ValueError`` for a delegation to an agent that the server does not have, and
        ``TypeError`` for a value that is not a step. Then nothing is queued.
        """
        self._native.script(*scripts)

    def unscript(self) -> None:
        """Drop all queued turns and answers."""
        self._native.unscript()

    def handle(self, request: Request) -> Response:
        """Answer a REST request directly, without an HTTP connection."""
        return self._native.handle(request)

    def issue_token(self, user_id: str | None = None) -> str:
        """Issue a token as a login does, by default for the first account."""
        return self._native.issue_token(user_id)

    def hang_up(self, how: CutHow = "abort") -> None:
        """End every connection now; sessions and their turns keep running."""
        self._native.hang_up(how)

    async def restart(self, downtime: float = 0.0) -> None:
        """Behave like a server that is killed and started again ``downtime`` seconds later.

        Every link is aborted. UI sessions and running turns are lost; chat sessions are kept.
        Connections are refused until the call returns. A cancelled call ends the downtime
        immediately, and of several concurrent calls the first to end does so.
        """
        await self._door.call(self._native.restart, downtime)

    def transcript(self, session_id: str) -> list[dict[str, object]]:
        """Return the messages of a chat session in the vendor's format; ``KeyError`` if unknown."""
        return self._native.transcript(session_id)

    def export_chats(self) -> list[dict[str, object]]:
        """Return the chat sessions as JSON values, for the ``chats`` of another server."""
        return self._native.export_chats()

    def trace(self, observe: Callable[[Traffic], None]) -> None:
        """Call ``observe`` for each connection, frame and request from now on, in this task.

        It must not block or raise. A second call replaces the first.
        """
        self._native.trace(observe)

    def statistics(self) -> ServerStatistics:
        """Count what the server holds at the moment."""
        return self._native.statistics()


def open_server(
    config: ServerConfig | None = None,
    *,
    name: str | None = None,
    chats: Iterable[Mapping[str, object]] = (),
) -> AbstractAsyncContextManager[RealtimeServer]:
    """Run a server until the block ends.

    The server is reachable immediately at ``server.url`` (``memory://name``, only on this loop),
    and over TCP after :meth:`RealtimeServer.listen`. Leaving the block aborts every connection.

    ``chats`` restores the sessions that :meth:`RealtimeServer.export_chats` returned earlier.
    Raises ``ValueError`` if the name is already in use. An exception of the block leaves it
    unchanged, never wrapped in a group.
    """
    return opened(native_open_server(config, name=name, chats=chats), RealtimeServer)
