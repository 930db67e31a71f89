"""Keeps one link after another alive: dials, waits, tells, and knows when to stop.

Every end of a link but one is followed by another dial. A close with code 1000 while this
side did nothing is the server's goodbye, or another client that took the session over:
dialling again would take it back, and the two would fight for ever.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Final, final

import trio

from .._config import ClientConfig
from .._core._codec import Codec
from .._core._local import LinkEvent, LinkLostEvent
from .._core._shell_notifications import (
    Connected,
    ConnectionGivenUp,
    Disconnected,
    Reconnected,
    Reconnecting,
)
from .._exceptions import ConnectionFailed, ConnectionLost, RealtimeError
from .._outbound._outbox import Outbox
from .._outbound._turn_gate import TurnGate
from .._rest._tokens import TokenKeeper
from .._rest._urls import Endpoint
from ..abc import Connector
from ._backoff import Backoff
from ._link import Intake, Link, dial
from ._observer import LinkObserver
from ._recorder import RecorderTap

__all__ = ["Address", "Supervisor"]

_REFUSED: Final = (401, 403)
_SUSPECT: Final = (*_REFUSED, 500)  # real servers answer a bad token with 500
_TAKEN: Final = (
    "the server closed the connection for good (1000): "
    "another client took the session over, or it said goodbye"
)


class Address:
    """What goes into the URL of a dial: fixed for the first, learnt for the others."""

    def __init__(
        self, endpoint: Endpoint, *, agent_key: str | None, chat_session_id: str | None
    ) -> None:
        self.endpoint = endpoint
        self._agent_key = agent_key
        self._chat_session_id = chat_session_id

    def url(self, token: str, ui_session_id: str | None, session_id: str | None) -> str:
        """The URL to dial; holds the token."""
        return self.endpoint.dial_url(
            token,
            ui_session_id=ui_session_id,
            chat_session_id=session_id or self._chat_session_id,
            agent_key=self._agent_key,
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
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._config = config
        self._codec = codec
        self._connector = connector
        self._address = address
        self._tokens = tokens
        self._gate = gate
        self._outbox = outbox
        self._observer = observer
        self._intake = intake
        self._post = post
        self._tap = tap
        self._chance = chance
        self._backoff = Backoff.of(config)
        self._pauses = 0
        self.link: Link | None = None
        self.links: int = 0
        """How many links were opened and proven."""

    async def open(self, nursery: trio.Nursery) -> Link:
        """Open the first link; as patient as all others.

        Raises :class:`~realtime_trio.ConnectionFailed` when every attempt is used up and
        :class:`~realtime_trio.AuthenticationError` where the token is refused for good.
        """
        link, _ = await self._dial_until_open(nursery, tell=False)
        self._post(LinkEvent(status="connected", note=Connected()))
        return link

    async def run(self, link: Link, nursery: trio.Nursery) -> RealtimeError:
        """Run the first link and those that follow; gives why there will be no other."""
        while True:
            self.link = link
            end = await link.run(
                self._intake, self._outbox, self._gate, self._observer.received, self._config
            )
            self.link = None
            self._post(LinkLostEvent())
            end.reason = self._tokens.redacted(end.reason)  # the peer's words, which may quote it
            dropped = self._outbox.statistics().audio_dropped
            missed = self._observer.link_lost()
            if end.clean:
                self._post(LinkEvent(status="closed", note=_disconnected(end)))
                return ConnectionLost(_TAKEN, code=end.code, reason=end.reason)
            if trio.current_time() - link.opened_at >= self._config.stable_after:
                self._pauses = 0
            away = LinkEvent(status="reconnecting", initialized=False, note=_disconnected(end))
            self._post(away)
            try:
                await self._pause(1)
                link, attempts = await self._dial_until_open(nursery, tell=True)
            except RealtimeError as exc:
                if exc.__cause__ is None:
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
            self._post(LinkEvent(status="connected", note=note))

    async def _dial_until_open(self, nursery: trio.Nursery, *, tell: bool) -> tuple[Link, int]:
        attempt = 1
        while True:
            try:
                link = await self._dial(nursery)
            except ConnectionFailed as exc:
                if exc.status in _SUSPECT:
                    await self._tokens.refused(certain=exc.status in _REFUSED)
                if attempt == self._config.max_attempts:
                    self._post(LinkEvent(status="closed", note=_given_up(attempt, exc)))
                    raise
            else:
                self._tokens.accepted()
                self._observer.link_opened()
                self.links += 1
                return link, attempt
            attempt += 1
            await self._pause(attempt, tell=tell)

    async def _pause(self, attempt: int, *, tell: bool = True) -> None:
        """Wait before a dial; pauses grow until a link proves stable."""
        self._pauses += 1
        delay = self._backoff.delay(self._pauses, self._chance())
        if tell:
            note = Reconnecting(attempt=attempt, delay=delay)
            self._post(LinkEvent(status="reconnecting", attempt=attempt, note=note))
        await trio.sleep(delay)

    async def _dial(self, nursery: trio.Nursery) -> Link:
        token = await self._tokens.token()
        ui_session_id = self._observer.ui_session_id or self._tokens.ui_session_id
        url = self._address.url(token, ui_session_id, self._gate.session_id)
        return await dial(
            self._connector,
            url,
            nursery,
            config=self._config,
            codec=self._codec,
            tap=self._tap,
        )


def _disconnected(end: ConnectionLost) -> Disconnected:
    return Disconnected(code=end.code, reason=end.reason)


def _given_up(attempts: int, exc: ConnectionFailed) -> ConnectionGivenUp:
    return ConnectionGivenUp(attempts=attempts, reason=str(exc))
