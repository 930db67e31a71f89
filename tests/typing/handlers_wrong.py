"""Five mistakes in a handler. Nothing runs this file: mypy must report each line marked ``E:``."""

from __future__ import annotations

from realtime_trio._core._state import TextSlice
from realtime_trio._handlers._fold import Handled
from realtime_trio._handlers._transaction import begin
from realtime_trio.events import CompletionEvent


def handler(slice_: TextSlice, event: CompletionEvent) -> Handled[TextSlice]:
    """Change a session and the conversation, wrongly."""
    txn = begin(slice_)
    session = txn.ensure_for(event)
    session.lodaed = -1  # E: attr-defined
    session.loaded = "all"  # E: assignment
    txn.conversation.current_sesion_id = None  # E: attr-defined
    txn.conversation.turn_ended = event.stop_reason  # E: assignment
    slice_.rest.records[event.session_id].loaded = -1  # E: misc
    return txn.done()
