"""``open_client`` and the client that it gives."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from typing import Any, TypeVar, final, overload

import trio

from .._config import ClientConfig
from .._connection._recorder import RecorderLike
from .._connection._supervisor import Address
from .._core._local import SaidEvent, VoiceRequestedEvent
from .._core._notifications import Notification, RequestUserSessions
from .._core._shell_notifications import Reconnected
from .._core._state import SessionState
from .._exceptions import ClosedError, RealtimeError
from .._lanes._overflow import Coalesce, Overflow
from .._lanes._statistics import PipelineStatistics
from .._lanes._subscription import LaneView, Subscription
from .._lanes._watch import Watch
from .._outbound._cancel import CancelResult
from .._outbound._receipt import Receipt
from .._rest._tokens import AuthSource
from .._rest._upload import Form, Progress, Source, UploadedFile, open_upload
from .._rest._urls import endpoint
from .._session._first_cause import first_cause, is_echo
from .._session._shell import Health, Shell
from .._turns._turn_progress import Turn, TurnProgress
from .._voice._audio_lane import AudioLane
from ..abc import Connector
from ..events import (
    ChatSessionIndexEntry,
    ErrorEvent,
    Event,
    GetUserSessionsEvent,
    GetUserSessionsResponseEvent,
    Lane,
    PttEndEvent,
    PttStartEvent,
    SetAgentVoiceEvent,
    TextInputEvent,
)
from ..events._checks import check_several
from ._command_methods import Commands
from ._session_list import News, pages

__all__ = ["Client", "open_client"]

T = TypeVar("T")


@final
class Client(Commands):
    """An open client; made by :func:`open_client`. All of it is for one ``trio.run``."""

    def __init__(self, shell: Shell) -> None:
        self._shell = shell
        self._asking = trio.Lock()
        self.control: LaneView = LaneView(shell.pipeline, Lane.CONTROL)
        """The control lane: catalogue, turn state, errors, the link."""
        self.text: LaneView = LaneView(shell.pipeline, Lane.TEXT)
        """The text lane: messages, tools, media, sessions."""
        self.audio: AudioLane = AudioLane(
            shell.pipeline,
            self,
            outbox=shell.outbox,
            gate=shell.gate,
            playback=shell.playback,
            leaving=shell.leaving,
            beginnings=lambda: shell.observer.beginnings,
        )
        """The audio lane: what the agent says, and sending what the user says."""

    # -- reading ---------------------------------------------------------------------------

    @property
    def state(self) -> SessionState:
        """The state as it stands: frozen, cheap to keep."""
        return self._shell.pipeline.state

    @property
    def health(self) -> Health:
        """How the link does."""
        return self._shell.health()

    def statistics(self) -> PipelineStatistics:
        """What the lanes have done and what waits in them."""
        return self._shell.pipeline.statistics()

    @overload
    def subscribe(self, *, overflow: Overflow = ...) -> Subscription[Notification]: ...
    @overload
    def subscribe(self, *classes: type[T], overflow: Overflow = ...) -> Subscription[T]: ...
    def subscribe(
        self,
        *classes: type[Any],
        overflow: Overflow = Coalesce(),  # noqa: B008  frozen
    ) -> Subscription[Any]:
        """Hear items of these classes, notifications and wire events alike, from now on.

        Without classes, all notifications. Across lanes: control first, then audio, then
        text, never reordered within a lane. Raises ``TypeError`` for a class that is neither;
        of a client that has ended the subscription is at its end.
        """
        return self._shell.pipeline.subscribe(*classes, overflow=overflow)

    def watch(self, selector: Callable[[SessionState], T]) -> Watch[T]:
        """Follow one view of the state: its current value first, then the latest change.

        ``selector`` runs in the task that reads, and values are compared with ``==``; what it
        raises comes out there.
        """
        return self._shell.pipeline.watch(selector)

    async def ready(self) -> None:
        """Wait until the server accepts input and every lane has handled that it does.

        Returns at once where that is so. Any number of tasks may wait, and cancelling one
        changes nothing. Raises :class:`~realtime_trio.ClosedError` where the client ends.
        """
        shell = self._shell
        await trio.lowlevel.checkpoint()
        await shell.gate.opened()
        async with shell.leaving():
            await shell.caught_up()

    @property
    def heygen_token(self) -> str | None:
        """The token for avatars, a secret; ``None`` where no login or refresh gave one."""
        return self._shell.tokens.heygen_token

    # -- sending ---------------------------------------------------------------------------

    async def send(self, event: Event, *, force: bool = False) -> Receipt:
        """Queue an event and give its receipt; waits for room in the queue, no more.

        Commands leave in order when the turn gate opens; cancel and ping do not wait for it,
        nor does the current session's resume. ``force=True`` sends at once and kills the turn
        that runs. Cancelled, the event is not queued. Raises
        :class:`~realtime_trio.ClosedError` once the client is closed, ``TypeError`` for an event
        that servers send, and both ``TypeError`` and ``ValueError`` as the event's class does.
        """
        async with self._shell.leaving():
            return await self._shell.outbox.put(event, force=force, picked=self._told(event))

    def send_nowait(self, event: Event, *, force: bool = False) -> Receipt:
        """Queue an event as :meth:`send` does, at once.

        Raises ``trio.WouldBlock`` where its queue is full, or others wait for room in it.
        """
        return self._shell.outbox.put_nowait(event, force=force, picked=self._told(event))

    def _told(self, event: Event) -> Callable[[], None] | None:
        """What the lanes are to know when this event leaves."""
        post = self._shell.pipeline.post
        match event:
            case SetAgentVoiceEvent(voice_id=voice_id):
                return lambda: post(VoiceRequestedEvent(voice_id=voice_id))
            case GetUserSessionsEvent(offset=offset, limit=limit):
                note = RequestUserSessions(offset=offset, limit=limit)
                return lambda: post(SaidEvent(note=note))
            case _:
                return None

    async def cancel(self) -> CancelResult:
        """Cancel the turn that runs; overtakes everything queued. Its voice stops at once.

        Returns at the server's word, also when nothing runs. Several tasks share one request;
        cancelling one of them takes nothing from the others. Raises
        :class:`~realtime_trio.NotSent` or :class:`~realtime_trio.InDoubt` where no word came,
        neither on the socket nor by REST.
        """
        self.audio.stop()
        async with self._shell.leaving():
            return await self._shell.canceller.cancel(self._shell.nursery)

    @asynccontextmanager
    async def ask(self, text: str, *, file_ids: Iterable[str] = ()) -> AsyncGenerator[Turn, None]:
        """Say something and follow its turn.

        Leaving in the ordinary way waits for the outcome; leaving by an exception sends one
        cancel. Several at once wait for each other, in the order in which they came. Raises
        ``ValueError`` for a blank text without files, for half of a surrogate pair and for more
        files than a message may have, ``TypeError`` for anything but text.
        """
        check_several(file_ids, "file_ids")
        ids = tuple(file_ids)
        if len(ids) > self._shell.config.max_files:
            message = f"a message takes at most {self._shell.config.max_files} files"
            raise ValueError(message)
        event = TextInputEvent(text=text, file_ids=ids)
        async with self._asking:
            progress = TurnProgress()
            turn = Turn(progress, await self._begin(event, progress))
            try:
                yield turn
                await progress.decided.wait()
            except BaseException:
                await self._abandon(progress, turn.receipt)
                raise

    async def _begin(self, event: TextInputEvent, progress: TurnProgress) -> Receipt:
        shell = self._shell
        turns = shell.turns
        async with shell.leaving():
            receipt = await shell.outbox.put(event, picked=lambda: turns.begin(progress))
        if not progress.written:
            turns.queued(progress)
        return receipt

    async def _abandon(self, progress: TurnProgress, receipt: Receipt) -> None:
        """Nobody wants the answer any more: take the input back or have it cancelled."""
        shell = self._shell
        if progress.outcome is not None:
            return
        if shell.outbox.withdraw(receipt):
            shell.turns.lost(progress, "the input was taken back before it was sent")
            return
        with shell.last_words(), suppress(RealtimeError):
            await self.cancel()
            await progress.decided.wait()
        shell.turns.lost(progress, "nobody waited for its end")

    async def drain(self) -> None:
        """Finish what has begun, then close the client.

        What is queued leaves, the turn that runs comes to its end, the lanes hand over what
        they hold, and the connection is closed. Meanwhile sending raises
        :class:`~realtime_trio.ClosedError`; afterwards subscriptions end after what they hold.
        Cancelled before the connection is closed, it leaves the client open, and sending
        goes on.
        """
        async with self._shell.leaving():
            await self._shell.drain()

    def sessions(self, *, page: int = 50) -> AsyncGenerator[ChatSessionIndexEntry, None]:
        """Iterate the list of all the user's sessions, asked for ``page`` lines at a time.

        Each page is a command and waits at the turn gate.
        """
        classes: tuple[type[News], ...] = (GetUserSessionsResponseEvent, ErrorEvent, Reconnected)
        news: Subscription[News] = self.subscribe(*classes)
        return pages(news, self.send, page)

    async def upload_file(
        self,
        source: Source,
        *,
        filename: str | None = None,
        mime_type: str | None = None,
        progress: Progress | None = None,
    ) -> UploadedFile:
        """Send a file (a path, or bytes with a ``filename``) for a later ``ask``.

        It is streamed; ``progress`` is called with the bytes read so far and their number.
        Cancelling it ends the transfer. Raises ``ValueError`` for a file above
        ``config.max_file_size``, ``OSError`` for one that cannot be read,
        :class:`~realtime_trio.ConnectionFailed` and
        :class:`~realtime_trio.AuthenticationError` as REST calls do. Waits until the server
        has told the id of the UI session.
        """
        shell = self._shell
        limit = shell.config.max_file_size
        upload = await open_upload(source, filename=filename, mime_type=mime_type, limit=limit)
        if shell.ui_session_id is None:
            await self.ready()
        fields = {"ui_session_id": shell.ui_session_id or ""}

        async def send(token: str) -> UploadedFile:
            return await shell.rest.upload(token, Form(fields, upload), progress)

        return await shell.tokens.call(send)

    @asynccontextmanager
    async def push_to_talk(self, *, force: bool = False) -> AsyncGenerator[None, None]:
        """Tell the server that the user talks: from the beginning to the end of the block.

        The agent's voice stops at once. Enters when ``ptt_start`` has left, so that no speech
        overtakes it; that is in the user's turn, so cancel first to interrupt an answer.
        However the block is left, ``ptt_end`` follows behind the audio that is queued.
        """
        self.audio.stop()
        self.audio.begin_speech()
        receipt = await self.send(PttStartEvent(), force=force)
        try:
            await receipt.sent()
            yield
        except BaseException:
            end = self._stop_talking(receipt)
            if end is not None:
                with self._shell.last_words(), suppress(RealtimeError):
                    await end.sent()
            raise
        self._stop_talking(receipt)

    def _stop_talking(self, start: Receipt) -> Receipt | None:
        self.audio.begin_speech()  # nothing of this one goes into what is sent next
        outbox = self._shell.outbox
        if outbox.withdraw(start) or start.status == "not-sent":
            return None
        with suppress(ClosedError):
            return outbox.put_anyway(PttEndEvent())
        return None


def open_client(
    url: str,
    *,
    auth: AuthSource,
    agent_key: str | None = None,
    chat_session_id: str | None = None,
    config: ClientConfig | None = None,
    transport: Connector | None = None,
    recorder: RecorderLike | None = None,
) -> AbstractAsyncContextManager[Client]:
    """Open a client: ``async with open_client(url, auth=token) as client``.

    ``url`` is http(s), ws(s), or ``memory://name`` of a server in this process; ``auth`` a
    token, a :class:`~realtime_trio.PasswordLogin`, or anything with ``async token()``.
    ``agent_key`` chooses the agent of a new session, ``chat_session_id`` a session to go on
    with; give one of them or neither. ``transport`` opens the connections; ``recorder`` is
    told every frame, and is opened and closed with the client.

    Enters when the first connection is open and proven, and starts to receive at the body's
    first checkpoint: what subscribes before that misses nothing. Lost connections are
    replaced. Leaving always returns within ``config.close_deadline`` seconds, with nothing
    left running.

    Raises what the body raises; else, bare, why the client ended by itself:
    :class:`~realtime_trio.ConnectionFailed`, :class:`~realtime_trio.ConnectionLost` or
    :class:`~realtime_trio.AuthenticationError`. That reason also comes in the place of a
    ``NotSent``, ``InDoubt`` or ``ClosedError`` that the end gave the body. ``ValueError`` for
    arguments that fit no server. When the client ends, the body is cancelled a second after
    everything that it could wait for has ended.
    """
    if agent_key is not None and chat_session_id is not None:
        message = "give agent_key= for a new session or chat_session_id= for an old one, not both"
        raise ValueError(message)
    where = endpoint(url)
    options = config or ClientConfig()
    shell = Shell(
        config=options,
        connector=transport or _connector(where.websocket, options),
        address=Address(where, agent_key=agent_key, chat_session_id=chat_session_id),
        auth=auth,
        recorder=recorder,
    )
    return _opened(shell)


@asynccontextmanager
async def _opened(shell: Shell) -> AsyncGenerator[Client, None]:
    failure: BaseException | None = None
    try:
        async with shell.recording(), trio.open_nursery() as nursery:
            nursery.start_soon(shell.run)
            try:
                link = await shell.open()
                with shell.body:
                    shell.start(link)
                    yield Client(shell)
                    await shell.flush()
            except BaseException as exc:  # raised again below, where no nursery wraps it
                failure = exc
            await shell.close()
    except BaseException as exc:
        failure = first_cause(failure, exc)
    if shell.failure is not None and (failure is None or is_echo(failure)):
        failure = shell.failure
    if failure is not None:
        try:
            raise failure
        finally:
            del failure  # it refers to this frame


def _connector(url: str, config: ClientConfig) -> Connector:
    if url.startswith("memory://"):
        from .._transports._memory import MemoryConnector

        return MemoryConnector(connect_timeout=config.connect_timeout)
    from .._transports._trio_websocket import TrioWebsocketConnector

    return TrioWebsocketConnector(
        max_message_size=config.max_message_size, connect_timeout=config.connect_timeout
    )
