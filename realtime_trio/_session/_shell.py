"""All parts of one client, wired together, and the order in which they start and stop.

The body of ``open_client`` and the tasks of the client run in separate scopes. When the body is
cancelled, the tasks still run, so the body can send its last commands (a cancel, the end of an
utterance); then the tasks are stopped, within the close deadline. When the client ends by
itself, it closes everything that the body may wait for, gives the body a moment to take what is
buffered, and cancels it.
"""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator
from contextlib import (
    AbstractAsyncContextManager,
    AbstractContextManager,
    asynccontextmanager,
    nullcontext,
)
from typing import Final, Literal, final

import attrs
import trio

from .._config import ClientConfig
from .._connection._link import Link
from .._connection._observer import LinkObserver
from .._connection._recorder import RecorderLike, RecorderTap
from .._connection._supervisor import Address, Supervisor
from .._core._codec import Codec
from .._core._local_events import EmitEvent, InputSentEvent, LinkEvent, NoTurnEvent
from .._core._notifications import Notification
from .._core._state import Limits
from .._exceptions import ClosedError, NotSent, RealtimeError
from .._idle import WaitingTasks
from .._journal._journal_life import JournalLife
from .._lanes._pipeline import Pipeline
from .._outbound._cancel import Canceller
from .._outbound._outbox import Outbox
from .._outbound._send_queue import OutboxStatistics
from .._outbound._turn_gate import TurnGate
from .._rest._calls import Rest
from .._rest._tokens import AuthSource, TokenKeeper
from .._transports._network import Network
from .._turns._resync import Resync
from .._turns._turn_tracker import TurnTracker
from ..abc import Connector
from ..events import Lane
from ._first_cause import first_cause
from ._playback_gate import PlaybackGate
from ._reconnection import Reconnection

__all__ = ["Health", "Shell"]

_GRACE: Final = 1.0
"""Seconds that the body has to end after the client has ended."""


@attrs.frozen(slots=True, kw_only=True)
class Health:
    """The health of a client.

    ``links`` counts the connections that were opened and proven. ``pong_age`` is the time in
    seconds since the last pong, ``traffic`` the number of bytes that the current link has received;
    both are ``None`` if there is no value. ``bytes_received`` is the total of all links.
    """

    status: Literal["open", "away", "closed"]
    links: int
    pong_age: float | None
    traffic: int | None
    bytes_received: int
    outbox: OutboxStatistics


@final
class Shell:
    """The parts of one client."""

    def __init__(
        self,
        *,
        config: ClientConfig,
        connector: Connector,
        network: Network,
        address: Address,
        auth: AuthSource,
        recorder: RecorderLike | None,
        life: JournalLife | None = None,
    ) -> None:
        self.codec: Codec = (codec := Codec())
        self.recorder = recorder
        self.config = config
        self.life = life
        self.pipeline: Pipeline = Pipeline(config, clock=time.time)
        self.rest: Rest = Rest(address.endpoint, timeout=config.rest_timeout, network=network)
        tap = RecorderTap(recorder)
        self.tokens: TokenKeeper = TokenKeeper(
            auth,
            self.rest,
            margin=config.token_margin,
            clock=time.time,
            emit=self._emit,
            hide=tap.hide,
        )
        post, marks = self.pipeline.post, self.pipeline.marks
        self.gate: TurnGate = TurnGate()
        self.playback: PlaybackGate = PlaybackGate(post, marks)
        self.turns: TurnTracker = TurnTracker(marks, self.playback.answer)
        self.outbox: Outbox = Outbox(
            config, codec, self.gate, on_kill=self._killed, on_input=self._input_sent
        )
        self.canceller: Canceller = Canceller(
            self.outbox,
            config.cancel_timeout,
            inputs=lambda: self.gate.inputs,
            by_rest=self._cancel_by_rest,
        )
        self.observer: LinkObserver = LinkObserver(
            gate=self.gate,
            outbox=self.outbox,
            turns=self.turns,
            canceller=self.canceller,
            resync=Resync(post, marks),
            marks=marks,
            post=post,
            stop_playback=self.playback.stop,
        )
        self.supervisor: Supervisor = Supervisor(
            config=config,
            codec=codec,
            connector=connector,
            address=address,
            tokens=self.tokens,
            gate=self.gate,
            outbox=self.outbox,
            observer=self.observer,
            intake=self.pipeline.intake,
            post=post,
            tap=tap,
        )
        if life is not None:
            self._log_to(life)
        self.pipeline.observe(Lane.TEXT, self.turns.observe)
        self.pipeline.observe(Lane.AUDIO, self.playback.observe)
        self.body: trio.CancelScope = trio.CancelScope()
        """Around the body of ``open_client``: cancelled when the client ends by itself."""
        self.failure: BaseException | None = None
        """The error for which the client ended by itself."""
        self.closed: bool = False
        self._supervising = trio.CancelScope()
        self._nursery: trio.Nursery | None = None
        self._scope: trio.CancelScope | None = None  # of the nursery
        self._first_link: Link | None = None
        self._supervised = False  # true after the last link
        self._moves = WaitingTasks()  # waits for a change of one of these four

    def _log_to(self, life: JournalLife) -> None:
        """Log every input from now on, and continue from the state of the journal."""
        limits = Limits(self.config.max_sessions, self.config.max_messages)
        life.begin(self.pipeline, limits, time.time())
        self.outbox.command_log = life
        state = life.state
        if state is not None:
            control = state.control
            self.gate.session_id = state.current_session_id or control.chat_session_id
            agent = control.agent
            self.observer.resume(control.ui_session_id, None if agent is None else agent.key)
            self.supervisor.resume()

    def _emit(self, note: Notification) -> None:
        self.pipeline.post(EmitEvent(note=note))

    def _killed(self) -> None:
        """React to a command about to be written that kills the running turn."""
        if self.gate.open:
            self.pipeline.post(NoTurnEvent())
        self.turns.killed()

    def _input_sent(self) -> None:
        """React to an input about to be written."""
        self.pipeline.post(InputSentEvent(ahead=self.gate.ahead))

    @property
    def ui_session_id(self) -> str | None:
        """The id for REST calls: sent by the server, or given when the client was opened."""
        return self.observer.ui_session_id or self.tokens.ui_session_id

    async def _cancel_by_rest(self) -> None:
        ui_session_id = self.ui_session_id
        if ui_session_id is None:
            message = "the server has not sent the id of the session yet"
            raise NotSent(message)
        await self.tokens.call(lambda token: self.rest.cancel(token, ui_session_id))

    @property
    def nursery(self) -> trio.Nursery:
        """The nursery of all tasks; raises :class:`~realtime_trio.ClosedError` once closed."""
        self.check_open()
        assert self._nursery is not None
        return self._nursery

    def check_open(self) -> None:
        """Raise :class:`~realtime_trio.ClosedError` once closed, and in another thread."""
        self.outbox.thread.check()
        if self._nursery is None or self.closed:
            message = "the client is closed"
            raise ClosedError(message)

    def recording(self) -> AbstractAsyncContextManager[None]:
        """Return the context of the recorder, if there is one."""
        return nullcontext() if self.recorder is None else self.recorder.open()

    async def run(self) -> None:
        """Hold the nursery of all tasks until :meth:`close`. Shielded: see above.

        An error of one of them ends the client and is raised here.
        """
        self.outbox.thread.take()
        try:
            async with trio.open_nursery() as nursery:
                nursery.cancel_scope.shield = True
                self._nursery, self._scope = nursery, nursery.cancel_scope
                self._moves.unpark_all()
                try:
                    await self._work(nursery)
                finally:
                    self._nursery = None  # a nursery that takes no more tasks must not be used
                    self.pipeline.close(now=True)
        except BaseException as exc:
            if self.failure is None:
                self.failure = first_cause(None, exc)
            self._end(_reason(self.failure))
            raise

    async def _work(self, nursery: trio.Nursery) -> None:
        """Wait for the first link, receive from one after another, and wait for :meth:`close`."""
        while self._first_link is None:
            await self._moves.park()
        self.pipeline.start(nursery)
        nursery.start_soon(self.tokens.keep_fresh)
        # The tasks that the caller has started by its first checkpoint make their first step in
        # this round: what they subscribe to at once misses nothing either.
        await trio.lowlevel.checkpoint()
        await self._supervise(self._first_link, nursery)
        await trio.sleep_forever()

    async def open(self) -> Link:
        """Open the first link, while :meth:`run` runs."""
        # Not nursery.start(): if cancelled, it would wait for a task that its shield keeps alive.
        with trio.CancelScope(shield=True):
            while self._scope is None:
                await self._moves.park()
        return await self.supervisor.open(self.nursery)

    def start(self, link: Link) -> None:
        """Start to receive after the caller's next checkpoint."""
        self._first_link = link
        self._moves.unpark_all()

    async def _supervise(self, link: Link, nursery: trio.Nursery) -> None:
        try:
            with self._supervising:
                try:
                    self.failure = await self.supervisor.run(link, nursery)
                except Exception as exc:  # usually of a token source
                    self.failure = first_cause(None, exc)
                    self.pipeline.post(LinkEvent(status="closed"))
                self._end(_reason(self.failure))
                await trio.sleep(min(_GRACE, self.config.close_deadline))
                self.body.cancel()
        finally:
            self._supervised = True
            self._moves.unpark_all()

    def _end(self, why: str) -> None:
        """Wake every task that waits for something that can no longer happen."""
        self.closed = True
        self.turns.end(why)
        self.canceller.close()
        self.outbox.close(why)
        self.pipeline.close()
        self.gate.close()
        self.supervisor.end()

    @asynccontextmanager
    async def leaving(self) -> AsyncGenerator[None, None]:
        """Cancel the wait of a caller when the client ends by itself.

        The error is then raised by ``open_client``. A caller outside the body gets
        :class:`~realtime_trio.ClosedError`.
        """
        try:
            yield
        except ClosedError as exc:
            if self.failure is None:
                raise
            self.body.cancel()
            await trio.lowlevel.checkpoint()
            raise exc from self.failure

    async def caught_up(self) -> None:
        """Wait until every lane has handled the event that opened the gate last.

        Raises :class:`~realtime_trio.ClosedError` if the client ends first.
        """
        self.check_open()
        mark = self.observer.opening
        if mark is not None:
            await mark.wait()

    def closing_scope(self) -> AbstractContextManager[trio.CancelScope]:
        """Return a shielded scope for the last commands: half of the close deadline."""
        return trio.move_on_after(self.config.close_deadline / 2, shield=True)

    async def flush(self) -> None:
        """Give the queued entries a moment to leave."""
        if not self.closed:
            with trio.move_on_after(self.config.close_deadline / 2):
                await self.outbox.flushed()

    async def drain(self) -> None:
        """Let running work finish, then close."""
        with self.outbox.draining():
            while not (self.gate.open and self.outbox.empty):
                await self.gate.opened()
                await self.outbox.emptied()
                self.check_open()  # the client may have ended meanwhile
            await self.caught_up()
        await self._stop()

    async def close(self) -> None:
        """Send the close frame, let the lanes finish, end every task. Always returns in time."""
        await self.stop()
        if self._scope is not None:
            self._scope.cancel()

    async def stop(self) -> None:
        """Send the close frame and wake all waiting callers; :meth:`close` ends the tasks."""
        with self.closing_scope():
            await self._stop()

    async def _stop(self) -> None:
        self._supervising.cancel()
        if not self.closed:
            self.pipeline.post(LinkEvent(status="closed"))
            self._end("the client was closed")
        if self._first_link is not None:
            await self.pipeline.marks.ended()
            # The tasks of the transport are needed until the close frame is sent and answered.
            while not self._supervised:
                await self._moves.park()

    def reconnect(self) -> Reconnection:
        """Open a new link now; return the object that waits for it."""
        self.check_open()
        wanted = self.supervisor.links + 1
        self.supervisor.replace()

        async def wait() -> None:
            async with self.leaving():
                await self.supervisor.proven(wanted)

        return Reconnection(wait)

    def health(self) -> Health:
        """Return the current health."""
        link = self.supervisor.link
        status: Literal["open", "away"] = "away" if link is None else "open"
        pong = self.observer.last_pong
        return Health(
            status="closed" if self.closed else status,
            links=self.supervisor.links,
            pong_age=None if pong is None or self.closed else trio.current_time() - pong,
            traffic=None if link is None else link.bytes_received,
            bytes_received=self.supervisor.bytes_received,
            outbox=self.outbox.statistics(),
        )


def _reason(failure: BaseException) -> str:
    """Return a text for receipts and lost turns; other errors may quote a secret."""
    known = isinstance(failure, RealtimeError)
    return str(failure) if known else f"the client ended with {type(failure).__name__}"
