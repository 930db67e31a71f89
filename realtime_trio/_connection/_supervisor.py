"""Keep the client connected: dial, wait, emit notifications, and stop when dialling is useless.

Every end of a link but one is followed by another dial, unless ``close_codes`` says otherwise.
A close with code 1000 that the client did not start is either the server ending the session or
another client that took it over: dialling again would take it back, and the two clients would
compete forever.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final, final

import attrs
import trio

from .._config import ClientConfig, CloseAction
from .._core._codec import Codec
from .._core._local_events import LinkEvent, LinkLostEvent
from .._core._shell_notifications import (
    Connected,
    ConnectionGivenUp,
    Disconnected,
    Reconnected,
    Reconnecting,
)
from .._exceptions import ClosedError, ConnectionFailed, ConnectionLost, RealtimeError
from .._idle import WaitingTasks
from .._outbound._outbox import Outbox
from .._outbound._turn_gate import TurnGate
from .._rest._tokens import TokenKeeper
from .._rest._urls import Endpoint
from ..abc import Connector
from . import _connection_log as log
from ._backoff import Backoff
from ._link import Intake, Link, dial
from ._observer import LinkObserver
from ._recorder import RecorderTap

__all__ = ["Address", "Supervisor"]

_REFUSED: Final = (401, 403)
_TOKEN_SUSPECTED: Final = (*_REFUSED, 500)  # real servers answer a bad token with 500
_CLOSE_CODES: Final[Mapping[int, CloseAction]] = MappingProxyType(
    {1000: "final", 1008: "renew", 4001: "renew", 4401: "renew", 4403: "renew"}
)
_TAKEN_OVER: Final = (
    "the server closed the connection for good (1000): "
    "another client took the session over, or the server ended it"
)


@attrs.frozen(slots=True, kw_only=True)
class DialTarget:
    """The session that a dial resumes, and its agent."""

    chat_session_id: str | None
    agent_key: str | None

    @property
    def has_both(self) -> bool:
        """Whether both are set."""
        return self.chat_session_id is not None and self.agent_key is not None


class Address:
    """The parts of the URL of a dial: fixed for the first dial, learned for later ones."""

    def __init__(
        self, endpoint: Endpoint, *, agent_key: str | None, chat_session_id: str | None
    ) -> None:
        self.endpoint = endpoint
        self._agent_key = agent_key
        self._chat_session_id = chat_session_id

    def target(self, session_id: str | None, agent_key: str | None) -> DialTarget:
        """Return what to resume: the current values, else those the client was opened with."""
        return DialTarget(
            chat_session_id=session_id or self._chat_session_id,
            agent_key=agent_key or self._agent_key,
        )

    def url(self, token: str, ui_session_id: str | None, target: DialTarget) -> str:
        """Return the URL to dial; it contains the token."""
        return self.endpoint.dial_url(
            token,
            ui_session_id=ui_session_id,
            chat_session_id=target.chat_session_id,
            agent_key=target.agent_key,
        )


@final
class Supervisor:
    """Opens links and runs them, one at a time."""

    def __init__(
        self,
        *,
        config: ClientConfig,
        codec: Codec,
        connector: Connector,
        address: Address,
        tokens: TokenKeeper,
        gate: TurnGate,
        outbox: Outbox,
        observer: LinkObserver,
        intake: Intake,
        post: Callable[[LinkEvent | LinkLostEvent], None],
        tap: RecorderTap,
        random_: Callable[[], float] = random.random,
    ) -> None:
        self._config = config
        self._codec = codec
        self._connector = connector
        self._address = address
        self._place = address.endpoint.place
        self._tokens = tokens
        self._gate = gate
        self._outbox = outbox
        self._observer = observer
        self._intake = intake
        self._post = post
        self._tap = tap
        self._random = random_
        self._backoff = Backoff.of(config)
        self._pauses = 0
        self._attempts = 0  # consecutive dials without a stable link
        self._agentless = False  # the next dial omits the agent: it may no longer exist
        self._asked_for = False  # the application wants a new link
        self._ended = self._resumed = False
        self._openings = WaitingTasks()
        self._pausing: trio.CancelScope | None = None
        self.link: Link | None = None
        self.links: int = 0
        """The number of links that were opened and proven."""
        self._earlier_bytes = 0  # received by earlier links

    async def open(self, nursery: trio.Nursery) -> Link:
        """Open the first link, with the same retries as later ones.

        Raises :class:`~realtime_trio.ConnectionFailed` when every attempt has failed and
        :class:`~realtime_trio.AuthenticationError` if the token is refused for good.
        """
        try:
            link, attempts = await self._dial_until_open(nursery, tell=False)
        except RealtimeError as exc:
            self._log_given_up(exc)
            raise
        log.log_open(self._place)
        note: Connected | Reconnected = Connected()
        if self._resumed:
            session_id = self._gate.session_id
            note = Reconnected(attempts=attempts, missed=True, session_id=session_id)
        self._post(LinkEvent(status="connected", note=note))
        return link

    def resume(self) -> None:
        """Continue from the state of an earlier client, whose last link is gone.

        The first link is then a reconnect that may have missed something.
        """
        self._resumed = True
        self._post(LinkLostEvent())
        self._post(LinkEvent(status="reconnecting", initialized=False))

    async def run(self, link: Link, nursery: trio.Nursery) -> RealtimeError:
        """Run the first link and its successors; return why there will be no other."""
        while True:
            self.link = link
            observer = self._observer
            end = await link.run(
                self._intake,
                self._outbox,
                self._gate,
                observer.received,
                observer.no_turn,
                self._config,
            )
            self.link = None
            self._earlier_bytes += link.bytes_received
            self._post(LinkLostEvent())
            end.reason = self._tokens.redacted(end.reason)  # text of the peer, which may quote it
            dropped = self._outbox.statistics().audio_dropped
            missed = self._observer.link_lost()
            action = self._action(end)
            if action == "final":
                self._post(LinkEvent(status="closed", note=_disconnected(end)))
                error = _closed_for_good(end)
                log.log_ended(self._place, str(error))
                return error
            away = LinkEvent(status="reconnecting", initialized=False, note=_disconnected(end))
            self._post(away)
            try:
                await self._after(link, end, renew=action == "renew")
                link, attempts = await self._dial_until_open(nursery, tell=True)
            except RealtimeError as exc:
                self._log_given_up(exc)
                if exc.__cause__ is None and exc is not end:
                    exc.__cause__ = end
                self._post(LinkEvent(status="closed"))
                return exc
            outbox = self._outbox.statistics()
            note = Reconnected(
                attempts=attempts,
                missed=missed,
                session_id=self._gate.session_id,
                commands=outbox.commands,
                audio_dropped=outbox.audio_dropped - dropped,
            )
            log.log_back(self._place, note)
            self._post(LinkEvent(status="connected", note=note))

    def _log_given_up(self, exc: RealtimeError) -> None:
        log.log_given_up(self._place, self._attempts or 1, self._tokens.redacted(str(exc)))

    def replace(self) -> None:
        """Open a new link now, in place of the current one or of a pause."""
        if self.link is not None:
            self._asked_for = True
            self.link.replace()
        elif self._pausing is not None:
            self._pausing.cancel()

    @property
    def bytes_received(self) -> int:
        """The bytes that all links have received."""
        link = self.link
        return self._earlier_bytes + (0 if link is None else link.bytes_received)

    async def proven(self, links: int) -> None:
        """Wait until ``links`` links were opened and proven.

        Raises :class:`~realtime_trio.ClosedError` if that can no longer happen.
        """
        await trio.lowlevel.checkpoint()
        while self.links < links:
            if self._ended:
                message = "the client ended before it had a new connection"
                raise ClosedError(message)
            await self._openings.park()

    def end(self) -> None:
        """Wake all tasks that wait for a link: there will be none."""
        self._ended = True
        self._openings.unpark_all()

    def _action(self, end: ConnectionLost) -> CloseAction:
        """Return the reaction to the end of a link."""
        code = end.code
        if code is None:
            return "retry"
        return self._config.close_codes.get(code) or _CLOSE_CODES.get(code, "retry")

    async def _after(self, link: Link, end: ConnectionLost, *, renew: bool) -> None:
        """Between a link and the next dial: count it, renew the token, wait."""
        if self._asked_for:
            self._asked_for, self._attempts, self._pauses = False, 0, 0
            log.log_replaced(self._place)
            return
        if trio.current_time() - link.opened_at >= self._config.stable_after:
            self._pauses = self._attempts = 0
        else:
            self._count(_unstable(self._place, end))
        if renew:
            await self._tokens.refused(certain=False)
        delay = self._delay()
        log.log_lost(self._place, self._tokens.redacted(str(end)), delay)
        await self._pause(1, delay)

    def _count(self, exc: ConnectionFailed) -> None:
        """Count an attempt; raise ``exc`` if it was the last or if retrying cannot help."""
        self._attempts += 1
        first = None if self.links else self._config.first_attempts
        if exc.final or self._attempts == (first or self._config.max_attempts):
            self._post(LinkEvent(status="closed", note=_given_up(self._attempts, exc)))
            raise exc

    async def _dial_until_open(self, nursery: trio.Nursery, *, tell: bool) -> tuple[Link, int]:
        attempt = 1
        while True:
            try:
                link, target = await self._dial(nursery)
            except ConnectionFailed as exc:
                self._redact(exc)
                await self._failed(exc)
                delay = self._delay(at_least=exc.retry_after)
                log.log_failure(self._attempts, self._config.max_attempts, str(exc), delay)
            else:
                self._tokens.accepted()
                self._observer.link_opened(target.agent_key)
                self.links += 1
                self._openings.unpark_all()
                return link, attempt
            attempt += 1
            await self._pause(attempt, delay, tell=tell)

    def _redact(self, exc: ConnectionFailed) -> None:
        """Hide the tokens in the text of the peer, which the error or its cause may hold."""
        exc.args = (self._tokens.redacted(str(exc)),)
        cause = exc.__cause__
        if isinstance(cause, ConnectionLost):
            cause.reason = self._tokens.redacted(cause.reason)

    async def _failed(self, exc: ConnectionFailed) -> None:
        """Handle a failed dial; raise if there must be no other."""
        if exc.status in _TOKEN_SUSPECTED:
            await self._tokens.refused(certain=exc.status in _REFUSED)
        cause = exc.__cause__
        if isinstance(cause, ConnectionLost) and cause.code is not None:
            # It was closed before it was proven. Code 1000 does not end the session there.
            given = self._config.close_codes.get(cause.code)
            if given == "final":
                self._post(LinkEvent(status="closed", note=_disconnected(cause)))
                raise _closed_for_good(cause)
            if self._action(cause) == "renew":
                await self._tokens.refused(certain=False)
        self._count(exc)

    def _delay(self, *, at_least: float | None = None) -> float:
        """Return the next pause: pauses grow until a link proves stable."""
        self._pauses += 1
        delay = self._backoff.delay(self._pauses, self._random())
        if at_least is not None:
            delay = max(delay, min(at_least, self._config.backoff_max))
        return delay

    async def _pause(self, attempt: int, delay: float, *, tell: bool = True) -> None:
        """Wait before a dial."""
        if tell:
            note = Reconnecting(attempt=attempt, delay=delay)
            self._post(LinkEvent(status="reconnecting", attempt=attempt, note=note))
        with trio.CancelScope() as self._pausing:
            await trio.sleep(delay)
        self._pausing = None

    async def _dial(self, nursery: trio.Nursery) -> tuple[Link, DialTarget]:
        """Open a link; return it with what it was asked to resume."""
        target = self._address.target(self._gate.session_id, self._observer.agent_key)
        asked = attrs.evolve(target, agent_key=None) if self._agentless else target
        self._agentless = False
        log.log_dial(self._place, self._attempts + 1)
        seconds = self._config.connect_timeout
        with trio.move_on_after(seconds):
            token = await self._tokens.token()
            ui_session_id = self._observer.ui_session_id or self._tokens.ui_session_id
            url = self._address.url(token, ui_session_id, asked)
            try:
                link = await dial(
                    self._connector,
                    url,
                    nursery,
                    config=self._config,
                    codec=self._codec,
                    tap=self._tap,
                )
            except ConnectionFailed as exc:
                self._agentless = exc.status == 500 and asked.has_both
                raise
            return link, target
        message = f"no live connection to {self._place} within {seconds:g} s"
        raise ConnectionFailed(message)


def _unstable(place: str, end: ConnectionLost) -> ConnectionFailed:
    """Return the failed attempt for a link that did not last."""
    exc = ConnectionFailed(f"the connections to {place} do not last: {end}")
    exc.__cause__ = end
    return exc


def _closed_for_good(end: ConnectionLost) -> ConnectionLost:
    if end.clean:
        return ConnectionLost(_TAKEN_OVER, code=end.code, reason=end.reason)
    message = f"the server closed the connection for good ({end.code})"
    return ConnectionLost(message, code=end.code, reason=end.reason)


def _disconnected(end: ConnectionLost) -> Disconnected:
    code = None if end.code is None else int(end.code)  # a transport may give an enum
    return Disconnected(code=code, reason=end.reason)


def _given_up(attempts: int, exc: ConnectionFailed) -> ConnectionGivenUp:
    return ConnectionGivenUp(attempts=attempts, reason=str(exc))
