"""A client with a journal, which is open from recovery to the clean end."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TypeVar

import attrs
import trio

from .._journal._journal import Journal, store_of
from .._journal._journal_life import JournalLife, begin_life_in
from .._journal._recovery import Recovered
from .._lanes._watch import Watch
from .._session._shell import Shell
from .._session._unwrapping_nursery import unwrapping_nursery

__all__ = ["JournalAccess", "JournalOptions", "journal_options", "journalled"]

T = TypeVar("T")


@attrs.frozen(slots=True, kw_only=True)
class JournalOptions:
    """Which session of which journal to use, and whether to continue from it."""

    journal: Journal
    name: str
    recover: bool


class JournalAccess:
    """The members of a client that concern its journal."""

    _shell: Shell

    @property
    def recovered(self) -> Recovered | None:
        """What the client continued from; ``None`` if it did not, or if there was nothing."""
        life = self._shell.life
        return None if life is None else life.recovered

    @property
    def durable_position(self) -> int | None:
        """The position up to which the journal has kept everything; ``None`` without one."""
        life = self._shell.life
        return None if life is None else life.writer.durable

    def watch_durable_position(self) -> Watch[int]:
        """Follow :attr:`durable_position`: the current one first, then the latest.

        It ends when nothing more will be written, after the last position: the client has ended,
        or its journal has failed for good. Raises ``RuntimeError`` for a client without a
        journal.
        """
        life = self._shell.life
        if life is None:
            message = "this client has no journal: open_client(url, journal=rt.Journal(path))"
            raise RuntimeError(message)
        return life.writer.watch_durable()


def journal_options(
    journal: Journal | None, name: str | None, *, recover: bool
) -> JournalOptions | None:
    """Check the options of ``open_client``; ``None`` for a client without a journal.

    Raises ``ValueError`` if one is missing; the types were checked before.
    """
    if journal is None:
        if name is not None or recover:
            message = 'name= and recover= need a journal: journal=rt.Journal("calls.db")'
            raise ValueError(message)
        return None
    if not name:
        message = "a client with a journal needs the name of its session: name='call-17'"
        raise ValueError(message)
    return JournalOptions(journal=journal, name=name, recover=recover)


@asynccontextmanager
async def journalled(
    options: JournalOptions,
    deadline: float,
    opened: Callable[[JournalLife], AbstractAsyncContextManager[T]],
) -> AsyncGenerator[T, None]:
    """Open a client while its journal is open. Errors are raised bare, as without a journal."""
    store = store_of(options.journal)
    async with store.opened():
        life = await begin_life_in(store, options.name, recover=options.recover)
        async with unwrapping_nursery() as nursery:
            nursery.start_soon(life.writer.run)
            try:
                async with opened(life) as client:
                    yield client
            finally:
                with trio.move_on_after(deadline, shield=True):
                    await life.finish()
