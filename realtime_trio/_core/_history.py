import attrs
from typing import Any


@attrs.frozen
class HistoryMessage:
    message: Any
    foreign: bool


@attrs.frozen
class DelegationStarted:
    sub_session_type: str
    sub_agent_type: str
    sub_agent_key: Any


@attrs.frozen
class DelegationEnded:
    pass


def convert_history(messages, vendor, *, session_id, new_id, timestamp):
    return ()
