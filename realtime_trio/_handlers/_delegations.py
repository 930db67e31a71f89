"""Reconcile delegations seen live with those in a server's list (§8 S2).

A delegation that was seen live from start to end has its messages in its sub-session. A server list
with its call must not add them again.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator

from .._core._messages import Message
from .._core._records import Delegation, DelegationKey, KnownCall
from .._core._values import evolve
from .._core.vendors._delegation import delegation_of, is_delegation, request_text
from ..events import SubsessionStartedEvent, ToolCall
from ._transaction import TextTransaction

__all__ = ["Expansion", "match_announced", "record_end", "start_mark"]

_NONE = Delegation()


def _key(call: ToolCall) -> DelegationKey:
    return call.id, call.name, request_text(call.input)


def _known(txn: TextTransaction, session_id: str, key: DelegationKey) -> Delegation:
    return txn.record(session_id).delegations.get(key) or _NONE


def _note(txn: TextTransaction, session_id: str, key: DelegationKey, known: Delegation) -> None:
    session = txn.session(session_id)
    session.delegations = session.delegations.set(key, known)


def start_mark(txn: TextTransaction, call: ToolCall) -> tuple[int, int] | None:
    """Return the start mark of a delegation: the lost links and assigned ids so far."""
    if not is_delegation(call.name):
        return None
    return txn.conversation.links_lost, txn.conversation.next_id


def match_announced(txn: TextTransaction, event: SubsessionStartedEvent) -> None:
    """Match an announced sub-session to the best of the running, unannounced calls."""
    best: tuple[int, tuple[str, str], KnownCall, ToolCall] | None = None
    for key in txn.active:
        known = txn.known(key) if key[0] == event.session_id else None
        if known is None or known.start_mark is None or known.announced or known.call is None:
            continue
        call = known.call.whole()
        fit = _fit(call, event)
        if best is None or fit > best[0]:
            best = fit, key, known, call
    if best is None:
        return
    _, key, known, call = best
    txn.note(key, evolve(known, announced=True))
    delegation = _known(txn, event.session_id, _key(call))
    announced = evolve(delegation, announced=delegation.announced + 1)
    _note(txn, event.session_id, _key(call), announced)


def _fit(call: ToolCall, event: SubsessionStartedEvent) -> int:
    delegation = delegation_of(call, event.session_id)
    assert delegation is not None
    return (
        4 * (delegation.sub_agent_type == event.sub_agent_type)
        + 2 * (delegation.sub_session_type == event.sub_session_type)
        + (delegation.sub_agent_key == event.sub_agent_key)
    )


def record_end(
    txn: TextTransaction, key: tuple[str, str], known: KnownCall, call: ToolCall
) -> None:
    """Record the end of a call: a delegation without a lost link was seen completely."""
    if (
        known.start_mark is None
        or known.call is None
        or known.start_mark[0] != txn.conversation.links_lost
    ):
        return
    delegation = _known(txn, key[0], _key(call))
    whole = evolve(delegation, live=(known.start_mark[1], txn.conversation.next_id))
    _note(txn, key[0], _key(call), whole)


class Expansion:
    """Decides for each delegation of a list, in order, whether it expands to a sub-session.
    ``to_announce`` says which of the expanded ones to announce.
    """

    def __init__(self, txn: TextTransaction, session_id: str) -> None:
        self.to_announce: list[bool] = []
        self._txn = txn
        self._session_id = session_id
        self._counts: defaultdict[DelegationKey, int] = defaultdict(int)
        self._numbers: list[int] | None = None

    def expands(self, call: ToolCall) -> bool:
        """Whether a delegation becomes a sub-session in the list; otherwise it stays a tool."""
        key = _key(call)
        self._counts[key] += 1
        count = self._counts[key]
        known = _known(self._txn, self._session_id, key)
        if count > known.unfolded and known.live is not None and self._is_kept(*known.live):
            return False
        self.to_announce.append(count > known.announced)
        known = evolve(
            known, unfolded=max(count, known.unfolded), announced=max(count, known.announced)
        )
        _note(self._txn, self._session_id, key, known)
        return True

    def _is_kept(self, first: int, end: int) -> bool:
        """Whether a sub-session still holds a message with a number in this range."""
        if self._numbers is None:
            self._numbers = sorted(int(message.id[1:]) for message in self._messages())
        place = bisect_left(self._numbers, first)
        return place < len(self._numbers) and self._numbers[place] < end

    def _messages(self) -> Iterator[Message]:
        """Return the messages of the session's sub-sessions, including open ones."""
        txn, parent = self._txn, self._session_id
        for session_id in txn.records:
            if session_id == parent:
                continue
            for message in txn.session(session_id).messages:
                if (message.parent_session_id or message.user_session_id) == parent:
                    yield message
            open_message = txn.open.get(session_id)
            if open_message is not None:
                head = open_message.head
                if (head.parent_session_id or head.user_session_id) == parent:
                    yield head
