"""``open_client`` and the client that it opens."""

from __future__ import annotations

import ssl
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from typing import TypeVar, final

import trio

from .._config import ClientConfig
from .._connection._recorder import RecorderLike
from .._connection._supervisor import Address
from .._core._state import SessionState
from .._exceptions import ClosedError, RealtimeError
from .._journal._journal import Journal
from .._journal._journal_life import JournalLife
from .._lanes._statistics import PipelineStatistics
from .._lanes._subscription import LaneView, Subscription
from .._lanes._watch import Watch
from .._needs_trio import check_trio
from .._outbound._cancel import CancelResult
from .._outbound._receipt import Receipt
from .._rest._tokens import AuthSource
from .._rest._upload import Form, Progress, Source, UploadedFile, open_upload
from .._rest._urls import endpoint
from .._session._first_cause import first_cause, with_reason
from .._session._reconnection import Reconnection
from .._session._shell import Health, Shell
from .._transports._network import ENVIRONMENT, Network, OpenStream
from .._turns._turn_progress import Turn, TurnProgress
from .._voice._audio_lane import AudioLane
from ..abc import Connector
from ..events import ChatSessionIndexEntry, Event, Lane, PttEndEvent, PttStartEvent, TextInputEvent
from ..events._checks import check_several
from ._command_methods import Commands
from ._connectors import connector_for
from ._journalled import JournalAccess, journal_options, journalled
from ._misuse import check_count, check_not_nested, check_options, entered
from ._open_clients import announced
from ._session_list import PAGE_ANSWERS, PageAnswer, pages
from ._subscribes import Subscribes
from ._write_callback import write_callback

__all__ = ["Client", "open_client", "opened_client"]

T = TypeVar("T")


@final
class Client(Commands, Subscribes, JournalAccess):
    """An open client; made by :func:`open_client`. All of it is for one ``trio.run``."""

    def __init__(self, shell: Shell) -> None:
        self._shell = shell
        self._pipeline = shell.pipeline
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
            session_starts=lambda: shell.observer.session_starts,
        )
        """The audio lane: the agent's speech, and sending the user's speech."""

    # -- reading ---------------------------------------------------------------------------

    @property
    def state(self) -> SessionState:
        """The current state: frozen, cheap to keep."""
        return self._shell.pipeline.state

    @property
    def health(self) -> Health:
        """The health of the client and its link."""
        return self._shell.health()

    def statistics(self) -> PipelineStatistics:
        """Return what the lanes have handled and buffer, and each open subscription."""
        return self._shell.pipeline.statistics()

    def watch(self, selector: Callable[[SessionState], T]) -> Watch[T]:
        """Follow one view of the state: its current value first, then the latest change.

        ``selector`` runs in the task that reads, and values are compared with ``==``. Its
        exceptions are raised in that task.
        """
        return self._shell.pipeline.watch(selector)

    async def ready(self) -> None:
        """Wait until the server accepts input and every lane has handled that event.

        Returns immediately if it already does. Any number of tasks may wait, and cancelling one
        changes nothing. Raises :class:`~realtime_trio.ClosedError` if the client ends.
        """
        shell = self._shell
        await trio.lowlevel.checkpoint()
        shell.outbox.thread.check()
        await shell.gate.opened()
        async with shell.leaving():
            await shell.caught_up()

    @property
    def heygen_token(self) -> str | None:
        """The token for avatars, a secret; ``None`` if no login or refresh returned one."""
        return self._shell.tokens.heygen_token

    # -- sending ---------------------------------------------------------------------------

    async def send(self, event: Event, *, force: bool = False) -> Receipt:
        """Queue an event and return its receipt; waits only for room in the queue.

        Commands leave in order when the turn gate opens; cancel, ping and a resume of the
        current session do not wait for it. ``force=True`` sends immediately and kills the
        running turn. If the call is cancelled, the event is not queued. Raises
        :class:`~realtime_trio.ClosedError` once the client is closed, ``TypeError`` for a server
        event, and both ``TypeError`` and ``ValueError`` as the class of the event does.
        """
        async with self._shell.leaving():
            return await self._shell.outbox.put(
                event, force=force, on_write=write_callback(self._pipeline, event)
            )

    def send_nowait(self, event: Event, *, force: bool = False) -> Receipt:
        """Queue an event as :meth:`send` does, without waiting.

        Raises ``trio.WouldBlock`` if its queue is full or other tasks wait for room in it.
        """
        return self._shell.outbox.put_nowait(
            event, force=force, on_write=write_callback(self._pipeline, event)
        )

    async def cancel(self) -> CancelResult:
        """Cancel the running turn; overtakes everything queued. Playback stops immediately.

        If the input of an :meth:`ask` is still queued, it is withdrawn instead
        (``via="withdrawn"``): its receipt is ``not-sent``, its outcome
        :class:`~realtime_trio.TurnCancelled`. Otherwise it returns when the server confirms the
        cancel, even if no turn is running. A confirmation received before the turn of the
        input has begun has cancelled nothing, so the cancel is sent once more when it begins.
        Concurrent callers share one request; cancelling one of them does not affect the others.
        Raises :class:`~realtime_trio.NotSent` or :class:`~realtime_trio.InDoubt` if no confirmation
        arrives, neither on the socket nor by REST.
        """
        self.audio.stop()
        shell = self._shell
        if shell.turns.withdraw(shell.outbox):
            await trio.lowlevel.checkpoint()
            return CancelResult("withdrawn")
        async with shell.leaving():
            return await shell.canceller.cancel(shell.nursery)

    @entered("async with client.ask(text) as turn:")
    @asynccontextmanager
    async def ask(self, text: str, *, file_ids: Iterable[str] = ()) -> AsyncGenerator[Turn, None]:
        """Send a text and follow its turn.

        Leaving normally waits for the outcome; leaving by an exception sends one cancel.
        Concurrent calls run one after another, in the order of the calls. Raises
        :class:`~realtime_trio.TurnError` inside another ``ask`` of the same task, which would
        wait for itself, ``ValueError`` for a blank text without files, for half of a surrogate
        pair and for more files than a message may have, ``TypeError`` for anything but text.
        """
        check_several(file_ids, "file_ids")
        ids = tuple(file_ids)
        check_count(ids, self._shell.config.max_files)
        event = TextInputEvent(text=text, file_ids=ids)
        check_not_nested(self._asking)
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
            receipt = await shell.outbox.put(event, on_write=lambda: turns.begin(progress))
        if not progress.written:
            turns.queued(progress, receipt)
        return receipt

    async def _abandon(self, progress: TurnProgress, receipt: Receipt) -> None:
        """Withdraw the input, or cancel its turn, after the caller left."""
        shell = self._shell
        if progress.outcome is not None:
            return
        if shell.outbox.withdraw(receipt):
            shell.turns.lost(progress, "the input was withdrawn before it was sent")
            return
        with shell.closing_scope(), suppress(RealtimeError):
            await self.cancel()
            await progress.decided.wait()
        shell.turns.lost(progress, "the caller left before its end")

    def reconnect(self) -> Reconnection:
        """Replace the link now: after sleep, or when the network has changed.

        The current link is closed and a new one is dialled without a pause; a running pause ends.
        Await the result to wait until the new link is proven. Raises
        :class:`~realtime_trio.ClosedError` once the client is closed, or when it ends.
        """
        return self._shell.reconnect()

    async def drain(self) -> None:
        """Finish what has started, then close the client.

        Queued events leave, the running turn ends, the lanes deliver their backlog, and the
        connection is closed. Meanwhile sending raises :class:`~realtime_trio.ClosedError`.
        Afterwards subscriptions end after their last item. If it is cancelled before the
        connection is closed, the client stays open and sending works again.
        """
        async with self._shell.leaving():
            await self._shell.drain()

    def sessions(self, *, page: int = 50) -> AsyncGenerator[ChatSessionIndexEntry, None]:
        """Iterate over all sessions of the user, requested in pages of ``page`` entries.

        Each page is a command and waits at the turn gate. If the server refuses it, or does not
        answer on one connection for 30 seconds, raises :class:`~realtime_trio.ProtocolError`.
        """
        answers: Subscription[PageAnswer] = self.subscribe(*PAGE_ANSWERS)
        return pages(answers, self.send, page)

    async def upload_file(
        self,
        source: Source,
        *,
        filename: str | None = None,
        mime_type: str | None = None,
        progress: Progress | None = None,
    ) -> UploadedFile:
        """Send a file (a path, or bytes with a ``filename``) for a later ``ask``.

        The file is streamed; ``progress`` is called with the bytes read so far and the total.
        Cancelling it ends the transfer. Raises ``ValueError`` for a file above
        ``config.max_file_size``, ``OSError`` for one that cannot be read,
        :class:`~realtime_trio.ConnectionFailed` and
        :class:`~realtime_trio.AuthenticationError` as REST calls do,
        :class:`~realtime_trio.ClosedError` once the client is closed. Waits until the server
        has sent the id of the UI session.
        """
        shell = self._shell
        async with shell.leaving():
            shell.check_open()
        limit = shell.config.max_file_size
        upload = await open_upload(source, filename=filename, mime_type=mime_type, limit=limit)
        if shell.ui_session_id is None:
            await self.ready()
        fields = {"ui_session_id": shell.ui_session_id or ""}

        async def send(token: str) -> UploadedFile:
            return await shell.rest.upload(token, Form(fields, upload), progress)

        return await shell.tokens.call(send)

    @entered("async with client.push_to_talk():")
    @asynccontextmanager
    async def push_to_talk(self, *, force: bool = False) -> AsyncGenerator[None, None]:
        """Send ``ptt_start`` when the block begins and ``ptt_end`` when it ends.

        Playback stops immediately. The block starts when ``ptt_start`` has left, so no speech
        overtakes it. It leaves in the user's turn, so cancel first to interrupt an answer.
        ``ptt_end`` always follows the queued audio, even after an error.
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
                with self._shell.closing_scope(), suppress(RealtimeError):
                    await end.sent()
            raise
        self._stop_talking(receipt)

    def _stop_talking(self, start: Receipt) -> Receipt | None:
        self.audio.begin_speech()  # half a sample of this speech must not enter the next
        outbox = self._shell.outbox
        if outbox.withdraw(start) or start.status == "not-sent":
            return None
        with suppress(ClosedError):
            return outbox.put_unbounded(PttEndEvent())
        return None


@entered("async with open_client(url, auth=...) as client:")
def open_client(
    url: str,
    *,
    auth: AuthSource,
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
) -> AbstractAsyncContextManager[Client]:
    """Open a client: ``async with open_client(url, auth=token) as client``.

    ``url`` is http(s), ws(s), or ``memory://name`` of a server in this process; a path in it is
    the prefix of a server behind a reverse proxy. ``auth`` is a token, a
    :class:`~realtime_trio.PasswordLogin`, or anything with ``async token()``. ``agent_key`` chooses
    the agent, ``chat_session_id`` a session to resume; with both, the session keeps that agent.
    ``transport`` opens the connections; ``recorder`` records every frame. ``journal`` keeps the
    session under ``name``; with ``recover=True`` the client continues from the state in the
    journal, see ``client.recovered``.

    For websocket and REST alike: ``ssl_context`` replaces the system's trust store, ``proxy``
    is ``http://…`` or ``socks5://…`` (``None`` for none; by default the environment decides),
    ``headers`` are sent with each upgrade and call, ``open_stream(host, port)`` returns the
    stream to use instead of TCP. They also apply to a ``transport`` of this library.

    The block starts when the first connection is open and proven. The client starts to receive
    after the first checkpoint of the block: a subscription made before, or in the first step of a
    task started before, misses nothing. Lost connections are replaced. Leaving always returns
    within ``config.close_deadline`` seconds, and no task is left running.

    Raises what the body raises. Otherwise raises the reason why the client ended, not in a group:
    :class:`~realtime_trio.ConnectionFailed`, :class:`~realtime_trio.ConnectionLost` or
    :class:`~realtime_trio.AuthenticationError`, or the error of a token source. That reason also
    replaces a ``NotSent``, ``InDoubt``, ``ClosedError`` or ``trio.EndOfChannel`` that the body
    raised because the client ended; for any other error of the body it is the last cause. When the
    client ends, the body is cancelled a second after everything that it could wait for has ended.
    Raises ``TypeError`` for an argument of the wrong type, ``ValueError`` for one that fits no
    server, ``RuntimeError`` outside ``trio.run``.
    """
    check_options(**locals())  # no other local variable exists yet
    where = endpoint(url)
    options = config or ClientConfig()
    network = Network(
        ssl_context=ssl_context, proxy=proxy, headers=headers, open_stream=open_stream
    )
    connector, network = connector_for(where, transport, options, network)
    kept = journal_options(journal, name, recover=recover)

    def opened(life: JournalLife | None) -> AbstractAsyncContextManager[Client]:
        shell = Shell(
            config=options,
            connector=connector,
            network=network,
            address=Address(where, agent_key=agent_key, chat_session_id=chat_session_id),
            auth=auth,
            recorder=recorder,
            life=life,
        )
        return opened_client(shell)

    return opened(None) if kept is None else journalled(kept, options.close_deadline / 2, opened)


@asynccontextmanager
async def opened_client(shell: Shell) -> AsyncGenerator[Client, None]:
    """Open the client of this shell; raise errors without a group."""
    check_trio("open_client")
    failure: BaseException | None = None
    try:
        async with shell.recording(), trio.open_nursery() as nursery:
            nursery.start_soon(shell.run)
            try:
                link = await shell.open()
                with shell.body:
                    shell.start(link)
                    with announced(Client(shell)) as client:
                        yield client
                    await shell.flush()
            except BaseException as exc:  # raised again below, outside the nursery's group
                failure = exc
            await shell.close()
    except BaseException as exc:
        failure = first_cause(failure, exc)
    if shell.failure is not None:
        failure = with_reason(failure, shell.failure)
    if failure is not None:
        try:
            raise failure
        finally:
            del failure  # it refers to this frame
