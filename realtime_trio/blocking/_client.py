"""``open_client`` and the client that it opens.

Written by tools/doors.py: change the native classes instead.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import AbstractContextManager
from functools import partial
from typing import Any, overload

from .._client._client import Client as NativeClient
from .._client._client import open_client as native_open_client
from .._client._stop import stop_client
from .._client._subscribes import T1, T2, T3, T4, T5, T
from .._config import ClientConfig
from .._connection._recorder import RecorderLike
from .._core._notifications import Notification
from .._core._state import SessionState
from .._journal._journal import Journal
from .._journal._recovery import Recovered
from .._lanes._overflow import Coalesce, Overflow
from .._lanes._statistics import PipelineStatistics
from .._outbound._cancel import CancelResult
from .._rest._upload import Progress, Source, UploadedFile
from .._session._shell import Health
from .._transports._network import ENVIRONMENT, OpenStream
from ..abc import Connector
from ..events import ChatSessionIndexEntry, Event
from ._callbacks import TokenSource, as_auth
from ._channels import LaneView, Subscription, Watch
from ._commands import Commands
from ._door import Door, same
from ._opening import opened
from ._turn import Receipt, Reconnection, Turn
from ._voice import AudioLane

__all__ = ["Client", "open_client"]


class Client(Commands):
    """An open client; made by :func:`open_client`. Any thread may use it."""

    def __init__(self, door: Door, native: NativeClient) -> None:
        super().__init__(door, native)
        self._inner = native
        self.control: LaneView = LaneView(door, native.control)
        """The control lane: catalogue, turn state, errors, the link."""
        self.text: LaneView = LaneView(door, native.text)
        """The text lane: messages, tools, media, sessions."""
        self.audio: AudioLane = AudioLane(door, native.audio)
        """The audio lane: the agent's speech, and sending the user's speech."""

    @overload
    def subscribe(self, *, overflow: Overflow = ...) -> Subscription[Notification]: ...

    @overload
    def subscribe(self, c1: type[T1], /, *, overflow: Overflow = ...) -> Subscription[T1]: ...

    @overload
    def subscribe(
        self, c1: type[T1], c2: type[T2], /, *, overflow: Overflow = ...
    ) -> Subscription[T1 | T2]: ...

    @overload
    def subscribe(
        self, c1: type[T1], c2: type[T2], c3: type[T3], /, *, overflow: Overflow = ...
    ) -> Subscription[T1 | T2 | T3]: ...

    @overload
    def subscribe(
        self, c1: type[T1], c2: type[T2], c3: type[T3], c4: type[T4], /, *, overflow: Overflow = ...
    ) -> Subscription[T1 | T2 | T3 | T4]: ...

    @overload
    def subscribe(
        self,
        c1: type[T1],
        c2: type[T2],
        c3: type[T3],
        c4: type[T4],
        c5: type[T5],
        /,
        *,
        overflow: Overflow = ...,
    ) -> Subscription[T1 | T2 | T3 | T4 | T5]: ...

    @overload
    def subscribe(self, *classes: type[T], overflow: Overflow = ...) -> Subscription[T]: ...

    def subscribe(self, *classes: type[Any], overflow: Overflow = Coalesce()) -> Subscription[Any]:
        """Subscribe to items of these classes, notifications and wire events alike, from now on.

        Without classes, all notifications. For up to five classes a type checker infers the union.
        Across lanes: control first, then audio, then text, never reordered within a lane. Raises
        ``TypeError`` for a class that is neither. After the client has ended, the subscription
        ends immediately.
        """
        return Subscription(
            self._door, self._door.plain(lambda: self._inner.subscribe(*classes, overflow=overflow))
        )

    @property
    def recovered(self) -> Recovered | None:
        """What the client continued from; ``None`` if it did not, or if there was nothing."""
        return self._door.plain(lambda: self._inner.recovered)

    @property
    def durable_position(self) -> int | None:
        """The position up to which the journal has kept everything; ``None`` without one."""
        return self._door.plain(lambda: self._inner.durable_position)

    def watch_durable_position(self) -> Watch[int]:
        """Follow :attr:`durable_position`: the current one first, then the latest.

        It ends when nothing more will be written, after the last position: the client has ended,
        or its journal has failed for good. Raises ``RuntimeError`` for a client without a
        journal.
        """
        return Watch(self._door, self._door.plain(lambda: self._inner.watch_durable_position()))

    @property
    def state(self) -> SessionState:
        """The current state: frozen, cheap to keep."""
        return self._door.plain(lambda: self._inner.state)

    @property
    def health(self) -> Health:
        """The health of the client and its link."""
        return self._door.plain(lambda: self._inner.health)

    def statistics(self) -> PipelineStatistics:
        """Return what the lanes have handled and buffer, and each open subscription."""
        return self._door.plain(lambda: self._inner.statistics())

    def watch(self, selector: Callable[[SessionState], T]) -> Watch[T]:
        """Follow one view of the state: its current value first, then the latest change.

        ``selector`` runs in the client's thread, and values are compared with ``==``. Its
        exceptions are raised in the thread that reads.
        """
        return Watch(self._door, self._door.plain(lambda: self._inner.watch(selector)))

    def ready(self) -> None:
        """Wait until the server accepts input and every lane has handled that event.

        Returns immediately if it already does. Any number of threads may wait. Raises
        :class:`~realtime_trio.ClosedError` if the client ends.
        """
        self._door.call(self._inner.ready)

    @property
    def heygen_token(self) -> str | None:
        """The token for avatars, a secret; ``None`` if no login or refresh returned one."""
        return self._door.plain(lambda: self._inner.heygen_token)

    def send(self, event: Event, *, force: bool = False) -> Receipt:
        """Queue an event and return its receipt; waits only for room in the queue.

        Commands leave in order when the turn gate opens; cancel, ping and a resume of the
        current session do not wait for it. ``force=True`` sends immediately and kills the
        running turn. Raises
        :class:`~realtime_trio.ClosedError` once the client is closed, ``TypeError`` for a server
        event, and both ``TypeError`` and ``ValueError`` as the class of the event does.
        """
        return Receipt(self._door, self._door.call(self._inner.send, event, force=force))

    def send_nowait(self, event: Event, *, force: bool = False) -> Receipt:
        """Queue an event as :meth:`send` does, without waiting.

        Raises :class:`~realtime_trio.WouldBlock` if its queue is full or other threads wait for
        room in it.
        """
        return Receipt(
            self._door, self._door.plain(lambda: self._inner.send_nowait(event, force=force))
        )

    def cancel(self) -> CancelResult:
        """Cancel the running turn; overtakes everything queued. Playback stops immediately.

        If the input of an :meth:`ask` is still queued, it is withdrawn instead
        (``via="withdrawn"``): its receipt is ``not-sent``, its outcome
        :class:`~realtime_trio.TurnCancelled`. Otherwise it returns when the server confirms the
        cancel, even if no turn is running. A confirmation received before the turn of the
        input has begun has cancelled nothing, so the cancel is sent once more when it begins.
        Concurrent callers share one request.
        Raises :class:`~realtime_trio.NotSent` or :class:`~realtime_trio.InDoubt` if no confirmation
        arrives, neither on the socket nor by REST.
        """
        return self._door.call(self._inner.cancel)

    def ask(self, text: str, *, file_ids: Iterable[str] = ()) -> AbstractContextManager[Turn]:
        """Send a text and follow its turn.

        Leaving normally waits for the outcome; leaving by an exception sends one cancel.
        Concurrent calls run one after another, in the order of the calls. Raises
        :class:`~realtime_trio.TurnError` inside another ``ask`` of the same thread, which would
        wait for itself, ``ValueError`` for a blank text without files, for half of a surrogate
        pair and for more files than a message may have, ``TypeError`` for anything but text.
        """
        return self._door.block(self._inner.ask(text, file_ids=file_ids), Turn, alone=True)

    def reconnect(self) -> Reconnection:
        """Replace the link now: after sleep, or when the network has changed.

        The current link is closed and a new one is dialled without a pause; a running pause ends.
        Call ``wait()`` of the result to wait until the new link is proven. Raises
        :class:`~realtime_trio.ClosedError` once the client is closed, or when it ends.
        """
        return Reconnection(self._door, self._door.plain(lambda: self._inner.reconnect()))

    def drain(self) -> None:
        """Finish what has started, then close the client.

        Queued events leave, the running turn ends, the lanes deliver their backlog, and the
        connection is closed. Meanwhile sending raises :class:`~realtime_trio.ClosedError`.
        Afterwards subscriptions end after their last item.
        """
        self._door.call(self._inner.drain)

    def sessions(self, *, page: int = 50) -> Generator[ChatSessionIndexEntry, None, None]:
        """Iterate over all sessions of the user, requested in pages of ``page`` entries.

        Each page is a command and waits at the turn gate. If the server refuses it, or does not
        answer on one connection for 30 seconds, raises :class:`~realtime_trio.ProtocolError`.
        """
        return self._door.each(self._inner.sessions(page=page))

    def upload_file(
        self,
        source: Source,
        *,
        filename: str | None = None,
        mime_type: str | None = None,
        progress: Progress | None = None,
    ) -> UploadedFile:
        """Send a file (a path, or bytes with a ``filename``) for a later ``ask``.

        The file is streamed; ``progress`` is called with the bytes read so far and the total.
        Raises ``ValueError`` for a file above ``config.max_file_size``, ``OSError`` for one that
        cannot be read, :class:`~realtime_trio.ConnectionFailed` and
        :class:`~realtime_trio.AuthenticationError` as REST calls do,
        :class:`~realtime_trio.ClosedError` once the client is closed. Waits until the server has
        sent the id of the UI session.
        """
        return self._door.call(
            self._inner.upload_file,
            source,
            filename=filename,
            mime_type=mime_type,
            progress=progress,
        )

    def push_to_talk(self, *, force: bool = False) -> AbstractContextManager[None]:
        """Send ``ptt_start`` when the block begins and ``ptt_end`` when it ends.

        Playback stops immediately. The block starts when ``ptt_start`` has left, so no speech
        overtakes it. It leaves in the user's turn, so cancel first to interrupt an answer.
        ``ptt_end`` always follows the queued audio, even after an error.
        """
        return self._door.block(self._inner.push_to_talk(force=force), same)

    def close(self) -> None:
        """Close the client now, from a thread other than the one in its block.

        What waits there ends: calls with :class:`~realtime_trio.ClosedError`, iterations after
        what they hold. The block itself is left as usual. A second call does nothing.
        """
        self._door.close(partial(stop_client, self._inner))


def open_client(
    url: str,
    *,
    auth: TokenSource,
    agent_key: str | None = None,
    chat_session_id: str | None = None,
    config: ClientConfig | None = None,
    transport: Connector | None = None,
    recorder: RecorderLike | None = None,
    ssl_context: ssl.SSLContext | None = None,
    proxy: str | None = ENVIRONMENT,
    headers: Mapping[str, str] | None = None,
    open_stream: OpenStream | None = None,
    journal: Journal | None = None,
    name: str | None = None,
    recover: bool = False,
) -> AbstractContextManager[Client]:
    """Open a client: ``with open_client(url, auth=token) as client``.

    ``url`` is http(s), ws(s), or ``memory://name`` of a server in this process; a path in it is
    the prefix of a server behind a reverse proxy. ``auth`` is a token, a
    :class:`~realtime_trio.PasswordLogin`, or anything with ``token()``. ``agent_key`` chooses
    the agent, ``chat_session_id`` a session to resume; with both, the session keeps that agent.
    ``transport`` opens the connections; ``recorder`` records every frame. ``journal`` keeps the
    session under ``name``; with ``recover=True`` the client continues from the state in the
    journal, see ``client.recovered``.

    For websocket and REST alike: ``ssl_context`` replaces the system's trust store, ``proxy``
    is ``http://…`` or ``socks5://…`` (``None`` for none; by default the environment decides),
    ``headers`` are sent with each upgrade and call, ``open_stream(host, port)`` returns the
    stream to use instead of TCP. They also apply to a ``transport`` of this library.

    The block starts when the first connection is open and proven. The client receives from then on:
    a subscription may miss what arrived before you made it, but ``client.state`` has it. Lost
    connections are replaced. Leaving always returns within ``config.close_deadline`` seconds, and
    no task is left running.

    Raises what the body raises. Otherwise raises the reason why the client ended, not in a group:
    :class:`~realtime_trio.ConnectionFailed`, :class:`~realtime_trio.ConnectionLost` or
    :class:`~realtime_trio.AuthenticationError`, or the error of a token source. That reason also
    replaces a ``NotSent``, ``InDoubt``, ``ClosedError`` or :class:`~realtime_trio.EndOfChannel`
    that the body raised because the client ended; for any other error of the body it is the last
    cause. When the client ends, what the body waits for is cancelled a second after everything that
    it could wait for has ended. Raises ``TypeError`` for an argument of the wrong type,
    ``ValueError`` for one that fits no server, ``RuntimeError`` in a thread with an event loop.
    """
    return opened(
        native_open_client(
            url,
            auth=as_auth(auth),
            agent_key=agent_key,
            chat_session_id=chat_session_id,
            config=config,
            transport=transport,
            recorder=recorder,
            ssl_context=ssl_context,
            proxy=proxy,
            headers=headers,
            open_stream=open_stream,
            journal=journal,
            name=name,
            recover=recover,
        ),
        Client,
    )
